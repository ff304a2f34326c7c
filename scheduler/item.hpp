// A frame at rest in this node: what a queue holds.
#pragma once

#include <vector>

#include "eddy/messages.hpp"

namespace eddy::scheduler {

/// Who keeps a copy of a frame until this node says that it need not, and under which number.
struct Keeper {
    NodeId node;
    uint64_t number = 0;  ///< 0: nobody
};

struct Item {
    FrameId frame;
    uint32_t attempt = 1;
    uint16_t layer = 0;  ///< the next to compute; `tensors` are the frontier before it
    uint16_t hops = 0;
    PlanId plan;
    uint32_t epoch = 0;
    ContentHash chain_hash;
    std::vector<TensorRef> tensors;
    Durations so_far;
    Instant since{};  ///< when it came to rest here; waiting is counted from it
    Instant deadline = never;
    uint8_t refusals = 0;  ///< how often a neighbour would not take it
    Keeper keeper;
    uint64_t custody = 0;  ///< this node's number for it, once it was sent on; 0: it will not be kept
};

}  // namespace eddy::scheduler
