#include "scheduler/ar_mdi.hpp"

#include <cmath>

#include "eddy/assert.hpp"

namespace eddy::scheduler {

ChainCosts::ChainCosts(const ModelProfile& profile) {
    EDDY_ASSERT(profile.layers.size() < UINT16_MAX);
    uint64_t parameters = 0;
    Usec time{0};
    for (const auto& layer : profile.layers) {
        parameters_before_.push_back(parameters);
        time_before_.push_back(time);
        frontier_bytes_.push_back(layer.frontier_bytes);
        parameters += layer.parameters;
        time += layer.time;
    }
    parameters_before_.push_back(parameters);
    time_before_.push_back(time);
    frontier_bytes_.push_back(0);
}

void ChainCosts::measured(std::span<const double> layer_s) {
    EDDY_ASSERT(layer_s.size() + 1 == time_before_.size());
    for (size_t i = 0; i < layer_s.size(); ++i) time_before_[i + 1] = time_before_[i] + from_seconds(layer_s[i]);
}

namespace {
double speed(double gamma_s_per_parameter) {
    return std::isfinite(gamma_s_per_parameter) && gamma_s_per_parameter > 0 ? 1.0 / gamma_s_per_parameter : 0.0;
}
}  // namespace

uint16_t ar_mdi_cut(const ChainCosts& costs, uint16_t layer, std::span<const double> gammas_s_per_parameter,
                    SharesKind shares) {
    EDDY_ASSERT(layer <= costs.layers() && !gammas_s_per_parameter.empty());
    const double own = speed(gammas_s_per_parameter.front());
    if (own == 0.0) return layer;
    double all = 0;
    for (const double gamma : gammas_s_per_parameter) all += speed(gamma);

    const uint16_t end = costs.layers();
    const auto work = [&](uint16_t from, uint16_t to) {
        return shares == SharesKind::parameters ? static_cast<double>(costs.parameters(from, to))
                                                : to_seconds(costs.time(from, to));
    };
    const double share = work(layer, end) * (own / all);
    const auto distance = [&](uint16_t cut) { return std::abs(work(layer, cut) - share); };

    uint16_t best = layer;
    for (uint16_t cut = layer; cut <= end; ++cut) {
        const double difference = distance(cut) - distance(best);
        if (difference < 0 || (difference == 0 && costs.frontier_bytes(cut) <= costs.frontier_bytes(best))) best = cut;
    }
    return best;
}

}  // namespace eddy::scheduler
