// A problem from an experiment: its devices and links, with a model's row profile.
#pragma once

#include <cstddef>

#include "eddy/experiment.hpp"
#include "planner/edgeflow/problem.hpp"

namespace eddy::planner::edgeflow {

/// Every device is `profile` divided by its speed, on one lane; each pair has its link, whatever `links` says, since
/// rows travel straight. `source`: index of the device that has the frames.
[[nodiscard]] Result<Problem> problem_from(const Experiment& experiment, graph::ModelGraph graph, RowProfile profile,
                                           size_t source);

}  // namespace eddy::planner::edgeflow
