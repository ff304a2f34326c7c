// How runs of an experiment are shown, whether they were simulated or made in the lab: the same tables, the same JSON.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "eddy/experiment_figures.hpp"

namespace eddy::cli {

struct MeasuredRun {
    PolicyKind policy = PolicyKind::layered;
    std::optional<uint64_t> seed;  ///< simulated ones have one
    ExperimentRun run;
    ExperimentLinks links = ExperimentLinks::ring;  ///< between which pairs the policy sends frames
    ExperimentBounds bounds;
    std::optional<ExperimentRun> simulated;  ///< what the simulator says of this run, where it is a real one
};

/// `trace`: with what was seen every second, and the percentiles of completion times.
[[nodiscard]] nlohmann::ordered_json to_json(const Experiment& experiment, const MeasuredRun& measured, bool trace);

/// A line for each run; then, each with an empty line before it, one for each source of each run, and how busy the
/// devices were. `runs` is not empty.
[[nodiscard]] std::string tables_of(const Experiment& experiment, const std::vector<MeasuredRun>& runs);

}  // namespace eddy::cli
