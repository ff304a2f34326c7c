// What a node is to compute of a plan over rows, and what it takes to make such a plan: between the core, which
// decides, and what computes and plans for it. Plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "eddy/row_plan.hpp"
#include "eddy/row_profile.hpp"
#include "eddy/tensor.hpp"
#include "eddy/time.hpp"

namespace eddy {

/// Rows of a value as one tensor; of a pool's sums: the rows that are summed.
struct RowTensor {
    ValueId value;
    Rows rows;
    uint64_t bytes = 0;
    uint32_t all_rows = 1;  ///< of the value; of a pool's sums, of what is summed
};

/// One execution unit. Its tensors are given and made in these orders.
struct UnitOrder {
    enum class Kind : uint8_t {
        capture,  ///< cuts rows out of the frame for others
        compute,
        result,  ///< post-processes the model's outputs; makes no tensors
    };
    Kind kind = Kind::compute;
    uint32_t first = 0;  ///< operators [first, last)
    uint32_t last = 0;
    std::vector<RowTensor> wanted;  ///< what the operators must make: of each value all rows of it among the outputs
    std::vector<RowTensor> inputs;
    std::vector<RowTensor> outputs;  ///< several of a value perhaps
    std::vector<StepRows> work;      ///< what its time follows from,
    uint64_t gathered_bytes = 0;     ///< with those of inputs that come in several pieces
};

/// A cluster as it is now, for who makes a plan.
struct PlanRequest {
    struct Device {
        NodeId node;
        double speed = 1;  ///< the row profile's times are divided by it
        uint64_t memory_bytes = UINT64_MAX;
        friend bool operator==(const Device&, const Device&) = default;
    };
    struct Link {
        double bytes_per_s = 0;
        Usec delay{0};
        friend bool operator==(const Link&, const Link&) = default;
    };
    uint64_t number = 0;
    std::vector<Device> devices;  ///< the first is the source
    std::vector<Link> links;      ///< [from · devices + to]
    uint32_t window = 1;          ///< frames under way at a time
    std::optional<RowPlan> from;  ///< in use now: judge it as well, and go on from it,
    bool afresh = false;          ///< unless so much has changed that all is to be looked at
};

/// A plan, and what is predicted of it.
struct PlanProposal {
    RowPlan plan;     ///< only devices that have rows, and the source
    Usec latency{0};  ///< of a single frame
    Usec period{0};   ///< from frame to frame at best, when many are under way
    Usec latency_before{
        0};         ///< of PlanRequest::from, as things are now; 0: there was none, or it does not fit any more
    Usec alone{0};  ///< of a single frame on the source alone
};

}  // namespace eddy
