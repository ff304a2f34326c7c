// Reads a node's TOML file into include/eddy/config.hpp's NodeConfig, or says everything that is wrong with it.
// Stateless; call from any thread. Library exceptions stop here.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "eddy/config.hpp"
#include "eddy/result.hpp"
#include "src/config/key_help.hpp"

namespace eddy::config {

/// Longest path of a Unix socket that every system takes.
inline constexpr size_t socket_path_bytes_max = 103;
/// A shorter cluster key could be guessed.
inline constexpr size_t cluster_key_bytes_min = 16;

/// The whole file, checked: what comes back has every default filled in (data_dir, control_socket, when_full; not id),
/// and all its paths are absolute. Relative ones start at the file's folder, never at the working directory.
///
/// Error `invalid`: one line a problem, all of them, in the file's order, each in the form
///   node.toml:12: [compute] limit: found 3.5, allowed: a number above 0 and at most 1
/// The model, the key file and inputs that are files must exist. Live inputs are not tried.
Result<NodeConfig> load_node_config(const std::filesystem::path& file);

/// The same for text already read; `file` gives the name in messages and the folder of relative paths.
Result<NodeConfig> parse_node_config(std::string_view text, const std::filesystem::path& file);

/// Everything a user may write, in the order of the reference.
std::vector<KeyHelp> keys();

/// The reference of all keys as commented TOML text: what `eddy-node --help-config` prints, and the documentation.
std::string reference();

/// How an `input` is understood.
enum class InputKind : uint8_t {
    file,  ///< a file or a folder of pictures: has an end, may loop, must exist
    live,  ///< a camera: rtsp://…, any other scheme://…, /dev/…, or lavfi:…
};
InputKind input_kind(std::string_view input);

/// "host:port" or "[v6]:port".
Result<Endpoint> parse_endpoint(std::string_view text);
std::string to_string(const Endpoint& endpoint);
/// Can `endpoint` be reached from this machine only? Names other than localhost are taken to be public.
bool is_loopback(const Endpoint& endpoint);

}  // namespace eddy::config
