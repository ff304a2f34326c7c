// The source's book: every captured frame, from capture to its one outcome.
//
//   captured = completed + failed + dropped + in flight     at every instant, per stream
//
// The ledger keeps each frame's raw pixels until its outcome, so that it can be sent again. It counts; it decides
// nothing. What it books it journals first (EffectSink::persist), so that the next life can go on with the numbers and
// say what became of every frame.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "eddy/effects.hpp"
#include "src/node/buffers.hpp"
#include "src/node/core_config.hpp"

namespace eddy::node {

struct FrameRecord {
    Instant captured_at{};
    Instant admitted_at{};  ///< first; meaningful once attempts > 0
    Instant attempt_at{};   ///< last
    Instant deadline = never;
    Instant suspect_at = never;  ///< a node was lost since the last attempt: without a result by then it is sent again
    TensorRef raw;
    uint32_t attempts = 0;  ///< 0: still in the reservoir
};

struct StreamCounts {
    uint64_t captured = 0;
    uint64_t admitted = 0;
    uint64_t completed = 0;
    uint64_t failed = 0;
    uint64_t dropped = 0;
    uint64_t late_results = 0;  ///< results of frames that had their outcome already
    uint64_t retries = 0;
};

class FrameLedger {
public:
    FrameLedger(const NodeId& self, Incarnation incarnation, const std::vector<StreamConfig>& streams);

    /// Book what earlier lives left unfinished: captured and failed, told once.
    void recover(StreamId stream, const std::vector<journal::Unfinished>& frames, Instant now, EffectSink& sink);
    /// Book a new frame; false: k is not above every k before it (the frame is not taken).
    bool capture(StreamId stream, uint64_t k, const FrameRecord& record, EffectSink& sink);
    /// Book the next `count` frames, which never got as far as the core.
    void miss(StreamId stream, uint64_t count, const std::string& reason, Instant now, EffectSink& sink);
    /// Of an open frame.
    FrameRecord& admit(const FrameId& frame, Instant now, EffectSink& sink);
    [[nodiscard]] FrameRecord* find(const FrameId& frame);
    /// Ends the frame's life: delivers `outcome`, releases the raw pixels, forgets it.
    void settle(const FrameId& frame, Outcome outcome, Instant now, Buffers& buffers, EffectSink& sink);

    [[nodiscard]] FrameId id(StreamId stream, uint64_t k) const { return {{self_, stream}, incarnation_, k}; }
    [[nodiscard]] bool mine(const FrameId& frame) const;
    [[nodiscard]] const StreamCounts& counts(StreamId stream) const { return streams_.at(stream.value).counts; }
    StreamCounts& counts(StreamId stream) { return streams_.at(stream.value).counts; }
    [[nodiscard]] size_t streams() const { return streams_.size(); }
    /// Frames of the stream without an outcome, by k.
    [[nodiscard]] const std::map<uint64_t, FrameRecord>& open(StreamId stream) const {
        return streams_.at(stream.value).open;
    }
    [[nodiscard]] size_t open_frames() const;

    void check_invariants() const;

private:
    struct Stream {
        std::map<uint64_t, FrameRecord> open;
        uint64_t next = 0;      ///< above every number booked
        uint64_t reserved = 0;  ///< numbers below are written down as used
        StreamCounts counts;
    };
    void reserve(StreamId stream, EffectSink& sink);

    NodeId self_;
    Incarnation incarnation_;
    std::vector<Stream> streams_;
};

}  // namespace eddy::node
