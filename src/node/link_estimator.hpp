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
        const double sample = static_cast<double>(bytes) / to_seconds(span);
        bytes_per_s_ = bytes_per_s_ == 0 ? sample : bytes_per_s_ + (sample - bytes_per_s_) / 8;
    }

    /// It became known otherwise: by a wait that took too long, or because it changed at one blow.
    void set(double bytes_per_s) { bytes_per_s_ = bytes_per_s; }
    void at_most(double bytes_per_s) {
        if (bytes_per_s_ > bytes_per_s) bytes_per_s_ = bytes_per_s;
    }

    /// 0 while unknown.
    [[nodiscard]] double bytes_per_s() const { return bytes_per_s_; }

    /// Unacknowledged bytes below which the link counts as free: two bandwidth-delay products.
    [[nodiscard]] uint64_t window_bytes(Usec round_trip) const {
        return static_cast<uint64_t>(2 * bytes_per_s_ * to_seconds(round_trip));
    }

private:
    double bytes_per_s_ = 0;
};

}  // namespace eddy::node
