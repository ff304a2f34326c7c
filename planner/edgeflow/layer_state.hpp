// How far devices are when the layers so far are done, as the published recursion has it: when each finished what it
// has of a value, and what a split of the next layer would take. Ports and the cost of messages do not occur in it.
// Internal to progressive_lp.cpp and its tests.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "planner/edgeflow/blocks.hpp"
#include "planner/edgeflow/plan.hpp"

namespace eddy::planner::edgeflow {

/// Who has which rows of a value, since when.
struct ValueState {
    bool partial = false;
    std::vector<int64_t> bounds;
    std::vector<double> finished_us;  ///< T_{m,j}
};

class LayerState {
public:
    explicit LayerState(Blocks& blocks);

    /// T_i of every device, if the next layer were split so; 0 for devices without rows.
    [[nodiscard]] std::vector<double> finish_us(const Block& block);
    /// When the last device would have finished it.
    [[nodiscard]] double latest_us(const Block& block);
    void accept(const Block& block);

    [[nodiscard]] const ValueState& value(ValueId id) const { return values_.at(id); }
    /// When a device has finished all it has to do so far.
    [[nodiscard]] double free_us(size_t device) const { return free_us_[device]; }
    /// Time to bring so many rows of a value from one device to another.
    [[nodiscard]] double transfer_us(ValueId value, double rows, size_t from, size_t to) const;
    [[nodiscard]] Blocks& blocks() { return blocks_; }

private:
    Blocks& blocks_;
    std::map<ValueId, ValueState> values_;
    std::vector<double> free_us_;
};

}  // namespace eddy::planner::edgeflow
