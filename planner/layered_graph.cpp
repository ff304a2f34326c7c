#include "planner/layered_graph.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "models/graph/memory_plan.hpp"

namespace eddy::planner {

namespace {

constexpr double bytes_per_mb = 1e6;

bool positive(double value) { return value > 0 && std::isfinite(value); }
bool is_width(double value) { return value > 0; }  // an infinitely wide link limits nothing

Status check(const Experiment& experiment, const ModelProfile& profile, double result_bytes) {
    if (experiment.devices.empty()) return invalid("a bound needs at least one device");
    if (experiment.sources.empty()) return invalid("a bound needs at least one source");
    if (profile.layers.empty()) return invalid("the profile of " + profile.model + " has no layers");
    if (!(result_bytes >= 0) || !std::isfinite(result_bytes)) return invalid("result_bytes must be 0 or more");
    for (const LayerProfile& layer : profile.layers)
        if (layer.time.count() < 0) return invalid("layer " + layer.name + " takes a negative time");
    for (const ExperimentDevice& device : experiment.devices)
        if (!positive(device.speed) || device.lanes == 0)
            return invalid("device " + device.name + ": speed must be above 0, and lanes at least 1");
    for (const ExperimentSource& source : experiment.sources) {
        if (source.device >= experiment.devices.size()) return invalid("source " + source.name + " is on no device");
        if (!positive(source.rate_per_s)) return invalid("source " + source.name + ": rate_per_s must be above 0");
        if (!positive(source.weight)) return invalid("source " + source.name + ": weight must be above 0");
    }
    bool widths = is_width(experiment.link.mbit_per_s) && experiment.link.delay_ms >= 0;
    for (const ExperimentLinkBetween& between : experiment.links_between) {
        if (between.from >= experiment.devices.size() || between.to >= experiment.devices.size())
            return invalid("a link leads to a device that is not there");
        widths = widths && is_width(between.link.mbit_per_s) && between.link.delay_ms >= 0;
    }
    if (!widths) return invalid("a link's mbit_per_s must be above 0, and its delay_ms not negative");
    return success();
}

/// By device; those without memory for all layers run some or none.
std::vector<LayerRange> runs_of(const Experiment& experiment, const ModelProfile& profile) {
    std::vector<LayerRange> runs;
    for (size_t d = 0; d < experiment.devices.size(); ++d)
        runs.push_back(experiment.devices[d].has_model
                           ? graph::plan_memory(profile, graph::memory_needs(experiment, d)).layers
                           : LayerRange{0, 0});
    return runs;
}

/// By device: who follows on the circle of ids; empty if two have the same.
std::vector<size_t> successors(const Experiment& experiment) {
    const auto& devices = experiment.devices;
    std::vector<size_t> order(devices.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return devices[a].id < devices[b].id; });
    std::vector<size_t> next(devices.size());
    for (size_t i = 0; i < order.size(); ++i) {
        const size_t after = order[(i + 1) % order.size()];
        if (order.size() > 1 && devices[order[i]].id == devices[after].id) return {};
        next[order[i]] = after;
    }
    return next;
}

void add_homes(LayeredGraph& graph, const Experiment& experiment) {
    for (const ExperimentSource& source : experiment.sources) graph.homes.push_back(source.device);
    std::sort(graph.homes.begin(), graph.homes.end());
    graph.homes.erase(std::unique(graph.homes.begin(), graph.homes.end()), graph.homes.end());
    for (const ExperimentSource& source : experiment.sources) {
        const auto at = std::lower_bound(graph.homes.begin(), graph.homes.end(), source.device);
        graph.home_of.push_back(static_cast<size_t>(at - graph.homes.begin()));
        graph.rate_per_s.push_back(source.rate_per_s);
    }
}

void add_resources(LayeredGraph& graph, const Experiment& experiment) {
    const size_t n = graph.devices;
    for (size_t d = 0; d < n; ++d) {
        graph.resources.push_back({Resource::Kind::processor, d, d});
        graph.capacity.push_back(graph.speed[d] * experiment.devices[d].lanes);
    }
    graph.link.assign(n * n, nowhere);
    graph.link_delay_s.assign(n * n, 0);
    std::vector<double> widest_out(n, 0);
    std::vector<double> widest_in(n, 0);
    for (size_t from = 0; from < n; ++from)
        for (size_t to = 0; to < n; ++to) {
            const bool result_goes = std::binary_search(graph.homes.begin(), graph.homes.end(), to);
            if (from == to || (!graph.direct && graph.next[from] != to && !result_goes)) continue;
            const ExperimentLink& link = experiment.link_between(from, to);
            const double mb_per_s = link.mbit_per_s / 8;
            graph.link[from * n + to] = graph.resources.size();
            graph.link_delay_s[from * n + to] = link.delay_ms / 1e3;
            graph.resources.push_back({Resource::Kind::link, from, to});
            graph.capacity.push_back(mb_per_s);
            widest_out[from] = std::max(widest_out[from], mb_per_s);
            widest_in[to] = std::max(widest_in[to], mb_per_s);
        }
    if (!graph.direct) return;
    for (size_t d = 0; d < n; ++d) {
        graph.resources.push_back({Resource::Kind::egress, d, nowhere});
        graph.capacity.push_back(widest_out[d]);
    }
    for (size_t d = 0; d < n; ++d) {
        graph.resources.push_back({Resource::Kind::ingress, nowhere, d});
        graph.capacity.push_back(widest_in[d]);
    }
}

bool has_way(const LayeredGraph& graph, size_t home) {
    const Charges even{std::vector<double>(graph.devices, 1), std::vector<double>(graph.link.size(), 1), {}};
    return cheapest_way(graph, even, home).cost < lp::infinity;
}

}  // namespace

bool LayeredGraph::same_ways(const LayeredGraph& other) const {
    return devices == other.devices && direct == other.direct && layer_s == other.layer_s &&
           frontier_mb == other.frontier_mb && result_mb == other.result_mb && runs == other.runs &&
           next == other.next && homes == other.homes && home_of == other.home_of && resources == other.resources;
}

Result<LayeredGraph> layered_graph(const Experiment& experiment, const ModelProfile& profile, double result_bytes) {
    if (const Status checked = check(experiment, profile, result_bytes); !checked) return checked.error();
    LayeredGraph graph;
    graph.devices = experiment.devices.size();
    graph.direct = experiment.links == ExperimentLinks::direct;
    for (const LayerProfile& layer : profile.layers) {
        graph.layer_s.push_back(to_seconds(layer.time));
        graph.frontier_mb.push_back(static_cast<double>(layer.frontier_bytes) / bytes_per_mb);
    }
    graph.result_mb = result_bytes / bytes_per_mb;
    if (profile.layers.size() >= UINT16_MAX) return invalid("the profile has too many layers");
    graph.runs = runs_of(experiment, profile);
    for (uint16_t l = 0; l < graph.layers(); ++l)
        if (std::none_of(graph.runs.begin(), graph.runs.end(), [&](LayerRange runs) { return runs.contains(l); }))
            return invalid("no device has the model and memory for layer " + std::to_string(l));
    graph.next = successors(experiment);
    if (graph.next.empty()) return invalid("two devices have the same id");
    for (const ExperimentDevice& device : experiment.devices) graph.speed.push_back(device.speed);
    add_homes(graph, experiment);
    add_resources(graph, experiment);
    for (size_t home = 0; home < graph.homes.size(); ++home)
        if (!has_way(graph, home))
            return invalid("frames of device " + experiment.devices[graph.homes[home]].name +
                           " meet no devices with memory for all layers in their order");
    return graph;
}

std::vector<lp::Entry> usage(const LayeredGraph& graph, const Way& way) {
    std::vector<lp::Entry> raw;
    for (size_t l = 0; l < graph.layers(); ++l) raw.push_back({way.device_of_layer[l], graph.layer_s[l]});
    for (const Hop& hop : way.hops) {
        const double mb = hop.cut == graph.layers() ? graph.result_mb : graph.frontier_mb[hop.cut];
        raw.push_back({graph.link[hop.from * graph.devices + hop.to], mb});
        if (!graph.direct) continue;
        raw.push_back({graph.egress(hop.from), mb});
        raw.push_back({graph.ingress(hop.to), mb});
    }
    std::stable_sort(raw.begin(), raw.end(), [](const auto& a, const auto& b) { return a.index < b.index; });
    std::vector<lp::Entry> used;
    for (const lp::Entry& entry : raw) {
        if (entry.value == 0) continue;
        if (used.empty() || used.back().index != entry.index)
            used.push_back(entry);
        else
            used.back().value += entry.value;
    }
    return used;
}

Charges charges_of(const LayeredGraph& graph, std::span<const double> prices) {
    Charges charges;
    charges.work.assign(prices.begin(), prices.begin() + static_cast<ptrdiff_t>(graph.devices));
    charges.data.assign(graph.link.size(), 0);
    for (size_t pair = 0; pair < graph.link.size(); ++pair) {
        if (graph.link[pair] == nowhere) continue;
        charges.data[pair] = prices[graph.link[pair]];
        if (!graph.direct) continue;
        charges.data[pair] += prices[graph.egress(pair / graph.devices)] + prices[graph.ingress(pair % graph.devices)];
    }
    return charges;
}

namespace {

/// Least costs layer by layer, and where each came from.
class Search {
public:
    Search(const LayeredGraph& graph, const Charges& charges, size_t home)
        : graph_(graph),
          charges_(charges),
          home_(graph.homes[home]),
          again_(graph.devices),
          came_from_(graph.layers() * (graph.devices + 1), nowhere),
          cost_(graph.devices + 1, lp::infinity) {}

    CheapestWay run() {
        cost_[home_] = 0;
        for (size_t l = 0; l < graph_.layers(); ++l) {
            if (graph_.direct)
                spread_direct(l);
            else
                spread_ring(l);
            for (size_t at = 0; at <= again_; ++at) {
                const size_t d = device(at);
                const bool runs = graph_.runs[d].contains(static_cast<uint16_t>(l));
                cost_[at] = runs ? cost_[at] + graph_.layer_s[l] * charges_.work[d] : lp::infinity;
            }
        }
        size_t best = nowhere;
        for (size_t at = 0; at <= again_; ++at) {
            if (device(at) != home_) cost_[at] += hop_cost(graph_.layers(), at, home_);
            if (best == nowhere || cost_[at] < cost_[best]) best = at;
        }
        return {cost_[best], trace(best)};
    }

private:
    [[nodiscard]] double hop_cost(size_t cut, size_t from, size_t to) const {
        const size_t pair = from * graph_.devices + to;
        const double mb = cut == graph_.layers() ? graph_.result_mb : graph_.frontier_mb[cut];
        return charges_.data[pair] * mb + (charges_.message.empty() ? 0 : charges_.message[pair]);
    }

    [[nodiscard]] size_t device(size_t at) const { return at == again_ ? home_ : at; }

    void take(size_t layer, size_t from, size_t to) {
        const double cost = cost_[from] + hop_cost(layer, from, device(to));
        if (cost >= cost_[to]) return;
        cost_[to] = cost;
        came_from_[layer * (graph_.devices + 1) + to] = from;
    }

    void spread_ring(size_t layer) {
        size_t d = home_;
        for (; graph_.next[d] != home_; d = graph_.next[d]) take(layer, d, graph_.next[d]);
        const LayerRange& of_last = graph_.runs[d];
        const bool finishes = of_last.contains(static_cast<uint16_t>(layer)) && of_last.last == graph_.layers();
        if (d != home_ && !finishes) take(layer, d, again_);
    }

    /// Dijkstra's algorithm over all pairs: a frame may be relayed where the straight link is narrow.
    void spread_direct(size_t layer) {
        std::vector<uint8_t> settled(graph_.devices, 0);
        for (size_t round = 0; round < graph_.devices; ++round) {
            size_t at = nowhere;
            for (size_t d = 0; d < graph_.devices; ++d)
                if (!settled[d] && cost_[d] < lp::infinity && (at == nowhere || cost_[d] < cost_[at])) at = d;
            if (at == nowhere) return;
            settled[at] = 1;
            for (size_t d = 0; d < graph_.devices; ++d)
                if (!settled[d] && d != home_) take(layer, at, d);
        }
    }

    [[nodiscard]] Way trace(size_t at) const {
        Way way;
        way.device_of_layer.resize(graph_.layers());
        if (device(at) != home_) way.hops.push_back({graph_.layers(), at, home_});
        for (size_t l = graph_.layers(); l-- > 0;) {
            way.device_of_layer[l] = device(at);
            for (size_t from; (from = came_from_[l * (graph_.devices + 1) + at]) != nowhere; at = from)
                way.hops.push_back({l, from, device(at)});
        }
        std::reverse(way.hops.begin(), way.hops.end());
        return way;
    }

    const LayeredGraph& graph_;
    const Charges& charges_;
    size_t home_;
    const size_t again_;             ///< stands for home once more, at the end of the ring
    std::vector<size_t> came_from_;  ///< layer · (devices + 1) + device: the hop by which it came, before this layer
    std::vector<double> cost_;       ///< by device, and again_
};

}  // namespace

CheapestWay cheapest_way(const LayeredGraph& graph, const Charges& charges, size_t home) {
    return Search(graph, charges, home).run();
}

}  // namespace eddy::planner
