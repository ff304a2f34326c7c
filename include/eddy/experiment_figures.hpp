// What a run of an experiment came to, whether in the simulator or in the lab, and what it is measured against. Plain
// values, and the few figures that follow from them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "eddy/effects.hpp"
#include "eddy/experiment.hpp"

namespace eddy {

/// What no policy can exceed, of the experiment as it is in its window. By source: frames a second.
struct ExperimentBounds {
    double theta = 0;  ///< the largest scale at which the offered rates can be served
    std::vector<double> offered_per_s;
    std::vector<double> bound_per_s;    ///< theta · offered
    std::vector<double> optimum_per_s;  ///< the largest Σ weight · log rate, none above what is offered
    std::optional<double> makespan_s;   ///< if all sources have `frames`

    [[nodiscard]] double total_per_s() const {  ///< of bound_per_s
        double total = 0;
        for (const double rate : bound_per_s) total += rate;
        return total;
    }
};

/// Of the frames that were completed in the window.
struct CompletionFigures {
    uint64_t count = 0;
    double mean = 0, p50 = 0, p95 = 0, p99 = 0, max = 0;  ///< from the instant of capture; all 0 if there were none
    std::vector<double> percentiles;                      ///< 0 %, 1 % … 100 %; empty if there were none
};

struct SourceFigures {
    double throughput_per_s = 0;  ///< completions in the window
    CompletionFigures completion_ms;
    /// Of the whole run.
    uint64_t captured = 0, completed = 0, failed = 0, dropped = 0;
    std::map<std::string, uint64_t> failed_by_reason, dropped_by_reason;

    /// One more frame ended so.
    void count(FrameState state, const std::string& reason) {
        switch (state) {
            case FrameState::completed: ++completed; break;
            case FrameState::failed:
                ++failed;
                ++failed_by_reason[reason];
                break;
            case FrameState::dropped:
                ++dropped;
                ++dropped_by_reason[reason];
                break;
        }
    }
};

/// Each second: of all sources together, or by source or device.
struct ExperimentSample {
    double at_s = 0;
    uint64_t backlog = 0;     ///< frames that are due and have no outcome; those that wait for a camera included
    uint64_t at_cameras = 0;  ///< due and not captured, because the source blocks
    uint64_t in_reservoirs = 0;
    uint64_t in_queues = 0;                ///< of all nodes
    std::vector<uint64_t> queues_by_node;  ///< in_queues, by device
    std::vector<uint64_t> completed;       ///< by source, in the second that ends now
};

struct ExperimentRun {
    double window_from_s = 0;  ///< since the sources began
    double window_s = 0;
    double ended_s = 0;                ///< the last outcome
    std::optional<double> makespan_s;  ///< if all sources have `frames`, and each was captured and had its outcome
    std::vector<SourceFigures> sources;
    std::vector<double> busy_fraction;  ///< by device, over the window and its lanes
    std::vector<ExperimentSample> samples;
    uint64_t lost = 0;        ///< captured, and without an outcome when the cluster had drained
    uint64_t duplicated = 0;  ///< outcomes beyond a frame's first
    uint64_t runs = 0;        ///< of layers, computed by all nodes in the whole run
    uint64_t hops = 0;        ///< of completed frames from node to node, results not counted
    /// How the backlog develops in the window: the slope of the straight line that fits best, and means.
    double backlog_slope_per_s = 0, backlog_first_third = 0, backlog_last_third = 0;

    [[nodiscard]] double throughput_per_s() const {
        double total = 0;
        for (const SourceFigures& source : sources) total += source.throughput_per_s;
        return total;
    }
    [[nodiscard]] uint64_t completed() const {
        uint64_t total = 0;
        for (const SourceFigures& source : sources) total += source.completed;
        return total;
    }
    /// Into how many runs of layers a completed frame was divided, and how often it moved; 0 if none was completed.
    [[nodiscard]] double runs_per_frame() const { return per_frame(runs); }
    [[nodiscard]] double hops_per_frame() const { return per_frame(hops); }

private:
    [[nodiscard]] double per_frame(uint64_t count) const {
        return completed() == 0 ? 0 : static_cast<double>(count) / static_cast<double>(completed());
    }
};

/// Where the window begins: after the warm-up, but if a change falls into the window, with the change.
[[nodiscard]] inline double window_from_s(const Experiment& experiment) {
    double from_s = experiment.warm_up_s;
    for (const ExperimentChange& change : experiment.changes)
        if (change.at_s > from_s && change.at_s < from_s + experiment.window_s) from_s = change.at_s;
    return from_s;
}

/// Whether all sources have `frames`: then the run goes to their end.
[[nodiscard]] inline bool is_finite(const Experiment& experiment) {
    return std::all_of(experiment.sources.begin(), experiment.sources.end(),
                       [](const ExperimentSource& source) { return source.frames.has_value(); });
}

/// The worst source's: min over sources of throughput / offered, as a part of theta.
[[nodiscard]] inline double fraction_of_bound(const ExperimentRun& run, const ExperimentBounds& bounds) {
    double least = std::numeric_limits<double>::infinity();
    for (size_t j = 0; j < run.sources.size(); ++j)
        least = std::min(least, run.sources[j].throughput_per_s / bounds.bound_per_s[j]);
    return least;
}

/// max over sources of |throughput / optimum − 1|.
[[nodiscard]] inline double share_error(const ExperimentRun& run, const ExperimentBounds& bounds) {
    double most = 0;
    for (size_t j = 0; j < run.sources.size(); ++j)
        most = std::max(most, std::abs(run.sources[j].throughput_per_s / bounds.optimum_per_s[j] - 1));
    return most;
}

[[nodiscard]] inline CompletionFigures completion_figures(std::vector<double> values) {
    CompletionFigures figures;
    if (values.empty()) return figures;
    std::sort(values.begin(), values.end());
    const auto rank = [&](double part) {
        const double place = std::ceil(part * static_cast<double>(values.size()));
        return values[static_cast<size_t>(std::max(place, 1.0)) - 1];
    };
    figures.count = values.size();
    for (const double value : values) figures.mean += value;
    figures.mean /= static_cast<double>(values.size());
    figures.p50 = rank(0.50);
    figures.p95 = rank(0.95);
    figures.p99 = rank(0.99);
    figures.max = values.back();
    for (int percent = 0; percent <= 100; ++percent) figures.percentiles.push_back(rank(percent / 100.0));
    return figures;
}

/// Fills in the run's three figures of the backlog from its samples.
inline void fit_backlog(ExperimentRun& run) {
    std::vector<const ExperimentSample*> inside;
    for (const ExperimentSample& sample : run.samples)
        if (sample.at_s >= run.window_from_s && sample.at_s <= run.window_from_s + run.window_s)
            inside.push_back(&sample);
    if (inside.size() < 3) return;
    const auto mean_of = [&](size_t from, size_t to, auto value) {
        double sum = 0;
        for (size_t i = from; i < to; ++i) sum += value(*inside[i]);
        return sum / static_cast<double>(to - from);
    };
    const auto at = [](const ExperimentSample& sample) { return sample.at_s; };
    const auto backlog = [](const ExperimentSample& sample) { return static_cast<double>(sample.backlog); };
    const double at_mean = mean_of(0, inside.size(), at);
    const double backlog_mean = mean_of(0, inside.size(), backlog);
    double with = 0;
    double square = 0;
    for (const auto* sample : inside) {
        with += (at(*sample) - at_mean) * (backlog(*sample) - backlog_mean);
        square += (at(*sample) - at_mean) * (at(*sample) - at_mean);
    }
    if (square > 0) run.backlog_slope_per_s = with / square;
    const size_t third = inside.size() / 3;
    run.backlog_first_third = mean_of(0, third, backlog);
    run.backlog_last_third = mean_of(inside.size() - third, inside.size(), backlog);
}

}  // namespace eddy
