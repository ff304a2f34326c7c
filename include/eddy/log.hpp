// The log port: adapters are given a function, src/app decides where lines go.
#pragma once

#include <functional>
#include <string>

namespace eddy {

enum class LogLevel { debug, info, warning, error };

/// May be called from any thread; must not block for long.
using LogFn = std::function<void(LogLevel, const std::string&)>;

}  // namespace eddy
