// Walking back through a block: which rows every operator of it must make, and which rows must come from outside, so
// that some rows of its outputs can be made without any exchange in between. Rows that several consumers need are made
// once; rows that two devices need are made by both (the halo).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "eddy/result.hpp"
#include "models/graph/graph.hpp"
#include "models/graph/row_range.hpp"
#include "models/graph/rows.hpp"

namespace eddy::graph {

struct ValueRows {
    ValueId value;
    RowRange rows;
    friend bool operator==(const ValueRows&, const ValueRows&) = default;
};

/// One range for each value: the hull of what its consumers need, all of it where a whole operator of the block makes
/// it. Empty: nothing of it is needed.
struct BlockRows {
    std::vector<ValueRows> inputs;    ///< all that the block reads from outside, ascending: needed
    std::vector<ValueRows> made;      ///< all that the block makes, ascending: wanted, or needed within the block
    std::vector<RowRange> operators;  ///< by place in the block: rows of its outputs that it makes
    friend bool operator==(const BlockRows&, const BlockRows&) = default;
};

/// `rules`: row_rules(graph). `block`: indices of operators, ascending, distinct. `wanted`: values that the block
/// makes, in any order; of one named twice the hull. Invalid: anything else, rows that a value does not have, a part of
/// the rows of what a whole operator makes.
[[nodiscard]] Result<BlockRows> block_rows(const ModelGraph& graph, std::span<const RowRule> rules,
                                           std::span<const uint32_t> block, std::span<const ValueRows> wanted);

}  // namespace eddy::graph
