// `eddy sim run`: an experiment (include/eddy/experiment.hpp) on production cores in the simulated world, and what it
// is measured against.
//
// A run: all nodes start; once the ring has formed the experiment's clock begins with the sources. After warm_up_s
// comes the window that figures are of; if a change falls into it, it begins anew with the change, so that one bound
// holds for all of it. When the window ends so do the sources, unless all have `frames`: then they run to their end,
// for the makespan. Then the cluster drains, and every captured frame must have had its one outcome.
//
// A device has one network card, as fast as its fastest link each way. One without memory for the model's weights only
// relays. Pure: all follows from the arguments.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "eddy/experiment.hpp"
#include "eddy/profile.hpp"
#include "eddy/result.hpp"

namespace eddy::sim {

/// What no policy can exceed, of the experiment as it is in its window. By source: frames a second.
struct ExperimentBounds {
    double theta = 0;  ///< the largest scale at which the offered rates can be served
    std::vector<double> offered_per_s;
    std::vector<double> bound_per_s;           ///< theta · offered
    std::vector<double> optimum_per_s;         ///< the largest Σ weight · log rate, none above what is offered
    std::optional<double> makespan_s;          ///< if all sources have `frames`
    [[nodiscard]] double total_per_s() const;  ///< of bound_per_s
};

struct ExperimentRunOptions {
    SharesKind shares = NodeConfig{}.shares;
    uint32_t check_every = 50;  ///< each core checks its invariants after so many events
    /// Told every simulated second; none if empty.
    std::function<void(double simulated_s)> progress;
};

/// Of the frames that were completed in the window.
struct CompletionFigures {
    uint64_t count = 0;
    double mean = 0, p50 = 0, p95 = 0, p99 = 0, max = 0;  ///< from the instant of capture; all 0 if there were none
};

struct SourceFigures {
    double throughput_per_s = 0;  ///< completions in the window
    CompletionFigures completion_ms;
    /// Of the whole run.
    uint64_t captured = 0, completed = 0, failed = 0, dropped = 0;
    std::map<std::string, uint64_t> failed_by_reason, dropped_by_reason;
};

/// Each second: of all sources together, or by source.
struct ExperimentSample {
    double at_s = 0;
    uint64_t backlog = 0;     ///< frames that are due and have no outcome; those that wait for a camera included
    uint64_t at_cameras = 0;  ///< due and not captured, because the source blocks
    uint64_t in_reservoirs = 0;
    uint64_t in_queues = 0;           ///< of all nodes
    std::vector<uint64_t> completed;  ///< by source, in the second that ends now
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
    /// How the backlog develops in the window: the slope of the straight line that fits best, and means.
    double backlog_slope_per_s = 0, backlog_first_third = 0, backlog_last_third = 0;
    [[nodiscard]] double throughput_per_s() const;
};

/// The policies that can run, in the order of their kinds.
[[nodiscard]] std::vector<PolicyKind> runnable_policies();

/// Where the window begins.
[[nodiscard]] double window_from_s(const Experiment& experiment);

/// The pairs that this policy sends frames between: ddi does not keep to the ring, whatever the experiment says.
[[nodiscard]] ExperimentLinks links_used(const Experiment& experiment, PolicyKind policy);

/// With frames between such pairs. Errors: what the planner finds unsolvable.
[[nodiscard]] Result<ExperimentBounds> experiment_bounds(const Experiment& experiment, const ModelProfile& profile,
                                                         ExperimentLinks links);

/// With rates in the same proportion, `load` times what the cluster can carry in the window.
[[nodiscard]] Result<Experiment> at_load(const Experiment& experiment, const ModelProfile& profile, double load);

/// Errors: `unsupported`, if a source's device cannot compute; no ring formed.
[[nodiscard]] Result<ExperimentRun> run_experiment(const Experiment& experiment, const ModelProfile& profile,
                                                   PolicyKind policy, uint64_t seed,
                                                   const ExperimentRunOptions& options = {});

/// The worst source's: min over sources of throughput / offered, as a part of theta.
[[nodiscard]] double fraction_of_bound(const ExperimentRun& run, const ExperimentBounds& bounds);
/// max over sources of |throughput / optimum − 1|.
[[nodiscard]] double share_error(const ExperimentRun& run, const ExperimentBounds& bounds);

}  // namespace eddy::sim
