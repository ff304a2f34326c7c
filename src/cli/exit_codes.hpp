// What programs tell the shell (design: "Contracts").
#pragma once

namespace eddy::cli {

inline constexpr int exit_done = 0;    ///< it ran and succeeded
inline constexpr int exit_failed = 1;  ///< it ran and failed
inline constexpr int exit_usage = 2;   ///< bad usage or configuration

}  // namespace eddy::cli
