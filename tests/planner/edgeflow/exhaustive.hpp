// Every plan there is, for cases that are small enough.
#pragma once

#include <functional>
#include <limits>
#include <vector>

#include "planner/edgeflow/evaluator.hpp"

namespace eddy::test {

/// All splits of so many rows over so many devices.
inline void for_all_splits(int64_t rows, size_t devices, const std::function<void(const std::vector<int64_t>&)>& visit,
                           std::vector<int64_t> bounds = {0}) {
    if (bounds.size() == devices) {
        bounds.push_back(rows);
        return visit(bounds);
    }
    for (int64_t bound = bounds.back(); bound <= rows; ++bound) {
        bounds.push_back(bound);
        for_all_splits(rows, devices, visit, bounds);
        bounds.pop_back();
    }
}

class Exhaustive {
public:
    explicit Exhaustive(const planner::edgeflow::Problem& problem) : evaluator_(problem) {}
    double best_us() {
        extend({});
        return best_us_;
    }
    [[nodiscard]] uint32_t plans() const { return evaluator_.evaluations(); }

private:
    void extend(const planner::edgeflow::Plan& plan) {
        const auto& problem = evaluator_.problem();
        const uint32_t first = plan.blocks.empty() ? 0 : plan.blocks.back().last;
        if (first == problem.step_count()) {
            best_us_ = std::min(best_us_, evaluator_.latency_us(plan));
            return;
        }
        for (uint32_t last = first + 1; last <= problem.step_count(); ++last)
            for_all_splits(evaluator_.blocks().facts(first, last).reference_rows, problem.devices(),
                           [&](const std::vector<int64_t>& bounds) {
                               for (const bool boundary_first : {false, true}) {
                                   if (boundary_first && last == problem.step_count()) continue;  // nobody waits for it
                                   planner::edgeflow::Plan longer = plan;
                                   longer.blocks.push_back({first, last, bounds, boundary_first});
                                   extend(longer);
                               }
                           });
    }

    planner::edgeflow::Evaluator evaluator_;
    double best_us_ = std::numeric_limits<double>::infinity();
};

}  // namespace eddy::test
