// A plan: the model's steps in fused blocks, and for each block which rows each device makes. Within a block devices
// exchange nothing: rows that a neighbour makes as well are made twice. Between blocks each gets the rows it lacks.
//
// A plan says nothing of speeds or links; units.hpp makes of it what is computed where and sent to whom.
#pragma once

#include <cstdint>
#include <vector>

#include "eddy/result.hpp"
#include "models/graph/row_range.hpp"
#include "planner/edgeflow/problem.hpp"

namespace eddy::planner::edgeflow {

/// Steps [first, last). Device i makes the rows [bounds[i], bounds[i + 1]) of `reference_rows` (blocks.hpp), none if
/// they are equal: 0 = bounds[0] <= … <= bounds[devices] = reference rows.
struct Block {
    uint32_t first = 0;
    uint32_t last = 0;
    std::vector<int64_t> bounds;
    /// What others need of a device's rows is computed and sent before the rest.
    bool boundary_first = false;

    [[nodiscard]] graph::RowRange part(size_t device) const { return {bounds[device], bounds[device + 1]}; }
    /// The device with most rows, the first of equals: it makes what cannot be divided.
    [[nodiscard]] size_t lead() const {
        size_t lead = 0;
        for (size_t device = 1; device + 1 < bounds.size(); ++device)
            if (part(device).size() > part(lead).size()) lead = device;
        return lead;
    }
    friend bool operator==(const Block&, const Block&) = default;
};

/// Blocks ascend and leave out no step.
struct Plan {
    std::vector<Block> blocks;
    friend bool operator==(const Plan&, const Plan&) = default;
};

}  // namespace eddy::planner::edgeflow
