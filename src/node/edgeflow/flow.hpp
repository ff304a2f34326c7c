// One device's part of the frames that are on their way under one epoch of a plan: which rows are here, which units
// can fire, what goes to whom when one has. A unit fires when its inputs are complete; tensors are given back when the
// last unit here that reads them is done; a frame ends here when all of this device's units for it are done.
//
// Bounded by the window: so many frames at a time, each of at most FlowPlan::frame_bytes. What peers send is checked
// against the plan to the byte before anything is kept.
//
// Pure; one owner, one thread. Tensors are handles: their owner is told which are not needed any more.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "eddy/messages.hpp"
#include "src/node/edgeflow/flow_plan.hpp"

namespace eddy::node {

/// A unit of a frame that can be computed now.
struct FlowJob {
    FrameId frame;
    uint32_t unit = 0;              ///< index in FlowPlan::units
    std::vector<TensorRef> inputs;  ///< still the flow's
    bool ends_model = false;        ///< the result: post-process, make no tensors
};

struct FlowOutgoing {
    uint32_t message = 0;
    uint32_t to = 0;  ///< device
    std::vector<TensorRef> tensors;
    Durations so_far;
};

/// What follows from a unit that was computed. Tensors are the caller's from now on.
struct FlowStep {
    std::vector<FlowOutgoing> sends;
    std::vector<TensorRef> released;
    bool ended = false;  ///< nothing of the frame is here any more
    Durations so_far;    ///< of the frame's longest way up to this unit
};

class Flow {
public:
    /// `window` >= 1: frames at a time.
    Flow(FlowPlan plan, uint32_t window) : plan_(std::move(plan)), window_(window) {}

    [[nodiscard]] const FlowPlan& plan() const { return plan_; }
    [[nodiscard]] bool has_room() const { return frames_.size() < window_; }
    [[nodiscard]] size_t frames() const { return frames_.size(); }
    [[nodiscard]] bool has(const FrameId& frame) const { return frames_.count(frame) != 0; }
    [[nodiscard]] uint64_t bytes() const { return bytes_; }
    [[nodiscard]] uint64_t held_tensors() const;
    /// What units of the frame that came first are not done yet take together; `unit_us`: each one of them.
    [[nodiscard]] double left_of_oldest(const std::vector<double>& unit_us) const;

    /// At the source: a frame begins, if there is room. `captured` becomes the flow's.
    void begin(const FrameId& frame, uint32_t attempt, const TensorRef& captured, const Durations& so_far,
               Instant now);

    /// Rows came from a device. Nothing: they are the flow's now. Otherwise what is wrong with them, in words; `stale`
    /// tells that it is nothing to complain of.
    struct Objection {
        std::string why;
        bool stale = false;
    };
    /// `released`: what a higher attempt of the same frame makes needless.
    std::optional<Objection> receive(const FrameId& frame, uint32_t attempt, uint32_t message, uint32_t from,
                                     const std::vector<TensorRef>& tensors, const Durations& so_far, Instant now,
                                     std::vector<TensorRef>& released);

    /// Of the frame that came first, the first unit that can fire; it counts as begun.
    std::optional<FlowJob> take(Instant now);
    [[nodiscard]] bool can_fire() const { return ready_ > 0; }
    /// `outputs`: first the tensors that units here read (FlowUnit::makes; not of the capture), then those of each
    /// send; none of the result. The former become the flow's. Nothing if the frame was dropped meanwhile: outputs stay the caller's.
    [[nodiscard]] std::optional<FlowStep> computed(const FrameId& frame, uint32_t attempt, uint32_t unit,
                                     const std::vector<TensorRef>& outputs, Usec busy, Instant now);
    [[nodiscard]] uint32_t attempt_of(const FrameId& frame) const { return frames_.at(frame).attempt; }

    /// This attempt of the frame and earlier ones are over, even if nothing of it has come yet; what was held of it is
    /// the caller's. Units that are being computed end in vain.
    std::vector<TensorRef> drop(const FrameId& frame, uint32_t attempt);
    std::vector<TensorRef> drop_all();

    void check_invariants() const;

private:
    enum class UnitState : uint8_t { waits, ready, running, done };
    struct UnitProgress {
        UnitState state = UnitState::waits;
        uint32_t waits = 0;
        Durations so_far;  ///< of what it waited for last
        Instant ready_at{};
    };
    struct Frame {
        uint32_t attempt = 0;
        uint64_t order = 0;                          ///< in which frames came
        std::vector<UnitProgress> units;             ///< as FlowPlan::units
        std::vector<std::optional<TensorRef>> held;  ///< as FlowPlan::tensors
        std::vector<uint32_t> uses;                  ///< how many units will still read it
        std::vector<uint32_t> arrived;               ///< messages
        uint32_t left = 0;                           ///< units that are not done
    };

    Frame& open(const FrameId& frame, uint32_t attempt, Instant now);
    [[nodiscard]] std::optional<Objection> objection(const FrameId& frame, uint32_t attempt, uint32_t message,
                                                     uint32_t from, const std::vector<TensorRef>& tensors) const;
    void hold(Frame& frame, uint32_t tensor, const TensorRef& ref);
    void make_ready(UnitProgress& unit, const Durations& so_far, Instant now);
    void give_back(Frame& frame, uint32_t tensor, std::vector<TensorRef>& released);
    void provide(Frame& frame, const std::vector<uint32_t>& units, const Durations& so_far, Instant now);
    std::vector<TensorRef> close(std::map<FrameId, Frame>::iterator frame);
    void remember(const FrameId& frame, uint32_t attempt);

    FlowPlan plan_;
    uint32_t window_;
    std::map<FrameId, Frame> frames_;
    std::deque<std::pair<FrameId, uint32_t>> ended_;  ///< the last few, with their attempts
    uint64_t order_ = 0;
    uint64_t bytes_ = 0;
    size_t ready_ = 0;
};

}  // namespace eddy::node
