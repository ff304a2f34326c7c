// Makes plans over rows for a cluster as it is now. Pure, but takes its time: up to a second.
#pragma once

#include "eddy/config.hpp"
#include "eddy/result.hpp"
#include "eddy/row_order.hpp"
#include "models/graph/graph.hpp"

namespace eddy::app {

/// Errors: as of the planner; in words that a log can show. Planners other than fused_blocks divide rows also where
/// that gains nothing, and do not go on from a plan there is.
[[nodiscard]] Result<PlanProposal> make_row_plan(const PlanRequest& request, const graph::ModelGraph& graph,
                                                 const RowProfile& profile, const ContentHash& chain_hash,
                                                 RowPlannerKind planner = RowPlannerKind::fused_blocks);

}  // namespace eddy::app
