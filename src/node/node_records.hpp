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
/// A result that its source has not acknowledged.
struct Finished {
    msg::Result result;
    scheduler::Keeper keeper;
};

/// What those to come will make of a frame: finish it, nobody knows, or nobody can.
enum class Ahead : uint8_t { finished, unknown, stuck };

}  // namespace eddy::node
