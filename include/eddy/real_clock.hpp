// The one real clock. For adapters and src/app only: a pure room that includes this fails the layering test.
#pragma once

#include <chrono>

#include "eddy/time.hpp"

namespace eddy {

/// This machine's steady clock, as a core instant.
inline Instant real_now() {
    return Instant(std::chrono::duration_cast<Usec>(std::chrono::steady_clock::now().time_since_epoch()));
}

}  // namespace eddy
