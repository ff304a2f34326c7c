// What NodeCore does of EdgeFlow: joins plans over rows (src/node/edgeflow) with its links, lanes, ledger and streams.
// A part of NodeCore in a file of its own; never without one.
#pragma once

#include <optional>

#include "scheduler/policy.hpp"
#include "src/node/edgeflow/row_choice.hpp"
#include "src/node/edgeflow/row_flows.hpp"

namespace eddy::node {

class NodeCore;

class NodeFlows {
public:
    explicit NodeFlows(NodeCore& core);
    NodeFlows(const NodeFlows&) = delete;
    NodeFlows& operator=(const NodeFlows&) = delete;

    /// False: not a message of EdgeFlow's.
    bool receive(const ev::Received& e);
    void handle(const ev::Compiled& e);
    void handle(const ev::PlanMade& e);
    /// False: not a job of EdgeFlow's.
    bool handle(const ev::Computed& e);
    /// At times; then what has come up is decided.
    void tick();
    void lost(const NodeId& peer);
    /// The frame has its outcome, or is tried again.
    void forget(const FrameId& frame);
    /// A frame by rows has taken too long: something in the plan hangs.
    void overdue(const FrameId& frame);
    /// This node leaves: the others need its plans no more.
    void stop();
    /// Frames of plans that came to nothing are begun anew, and what waits goes out. After every event.
    void settle();

    /// Do frames that begin now go by rows; and is there room for one?
    [[nodiscard]] bool takes_frames() const { return by_rows_ && rows_.current() != nullptr; }
    [[nodiscard]] bool has_room() { return rows_.has_room(); }
    void begin(const FrameId& frame);
    /// Whose frame comes first: all share one window, which nobody is to fill alone.
    [[nodiscard]] uint32_t first_stream() const { return first_stream_; }
    [[nodiscard]] bool lane_free() const;
    [[nodiscard]] bool has(const FrameId& frame) const { return rows_.has(frame); }
    /// Is a unit worth more to a free lane than this run?
    [[nodiscard]] bool rather(const std::optional<scheduler::Run>& run) const;
    bool start_job();
    [[nodiscard]] const RowFlows& rows() const { return rows_; }
    void check_invariants() const { rows_.check_invariants(); }

private:
    [[nodiscard]] RowFacts facts() const;
    /// 0 while unknown.
    [[nodiscard]] double bandwidth(const NodeId& from, const NodeId& to) const;

    NodeCore& core_;
    RowFlows rows_;
    RowChoice choice_;
    bool by_rows_ = false;
    uint32_t first_stream_ = 0;
    Instant considered_{};
};

}  // namespace eddy::node
