// Durations and instants of the core. CoreClock has no now(): the core is told the time. Instants of
// two machines are never compared; only durations cross the wire.
#pragma once

#include <chrono>
#include <cstdint>

namespace eddy {

using Usec = std::chrono::microseconds;
using Seconds = std::chrono::duration<double>;

struct CoreClock {
    using duration = Usec;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<CoreClock, duration>;
    static constexpr bool is_steady = true;
};
/// Microseconds since an origin of this process's own.
using Instant = CoreClock::time_point;

inline constexpr Instant never = Instant::max();

constexpr double to_seconds(Usec d) { return std::chrono::duration_cast<Seconds>(d).count(); }
constexpr double to_ms(Usec d) { return to_seconds(d) * 1e3; }
constexpr Usec from_seconds(double s) { return std::chrono::duration_cast<Usec>(Seconds(s)); }
constexpr Usec from_ms(double ms) { return from_seconds(ms * 1e-3); }

}  // namespace eddy
