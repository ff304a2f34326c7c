// Does a peer live? Pings are answered by pongs; any other byte of it counts as well. How long an answer may take
// adapts to how long answers took (RFC 6298), so that a busy peer or a slow link is not taken for a dead one.
#pragma once

#include <algorithm>
#include <array>
#include <optional>

#include "eddy/time.hpp"

namespace eddy::ring {

class Heartbeat {
public:
    explicit Heartbeat(Instant now) : heard_(now) {}

    /// A ping goes out; gives its number.
    uint64_t ping(Instant now) {
        sent_at_[++sequence_ % sent_at_.size()] = now;
        pinged_ = now;
        if (!unanswered_since_) unanswered_since_ = now;
        return sequence_;
    }
    void on_life(Instant now) {
        heard_ = now;
        unanswered_since_.reset();
    }
    /// Numbers never sent, or sent long ago, say nothing.
    void on_pong(uint64_t sequence, Instant now) {
        if (sequence == 0 || sequence > sequence_ || sequence_ - sequence >= sent_at_.size()) return;
        if (sequence <= answered_) return;
        answered_ = sequence;
        const Usec sample = now - sent_at_[sequence % sent_at_.size()];
        if (smoothed_ == Usec{0}) {
            smoothed_ = std::max(sample, Usec{1});
            deviation_ = sample / 2;
            return;
        }
        const Usec off = sample > smoothed_ ? sample - smoothed_ : smoothed_ - sample;
        deviation_ = (deviation_ * 3 + off) / 4;
        smoothed_ = std::max((smoothed_ * 7 + sample) / 8, Usec{1});
    }
    /// This process stood still: the peer's silence meanwhile means nothing.
    void forgive(Instant now) {
        if (unanswered_since_) unanswered_since_ = now;
    }

    /// When silence becomes death, if nothing is heard before; `never` while no ping is unanswered.
    [[nodiscard]] Instant deadline(Usec silent_min, Usec silent_max) const {
        if (!unanswered_since_) return never;
        return *unanswered_since_ + std::clamp(smoothed_ + 4 * deviation_, silent_min, silent_max);
    }
    [[nodiscard]] Instant heard() const { return heard_; }
    [[nodiscard]] Instant pinged() const { return pinged_; }
    /// Smoothed; zero while unknown.
    [[nodiscard]] Usec round_trip() const { return smoothed_; }

private:
    Instant heard_;
    Instant pinged_{};
    std::optional<Instant> unanswered_since_;
    std::array<Instant, 16> sent_at_{};
    uint64_t sequence_ = 0;
    uint64_t answered_ = 0;
    Usec smoothed_{0};
    Usec deviation_{0};
};

}  // namespace eddy::ring
