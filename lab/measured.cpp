#include <algorithm>
#include <numeric>

#include "lab/lab.hpp"

namespace eddy::lab {

std::vector<size_t> ring_order(const Experiment& experiment) {
    std::vector<size_t> order(experiment.devices.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::sort(order.begin(), order.end(),
              [&](size_t a, size_t b) { return experiment.devices[a].id < experiment.devices[b].id; });
    return order;
}

Experiment as_measured(const Experiment& experiment, const ModelProfile& profile, const LabRun& run) {
    Experiment measured = experiment;
    double profile_s = 0;
    for (const LayerProfile& layer : profile.layers) profile_s += to_seconds(layer.time);
    std::vector<double> parts;
    for (size_t d = 0; d < measured.devices.size(); ++d) {
        if (run.model_s[d] <= 0) continue;
        const double speed = profile_s / run.model_s[d];
        for (ExperimentChange& change : measured.changes)
            if (change.device == d) change.speed *= speed / measured.devices[d].speed;
        measured.devices[d].speed = speed;
    }
    for (const LinkSpeed& link : run.links)
        if (link.asked_mbit_per_s > 0) parts.push_back(link.measured_mbit_per_s / link.asked_mbit_per_s);
    if (!parts.empty()) {
        const auto middle = parts.begin() + static_cast<ptrdiff_t>(parts.size() / 2);
        std::nth_element(parts.begin(), middle, parts.end());
        measured.link.mbit_per_s *= *middle;
        for (ExperimentLinkBetween& pair : measured.links_between) pair.link.mbit_per_s *= *middle;
    } else if (!run.links.empty()) {
        // Links as they are: what was found stands for what the file says, everywhere.
        const auto slowest = std::min_element(run.links.begin(), run.links.end(), [](const auto& a, const auto& b) {
            return a.measured_mbit_per_s < b.measured_mbit_per_s;
        });
        measured.link = {slowest->measured_mbit_per_s, 0};
        measured.links_between.clear();
    }
    if (!run.delay_applied) {
        measured.link.delay_ms = 0;
        for (ExperimentLinkBetween& pair : measured.links_between) pair.link.delay_ms = 0;
    }
    for (const LinkSpeed& link : run.links) {
        const double delay_ms = measured.link_between(link.from, link.to).delay_ms;
        measured.links_between.push_back({link.from, link.to, {link.measured_mbit_per_s, delay_ms}});
    }
    return measured;
}

}  // namespace eddy::lab
