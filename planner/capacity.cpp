#include "planner/capacity.hpp"

#include <numeric>
#include <utility>

#include "planner/operation.hpp"
#include "planner/utility.hpp"
#include "planner/way_master.hpp"

namespace eddy::planner {

namespace {

constexpr size_t kept_ways_max = 5000;
constexpr double unlimited_per_s = 1e9;  // together; more than any cluster would serve

}  // namespace

/// One column: frames a second of all sources together, in the mix that is offered.
struct CapacityPlanner::Scaled {
    WayMaster master;
    size_t total = 0;

    explicit Scaled(LayeredGraph graph)
        : master(std::move(graph), lp::Problem(lp::Sense::maximise), {WayMaster::Period{}}) {
        std::vector<lp::Entry> entries;
        const std::vector<double> shares = shares_by_home();
        for (size_t home = 0; home < shares.size(); ++home)
            entries.push_back({master.supply_row(0, home), -shares[home]});
        total = master.problem().add_column(0, unlimited_per_s, 1, entries);
    }

    void change(LayeredGraph graph) {
        const bool rates = graph.rate_per_s != master.graph().rate_per_s;
        master.change(std::move(graph));
        if (!rates) return;
        const std::vector<double> shares = shares_by_home();
        for (size_t home = 0; home < shares.size(); ++home)
            master.problem().set_entry(master.supply_row(0, home), total, -shares[home]);
    }

    [[nodiscard]] double offered_per_s() const {
        const auto& rates = master.graph().rate_per_s;
        return std::accumulate(rates.begin(), rates.end(), 0.0);
    }

    [[nodiscard]] std::vector<double> shares_by_home() const {
        const LayeredGraph& graph = master.graph();
        std::vector<double> shares(graph.homes.size(), 0);
        for (size_t j = 0; j < graph.rate_per_s.size(); ++j)
            shares[graph.home_of[j]] += graph.rate_per_s[j] / offered_per_s();
        return shares;
    }

    Result<CapacityBound> solve() {
        if (const Status status = master.optimise(); !status) return status.error();
        const double served_per_s = master.problem().value(total);
        if (served_per_s >= unlimited_per_s * 0.999)
            return invalid("nothing limits this cluster: the model costs no time and its frames no bytes");
        CapacityBound bound;
        bound.theta = served_per_s / offered_per_s();
        std::vector<double> throughput = master.graph().rate_per_s;
        for (double& rate : throughput) rate *= bound.theta;
        bound.operation = operation_of(master, throughput);
        const LayeredGraph& graph = master.graph();
        for (ResourceUse& use : bound.operation.resources) {
            const size_t r = use.kind == ResourceUse::Kind::processor ? use.from
                             : use.kind == ResourceUse::Kind::link    ? graph.link[use.from * graph.devices + use.to]
                             : use.kind == ResourceUse::Kind::egress  ? graph.egress(use.from)
                                                                      : graph.ingress(use.from);
            use.price = master.price(0, r) == 0 ? 0 : master.price(0, r) * graph.capacity[r] / served_per_s;
        }
        return bound;
    }
};

struct CapacityPlanner::Weighted {
    UtilityProgram program;
    explicit Weighted(LayeredGraph graph) : program(std::move(graph)) {}
};

CapacityPlanner::CapacityPlanner() = default;
CapacityPlanner::~CapacityPlanner() = default;
CapacityPlanner::CapacityPlanner(CapacityPlanner&&) noexcept = default;
CapacityPlanner& CapacityPlanner::operator=(CapacityPlanner&&) noexcept = default;

Result<CapacityBound> CapacityPlanner::capacity(const Experiment& experiment, const ModelProfile& profile,
                                                const CapacityOptions& options) {
    auto graph = layered_graph(experiment, profile, options.result_bytes);
    if (!graph) return graph.error();
    if (scaled_ != nullptr && scaled_->master.ways() <= kept_ways_max && scaled_->master.graph().same_ways(*graph))
        scaled_->change(std::move(*graph));
    else
        scaled_ = std::make_unique<Scaled>(std::move(*graph));
    auto bound = scaled_->solve();
    if (!bound) scaled_.reset();
    return bound;
}

Result<UtilityOptimum> CapacityPlanner::utility(const Experiment& experiment, const ModelProfile& profile,
                                                const CapacityOptions& options) {
    auto graph = layered_graph(experiment, profile, options.result_bytes);
    if (!graph) return graph.error();
    std::vector<double> weights;
    for (const ExperimentSource& source : experiment.sources) weights.push_back(source.weight);
    if (weighted_ != nullptr && weighted_->program.ways() <= kept_ways_max &&
        weighted_->program.graph().same_ways(*graph))
        weighted_->program.change(std::move(*graph));
    else
        weighted_ = std::make_unique<Weighted>(std::move(*graph));
    auto optimum = weighted_->program.solve(weights);
    if (!optimum) weighted_.reset();
    return optimum;
}

Result<CapacityBound> capacity_bound(const Experiment& experiment, const ModelProfile& profile,
                                     const CapacityOptions& options) {
    return CapacityPlanner().capacity(experiment, profile, options);
}

Result<UtilityOptimum> utility_optimum(const Experiment& experiment, const ModelProfile& profile,
                                       const CapacityOptions& options) {
    return CapacityPlanner().utility(experiment, profile, options);
}

Experiment experiment_at(const Experiment& experiment, double at_s) {
    Experiment now = experiment;
    now.changes.clear();
    std::vector<double> since(experiment.devices.size(), -lp::infinity);
    for (const ExperimentChange& change : experiment.changes) {
        if (change.at_s > at_s || change.device >= now.devices.size() || change.at_s < since[change.device]) continue;
        since[change.device] = change.at_s;
        now.devices[change.device].speed = change.speed;
    }
    return now;
}

}  // namespace eddy::planner
