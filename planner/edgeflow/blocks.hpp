// What making some rows of a block takes: which rows of which values it needs, how long, how much memory. Found by
// walking back through the block (models/graph/block_rows.hpp), and kept, because planners ask for the same again and
// again.
//
// How a block's outputs are shared out follows from the graph alone:
//   divided  each device has the rows that its part of the block's reference rows scales to
//   partial  a global pool that nothing else in the block uses: each device sums the rows it has of what is pooled, and
//            whoever needs the result adds the sums
//   whole    the block's lead makes all of it: what cannot be divided, or has one row only
//
// Not thread-safe: one for each planner at work. Refers to its Problem, which must outlive it.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "models/graph/block_rows.hpp"
#include "planner/edgeflow/plan.hpp"
#include "planner/edgeflow/problem.hpp"

namespace eddy::planner::edgeflow {

enum class Sharing : uint8_t { divided, partial, whole };

struct BlockOutput {
    ValueId value;
    Sharing sharing = Sharing::whole;
    int64_t rows = 1;  ///< that are shared out: the value's; of a partial one those of `summed`
    ValueId summed;    ///< of a partial one: what is pooled
};

struct BlockFacts {
    std::vector<uint32_t> operators;   ///< of all its steps, but for those of partial outputs
    std::vector<BlockOutput> outputs;  ///< what others use, or the model gives
    /// What bounds of a split count: the most rows of any output that is shared out, at least 1.
    int64_t reference_rows = 1;
    bool any_whole = false;
};

/// What a device needs and gives that makes a part of a block.
struct Share {
    std::vector<graph::ValueRows> inputs;   ///< from outside of the block; none empty
    std::vector<graph::ValueRows> outputs;  ///< made of the block's outputs, rows made twice included; none empty
    std::vector<StepRows> work;             ///< ascending
    std::vector<double> cost_us;            ///< of it by profile, at speed 1, without what every unit takes
    uint64_t weight_bytes = 0;
    uint64_t workspace_bytes = 0;  ///< inputs, and the most of what is made that is needed at a time
};

class Blocks {
public:
    explicit Blocks(const Problem& problem) : problem_(problem) {}

    const BlockFacts& facts(uint32_t first, uint32_t last);
    /// `rows`: of the reference rows. `lead`: makes the whole outputs too. Nothing for no rows.
    const Share& share(uint32_t first, uint32_t last, graph::RowRange rows, bool lead);
    const Share& share(const Block& block, size_t device) {
        return share(block.first, block.last, block.part(device), block.lead() == device);
    }
    /// Forgets shares if there are very many; references to them end with that.
    void trim();
    /// What those of `reference` rows are of an output's rows. Parts that touch still touch.
    static graph::RowRange scaled(graph::RowRange part, int64_t reference, int64_t rows);
    [[nodiscard]] const Problem& problem() const { return problem_; }

private:
    struct Key {
        uint32_t first, last, begin, end;
        bool lead;
        friend bool operator==(const Key&, const Key&) = default;
    };
    struct Hash {
        size_t operator()(const Key& key) const;
    };
    [[nodiscard]] BlockFacts find_facts(uint32_t first, uint32_t last) const;
    [[nodiscard]] BlockOutput output_of(ValueId value, const std::vector<uint32_t>& operators) const;
    [[nodiscard]] Share find_share(const BlockFacts& facts, graph::RowRange rows, bool lead) const;

    const Problem& problem_;
    std::unordered_map<uint64_t, BlockFacts> facts_;  ///< by first and last step; only looked up
    std::unordered_map<Key, Share, Hash> shares_;     // only looked up, never walked through
};

}  // namespace eddy::planner::edgeflow
