// Splits by rule, without any search: what planners begin with, and what they are compared with.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "planner/edgeflow/blocks.hpp"
#include "planner/edgeflow/plan.hpp"

namespace eddy::planner::edgeflow {

/// 0 = x_0 <= … <= x_n = rows, as close to shares by weight as whole rows allow. Weights are not negative, one is above
/// 0. A single row goes to the largest weight, the first of equals.
[[nodiscard]] std::vector<int64_t> bounds_by_weight(int64_t rows, std::span<const double> weights);

/// Steps [first, last) as a block that is shared by weight.
[[nodiscard]] Block block_by_weight(Blocks& blocks, uint32_t first, uint32_t last, std::span<const double> weights);

/// Everything on one device, as one block.
[[nodiscard]] Plan one_device_plan(Blocks& blocks, size_t device);

/// Step by step, every device that has the model makes as many rows as any other.
[[nodiscard]] Plan equal_plan(Blocks& blocks);

/// Step by step, rows in proportion to speeds.
[[nodiscard]] Plan proportional_plan(Blocks& blocks);

/// How fast a device is against others, whatever profile it has: its speed by the time of the whole model. 0 without
/// the model.
[[nodiscard]] std::vector<double> speeds(const Problem& problem);

}  // namespace eddy::planner::edgeflow
