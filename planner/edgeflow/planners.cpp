#include "planner/edgeflow/planners.hpp"

#include <cmath>

#include "planner/edgeflow/progressive_lp.hpp"
#include "planner/edgeflow/splits.hpp"

namespace eddy::planner::edgeflow {

namespace {

Result<Planned> judged(Evaluator& evaluator, Plan plan) {
    const double latency_us = evaluator.latency_us(plan);
    if (!std::isfinite(latency_us)) return exhausted("the plan does not fit the devices' memory");
    return Planned{std::move(plan), latency_us, evaluator.evaluations()};
}

Result<Planned> best_device(Evaluator& evaluator) {
    Result<Planned> best = exhausted("no device has the memory for the whole model");
    for (size_t device = 0; device < evaluator.problem().devices(); ++device) {
        if (!evaluator.problem().device(device).has_model) continue;
        auto alone = judged(evaluator, one_device_plan(evaluator.blocks(), device));
        if (alone && (!best || alone->latency_us < best->latency_us)) best = std::move(alone);
    }
    return best;
}

}  // namespace

std::string_view name_of(Planner planner) {
    switch (planner) {
        case Planner::one_device: return "one-device";
        case Planner::equal: return "equal";
        case Planner::proportional: return "proportional";
        case Planner::progressive_lp: return "progressive-lp";
        case Planner::fused_blocks: return "fused-blocks";
    }
    return "";
}

std::optional<Planner> planner_named(std::string_view name) {
    for (const Planner planner : planners)
        if (name_of(planner) == name) return planner;
    return std::nullopt;
}

Result<Planned> plan_with(Planner planner, const Problem& problem, const FusedBlocksOptions& options) {
    Evaluator evaluator(problem);
    switch (planner) {
        case Planner::one_device: return best_device(evaluator);
        case Planner::equal: return judged(evaluator, equal_plan(evaluator.blocks()));
        case Planner::proportional: return judged(evaluator, proportional_plan(evaluator.blocks()));
        case Planner::progressive_lp: return plan_progressive_lp(problem);
        case Planner::fused_blocks: return plan_fused_blocks(problem, options);
    }
    return invalid("an unknown planner");
}

}  // namespace eddy::planner::edgeflow
