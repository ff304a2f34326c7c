// gnuplot as a program.
#pragma once

#include <filesystem>
#include <string>

#include "eddy/result.hpp"
#include "eddy/time.hpp"

namespace eddy::lab {

struct GnuplotOptions {
    std::string program = "gnuplot";  ///< a path, or looked for in PATH
    Usec within = from_seconds(60);   ///< for one script; then it is killed
};

/// Runs the script in `folder`. Blocking, on the caller's thread. `unavailable` if gnuplot is not installed, with the
/// package to install; `internal` with what gnuplot said if it failed or took too long.
[[nodiscard]] Status run_gnuplot(const std::filesystem::path& folder, const std::string& script,
                                 const GnuplotOptions& options);

}  // namespace eddy::lab
