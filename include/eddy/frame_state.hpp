// How a frame can end, and where its time went.
#pragma once

#include <cstdint>

#include "eddy/time.hpp"

namespace eddy {

enum class FrameState : uint8_t { completed, failed, dropped };

/// Where a frame's completion time went, summed over all nodes it visited. What the source cannot account for
/// with these it books as transferring, so the parts add up and no two clocks are ever subtracted.
struct Durations {
    Usec waiting{0};
    Usec computing{0};
    friend bool operator==(const Durations&, const Durations&) = default;
};

}  // namespace eddy
