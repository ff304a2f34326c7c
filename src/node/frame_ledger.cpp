#include "src/node/frame_ledger.hpp"

#include <algorithm>

namespace eddy::node {

FrameLedger::FrameLedger(const NodeId& self, Incarnation incarnation, size_t streams)
    : self_(self), incarnation_(incarnation), streams_(streams) {}

bool FrameLedger::capture(StreamId stream, uint64_t k, const FrameRecord& record) {
    Stream& book = streams_.at(stream.value);
    if (book.newest && k <= *book.newest) return false;
    book.newest = k;
    ++book.counts.captured;
    book.open.emplace(k, record);
    return true;
}

void FrameLedger::miss(StreamId stream, uint64_t count, const std::string& reason, Instant now, EffectSink& sink) {
    Stream& book = streams_.at(stream.value);
    for (uint64_t i = 0; i < count; ++i) {
        ++book.counts.captured;
        ++book.counts.dropped;
        book.newest = book.newest ? *book.newest + 1 : 0;
        Outcome outcome;
        outcome.state = FrameState::dropped;
        outcome.reason = reason;
        outcome.captured_at = now;
        sink.deliver(id(stream, *book.newest), outcome);
    }
}

void FrameLedger::admit(FrameRecord& record, StreamId stream, Instant now) {
    record.attempt_at = now;
    record.suspect_at = never;
    if (record.attempts++ == 0) {
        record.admitted_at = now;
        ++streams_.at(stream.value).counts.admitted;
    } else {
        ++streams_.at(stream.value).counts.retries;
    }
}

bool FrameLedger::mine(const FrameId& frame) const {
    return frame.source.node == self_ && frame.incarnation == incarnation_ &&
           frame.source.stream.value < streams_.size();
}

FrameRecord* FrameLedger::find(const FrameId& frame) {
    if (!mine(frame)) return nullptr;
    auto& open = streams_[frame.source.stream.value].open;
    const auto it = open.find(frame.k);
    return it == open.end() ? nullptr : &it->second;
}

void FrameLedger::settle(const FrameId& frame, Outcome outcome, Instant now, Buffers& buffers, EffectSink& sink) {
    EDDY_ASSERT(mine(frame));
    Stream& book = streams_[frame.source.stream.value];
    const auto it = book.open.find(frame.k);
    EDDY_ASSERT(it != book.open.end());
    outcome.captured_at = it->second.captured_at;
    outcome.attempts = it->second.attempts;
    switch (outcome.state) {
        case FrameState::completed:
            ++book.counts.completed;
            outcome.completion = std::max(Usec{0}, now - it->second.captured_at);
            // Parts come from other nodes: whatever they claim fits into the whole.
            outcome.parts.computing = std::clamp(outcome.parts.computing, Usec{0}, outcome.completion);
            outcome.parts.waiting =
                std::clamp(outcome.parts.waiting, Usec{0}, outcome.completion - outcome.parts.computing);
            break;
        case FrameState::failed: ++book.counts.failed; break;
        case FrameState::dropped: ++book.counts.dropped; break;
    }
    const TensorRef raw = it->second.raw;
    book.open.erase(it);
    buffers.release(raw, sink);
    sink.deliver(frame, outcome);
}

size_t FrameLedger::open_frames() const {
    size_t total = 0;
    for (const auto& book : streams_) total += book.open.size();
    return total;
}

void FrameLedger::check_invariants() const {
    for (const auto& book : streams_) {
        const auto& c = book.counts;
        EDDY_ASSERT(c.captured == c.completed + c.failed + c.dropped + book.open.size());
        EDDY_ASSERT(c.admitted <= c.captured);
    }
}

}  // namespace eddy::node
