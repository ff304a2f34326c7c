// EdgeFlow with fused blocks: our planner. Where the paper solves one layer after the other, this one looks for blocks
// of layers that are kept on one split, halo rows computed twice, with exchanges only between blocks; and judges whole
// plans by their simulated latency, not layers by theirs. From the best seed of a beam search (seeds.hpp) small moves
// (moves.hpp) are tried at random, and first also kept if they do a little harm (simulated annealing); then only what
// helps, until nothing does; and if there is time left, again after a few random ones.
//
// One device alone is always a candidate, so no plan is ever predicted to be slower than the fastest device.
//
// Pure: the same seed finds the same plan. Bounded by what is evaluated, not by a clock.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "planner/edgeflow/evaluator.hpp"
#include "planner/edgeflow/plan.hpp"

namespace eddy::planner::edgeflow {

struct FusedBlocksOptions {
    uint64_t seed = 1;
    uint32_t evaluations_max = 20'000;
    uint64_t pieces_max = 1'000'000;  ///< units and messages of all plans evaluated: about a second of a fast processor
    uint32_t beam = 8;
    /// Go on from this plan, without a beam search: for planning again when speeds or links have changed a little.
    std::optional<Plan> start;
};

struct Planned {
    Plan plan;
    double latency_us = 0;  ///< predicted
    uint32_t evaluations = 0;
};

/// Exhausted: no plan fits the devices' memory. Invalid: `start` is no plan of this problem.
[[nodiscard]] Result<Planned> plan_fused_blocks(const Problem& problem, const FusedBlocksOptions& options = {});

}  // namespace eddy::planner::edgeflow
