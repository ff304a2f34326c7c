// What a compiled unit is to do: which operators, from which values to which, and which rows of them. A layer of the
// chain is the unit whose rows are everything. Plain values; no LibTorch.
#pragma once

#include <compare>
#include <cstdint>
#include <span>
#include <vector>

#include "eddy/ids.hpp"
#include "eddy/result.hpp"
#include "models/graph/block_rows.hpp"
#include "models/graph/graph.hpp"
#include "models/graph/row_range.hpp"
#include "models/graph/rows.hpp"

namespace eddy::torch_exec {

/// Which rows, one range for each operator and value of a UnitSpec; no lists at all: all rows of everything. None is
/// empty. The rows of a reduction (global pooling), and of what it makes, are those of its input that it sums: all of
/// them give its result, fewer a partial sum (eddy/partial_sums.hpp).
struct UnitRows {
    std::vector<graph::RowRange> operators;  ///< of its outputs, that each makes
    std::vector<graph::RowRange> inputs;     ///< in which the value is given
    std::vector<graph::RowRange> outputs;    ///< that are wanted of the value
    [[nodiscard]] bool everything() const { return operators.empty(); }
    friend auto operator<=>(const UnitRows&, const UnitRows&) = default;
};

/// Operators by index, ascending; values in the order in which they are given and wanted. `inputs` must cover what the
/// operators need from outside (graph::ModelGraph::boundary_of); `outputs` are made by the operators, or are inputs.
struct UnitSpec {
    std::vector<uint32_t> operators;
    std::vector<ValueId> inputs;
    std::vector<ValueId> outputs;
    UnitRows rows{};
    friend auto operator<=>(const UnitSpec&, const UnitSpec&) = default;
};

/// Operators [cut_first, cut_last) from the frontier of the one cut to that of the other.
UnitSpec unit_between(const graph::ModelGraph& graph, uint32_t cut_first, uint32_t cut_last);

/// What of the operators [first, last) it takes to make these rows of values that they make, as graph::block_rows
/// finds it; operators that make nothing are left out, and inputs of which nothing is needed. Rows wanted of a
/// reduction's value are those of its input (see UnitRows). Outputs in the order of `wanted`, each once, none empty.
/// `rules`: row_rules(graph). Invalid: what block_rows refuses; a partial sum that an operator of the unit would use;
/// nothing wanted.
Result<UnitSpec> row_unit(const graph::ModelGraph& graph, std::span<const graph::RowRule> rules, uint32_t first,
                          uint32_t last, std::span<const graph::ValueRows> wanted);

}  // namespace eddy::torch_exec
