#include "src/node/frame_ledger.hpp"

#include <algorithm>

namespace eddy::node {

FrameLedger::FrameLedger(const NodeId& self, Incarnation incarnation, const std::vector<StreamConfig>& streams)
    : self_(self), incarnation_(incarnation), streams_(streams.size()) {
    for (size_t i = 0; i < streams.size(); ++i) streams_[i].next = streams[i].first_number;
}

void FrameLedger::recover(StreamId stream, const std::vector<journal::Unfinished>& frames, Instant now,
                          EffectSink& sink) {
    StreamCounts& counts = streams_.at(stream.value).counts;
    for (const auto& frame : frames) {
        ++counts.captured;
        ++counts.failed;
        if (frame.admitted) ++counts.admitted;
        Outcome outcome;
        outcome.state = FrameState::failed;
        outcome.reason = "source_restarted";
        outcome.captured_at = now;
        outcome.attempts = frame.admitted ? 1 : 0;
        sink.persist(journal::Settled{stream, frame.k, FrameState::failed});
        sink.deliver({{self_, stream}, frame.life, frame.k}, outcome);
    }
}

/// Half a block ahead, so that the disk has half a block's time to take it.
void FrameLedger::reserve(StreamId stream, EffectSink& sink) {
    Stream& book = streams_.at(stream.value);
    if (book.next + journal::numbers_block / 2 <= book.reserved) return;
    book.reserved = book.next + journal::numbers_block;
    sink.persist(journal::Reserved{stream, book.reserved});
}

bool FrameLedger::capture(StreamId stream, uint64_t k, const FrameRecord& record, EffectSink& sink) {
    Stream& book = streams_.at(stream.value);
    if (k < book.next) return false;
    book.next = k + 1;
    reserve(stream, sink);
    sink.persist(journal::Captured{stream, k});
    ++book.counts.captured;
    book.open.emplace(k, record);
    return true;
}

void FrameLedger::miss(StreamId stream, uint64_t count, const std::string& reason, Instant now, EffectSink& sink) {
    Stream& book = streams_.at(stream.value);
    const uint64_t first = book.next;
    book.next += count;
    reserve(stream, sink);
    sink.persist(journal::Missed{stream, count});
    book.counts.captured += count;
    book.counts.dropped += count;
    Outcome outcome;
    outcome.state = FrameState::dropped;
    outcome.reason = reason;
    outcome.captured_at = now;
    for (uint64_t k = first; k < first + count; ++k) sink.deliver(id(stream, k), outcome);
}

FrameRecord& FrameLedger::admit(const FrameId& frame, Instant now, EffectSink& sink) {
    FrameRecord* record = find(frame);
    EDDY_ASSERT(record != nullptr);
    const StreamId stream = frame.source.stream;
    record->attempt_at = now;
    record->suspect_at = never;
    if (record->attempts++ == 0) {
        sink.persist(journal::Admitted{stream, frame.k});
        record->admitted_at = now;
        ++streams_[stream.value].counts.admitted;
    } else {
        ++streams_[stream.value].counts.retries;
    }
    return *record;
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
    sink.persist(journal::Settled{frame.source.stream, frame.k, outcome.state});
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
