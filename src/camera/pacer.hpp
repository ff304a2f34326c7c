// When frames are due, and how long to wait before an input is tried again. Pure: no clock, no thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "eddy/config.hpp"
#include "eddy/random.hpp"
#include "eddy/time.hpp"

namespace eddy::camera {

/// Rates outside are refused: beyond, k/rate in microseconds means nothing.
inline constexpr double rate_per_s_max = 10'000;
inline constexpr double rate_per_s_min = 1e-6;

/// The schedule of one stream. rate_per_s, if given, is within the bounds above.
class Pacer {
public:
    Pacer(std::optional<double> rate_per_s, Arrivals arrivals, std::string_view stream_name, Instant start);

    /// The instant at which the next frame is due. Called once a frame, in order. `position`: the frame's own time
    /// since the first; it counts only where no rate is given.
    Instant next(Usec position);

    /// For live inputs, instead of next(): a frame arrived at `now`; is it to be taken? Without a rate: always. With
    /// one: the first frame in each of the schedule's intervals; intervals without a frame pass unused.
    bool take(Instant now);

private:
    [[nodiscard]] Instant slot(uint64_t k) const;
    [[nodiscard]] bool poisson() const { return rate_per_s_ && arrivals_ == Arrivals::poisson; }
    double gap_s() { return random_.exponential(1 / *rate_per_s_); }

    std::optional<double> rate_per_s_;
    Arrivals arrivals_;
    Random random_;
    Instant start_;
    uint64_t k_ = 0;
    Instant free_at_;  ///< Poisson: the next instant; take(): when the next interval begins
};

/// 0.5 s, 1 s, 2 s … 30 s, each shortened by up to half at random so that cameras do not come back all at once (never
/// below 0.5 s).
class Backoff {
public:
    explicit Backoff(uint64_t seed) : random_(seed) {}
    Usec next();
    void reset() { failures_ = 0; }

private:
    Random random_;
    uint32_t failures_ = 0;
};

/// A seed from a name, equal on every platform (FNV-1a).
uint64_t seed_of(std::string_view name);

}  // namespace eddy::camera
