// Files and folders, for the readers of all forms. Internal to src/config.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include <toml++/toml.h>

#include "eddy/result.hpp"
#include "src/config/reader.hpp"

namespace eddy::config {

/// A whole file, as far as its size is allowed and one byte more.
Result<std::string> read_file(const std::filesystem::path& file);

/// Parses `text` and hands it to `read`. Error `invalid` with its line for what is not TOML; whatever else a library
/// throws becomes an Error too.
Status with_toml(std::string_view text, const std::string& name, const std::function<void(const toml::table&)>& read);

/// `path`, seen from the folder of `file`.
std::string absolute_from(const std::filesystem::path& file, const std::string& path);

/// Adds a problem unless `path` is a file.
void check_file(const Place& place, const std::string& path, Problems& problems);

}  // namespace eddy::config
