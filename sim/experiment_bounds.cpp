// What a run is measured against: planner/capacity.hpp on the experiment as it is in its window.
#include <algorithm>
#include <cmath>

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
    const bool finite = std::all_of(experiment.sources.begin(), experiment.sources.end(),
                                    [](const ExperimentSource& source) { return source.frames.has_value(); });
    if (!finite) return bounds;
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

double fraction_of_bound(const ExperimentRun& run, const ExperimentBounds& bounds) {
    double least = std::numeric_limits<double>::infinity();
    for (size_t j = 0; j < run.sources.size(); ++j)
        least = std::min(least, run.sources[j].throughput_per_s / bounds.bound_per_s[j]);
    return least;
}

double share_error(const ExperimentRun& run, const ExperimentBounds& bounds) {
    double most = 0;
    for (size_t j = 0; j < run.sources.size(); ++j)
        most = std::max(most, std::abs(run.sources[j].throughput_per_s / bounds.optimum_per_s[j] - 1));
    return most;
}

}  // namespace eddy::sim
