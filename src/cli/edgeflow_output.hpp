// What `eddy plan edgeflow` tells, for people and for programs.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "eddy/experiment.hpp"
#include "planner/edgeflow/critical_path.hpp"
#include "planner/edgeflow/planners.hpp"

namespace eddy::cli {

/// What one planner found, and how it would go.
struct EdgeflowOutcome {
    planner::edgeflow::Planner by = planner::edgeflow::Planner::fused_blocks;
    Result<planner::edgeflow::Planned> planned = unavailable("not planned");
    planner::edgeflow::UnitGraph units;     ///< empty, as the next, if it failed
    planner::edgeflow::Timeline timeline;
    double planning_ms = 0;
};

/// Refers to the problem, which must outlive it.
struct EdgeflowAnswer {
    const Experiment& experiment;
    const planner::edgeflow::Problem& problem;
    std::string model;
    std::string row_profile_device;
    std::vector<EdgeflowOutcome> outcomes;  ///< side by side, in the order of `planners`
    size_t shown = 0;                       ///< whose blocks are told; it has not failed
    bool explain = false;
};

[[nodiscard]] nlohmann::ordered_json edgeflow_json(const EdgeflowAnswer& answer);
[[nodiscard]] std::string edgeflow_text(const EdgeflowAnswer& answer);

}  // namespace eddy::cli
