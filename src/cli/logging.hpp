// Where log lines go: standard error, through spdlog.
#pragma once

#include <string>

#include "eddy/log.hpp"

namespace eddy::cli {

/// `level`: debug, info, warning, error. `name` stands in every line.
[[nodiscard]] LogFn stderr_log(const std::string& name, const std::string& level);

}  // namespace eddy::cli
