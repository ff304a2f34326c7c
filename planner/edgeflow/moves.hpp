// Small changes of a plan, for planners that improve one step by step. Every change leads to a plan of the same
// problem, or to none where it makes no sense.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "eddy/random.hpp"
#include "planner/edgeflow/blocks.hpp"
#include "planner/edgeflow/plan.hpp"

namespace eddy::planner::edgeflow {

struct Move {
    enum class Kind : uint8_t {
        bound,        ///< bounds[index] of the block, by `by` rows; bounds that would be crossed go with it
        split,        ///< rows by set `index` of weights
        like_before,  ///< rows as in the block before
        boundary,     ///< boundary_first, or not
        join,         ///< with the next block, split as this one, or with `index` 1 as that one
        part,         ///< in two, after `index` steps
        shift,        ///< the border to the next block, by `by` steps
    };
    Kind kind = Kind::bound;
    uint32_t block = 0;
    uint32_t index = 0;
    int32_t by = 0;
};

class Moves {
public:
    /// `weights`: sets by device, as of seeds.hpp.
    Moves(Blocks& blocks, std::vector<std::vector<double>> weights) : blocks_(blocks), weights_(std::move(weights)) {}

    [[nodiscard]] std::vector<Move> all(const Plan& plan) const;
    /// One of them, those that often help more often.
    [[nodiscard]] Move any(const Plan& plan, Random& random) const;
    /// Nothing if the move changes nothing, or does not fit this plan.
    [[nodiscard]] std::optional<Plan> apply(const Plan& plan, const Move& move);

private:
    [[nodiscard]] std::optional<Plan> moved_bound(Plan plan, const Move& move) const;
    [[nodiscard]] std::optional<Plan> joined(Plan plan, const Move& move);
    [[nodiscard]] std::optional<Plan> parted(Plan plan, const Move& move);
    [[nodiscard]] std::optional<Plan> shifted(Plan plan, const Move& move);
    /// The same shares of rows, of other steps.
    [[nodiscard]] Block resized(const Block& like, uint32_t first, uint32_t last);
    [[nodiscard]] bool allowed(const Block& block) const;

    Blocks& blocks_;
    std::vector<std::vector<double>> weights_;
};

}  // namespace eddy::planner::edgeflow
