#include "src/node/progress.hpp"

#include <algorithm>
#include <vector>

namespace eddy::node {

namespace {
/// So much slower than usual is slow; half as slow is not any more.
constexpr double slow_below = 0.25;
constexpr double well_above = 0.5;

template <class Speeds>
double median(const Speeds& speeds) {
    if (speeds.empty()) return 0;
    std::vector<double> sorted(speeds.begin(), speeds.end());
    const auto middle = sorted.begin() + static_cast<ptrdiff_t>(sorted.size() / 2);
    std::nth_element(sorted.begin(), middle, sorted.end());
    return *middle;
}
}  // namespace

void Smoothed::add(Usec sample) {
    sample = std::max(sample, Usec{0});
    if (!known_) {
        known_ = true;
        mean_ = sample;
        deviation_ = sample / 2;
        return;
    }
    deviation_ = (deviation_ * 3 + std::max(sample - mean_, mean_ - sample)) / 4;
    mean_ = (mean_ * 7 + sample) / 8;
}

void Progress::on_sent(uint64_t seq, uint64_t bytes, Instant now) {
    unreceipted_.push_back({seq, bytes, now});
    if (unreceipted_.size() > messages_max) unreceipted_.pop_front();
}

void Progress::on_receipt(uint64_t seq, Usec span, Instant now) {
    if (unreceipted_.empty() || unreceipted_.front().seq > seq) return;
    const Usec waited = waits(now);
    Message last{};
    while (!unreceipted_.empty() && unreceipted_.front().seq <= seq) {
        last = unreceipted_.front();
        unreceipted_.pop_front();
    }
    receipted_ = now;
    at_most_ = 0;
    const bool measured = last.seq == seq && last.bytes >= bytes_least && span >= span_least;
    const double speed = measured ? static_cast<double>(last.bytes) / to_seconds(span) : 0;
    if (measured) add_speed(speed);
    if (pace_ == Pace::well || pace_ == Pace::stuck) {
        delay_.add(waited - (measured ? span : Usec{0}));
        if (former_ > 0 && measured && speed >= well_above * former_) {
            usual_ = last_ = {speed};
            former_ = 0;
            new_speed_ = speed;
            return;
        }
        if (last_.size() == lately && looks_slow(recent(), last.bytes)) {
            slow_bytes_ = last.bytes;
            turn(Pace::slow, now);
        }
        return;
    }
    if (pace_ == Pace::slow && !(measured && looks_well(speed))) {
        new_speed_ = recent();
        return;
    }
    const bool slow = measured && looks_slow(speed, last.bytes);
    last_.clear();  // what was before the change says nothing any more
    if (measured) last_.push_back(speed);
    if (slow) slow_bytes_ = last.bytes;
    turn(slow ? Pace::slow : Pace::well, now);
    if (bytes_per_s() > 0) new_speed_ = bytes_per_s();
}

void Progress::on_released(Usec held, Instant now) {
    held_.add(held);
    released_ = now;
    if (pace_ == Pace::stuck) turn(Pace::well, now);
}

void Progress::forgive(Instant now) {
    receipted_ = now;
    released_ = now;
}

void Progress::look(std::optional<Instant> oldest, Instant now) {
    if (!unreceipted_.empty()) {
        const uint64_t bytes = unreceipted_.front().bytes;
        const Usec waited = waits(now);
        if (waited > std::max(held_up_least, patience * should_take(bytes))) {
            at_most_ = static_cast<double>(bytes) / to_seconds(waited);
            if (pace_ == Pace::well) turn(Pace::held_up, now);
        }
    }
    if (pace_ == Pace::well && oldest && now - std::max(*oldest, released_) > stuck_after()) turn(Pace::stuck, now);
}

double Progress::bytes_per_s() const {
    const double speed = last_.empty() ? usual() : recent();
    return at_most_ > 0 && (speed == 0 || at_most_ < speed) ? at_most_ : speed;
}

bool Progress::wants_probe(Instant now) const {
    return (pace_ == Pace::slow || pace_ == Pace::stuck || former_ > 0) && unreceipted_.empty() && now >= probe_at_;
}

void Progress::on_probe(Instant now) {
    probe_pause_ = std::min(2 * probe_pause_, probe_most);
    probe_at_ = now + probe_pause_;
}

void Progress::accept_speed() {
    if (pace_ != Pace::slow) return;
    former_ = std::max(former_, usual());
    usual_ = last_;
    pace_ = Pace::well;
}

Usec Progress::waits(Instant now) const {
    return unreceipted_.empty() ? Usec{0} : now - std::max(unreceipted_.front().sent, receipted_);
}

Usec Progress::should_take(uint64_t bytes) const {
    const double speed = usual();
    if (speed == 0) return unknown_takes;
    return from_seconds(static_cast<double>(bytes) / speed) + delay_.most();
}

bool Progress::looks_slow(double bytes_per_s, uint64_t bytes) const {
    if (usual_.size() < enough || bytes_per_s <= 0 || bytes_per_s >= slow_below * usual()) return false;
    return static_cast<double>(bytes) > bytes_per_s * to_seconds(slow_least);
}

bool Progress::looks_well(double bytes_per_s) const {
    return bytes_per_s >= well_above * usual() ||
           static_cast<double>(slow_bytes_) <= bytes_per_s * to_seconds(slow_least);
}

double Progress::usual() const { return median(usual_); }
double Progress::recent() const { return median(last_); }

void Progress::add_speed(double bytes_per_s) {
    last_.push_back(bytes_per_s);
    if (last_.size() > lately) last_.pop_front();
    if (pace_ != Pace::well) return;
    usual_.push_back(bytes_per_s);
    if (usual_.size() > window) usual_.pop_front();
}

void Progress::turn(Pace pace, Instant now) {
    pace_ = pace;
    probe_pause_ = probe_first;
    probe_at_ = now + probe_pause_;
    if (pace != Pace::well) return;
    at_most_ = 0;
}

const char* name_of(Progress::Pace pace) {
    switch (pace) {
        case Progress::Pace::well: return "well";
        case Progress::Pace::held_up: return "held up";
        case Progress::Pace::slow: return "slow";
        case Progress::Pace::stuck: return "stuck";
    }
    return "";
}

}  // namespace eddy::node
