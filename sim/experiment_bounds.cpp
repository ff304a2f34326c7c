// What a run is measured against: planner/capacity.hpp on the experiment as it is in its window.
#include "planner/capacity.hpp"
#include "sim/experiment_run.hpp"
#include "sim/simulation.hpp"

namespace eddy::sim {

namespace {
const planner::CapacityOptions wire{static_cast<double>(result_bytes)};
}

ExperimentLinks links_used(const Experiment& experiment, PolicyKind policy) {
    return policy == PolicyKind::ddi ? ExperimentLinks::direct : experiment.links;
}

Result<ExperimentBounds> experiment_bounds(const Experiment& original, const ModelProfile& profile,
                                           ExperimentLinks links) {
    Experiment experiment = original;
    experiment.links = links;
    const Experiment in_window = planner::experiment_at(experiment, window_from_s(experiment));
    planner::CapacityPlanner planner;
    const auto capacity = planner.capacity(in_window, profile, wire);
    if (!capacity) return capacity.error();
    const auto optimum = planner.utility(in_window, profile, wire);
    if (!optimum) return optimum.error();
    ExperimentBounds bounds;
    bounds.theta = capacity->theta;
    for (const ExperimentSource& source : experiment.sources) {
        bounds.offered_per_s.push_back(source.rate_per_s);
        bounds.bound_per_s.push_back(source.rate_per_s * bounds.theta);
    }
    bounds.optimum_per_s = optimum->operation.throughput_per_s;
    if (!is_finite(experiment)) return bounds;
    const auto makespan = planner::makespan_bound(experiment, profile, wire);
    if (!makespan) return makespan.error();
    bounds.makespan_s = makespan->makespan_s;
    return bounds;
}

Result<Experiment> at_load(const Experiment& experiment, const ModelProfile& profile, double load) {
    const Experiment in_window = planner::experiment_at(experiment, window_from_s(experiment));
    const auto capacity = planner::capacity_bound(in_window, profile, wire);
    if (!capacity) return capacity.error();
    Experiment scaled = experiment;
    for (ExperimentSource& source : scaled.sources) source.rate_per_s *= capacity->theta * load;
    return scaled;
}

}  // namespace eddy::sim
