#include "planner/edgeflow/splits.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace eddy::planner::edgeflow {

std::vector<int64_t> bounds_by_weight(int64_t rows, std::span<const double> weights) {
    std::vector<int64_t> bounds{0};
    if (rows == 1) {
        const auto largest = std::max_element(weights.begin(), weights.end()) - weights.begin();
        for (std::ptrdiff_t i = 0; i < static_cast<std::ptrdiff_t>(weights.size()); ++i)
            bounds.push_back(i < largest ? 0 : 1);
        return bounds;
    }
    const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
    double sum = 0;
    for (const double weight : weights) {
        sum += weight;
        const double bound = std::round(static_cast<double>(rows) * sum / total);
        bounds.push_back(std::clamp(static_cast<int64_t>(bound), bounds.back(), rows));
    }
    bounds.back() = rows;  // whatever rounding made of the last sum
    return bounds;
}

Block block_by_weight(Blocks& blocks, uint32_t first, uint32_t last, std::span<const double> weights) {
    return {first, last, bounds_by_weight(blocks.facts(first, last).reference_rows, weights), false};
}

namespace {

Plan step_by_step(Blocks& blocks, std::span<const double> weights) {
    Plan plan;
    for (uint32_t step = 0; step < blocks.problem().step_count(); ++step)
        plan.blocks.push_back(block_by_weight(blocks, step, step + 1, weights));
    return plan;
}

}  // namespace

Plan one_device_plan(Blocks& blocks, size_t device) {
    std::vector<double> weights(blocks.problem().devices(), 0);
    weights[device] = 1;
    return {{block_by_weight(blocks, 0, blocks.problem().step_count(), weights)}};
}

Plan equal_plan(Blocks& blocks) {
    std::vector<double> weights = speeds(blocks.problem());
    for (double& weight : weights) weight = weight > 0 ? 1 : 0;
    return step_by_step(blocks, weights);
}

Plan proportional_plan(Blocks& blocks) { return step_by_step(blocks, speeds(blocks.problem())); }

std::vector<double> speeds(const Problem& problem) {
    std::vector<double> speeds;
    for (size_t i = 0; i < problem.devices(); ++i) {
        const Device& device = problem.device(i);
        double whole_us = 0;
        for (uint32_t step = 0; step < problem.step_count(); ++step)
            whole_us += problem.step_us(device.profile, step, problem.steps()[step].rows);
        speeds.push_back(device.has_model ? 1 / std::max(problem.unit_us(device, whole_us), 1e-3) : 0);
    }
    return speeds;
}

}  // namespace eddy::planner::edgeflow
