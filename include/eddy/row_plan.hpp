// A plan of EdgeFlow as nodes tell it to each other. Who sees the same model numbers steps alike, so a plan is a list
// of blocks with bounds, and which node is which device. Plain values; what comes from the network is hostile until a
// receiver has checked it against its model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "eddy/ids.hpp"

namespace eddy {

inline constexpr size_t plan_devices_max = 16;
inline constexpr size_t plan_blocks_max = 1024;
/// Frames that may be under way under one plan at a time.
inline constexpr uint32_t plan_window_max = 16;

/// Steps [first, last) on one split: device i makes the rows [bounds[i], bounds[i + 1]).
struct RowBlock {
    uint32_t first = 0;
    uint32_t last = 0;
    std::vector<uint32_t> bounds;  ///< one more than devices; the first is 0, none is less than the one before it
    bool boundary_first = false;
    friend bool operator==(const RowBlock&, const RowBlock&) = default;
};

struct RowPlan {
    ContentHash chain_hash;       ///< of the model that it divides
    std::vector<NodeId> devices;  ///< distinct, at least one; the source of the plan is one of them
    uint32_t window = 1;          ///< frames that each device reserves memory for; at least 1
    std::vector<RowBlock> blocks;
    friend bool operator==(const RowPlan&, const RowPlan&) = default;
};

/// A plan is known by the node whose frames it is for, and a number that rises with each of its plans.
struct PlanKey {
    NodeId source;
    uint32_t epoch = 0;
    friend auto operator<=>(const PlanKey&, const PlanKey&) = default;
};

}  // namespace eddy
