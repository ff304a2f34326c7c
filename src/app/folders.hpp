// Where Eddy keeps what belongs to the machine rather than to one node.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace eddy::app {

/// Measured profiles (`eddy.profile/1`), shared by all nodes of this user: $XDG_CACHE_HOME or ~/.cache, /eddy/profiles.
[[nodiscard]] inline std::string profile_dir() {
    const char* cache = std::getenv("XDG_CACHE_HOME");
    const char* home = std::getenv("HOME");
    const std::filesystem::path base = cache != nullptr && *cache != 0 ? std::filesystem::path(cache)
                                       : home != nullptr               ? std::filesystem::path(home) / ".cache"
                                                                       : std::filesystem::temp_directory_path();
    return (base / "eddy" / "profiles").string();
}

}  // namespace eddy::app
