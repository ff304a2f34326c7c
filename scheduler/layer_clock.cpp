#include "scheduler/layer_clock.hpp"

#include <algorithm>
#include <numeric>

#include "eddy/assert.hpp"

namespace eddy::scheduler {

LayerClock::LayerClock(const ModelProfile& profile, double time_scale) : scale_(time_scale) {
    EDDY_ASSERT(time_scale > 0 && profile.layers.size() < UINT16_MAX);
    for (const LayerProfile& from : profile.layers) {
        Layer layer;
        layer.expected_s = std::max(0.0, to_seconds(from.time)) * time_scale;
        expected_s_ += layer.expected_s;
        layers_.push_back(layer);
    }
    profile_s_ = expected_s_ / time_scale;
    update();
}

void LayerClock::on_run(uint16_t first, uint16_t last, Usec busy, std::span<const Usec> layer_times) {
    EDDY_ASSERT(first < last && last <= layers_.size());
    if (busy <= Usec{0}) return;
    ++runs_;
    // What the run's time is shared out by. Nothing but zeros: equally.
    std::vector<double> parts;
    double sum = 0;
    const auto take = [&](double part) {
        parts.push_back(part);
        sum += part;
    };
    const bool measured = layer_times.size() == size_t{last} - first &&
                          std::all_of(layer_times.begin(), layer_times.end(), [](Usec t) { return t >= Usec{0}; }) &&
                          std::any_of(layer_times.begin(), layer_times.end(), [](Usec t) { return t > Usec{0}; });
    for (size_t i = first; i < last; ++i) take(measured ? to_seconds(layer_times[i - first]) : layers_[i].now_s);
    for (size_t i = first; i < last; ++i) {
        const double part = sum > 0 ? parts[i - first] / sum : 1.0 / static_cast<double>(parts.size());
        add_sample(layers_[i], to_seconds(busy) * part);
    }
    update();
}

void LayerClock::add_sample(Layer& layer, double seconds) {
    if (!fresh(layer)) layer.samples.fill(layer.now_s);
    layer.samples[layer.next] = seconds;
    layer.next = static_cast<uint8_t>((layer.next + 1) % window);
    layer.last_run = runs_;
    auto sorted = layer.samples;
    std::sort(sorted.begin(), sorted.end());
    layer.now_s = std::accumulate(sorted.begin() + outside, sorted.end() - outside, 0.0) / (window - 2 * outside);
}

void LayerClock::update() {
    double fresh_s = 0;
    double fresh_expected_s = 0;
    for (const Layer& layer : layers_) {
        if (!fresh(layer)) continue;
        fresh_s += layer.now_s;
        fresh_expected_s += layer.expected_s;
    }
    if (fresh_expected_s > 0) {
        const double measured = fresh_s / fresh_expected_s;
        const double belief = std::min(1.0, fresh_expected_s / (believed_share * expected_s_));
        factor_ = believed_ + (measured - believed_) * belief * belief;
        if (belief == 1.0) believed_ = measured;
    }
    before_s_.assign(1, 0);
    for (Layer& layer : layers_) {
        if (!fresh(layer)) layer.now_s = layer.expected_s * factor_;
        before_s_.push_back(before_s_.back() + layer.now_s);
    }
    if (profile_s_ > 0) scale_ = before_s_.back() / profile_s_;
}

std::vector<double> LayerClock::layer_s() const {
    std::vector<double> times;
    for (const Layer& layer : layers_) times.push_back(layer.now_s);
    return times;
}

}  // namespace eddy::scheduler
