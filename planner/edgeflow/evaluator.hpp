// Judges plans, all by the same measure: the latency of one frame in the event simulation, infinite for a plan that
// does not fit the devices' memory. Counts what it was asked to judge, because planners are bounded by that and not by
// a clock.
#pragma once

#include <cstdint>

#include "planner/edgeflow/blocks.hpp"
#include "planner/edgeflow/timeline.hpp"
#include "planner/edgeflow/units.hpp"

namespace eddy::planner::edgeflow {

class Evaluator {
public:
    explicit Evaluator(const Problem& problem) : blocks_(problem) {}

    /// Of a plan that is one of the problem's; infinite if a device would need more memory than it has.
    [[nodiscard]] double latency_us(const Plan& plan);
    [[nodiscard]] uint32_t evaluations() const { return evaluations_; }
    /// The units and messages of all plans it judged. The time that takes goes by these, not by the number of plans.
    [[nodiscard]] uint64_t pieces() const { return pieces_; }
    [[nodiscard]] Blocks& blocks() { return blocks_; }
    [[nodiscard]] const Problem& problem() const { return blocks_.problem(); }

private:
    Blocks blocks_;
    uint32_t evaluations_ = 0;
    uint64_t pieces_ = 0;
};

/// The weights of what a device computes, and what a window of frames may hold there at a time.
[[nodiscard]] bool fits_memory(const Problem& problem, const UnitGraph& units);

}  // namespace eddy::planner::edgeflow
