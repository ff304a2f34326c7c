#include "src/node/frame_ledger.hpp"

#include <doctest/doctest.h>

#include "tests/support/recording_sink.hpp"

using namespace eddy;
using namespace eddy::node;
using namespace eddy::testing;

namespace {

struct Book {
    FrameLedger ledger{node_id(1), Incarnation{3}, 1};
    Buffers buffers;
    RecordingSink sink;
    uint64_t next_buffer = 0;

    FrameId capture(uint64_t k, double ms = 0) {
        FrameRecord record;
        record.captured_at = at_ms(ms);
        record.raw.buffer = BufferId{++next_buffer};
        buffers.adopt(record.raw);
        REQUIRE(ledger.capture(StreamId{0}, k, record));
        return ledger.id(StreamId{0}, k);
    }
    void settle(const FrameId& frame, FrameState state, double ms) {
        Outcome outcome;
        outcome.state = state;
        ledger.settle(frame, outcome, at_ms(ms), buffers, sink);
    }
};

}  // namespace

TEST_CASE("a frame's life from capture to completion is told once, with its times") {
    Book book;
    const auto frame = book.capture(0, 100);
    book.ledger.admit(*book.ledger.find(frame), StreamId{0}, at_ms(110));
    book.settle(frame, FrameState::completed, 150);
    REQUIRE(book.sink.outcomes.size() == 1);
    CHECK(book.sink.outcomes[0].second.completion == from_ms(50));
    CHECK(book.sink.outcomes[0].second.attempts == 1);
    CHECK(book.ledger.find(frame) == nullptr);
    CHECK(book.sink.released == std::vector{BufferId{1}});
    book.ledger.check_invariants();
}

TEST_CASE("every frame is in exactly one of completed, failed, dropped and open") {
    Book book;
    for (uint64_t k = 0; k < 4; ++k) book.capture(k);
    book.settle(book.ledger.id(StreamId{0}, 1), FrameState::failed, 1);
    book.settle(book.ledger.id(StreamId{0}, 2), FrameState::dropped, 1);
    book.settle(book.ledger.id(StreamId{0}, 3), FrameState::completed, 1);
    const auto& counts = book.ledger.counts(StreamId{0});
    CHECK(counts.captured == 4);
    CHECK(counts.completed == 1);
    CHECK(counts.failed == 1);
    CHECK(counts.dropped == 1);
    CHECK(book.ledger.open_frames() == 1);
    book.ledger.check_invariants();
}

TEST_CASE("frames that never reached the core keep their place in the numbering") {
    Book book;
    book.capture(0);
    book.ledger.miss(StreamId{0}, 2, "capture_queue_full", at_ms(5), book.sink);
    REQUIRE(book.sink.outcomes.size() == 2);
    CHECK(book.sink.outcomes[0].first.k == 1);
    CHECK(book.sink.outcomes[1].first.k == 2);
    CHECK(book.sink.outcomes[1].second.reason == "capture_queue_full");
    book.capture(3);
    CHECK(book.ledger.counts(StreamId{0}).captured == 4);
    book.ledger.check_invariants();
}

TEST_CASE("a number that does not rise is not booked") {
    Book book;
    book.capture(5);
    CHECK_FALSE(book.ledger.capture(StreamId{0}, 5, {}));
    CHECK_FALSE(book.ledger.capture(StreamId{0}, 4, {}));
    CHECK(book.ledger.counts(StreamId{0}).captured == 1);
}

TEST_CASE("frames of another node, of an earlier life or of an unknown stream are not mine") {
    Book book;
    const auto frame = book.capture(0);
    CHECK(book.ledger.mine(frame));
    auto other = frame;
    other.source.node = node_id(2);
    CHECK_FALSE(book.ledger.mine(other));
    other = frame;
    other.incarnation = Incarnation{2};
    CHECK(book.ledger.find(other) == nullptr);
    other = frame;
    other.source.stream = StreamId{7};
    CHECK(book.ledger.find(other) == nullptr);
}

TEST_CASE("a second admission counts as a retry, and keeps the first instant") {
    Book book;
    const auto frame = book.capture(0);
    auto& record = *book.ledger.find(frame);
    book.ledger.admit(record, StreamId{0}, at_ms(10));
    book.ledger.admit(record, StreamId{0}, at_ms(30));
    CHECK(record.attempts == 2);
    CHECK(record.admitted_at == at_ms(10));
    CHECK(record.attempt_at == at_ms(30));
    CHECK(book.ledger.counts(StreamId{0}).admitted == 1);
    CHECK(book.ledger.counts(StreamId{0}).retries == 1);
}

TEST_CASE("a buffer is released when its last holder lets go, and not before") {
    Buffers buffers;
    RecordingSink sink;
    TensorRef tensor;
    tensor.buffer = BufferId{9};
    tensor.bytes = 100;
    buffers.adopt(tensor);
    buffers.retain(tensor);
    CHECK(buffers.bytes() == 100);
    buffers.release(tensor, sink);
    CHECK(sink.released.empty());
    buffers.release(tensor, sink);
    CHECK(sink.released == std::vector{BufferId{9}});
    CHECK(buffers.bytes() == 0);
    CHECK(buffers.holders() == 0);
}
