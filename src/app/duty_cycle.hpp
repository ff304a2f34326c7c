// `compute.limit`: how long a lane must rest so that it uses no more than its share of a core. It makes a fast machine
// behave like a slow device: a job that took t of processor time holds the lane for t / limit.
#pragma once

#include <algorithm>

#include "eddy/time.hpp"

namespace eddy::app {

/// Rest due after a job that used `processor_time` and ran for `wall_time`; waiting for a processor counts as rest.
[[nodiscard]] inline Usec rest_after(Usec processor_time, Usec wall_time, double limit) {
    const Usec whole = from_seconds(to_seconds(processor_time) / limit);
    return std::max(Usec{0}, whole - wall_time);
}

}  // namespace eddy::app
