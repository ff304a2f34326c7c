// Plans at random, without any regard for what they cost.
#pragma once

#include <algorithm>

#include "eddy/random.hpp"
#include "planner/edgeflow/units.hpp"

namespace eddy::test {

inline planner::edgeflow::Plan random_plan(planner::edgeflow::Blocks& blocks, Random& random) {
    planner::edgeflow::Plan plan;
    const auto& problem = blocks.problem();
    for (uint32_t first = 0; first < problem.step_count();) {
        const auto last = first + 1 + static_cast<uint32_t>(random.below(problem.step_count() - first));
        planner::edgeflow::Block block{first, last, {0}, random.chance(0.5)};
        const int64_t rows = blocks.facts(first, last).reference_rows;
        for (size_t device = 1; device < problem.devices(); ++device)
            block.bounds.push_back(static_cast<int64_t>(random.below(static_cast<uint64_t>(rows) + 1)));
        block.bounds.push_back(rows);
        std::sort(block.bounds.begin(), block.bounds.end());
        plan.blocks.push_back(std::move(block));
        first = last;
    }
    return plan;
}

}  // namespace eddy::test
