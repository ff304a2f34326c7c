// EdgeFlow as published, as far as it is: layer by layer, each layer's split found by a linear program that minimises
// when the last device has finished it. What the paper leaves open is *our reconstruction*, and named so wherever it is
// shown:
//
//   min τ,  τ ≥ T_i,  T_i ≥ a_i (x_i − x_{i−1}) + b_i + R_i,  R_i ≥ T_{m,j} + overlap(rows i needs, rows j has) /
//   B_{j,i}
//
// An overlap is the smaller of two ends less the larger of two beginnings. Which of them binds, and which pairs
// exchange anything, is taken from the last iterate; solved; taken anew, until nothing changes. b_i + R_i count also
// for a device without rows, so participants are chosen by leaving some out. Rounded plans are judged by the formula
// above in whole rows, and the best iterate is kept.
//
// It is myopic: rows are moved for one layer that the next must move back. Kept as what others are compared
// with. Pure.
#pragma once

#include "planner/edgeflow/evaluator.hpp"
#include "planner/edgeflow/fused_blocks.hpp"
#include "planner/edgeflow/plan.hpp"

namespace eddy::planner::edgeflow {

/// `latency_us` of what comes out is the simulation's, as of any other planner. Fails if the solver gives up, or if the
/// plan does not fit the devices' memory, which this planner does not regard.
[[nodiscard]] Result<Planned> plan_progressive_lp(const Problem& problem);

}  // namespace eddy::planner::edgeflow
