// What nodes say to each other when rows of a model are divided over several devices (EdgeFlow). A plan is its
// source's; what it is numbered by counts there. Plain structs, part of eddy/messages.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "eddy/frame_state.hpp"
#include "eddy/ids.hpp"
#include "eddy/row_plan.hpp"
#include "eddy/time.hpp"

namespace eddy::msg {

/// Take part in this plan: the answer is PlanAnswer.
struct PlanPrepare {
    uint32_t epoch = 0;
    RowPlan plan;
    friend bool operator==(const PlanPrepare&, const PlanPrepare&) = default;
};
/// The sender has compiled its units and reserved their memory, or why it has not.
struct PlanAnswer {
    uint32_t epoch = 0;
    bool ready = false;
    std::string reason;
    friend bool operator==(const PlanAnswer&, const PlanAnswer&) = default;
};
/// The sender's plan is over.
struct PlanRetire {
    uint32_t epoch = 0;
    friend bool operator==(const PlanRetire&, const PlanRetire&) = default;
};

inline constexpr size_t rows_tensors_max = 64;  ///< in one Rows message

/// Rows that a unit made and the receiver lacks. Tensors travel beside it; the plan says which they are.
struct Rows {
    FrameId frame;
    uint32_t attempt = 0;
    uint32_t epoch = 0;               ///< of the plan of the frame's source
    uint32_t message = 0;             ///< number in the plan
    Usec deadline_left{Usec::max()};  ///< max: none
    Durations so_far;                 ///< of the way that took longest
    uint64_t seq = 0;                 ///< rises by one with each Rows message on this connection; tells receipts apart
    friend bool operator==(const Rows&, const Rows&) = default;
};
/// The source wants this attempt of a frame no more.
struct RowsCancel {
    FrameId frame;
    uint32_t attempt = 0;
    uint32_t epoch = 0;
    friend bool operator==(const RowsCancel&, const RowsCancel&) = default;
};
/// Receipt of one Rows message, so that its sender learns how fast the link is. The two instants are the receiver's:
/// only their difference means anything.
struct RowsAck {
    uint64_t seq = 0;
    uint64_t bytes = 0;  ///< of the message
    Usec first_byte{0};
    Usec last_byte{0};
    friend bool operator==(const RowsAck&, const RowsAck&) = default;
};

}  // namespace eddy::msg
