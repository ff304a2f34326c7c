#include "planner/operation.hpp"

#include <map>
#include <tuple>

namespace eddy::planner {

namespace {

constexpr double binding_from = 1 - 1e-6;
constexpr double negligible = 1e-9;  // of a source's throughput: the linear program's rounding

struct Flows {
    std::map<std::tuple<size_t, size_t, size_t>, double> runs;  ///< device, first, last
    std::map<Hop, double> cuts;
};

void add_way(Flows& flows, const Way& way, double frames) {
    const auto& device = way.device_of_layer;
    for (size_t first = 0; first < device.size();) {
        size_t last = first;
        while (last + 1 < device.size() && device[last + 1] == device[first]) ++last;
        flows.runs[{device[first], first, last}] += frames;
        first = last + 1;
    }
    for (const Hop& hop : way.hops) flows.cuts[hop] += frames;
}

ResourceUse use_of(const WayMaster& master, size_t r, double load) {
    const Resource& resource = master.graph().resources[r];
    ResourceUse use;
    switch (resource.kind) {
        case Resource::Kind::processor: use.kind = ResourceUse::Kind::processor; break;
        case Resource::Kind::link: use.kind = ResourceUse::Kind::link; break;
        case Resource::Kind::egress: use.kind = ResourceUse::Kind::egress; break;
        case Resource::Kind::ingress: use.kind = ResourceUse::Kind::ingress; break;
    }
    use.from = resource.from == nowhere ? resource.to : resource.from;
    use.to = resource.to == nowhere ? resource.from : resource.to;
    use.utilisation = load / master.graph().capacity[r];
    use.binding = use.utilisation >= binding_from;
    return use;
}

}  // namespace

Operation operation_of(const WayMaster& master, std::span<const double> throughput_per_s) {
    const LayeredGraph& graph = master.graph();
    Operation operation;
    operation.throughput_per_s.assign(throughput_per_s.begin(), throughput_per_s.end());
    const std::vector<double> loads = master.loads(0);
    for (size_t r = 0; r < loads.size(); ++r) {
        const ResourceUse use = use_of(master, r, loads[r]);
        if (r < graph.devices) operation.busy_fraction.push_back(use.utilisation);
        if (r < graph.devices || loads[r] > 0) operation.resources.push_back(use);
    }
    std::vector<Flows> by_home(graph.homes.size());
    std::vector<double> total(graph.homes.size(), 0);
    for (const WayMaster::Used& used : master.used(0)) {
        add_way(by_home[used.home], *used.way, used.frames);
        total[used.home] += used.frames;
    }
    for (size_t j = 0; j < throughput_per_s.size(); ++j) {
        const size_t home = graph.home_of[j];
        if (total[home] <= 0) continue;
        const double share = throughput_per_s[j] / total[home];
        const double least = throughput_per_s[j] * negligible;
        for (const auto& [run, frames] : by_home[home].runs)
            if (frames * share > least)
                operation.runs.push_back({j, std::get<0>(run), std::get<1>(run), std::get<2>(run), frames * share});
        for (const auto& [hop, frames] : by_home[home].cuts)
            if (frames * share > least) operation.cuts.push_back({j, hop.from, hop.to, hop.cut, frames * share});
    }
    return operation;
}

}  // namespace eddy::planner
