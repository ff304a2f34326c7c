// How a unit that is about some rows runs each of its operators. Slabs are followed through the unit; of three ways to
// treat spare rows (row_way.hpp) the one is taken that costs least by a simple count. Pure; no LibTorch.
#pragma once

#include <span>
#include <vector>

#include "eddy/result.hpp"
#include "models/graph/graph.hpp"
#include "models/graph/row_range.hpp"
#include "models/graph/rows.hpp"
#include "models/torch/row_way.hpp"
#include "models/torch/unit_spec.hpp"

namespace eddy::torch_exec {

struct RowPlan {
    std::vector<RowWay> ways;                         ///< by place in UnitSpec::operators
    std::vector<std::vector<graph::RowRange>> slabs;  ///< likewise: held of each input
    std::vector<graph::RowRange> outputs;  ///< by place in UnitSpec::outputs: rows that the tensor holds; of a
                                           ///< sum those that were summed
    double flops = 0;                      ///< of all rows that are made, and of copies in their worth
    uint64_t copied_bytes = 0;
};

/// `spec`: about some rows. Invalid: rows that a value does not have, that are missing, or not made; a partial sum that
/// an operator uses.
Result<RowPlan> plan_rows(const graph::ModelGraph& graph, std::span<const graph::RowRule> rules, const UnitSpec& spec);
Result<RowPlan> plan_rows(const graph::ModelGraph& graph, std::span<const graph::RowRule> rules, const UnitSpec& spec,
                          Spare spare);

}  // namespace eddy::torch_exec
