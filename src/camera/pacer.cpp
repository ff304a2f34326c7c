#include "src/camera/pacer.hpp"

#include <algorithm>
#include <cmath>

namespace eddy::camera {
namespace {

// Far beyond any run, and far from where microseconds overflow.
constexpr double offset_s_max = 1e12;

Usec offset(double seconds) { return Usec{std::llround(std::min(seconds, offset_s_max) * 1e6)}; }

}  // namespace

Pacer::Pacer(std::optional<double> rate_per_s, Arrivals arrivals, std::string_view stream_name, Instant start)
    : rate_per_s_(rate_per_s), arrivals_(arrivals), random_(seed_of(stream_name)), start_(start), free_at_(start) {
    EDDY_ASSERT(!rate_per_s || (*rate_per_s >= rate_per_s_min && *rate_per_s <= rate_per_s_max));
    if (poisson()) free_at_ = start + offset(gap_s());
}

// From k itself rather than by adding up gaps: rounding does not accumulate.
Instant Pacer::slot(uint64_t k) const { return start_ + offset(static_cast<double>(k) / *rate_per_s_); }

Instant Pacer::next(Usec position) {
    if (!rate_per_s_) return start_ + position;
    if (!poisson()) return slot(k_++);
    // The first gap was drawn at the start.
    const Instant due = free_at_;
    free_at_ = due + offset(gap_s());
    return due;
}

bool Pacer::take(Instant now) {
    if (!rate_per_s_) return true;
    if (now < free_at_) return false;
    if (poisson()) {
        // The process has no memory: after however long a silence, the next gap is drawn from now.
        free_at_ = now + offset(gap_s());
        return true;
    }
    k_ = static_cast<uint64_t>(std::floor(to_seconds(now - start_) * *rate_per_s_));
    do ++k_;
    while (slot(k_) <= now);  // the division may round below the slot that `now` fell on
    free_at_ = slot(k_);
    return true;
}

Usec Backoff::next() {
    constexpr double first_s = 0.5, last_s = 30;
    const double full_s = std::min(last_s, first_s * static_cast<double>(uint64_t{1} << std::min(failures_, 16U)));
    ++failures_;
    return from_seconds(std::max(first_s, full_s * random_.uniform(0.5, 1.0)));
}

uint64_t seed_of(std::string_view name) {
    uint64_t hash = 0xcbf29ce484222325ULL;
    for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3ULL;
    return hash;
}

}  // namespace eddy::camera
