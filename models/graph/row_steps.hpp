// Steps: the finest grain in which rows are divided, measured and planned. A step is a run of consecutive operators
// that a compiler makes one of (a convolution with its batch norm, residual sum and activation), all with equally many
// rows. Derived from the graph alone, so every device numbers steps alike.
//
// Pure; plain values.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "models/graph/graph.hpp"
#include "models/graph/rows.hpp"

namespace eddy::graph {

/// Operators [first, last).
struct RowStep {
    enum class Kind : uint8_t {
        rows,       ///< any of its rows can be made by themselves
        reduction,  ///< one operator: a sum or mean over all rows of its input; partial sums are possible
        whole,      ///< all or nothing
    };
    uint32_t first = 0;
    uint32_t last = 0;
    Kind kind = Kind::whole;
    /// What its time goes by: rows it makes; of a reduction: rows it sums; of a whole step: 1.
    int64_t rows = 1;
    friend bool operator==(const RowStep&, const RowStep&) = default;
};

/// Every operator in exactly one step, ascending. `rules`: row_rules(graph).
[[nodiscard]] std::vector<RowStep> row_steps(const ModelGraph& graph, std::span<const RowRule> rules);

}  // namespace eddy::graph
