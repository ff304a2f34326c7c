// Makes plans over rows for a cluster as it is now. Pure, but takes its time: up to a second.
#pragma once

#include "eddy/result.hpp"
#include "eddy/row_order.hpp"
#include "models/graph/graph.hpp"

namespace eddy::app {

/// Errors: as of the planner; in words that a log can show.
[[nodiscard]] Result<PlanProposal> make_row_plan(const PlanRequest& request, const graph::ModelGraph& graph,
                                                 const RowProfile& profile, const ContentHash& chain_hash);

}  // namespace eddy::app
