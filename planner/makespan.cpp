// The bound of a finite batch: a linear program over time. Between two instants at which some source's last frame
// comes, arrivals are steady, and since what can be served is convex, steady service loses nothing. So one period a
// stretch, and a last one whose length is least.
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "planner/capacity.hpp"
#include "planner/way_master.hpp"

namespace eddy::planner {

namespace {

constexpr size_t stretches_max = 24;

struct Batch {
    std::vector<double> frames;          ///< by source
    std::vector<double> rate_per_s;      ///< by source
    std::vector<double> last_arrival_s;  ///< by source; the first is at 0
    [[nodiscard]] double arrived(size_t source, double at_s) const {
        return std::min(frames[source], 1 + rate_per_s[source] * at_s);
    }
};

Result<Batch> batch_of(const Experiment& experiment) {
    Batch batch;
    for (const ExperimentSource& source : experiment.sources) {
        if (!source.frames || *source.frames == 0)
            return invalid("source " + source.name + " has no number of frames, so its batch has no end");
        const auto frames = static_cast<double>(*source.frames);
        batch.frames.push_back(frames);
        batch.rate_per_s.push_back(source.rate_per_s);
        batch.last_arrival_s.push_back((frames - 1) / source.rate_per_s);
    }
    return batch;
}

/// Ends of the periods before the last. With fewer of them than last arrivals less is asked, and the bound still holds.
std::vector<double> stretch_ends(const Batch& batch) {
    std::vector<double> all = batch.last_arrival_s;
    std::sort(all.begin(), all.end());
    std::vector<double> ends;
    for (const double end : all)
        if (end > (ends.empty() ? 0 : ends.back()) + 1e-9) ends.push_back(end);
    if (ends.size() <= stretches_max) return ends;
    std::vector<double> some;
    for (size_t i = 1; i <= stretches_max; ++i) some.push_back(ends[ends.size() * i / stretches_max - 1]);
    return some;
}

Result<double> fluid_end(const LayeredGraph& graph, const Batch& batch) {
    const std::vector<double> ends = stretch_ends(batch);
    lp::Problem problem(lp::Sense::maximise);
    const size_t rest = problem.add_column(0, lp::infinity, -1);
    std::vector<WayMaster::Period> periods;
    for (size_t k = 0; k < ends.size(); ++k) periods.push_back({ends[k] - (k == 0 ? 0 : ends[k - 1]), nowhere});
    periods.push_back({0, rest});
    const size_t count = periods.size();
    WayMaster master(graph, std::move(problem), std::move(periods));
    std::vector<size_t> served;  // source · periods + period: column
    for (size_t j = 0; j < batch.frames.size(); ++j)
        for (size_t k = 0; k < count; ++k) {
            const lp::Entry taken{master.supply_row(k, graph.home_of[j]), -1};
            served.push_back(master.problem().add_column(0, batch.frames[j], 0, {&taken, 1}));
        }
    for (size_t j = 0; j < batch.frames.size(); ++j) {
        std::vector<lp::Entry> so_far;
        for (size_t k = 0; k + 1 < count; ++k) {
            so_far.push_back({served[j * count + k], 1});
            master.problem().add_row(-lp::infinity, batch.arrived(j, ends[k]), so_far);
        }
        so_far.push_back({served[j * count + count - 1], 1});
        master.problem().add_row(batch.frames[j], batch.frames[j], so_far);
    }
    if (const Status status = master.optimise(); !status) return status.error();
    return (ends.empty() ? 0 : ends.back()) + std::max(0.0, master.problem().value(rest));
}

/// Every device as fast as it ever is.
Experiment at_its_fastest(const Experiment& experiment) {
    Experiment fastest = experiment;
    for (const ExperimentChange& change : experiment.changes)
        if (change.device < fastest.devices.size() && change.speed > fastest.devices[change.device].speed)
            fastest.devices[change.device].speed = change.speed;
    return fastest;
}

/// A frame that has every link and one lane of every device for itself.
double least_latency_s(const LayeredGraph& graph, size_t home) {
    Charges charges;
    for (const double speed : graph.speed) charges.work.push_back(1 / speed);
    for (const size_t link : graph.link) charges.data.push_back(link == nowhere ? 0 : 1 / graph.capacity[link]);
    charges.message = graph.link_delay_s;
    return cheapest_way(graph, charges, home).cost;
}

}  // namespace

Result<MakespanBound> makespan_bound(const Experiment& experiment, const ModelProfile& profile,
                                     const CapacityOptions& options) {
    const auto graph = layered_graph(at_its_fastest(experiment), profile, options.result_bytes);
    if (!graph) return graph.error();
    const auto batch = batch_of(experiment);
    if (!batch) return batch.error();
    const auto fluid_s = fluid_end(*graph, *batch);
    if (!fluid_s) return fluid_s.error();
    MakespanBound bound;
    bound.fluid_s = *fluid_s;
    for (size_t j = 0; j < batch->frames.size(); ++j)
        bound.last_result_s =
            std::max(bound.last_result_s, batch->last_arrival_s[j] + least_latency_s(*graph, graph->home_of[j]));
    bound.makespan_s = std::max(bound.fluid_s, bound.last_result_s);
    return bound;
}

}  // namespace eddy::planner
