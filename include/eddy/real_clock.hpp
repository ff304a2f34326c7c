// The real clocks. For adapters and src/app only: a pure room that includes this fails the layering test.
#pragma once

#include <chrono>

#include "eddy/time.hpp"

namespace eddy {

/// This machine's steady clock, as a core instant.
inline Instant real_now() {
    return Instant(std::chrono::duration_cast<Usec>(std::chrono::steady_clock::now().time_since_epoch()));
}

/// What this machine believes the time of day to be, since the Unix epoch: to be told to people, never computed with.
inline Usec real_wall_clock() {
    return std::chrono::duration_cast<Usec>(std::chrono::system_clock::now().time_since_epoch());
}

}  // namespace eddy
