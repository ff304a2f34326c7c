// How many frames of a source may wait to be worked on: drift plus penalty (Neely), for the rates that maximise
// Σ_j w_j log r_j. The exact rule admits at the rate w_j·V / Q_j; turned round, a source that gets r_j may have
//
//   Q_j = V · w_j / r_j
//
// frames in its first queue, and takes another whenever it has fewer. Where two sources meet, their backlogs are equal
// in the long run, and so are w / r: rates are in the ratio of weights.
//
// V is chosen such that the source with the largest w / r in the ring fills three quarters of its queue: gradients need
// depth, a full queue could not tell anybody's need from another's. For this, nodes tell each other their largest w / r
// (msg::NodeState::pressure). With little load nothing is held back: nobody has as many frames waiting.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "eddy/time.hpp"

namespace eddy::scheduler {

/// Events per second, recent ones counting more (by a factor of e in each `memory`).
class RateMeter {
public:
    explicit RateMeter(Usec memory) : memory_s_(to_seconds(memory)) {}
    void count(Instant now, double events = 1) {
        if (rate_ == 0) began_ = now;
        rate_ = decayed(now) + events / memory_s_;
        at_ = now;
    }
    /// 0 before the first event. At first what there is counts for the time there was.
    [[nodiscard]] double per_s(Instant now) const {
        const double watched_s = std::max(shortest_s, to_seconds(now - began_));
        return decayed(now) / (1 - std::exp(-watched_s / memory_s_));
    }

private:
    static constexpr double shortest_s = 0.25;
    [[nodiscard]] double decayed(Instant now) const { return rate_ * std::exp(-to_seconds(now - at_) / memory_s_); }
    double memory_s_;
    double rate_ = 0;
    Instant began_{};
    Instant at_{};
};

inline constexpr double deepest_share = 0.75;      ///< of the queue's bound, for the source with the largest w / r
inline constexpr uint32_t admitted_frames_min = 2;  ///< for every source: one worked on, one ready

/// A source whose first queue holds fewer frames takes another. `want`: its w / r; `pressure`: the largest in the ring, or less
/// if the own is the largest.
[[nodiscard]] inline double admitted_frames(double want, double pressure, uint32_t queue_frames) {
    const double depth = deepest_share * queue_frames * (pressure > want ? want / pressure : 1.0);
    return std::max<double>(std::min(admitted_frames_min, queue_frames), depth);
}

}  // namespace eddy::scheduler
