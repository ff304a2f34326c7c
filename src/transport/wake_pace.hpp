// How much of a large message a reader lets come before it is woken: each wake-up costs a few tens of microseconds of
// processor, which a small device would rather compute with; but that anything comes at all is a sign of life, and a
// link may become slow at any moment. Pure; one stream, one thread.
#pragma once

#include <algorithm>
#include <cstddef>

#include "eddy/time.hpp"

namespace eddy::transport {

class WakePace {
public:
    static constexpr Usec every = from_ms(10);
    static constexpr size_t bytes_min = 4096;
    /// A link that is cut to 1 Mbit/s still wakes the reader within a second, one of 0.2 Mbit/s before half a message
    /// is taken for a stalled one (Bounds::stall_timeout).
    static constexpr size_t bytes_max = size_t{128} * 1024;

    /// `count` bytes came, now, and `missing` more are to come of the message: what to wait for; 1: whatever comes
    /// first. Follows the speed within messages, upwards by at most a factor of two; pauses between them say nothing of
    /// it.
    [[nodiscard]] size_t next(size_t count, size_t missing, Instant now) {
        if (waiting_) {
            const double most = 2 * static_cast<double>(bytes_);
            const double since_s = to_seconds(now - last_);
            const double at_this_speed = since_s > 0 ? static_cast<double>(count) * to_seconds(every) / since_s : most;
            bytes_ = std::clamp(static_cast<size_t>(std::min(at_this_speed, most)), bytes_min, bytes_max);
        }
        last_ = now;
        waiting_ = missing >= bytes_min;
        return waiting_ ? std::min(missing, bytes_) : 1;
    }

private:
    size_t bytes_ = bytes_min;
    Instant last_{};
    bool waiting_ = false;  ///< in the middle of a message, since last_
};

}  // namespace eddy::transport
