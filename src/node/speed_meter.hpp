// How fast this node really is, against its own profile: the median of recent ratios, so that one stalled job (a page
// fault, another program) does not move it.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

#include "eddy/time.hpp"

namespace eddy::node {

class SpeedMeter {
public:
    explicit SpeedMeter(double initial) : scale_(initial) {}

    /// A run that should take `expected` by the profile took `busy`.
    void on_run(Usec busy, Usec expected) {
        if (expected <= Usec{0} || busy <= Usec{0}) return;
        samples_[next_++ % samples_.size()] = to_seconds(busy) / to_seconds(expected);
        const size_t count = std::min(next_, samples_.size());
        if (count < 3) return;
        std::vector<double> sorted(samples_.begin(), samples_.begin() + static_cast<std::ptrdiff_t>(count));
        std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(count / 2), sorted.end());
        scale_ = sorted[count / 2];
    }

    /// Time taken over time in the profile.
    [[nodiscard]] double scale() const { return scale_; }

private:
    std::array<double, 32> samples_{};
    size_t next_ = 0;
    double scale_;
};

}  // namespace eddy::node
