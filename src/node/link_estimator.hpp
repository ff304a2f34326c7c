// How fast a link is, from what the receiver saw: bandwidth from the time between a message's first and last byte
// (its own clock, differences only), delay from heartbeats.
#pragma once

#include <algorithm>

#include "eddy/time.hpp"

namespace eddy::node {

class LinkEstimator {
public:
    /// A receipt for `bytes`, the first of which came `span` before the last. Too short a span says nothing: the
    /// message was in the receiver's kernel already.
    void on_receipt(uint64_t bytes, Usec span) {
        if (bytes < 16 * 1024 || span < Usec{50}) return;
        const double seconds = to_seconds(std::min(span, span_max));
        // One that stood still on its way says little of the link, however long it took.
        const double weight = std::min(1.0, std::max(span_s_, seen_s) / seconds);
        bytes_ = bytes_ * (1 - newest) + weight * static_cast<double>(bytes);
        span_s_ = span_s_ * (1 - newest) + weight * seconds;
    }

    /// It became known otherwise: by a wait that took too long, or because it changed at one blow.
    void set(double bytes_per_s) {
        span_s_ = seen_s;
        bytes_ = bytes_per_s * span_s_;
    }
    void at_most(double bytes_per_s) {
        if (this->bytes_per_s() > bytes_per_s) set(bytes_per_s);
    }

    /// 0 while unknown.
    [[nodiscard]] double bytes_per_s() const { return span_s_ == 0 ? 0 : bytes_ / span_s_; }

    /// Unacknowledged bytes below which the link counts as free: two bandwidth-delay products.
    [[nodiscard]] uint64_t window_bytes(Usec round_trip) const {
        return static_cast<uint64_t>(2 * bytes_per_s() * to_seconds(round_trip));
    }

private:
    static constexpr double newest = 0.125;                  ///< what the newest message counts, if all are alike
    static constexpr double seen_s = 0.03;                   ///< a message counts at most as this, or as all before it
    static constexpr Usec span_max = std::chrono::hours(1);  ///< whatever a receiver says

    double bytes_ = 0;   ///< Of the latest messages, older ones counting less; not the mean of their speeds, because
    double span_s_ = 0;  ///< short ones that a buffer on the way let through at once would be most of that.
};

}  // namespace eddy::node
