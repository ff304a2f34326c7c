// What NodeCore remembers of frames one by one. Plain values of NodeCore's; see there.
#pragma once

#include "eddy/events.hpp"
#include "scheduler/item.hpp"

namespace eddy::node {

/// On a lane.
struct Running {
    scheduler::Item item;
    UnitRange units;
    Instant begun{};
};
/// Work that was taken, so that nothing is taken twice.
struct Seen {
    uint32_t attempt = 0;          ///< the newest
    int32_t layer = -1, hops = 0;  ///< the furthest of that attempt, and how it came
    scheduler::Keeper again;       ///< who keeps it besides, having sent it once more
};
/// A result that its source has not acknowledged.
struct Finished {
    msg::Result result;
    scheduler::Keeper keeper;
};

}  // namespace eddy::node
