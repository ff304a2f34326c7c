// A plan as execution units: what each device computes, what each unit needs and from whom, and the messages in
// between. This is what is simulated.
//
// Unit 0 is the capture: it makes the model's inputs at the source. The last unit is the result: it takes the model's
// outputs to the source. A unit fires when all it needs is there; a device runs those that can fire in ascending order.
//
// Plain values but for `units_of`, which is pure.
#pragma once

#include <cstdint>
#include <vector>

#include "eddy/result.hpp"
#include "planner/edgeflow/blocks.hpp"
#include "planner/edgeflow/plan.hpp"

namespace eddy::planner::edgeflow {

/// Rows of a value, made by a unit of the same device or brought by a message. Of a partial output: the rows summed.
struct Need {
    ValueId value;
    graph::RowRange rows;
    bool remote = false;
    uint32_t from = 0;  ///< a unit, or if remote a message
};

/// What one unit made and another device lacks, as far as one of its blocks needs it first.
struct Message {
    uint32_t unit = 0;  ///< that makes it
    uint32_t to = 0;    ///< device
    uint32_t block = 0;
    std::vector<graph::ValueRows> rows;
    uint64_t bytes = 0;
};

struct Unit {
    uint32_t block = 0;  ///< the number of blocks: the result
    uint32_t device = 0;
    graph::RowRange part;  ///< of the block's reference rows
    bool lead = false;     ///< makes the block's whole outputs
    uint64_t gathered_bytes = 0;  ///< of inputs that come in several pieces
    double cost_us = 0;           ///< on its device
    std::vector<Need> needs;
    std::vector<uint32_t> messages;  ///< that it sends, in this order
};

struct DeviceMemory {
    uint64_t weight_bytes = 0;
    uint64_t workspace_bytes = 0;  ///< of its largest unit; one runs at a time
    uint64_t held_bytes = 0;       ///< what comes and what units give, as if nothing of a frame were given back
    [[nodiscard]] uint64_t of_frames(uint64_t frames) const { return workspace_bytes + frames * held_bytes; }
};

struct UnitGraph {
    std::vector<Unit> units;
    std::vector<Message> messages;
    std::vector<DeviceMemory> memory;  ///< by device
};

/// Invalid: blocks that leave steps out or overlap, bounds that do not fit, rows for a device without the model.
[[nodiscard]] Status check_plan(Blocks& blocks, const Plan& plan);

/// Of a plan that was checked.
[[nodiscard]] UnitGraph units_of(Blocks& blocks, const Plan& plan);

}  // namespace eddy::planner::edgeflow
