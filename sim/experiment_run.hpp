// `eddy sim run`: an experiment (include/eddy/experiment.hpp) on production cores in the simulated world, and what it
// is measured against.
//
// A run: all nodes start; once the ring has formed the experiment's clock begins with the sources. After warm_up_s
// comes the window that figures are of; if a change falls into it, it begins anew with the change, so that one bound
// holds for all of it. When the window ends so do the sources, unless all have `frames`: then they run to their end,
// for the makespan. Then the cluster drains, and every captured frame must have had its one outcome.
//
// A device has one network card, as fast as its fastest link each way. It runs the layers that
// models/graph/memory_plan.hpp finds memory for, and may be none of them. Pure: all follows from the arguments.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "eddy/experiment.hpp"
#include "eddy/experiment_figures.hpp"
#include "eddy/profile.hpp"
#include "eddy/result.hpp"

namespace eddy::sim {

struct ExperimentRunOptions {
    SharesKind shares = SharesKind::parameters;
    uint32_t check_every = 50;  ///< each core checks its invariants after so many events
    /// Told every simulated second; none if empty.
    std::function<void(double simulated_s)> progress;
};

/// The policies that can run, in the order of their kinds.
[[nodiscard]] std::vector<PolicyKind> runnable_policies();

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

}  // namespace eddy::sim
