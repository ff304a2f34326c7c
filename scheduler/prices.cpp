#include "scheduler/prices.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace eddy::scheduler {

namespace {
/// A step towards `score`, the longer the more of `whole_s` was sold at it.
double followed(double price_per_s, double gain, double score, double takes_s, double whole_s) {
    if (!(whole_s > 0) || !std::isfinite(whole_s)) return price_per_s;
    const double step = gain * std::min(1.0, takes_s / whole_s) * (score - price_per_s);
    return std::clamp(price_per_s + step, 0.0, highest_price / whole_s);
}
}  // namespace

void Prices::ran(double score, double takes_s, double model_s) {
    lane_per_s_ = followed(lane_per_s_, lane_gain, score, takes_s, model_s);
}

void Prices::hopped(double score, double takes_s, double frame_s) {
    link_per_s_ = followed(link_per_s_, link_gain, score, takes_s, frame_s);
}

void Prices::passes(Instant now) {
    const double kept = std::exp(-to_seconds(now - at_) / to_seconds(idle_memory));
    if (lane_idle_) lane_per_s_ *= kept;
    if (link_idle_) link_per_s_ *= kept;
    at_ = now;
}

void Prices::stands(bool lane_idle, bool link_idle) {
    lane_idle_ = lane_idle;
    link_idle_ = link_idle;
}

float Prices::lane_price(double takes_s) const {
    return static_cast<float>(std::clamp(lane_per_s_ * takes_s - ready_frames, 0.0, highest_price));
}

void Prices::write(Board& board) const {
    constexpr float none = std::numeric_limits<float>::infinity();
    const ClassCosts& costs = board.costs;
    const size_t end = costs.classes;
    // What things take may have changed since their prices were learned.
    const double model_s = std::isfinite(costs.model_s) ? costs.model_s : 0;
    const double lane_per_s = model_s > 0 ? std::min(lane_per_s_, highest_price / model_s) : 0;
    const double link_per_s = std::min(link_per_s_, highest_price * static_cast<double>(costs.hop[0].per_s));
    for (size_t c = end; c-- > 0;) {
        const auto run = [&](size_t to) { return static_cast<float>(lane_per_s / costs.run[c][to].per_s); };
        float best = none;
        board.price_here[c] = 0;
        if (costs.run[c][end].per_s > 0) best = board.price_here[c] = std::max(0.0F, run(end) - ready_frames);
        for (size_t to = c + 1; to < end; ++to)
            if (costs.run[c][to].per_s > 0) best = std::min(best, run(to) + board.price[to]);
        if (costs.hop[c].per_s > 0) {
            const auto hop = static_cast<float>(link_per_s / costs.hop[c].per_s);
            best = std::min(best, std::max(hop - 1, hop_frames) + board.next_price[c]);
        }
        board.price[c] = best == none ? 0 : std::min(best, price_max);
    }
}

}  // namespace eddy::scheduler
