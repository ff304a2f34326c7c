#include "scheduler/class_costs.hpp"

#include <algorithm>
#include <limits>

#include "eddy/assert.hpp"

namespace eddy::scheduler {

namespace {
constexpr double infinite = std::numeric_limits<double>::infinity();
/// Nothing takes no time: a layer the profile calls free, a link too fast to measure.
constexpr double shortest_s = 1e-6;

ClassCosts::Action action(double before_s, double takes_s, double after_s, double bias_per_s) {
    if (after_s == infinite) return {};
    const double regret_s = std::min(0.0, before_s - takes_s - after_s);
    return {static_cast<float>(bias_per_s * regret_s), static_cast<float>(1.0 / takes_s)};
}
}  // namespace

double remaining_at(std::span<const msg::Remaining> list, uint16_t layer) {
    double time_s = infinite;
    for (const auto& entry : list) {
        if (entry.layer > layer) break;
        time_s = to_seconds(entry.time);
    }
    return time_s;
}

ClassCosts class_costs(const ClassInputs& inputs, uint16_t layers) {
    const size_t classes = inputs.cuts.size();
    EDDY_ASSERT(classes > 0 && classes <= classes_max && inputs.cuts.front() == 0);
    EDDY_ASSERT(!inputs.computes || inputs.before_s.size() == classes + 1);
    EDDY_ASSERT(inputs.transfer_s.empty() || inputs.transfer_s.size() == classes);
    ClassCosts costs;
    costs.classes = classes;
    std::copy(inputs.cuts.begin(), inputs.cuts.end(), costs.cut.begin());
    costs.cut[classes] = layers;

    const uint16_t last_layer = std::min(inputs.layers.last, layers);
    const auto runs = [&](size_t from, size_t to) {
        return inputs.computes && costs.cut[from] >= inputs.layers.first && costs.cut[to] <= last_layer;
    };
    const double overhead_s = inputs.computes ? run_overhead * inputs.before_s.back() : 0;
    const auto run_s = [&](size_t from, size_t to) {
        return std::max(shortest_s, inputs.before_s[to] - inputs.before_s[from] + overhead_s);
    };
    std::array<double, classes_max> after_hop_s{};
    const auto hop_s = [&](size_t c) { return std::max(shortest_s, inputs.transfer_s[c]); };
    std::array<double, classes_max + 1> remaining_s{};
    for (size_t c = classes; c-- > 0;) {
        after_hop_s[c] = inputs.transfer_s.empty() ? infinite : remaining_at(inputs.next, inputs.cuts[c]);
        double best = inputs.transfer_s.empty() ? infinite : hop_s(c) + after_hop_s[c];
        for (size_t to = c + 1; to <= classes; ++to)
            if (runs(c, to)) best = std::min(best, run_s(c, to) + remaining_s[to]);
        costs.remaining_s[c] = remaining_s[c] = best;
    }
    costs.model_s = inputs.computes ? run_s(0, classes) : infinite;
    costs.whole = runs(0, classes);
    const double model_s = inputs.computes ? costs.model_s : remaining_s[0];
    const double bias_per_s = model_s == infinite ? 0 : bias_frames / model_s;
    for (size_t c = 0; c < classes; ++c) {
        for (size_t to = c + 1; to <= classes; ++to) {
            if (!runs(c, to)) continue;
            costs.run[c][to] = action(remaining_s[c], run_s(c, to), remaining_s[to], bias_per_s);
            costs.fastest_run[c] = std::max(costs.fastest_run[c], costs.run[c][to].per_s);
        }
        if (!inputs.transfer_s.empty()) costs.hop[c] = action(remaining_s[c], hop_s(c), after_hop_s[c], bias_per_s);
    }
    return costs;
}

}  // namespace eddy::scheduler
