// When a camera has its frames: the first at once, then evenly spaced or at random gaps. By value and from its own
// seed, so equal ones give equal instants whatever else happens, and a copy can run ahead.
#pragma once

#include <cstdint>

#include "eddy/config.hpp"
#include "eddy/random.hpp"
#include "eddy/time.hpp"

namespace eddy::sim {

class ArrivalTimes {
public:
    ArrivalTimes(Arrivals kind, double rate_per_s, uint64_t frames, uint64_t seed)
        : kind_(kind), rate_per_s_(rate_per_s), frames_(frames), random_(seed) {}

    void begin_at(Instant first) { first_ = first; }
    /// Frames whose instant has passed by next().
    [[nodiscard]] uint64_t k() const { return k_; }
    /// Of frame k; never: that was the last.
    [[nodiscard]] Instant due() const { return k_ < frames_ ? first_ + from_seconds(since_first_s_) : never; }
    void next() {
        ++k_;
        // Not gap by gap where they are equal: a rounded gap is another rate.
        since_first_s_ = kind_ == Arrivals::paced ? static_cast<double>(k_) / rate_per_s_
                                                  : since_first_s_ + random_.exponential(1 / rate_per_s_);
    }

private:
    Arrivals kind_;
    double rate_per_s_;
    uint64_t frames_;
    Instant first_{};
    Random random_;
    uint64_t k_ = 0;
    double since_first_s_ = 0;
};

}  // namespace eddy::sim
