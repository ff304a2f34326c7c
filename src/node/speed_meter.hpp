// How fast this node really is, against its own profile: time taken over time expected, in a window of recent runs.
//
// A run that took far longer than the median (a page fault, another program) is cut off, so one stall does not move the
// figure. The profile itself counts as a few whole-model runs: a node that is given only slivers of a model, each
// dominated by overhead, would otherwise seem ever slower and be given ever less.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

#include "eddy/time.hpp"

namespace eddy::node {

class SpeedMeter {
public:
    /// `prior`: what the profile says; `whole`: the profile's time of the whole model.
    SpeedMeter(double prior, Usec whole) : prior_(prior), whole_s_(to_seconds(whole)), scale_(prior) {}

    /// A run that should take `expected` by the profile took `busy`.
    void on_run(Usec busy, Usec expected) {
        if (expected <= Usec{0} || busy <= Usec{0}) return;
        runs_[next_++ % runs_.size()] = {to_seconds(busy), to_seconds(expected)};
        const size_t count = std::min(next_, runs_.size());
        std::vector<double> ratios;
        for (size_t i = 0; i < count; ++i) ratios.push_back(runs_[i].busy_s / runs_[i].expected_s);
        const auto middle = ratios.begin() + static_cast<std::ptrdiff_t>(count / 2);
        std::nth_element(ratios.begin(), middle, ratios.end());
        const double longest = stall_ratio * (count < 3 ? std::min(*middle, prior_) : *middle);
        double busy_s = prior_runs * prior_ * whole_s_;
        double expected_s = prior_runs * whole_s_;
        for (size_t i = 0; i < count; ++i) {
            busy_s += std::min(runs_[i].busy_s, longest * runs_[i].expected_s);
            expected_s += runs_[i].expected_s;
        }
        scale_ = busy_s / expected_s;
    }

    /// Time taken over time in the profile.
    [[nodiscard]] double scale() const { return scale_; }

private:
    static constexpr double prior_runs = 2;
    static constexpr double stall_ratio = 3;  ///< beyond so many medians a run counts as stalled
    struct Run {
        double busy_s = 0;
        double expected_s = 0;
    };
    std::array<Run, 32> runs_{};
    size_t next_ = 0;
    double prior_;
    double whole_s_;
    double scale_;
};

}  // namespace eddy::node
