// Plans to begin with: a beam search over the places where a block may end. A label is a place and how the block before
// it was split; it knows when each device and its ports would be free. Transfers are reckoned one after the other, so
// times are rough: an Evaluator judges what comes out.
//
// Pure; the same every time.
#pragma once

#include <cstdint>
#include <vector>

#include "planner/edgeflow/blocks.hpp"
#include "planner/edgeflow/plan.hpp"

namespace eddy::planner::edgeflow {

/// Weights by device, one set for each group of devices that may share a block: rows in proportion to speeds, others
/// none. All groups of up to four devices that have the model; of more devices the fastest ones, with and without the
/// source, and each alone.
[[nodiscard]] std::vector<std::vector<double>> weight_sets(const Problem& problem);

/// At most `count` plans, the best first as far as the beam can tell. At least one.
[[nodiscard]] std::vector<Plan> seed_plans(Blocks& blocks, size_t beam, size_t count);

}  // namespace eddy::planner::edgeflow
