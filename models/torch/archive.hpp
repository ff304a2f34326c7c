// The file around a TorchScript model: bounded and checked before LibTorch sees it, and hashed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "eddy/ids.hpp"
#include "eddy/result.hpp"

namespace eddy::torch_exec {

/// The file is a zip archive whose directory lies inside it, names at least one `code/` or `data.pkl` entry, and
/// claims to unpack to no more than `bytes_max`. Errors name the file. Nothing is allocated but the directory.
Status check_archive(const std::string& path, uint64_t bytes_max);

/// SHA-256. Reads the file in pieces.
Result<ContentHash> hash_file(const std::string& path);
ContentHash hash_text(std::string_view text);

}  // namespace eddy::torch_exec
