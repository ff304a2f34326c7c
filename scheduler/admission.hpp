// How much of a source is let in: drift plus penalty (Neely), for the α-fair rates (Mo, Walrand, IEEE/ACM ToN 8(5), 2000)
// that maximise Σ_j w_j^α r_j^(1−α) / (1−α). The exact rule admits at the rate w_j·(V / U_j)^(1/α); turned round, a source
// that gets r_j has a backlog of
//
//   U_j = V · (w_j / r_j)^α
//
// frames in its first queue, and takes another whenever it has fewer. Where two sources meet, their backlogs are equal
// in the long run, and so are w / r: rates are in the ratio of weights. Where they meet only some hops away they differ by
// what the hops cost; the larger α, the less that matters. α = 1 is Σ w log r, and its shares were up to 14 % off where
// links were slow; α = 4 comes near to max-min: the source that gets least of its part counts, as in the bound.
//
// V is chosen such that the source with the largest w / r in the ring has deepest_backlog. For this, nodes tell each
// other their largest w / r (msg::NodeState::pressure). A backlog must be much larger than what a frame loses on a hop
// for shares to be right, but need not be there in frames, which would only wait: beyond the first few, frames that the
// reservoir holds back are counted as if they were in the queue. With little load nothing is held back.
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

inline constexpr double deepest_backlog = 84;             ///< frames, of the source with the largest w / r
inline constexpr double fairness = 4;                     ///< α
inline constexpr double want_ratio_min = 1.0 / 64;        ///< of the deepest backlog, whatever others claim
inline constexpr double prior_backlog = 1.25 * deepest_backlog;
inline constexpr double filled_share = 0.75;        ///< of the queue's bound, of the same source: frames that are there
inline constexpr uint32_t admitted_frames_min = 2;  ///< for every source: one worked on, one ready
inline constexpr Usec held_memory = std::chrono::seconds(2);  ///< a source whose frames waited so lately has a w / r
inline constexpr float held_back_per_s = 30;                  ///< frames: a burst is no overload

/// U. `want`: its w / r; `pressure`: the largest in the ring, or less if the own is the largest. Weights count among
/// sources of no priority; one that has it offers more than any of them, so that its frames find a way everywhere.
[[nodiscard]] inline double wanted_backlog(double want, double pressure, uint8_t priority) {
    if (priority > 0) return prior_backlog;
    if (pressure <= want) return deepest_backlog;
    return deepest_backlog * std::max(std::pow(want / pressure, fairness), want_ratio_min);
}

/// A source whose first queue holds fewer frames takes another. At most queue_frames.
[[nodiscard]] inline uint32_t admitted_frames(double backlog, uint32_t queue_frames) {
    const double frames = std::floor(std::min(1.0, backlog / deepest_backlog) * filled_share * queue_frames);
    return std::max(std::min(admitted_frames_min, queue_frames), static_cast<uint32_t>(frames));
}

/// What the first queue counts beyond the `here` frames it holds, `elapsed` after it counted `before`. `waiting`: more
/// would come if they might.
[[nodiscard]] inline float held_back(float before, bool waiting, double backlog, uint32_t here, Usec elapsed) {
    const float beyond = waiting ? std::max(0.0F, static_cast<float>(backlog - here)) : 0.0F;
    const float step = held_back_per_s * static_cast<float>(to_seconds(elapsed));
    return before < beyond ? std::min(beyond, before + step) : std::max(beyond, before - step);
}

}  // namespace eddy::scheduler
