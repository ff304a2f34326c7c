// Everything NodeCore can ask of the world. One implementation drives sockets and LibTorch (src/app), one the
// simulator (sim/).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "eddy/events.hpp"
#include "eddy/journal.hpp"
#include "eddy/log.hpp"

namespace eddy {

struct Job {
    JobId id;
    UnitRange units;
    std::vector<TensorRef> inputs;  ///< the frontier before units.first; still owned by the core
    bool ends_model = false;        ///< post-process the outputs into an Inference
};

/// What became of a frame. Told once per captured frame, by its source.
struct Outcome {
    FrameState state = FrameState::completed;
    std::string reason;  ///< failed, dropped: one of a small fixed set, fit for a metric's label
    Instant captured_at{};
    Usec completion{0};  ///< capture to result at the source; completed only
    Durations parts;     ///< the rest of `completion` is transferring
    uint16_t hops = 0;
    bool local = false;  ///< completed without leaving the source
    uint32_t attempts = 0;
    Inference inference;
};

/// A frame left the reservoir, or a captured one was dropped: the camera may capture this many more.
struct CaptureAllowance {
    StreamId stream;
    uint32_t frames = 0;
};

/// Called by NodeCore in order, on the core's thread. An implementation must not call back into the core.
class EffectSink {
public:
    virtual ~EffectSink() = default;

    /// Queue a message. Work's tensors stay owned by the core until it releases them; the sink keeps the bytes
    /// alive for as long as it still writes them. Sending to a peer that is not up does nothing.
    virtual void send(const NodeId& peer, const Message& message, std::span<const TensorRef> tensors) = 0;
    /// Try to reach a node, once; PeerUp follows, or DialFailed, or (if the other side stays silent) neither for a long
    /// time. Repeated calls while trying, or while it is up, do nothing.
    virtual void connect(const Endpoint& endpoint) = 0;
    virtual void disconnect(const NodeId& peer, const std::string& reason) = 0;
    /// Start a job; Computed follows. At most as many at a time as there are lanes.
    virtual void compute(const Job& job) = 0;
    /// Get ready to run these, one by one and beside what is being computed; Prepared follows, once for all calls so
    /// far. Other runs are served as well, but their first time may be slow.
    virtual void prepare(std::span<const UnitRange> runs) = 0;
    /// Get ready to run these units of a plan over rows, beside what is being computed; Compiled follows.
    virtual void compile(PlanId /*plan*/, std::span<const UnitOrder> /*units*/) {}
    /// No job of this plan will come any more. One that is being computed may still end.
    virtual void forget(PlanId /*plan*/) {}
    /// Make a plan over rows, beside all else; PlanMade follows. One at a time.
    virtual void make_plan(const PlanRequest& /*request*/) {}
    /// The core will not use this buffer again.
    virtual void release(BufferId buffer) = 0;
    /// The fate of a frame of this node's own sources, once per frame.
    virtual void deliver(const FrameId& frame, const Outcome& outcome) = 0;
    /// Write down what the next life of this node must know of its own sources' frames; called before anything that
    /// depends on it goes out. Who keeps no journal forgets unfinished frames with the process.
    virtual void persist(const journal::Entry& /*entry*/) {}
    virtual void allow_capture(CaptureAllowance allowance) = 0;
    /// (Re)arm a timer: ev::Timer follows at or after `at`. A later call replaces an earlier one.
    virtual void arm(TimerId timer, Instant at) = 0;
    /// All sources have ended or were stopped, and every frame has its outcome.
    virtual void idle() = 0;
    virtual void log(LogLevel level, const std::string& text) = 0;
};

}  // namespace eddy
