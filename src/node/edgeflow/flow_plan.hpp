// One device's part of a plan: its execution units, the tensors that they share, and its forwarding table. Made from
// the whole plan (planner/edgeflow/units.hpp) by every participant for itself; all that see the same model and the same
// plan number units, messages and tensors alike, so the wire carries numbers only.
//
// Pure; immutable once made.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "eddy/result.hpp"
#include "eddy/tensor.hpp"
#include "planner/edgeflow/units.hpp"

namespace eddy::node {

/// Rows of a value as one tensor.
struct FlowTensor {
    ValueId value;
    graph::RowRange rows;
    uint64_t bytes = 0;
    uint32_t all_rows = 1;  ///< of the value; of a pool's sums, of what is summed
    uint32_t uses = 0;      ///< units here that read it; 0 for what only travels
    DType dtype = DType::f32;
    std::vector<int64_t> shape;
    bool sum = false;  ///< of a pool: its channels never come last
    friend bool operator==(const FlowTensor&, const FlowTensor&) = default;
};

/// An entry of the forwarding table: what of a unit's results goes to whom.
struct FlowSend {
    uint32_t message = 0;
    uint32_t to = 0;  ///< device
    std::vector<FlowTensor> tensors;
    friend bool operator==(const FlowSend&, const FlowSend&) = default;
};

struct FlowUnit {
    uint32_t number = 0;  ///< in the whole plan
    uint32_t block = 0;   ///< the number of blocks: the result
    uint32_t first = 0;   ///< operators [first, last); none of the capture and of the result
    uint32_t last = 0;
    /// What the operators must make: for each value all rows that anybody is given, of a pool the rows that are summed.
    std::vector<graph::ValueRows> wanted;
    std::vector<StepRows> work;    ///< what its time follows from,
    uint64_t gathered_bytes = 0;   ///< with those of inputs that come in several pieces
    uint32_t waits = 0;            ///< for so many units and messages
    std::vector<uint32_t> inputs;  ///< tensors it reads: indices of `tensors`, ascending
    std::vector<uint32_t> makes;   ///< tensors that units here read
    std::vector<FlowSend> sends;
    /// Which units here wait for this one: indices of `units`.
    std::vector<uint32_t> next;
};

struct FlowArrival {
    uint32_t from = 0;              ///< device
    std::vector<uint32_t> tensors;  ///< in the order of the wire
    std::vector<uint32_t> next;     ///< units that wait for it
};

class FlowPlan {
public:
    /// `plan` was checked. A device that has nothing to do has no units.
    static FlowPlan make(planner::edgeflow::Blocks& blocks, const planner::edgeflow::Plan& plan, uint32_t device);

    [[nodiscard]] uint32_t device() const { return device_; }
    [[nodiscard]] bool is_source() const { return source_ == device_; }
    [[nodiscard]] const std::vector<FlowTensor>& tensors() const { return tensors_; }
    /// Ascending by number. At the source the first is the capture and the last the result. The capture makes the
    /// frame, which is there at once; where others get parts of it, it reads the frame to send these.
    [[nodiscard]] const std::vector<FlowUnit>& units() const { return units_; }
    /// By number of the message: those to this device.
    [[nodiscard]] const std::map<uint32_t, FlowArrival>& arrivals() const { return arrivals_; }
    /// What a unit gives, in this order: the tensors that it makes for units here, then those of each send.
    [[nodiscard]] std::vector<FlowTensor> outputs_of(const FlowUnit& unit) const;
    /// What one frame may hold here at a time: every tensor, as if none were given back before the end.
    [[nodiscard]] uint64_t frame_bytes() const { return frame_bytes_; }
    /// Of the largest unit, besides; one runs at a time.
    [[nodiscard]] uint64_t workspace_bytes() const { return workspace_bytes_; }

private:
    friend class FlowPlanMaker;
    uint32_t device_ = 0;
    uint32_t source_ = 0;
    std::vector<FlowTensor> tensors_;
    std::vector<FlowUnit> units_;
    std::map<uint32_t, FlowArrival> arrivals_;
    uint64_t frame_bytes_ = 0;
    uint64_t workspace_bytes_ = 0;
};

}  // namespace eddy::node
