#include "src/app/row_planner.hpp"

#include <algorithm>
#include <cmath>

#include "planner/edgeflow/planners.hpp"
#include "planner/edgeflow/splits.hpp"

namespace eddy::app {

namespace {

using namespace planner::edgeflow;

/// A plan that is gone on from is near what it can become; the cluster should not change again meanwhile.
constexpr uint64_t pieces_again = 250'000;

/// A plan that gains less on the source alone than what a prediction may be wrong by is not worth its messages.
constexpr double worth_dividing = 1.03;

/// Far beyond any frame's time, far below what Usec holds.
constexpr double us_max = 1e15;

Usec in_usec(double us) { return std::isfinite(us) ? Usec(static_cast<int64_t>(std::min(us, us_max))) : Usec{0}; }

Result<Problem> problem_of(const PlanRequest& request, const graph::ModelGraph& graph, const RowProfile& profile) {
    Problem::Parts parts{graph, {profile}, {}, {}, {}, 0, request.window};
    for (const auto& device : request.devices)
        parts.devices.push_back({short_name(device.node), 0, device.speed, device.memory_bytes});
    for (const auto& link : request.links)
        parts.links.push_back({link.bytes_per_s / 1e6, static_cast<double>(link.delay.count())});
    return Problem::make(std::move(parts));
}

/// With bounds for all devices of the request; those that it does not name get nothing. Nothing if one is not there,
/// they are in another order, or it is no plan of this model.
std::optional<Plan> plan_for(const PlanRequest& request, const RowPlan& told, Blocks& blocks) {
    Plan plan;
    for (const RowBlock& block : told.blocks) {
        if (block.bounds.size() != told.devices.size() + 1) return std::nullopt;
        Block made{block.first, block.last, {0}, block.boundary_first};
        size_t next = 0;
        for (const auto& device : request.devices) {
            if (next < told.devices.size() && told.devices[next] == device.node) ++next;
            made.bounds.push_back(block.bounds.at(next));
        }
        if (next != told.devices.size()) return std::nullopt;
        plan.blocks.push_back(std::move(made));
    }
    if (!check_plan(blocks, plan)) return std::nullopt;
    return plan;
}

/// With the memory that its own window takes, which may be another than that of what is planned now.
Usec as_it_is(PlanRequest request, const graph::ModelGraph& graph, const RowProfile& profile, const Plan& plan) {
    request.window = request.from->window;
    const auto problem = problem_of(request, graph, profile);
    return problem ? in_usec(Evaluator(*problem).latency_us(plan)) : Usec{0};
}

/// Only the source, and who has rows.
RowPlan pruned(const PlanRequest& request, const Plan& plan, const ContentHash& chain_hash) {
    RowPlan told;
    told.chain_hash = chain_hash;
    told.window = request.window;
    for (const Block& block : plan.blocks) told.blocks.push_back({block.first, block.last, {0}, block.boundary_first});
    for (size_t d = 0; d < request.devices.size(); ++d) {
        const bool has_rows = std::any_of(plan.blocks.begin(), plan.blocks.end(),
                                          [&](const Block& block) { return !block.part(d).empty(); });
        if (d != 0 && !has_rows) continue;
        told.devices.push_back(request.devices[d].node);
        for (size_t b = 0; b < plan.blocks.size(); ++b)
            told.blocks[b].bounds.push_back(static_cast<uint32_t>(plan.blocks[b].bounds[d + 1]));
    }
    return told;
}

/// The time that the busiest processor or port needs for a frame.
double period_us(const Problem& problem, const UnitGraph& units, const Timeline& timeline) {
    std::vector<double> processor = timeline.compute_us;
    std::vector<double> out(problem.devices()), in(problem.devices());
    for (const planner::edgeflow::Message& message : units.messages) {
        const size_t from = units.units[message.unit].device;
        processor[from] += problem.message().of(message.bytes);
        processor[message.to] += problem.message().of(message.bytes);
        const double us = static_cast<double>(message.bytes) / problem.link(from, message.to).bytes_per_us;
        out[from] += us;
        in[message.to] += us;
    }
    double most = 0;
    for (const auto* all : {&processor, &out, &in}) most = std::max(most, *std::max_element(all->begin(), all->end()));
    return most;
}

}  // namespace

Result<PlanProposal> make_row_plan(const PlanRequest& request, const graph::ModelGraph& graph,
                                   const RowProfile& profile, const ContentHash& chain_hash, RowPlannerKind planner) {
    const auto problem = problem_of(request, graph, profile);
    if (!problem) return problem.error();
    Evaluator evaluator(*problem);
    FusedBlocksOptions options;
    PlanProposal proposal;
    if (request.from) {
        const auto before = plan_for(request, *request.from, evaluator.blocks());
        if (before) proposal.latency_before = as_it_is(request, graph, profile, *before);
        if (!request.afresh) options.start = before;
        if (options.start) options.pieces_max = pieces_again;
    }
    auto planned = plan_with(planner_named(name_of(planner)).value(), *problem, options);
    if (!planned) return planned.error();
    const Plan alone = one_device_plan(evaluator.blocks(), 0);
    const double alone_us = evaluator.latency_us(alone);
    const bool ours = planner == RowPlannerKind::fused_blocks;
    if (ours && alone_us <= planned->latency_us * worth_dividing)
        planned = Planned{alone, alone_us, planned->evaluations};
    const UnitGraph units = units_of(evaluator.blocks(), planned->plan);
    proposal.plan = pruned(request, planned->plan, chain_hash);
    proposal.latency = in_usec(planned->latency_us);
    proposal.period = in_usec(period_us(*problem, units, simulate(*problem, units)));
    proposal.alone = in_usec(alone_us);
    return proposal;
}

}  // namespace eddy::app
