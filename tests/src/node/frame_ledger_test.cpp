#include "src/node/frame_ledger.hpp"

#include <doctest/doctest.h>

#include "tests/support/recording_sink.hpp"

using namespace eddy;
using namespace eddy::node;
using namespace eddy::testing;

namespace {

struct Book {
    FrameLedger ledger{node_id(1), Incarnation{3}, std::vector<StreamConfig>(1)};
    Buffers buffers;
    RecordingSink sink;
    uint64_t next_buffer = 0;

    FrameId capture(uint64_t k, double ms = 0) {
        FrameRecord record;
        record.captured_at = at_ms(ms);
        record.raw.buffer = BufferId{++next_buffer};
        buffers.adopt(record.raw);
        REQUIRE(ledger.capture(StreamId{0}, k, record, sink));
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
    book.ledger.admit(frame, at_ms(110), book.sink);
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
    CHECK_FALSE(book.ledger.capture(StreamId{0}, 5, {}, book.sink));
    CHECK_FALSE(book.ledger.capture(StreamId{0}, 4, {}, book.sink));
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
    book.ledger.admit(frame, at_ms(10), book.sink);
    const auto& record = book.ledger.admit(frame, at_ms(30), book.sink);
    CHECK(record.attempts == 2);
    CHECK(record.admitted_at == at_ms(10));
    CHECK(record.attempt_at == at_ms(30));
    CHECK(book.ledger.counts(StreamId{0}).admitted == 1);
    CHECK(book.ledger.counts(StreamId{0}).retries == 1);
}

namespace {

template <class E>
std::vector<E> entries(const RecordingSink& sink) {
    std::vector<E> found;
    for (const auto& entry : sink.persisted)
        if (const auto* e = std::get_if<E>(&entry)) found.push_back(*e);
    return found;
}

StreamConfig later_life(uint64_t first_number, std::vector<journal::Unfinished> unfinished = {}) {
    StreamConfig stream;
    stream.first_number = first_number;
    stream.unfinished = std::move(unfinished);
    return stream;
}

/// Writes down in which order it was called.
struct OrderSink final : EffectSink {
    std::vector<std::string> calls;
    void persist(const journal::Entry& entry) override { calls.push_back("persist " + std::to_string(entry.index())); }
    void deliver(const FrameId&, const Outcome&) override { calls.emplace_back("deliver"); }
    void release(BufferId) override { calls.emplace_back("release"); }
    void send(const NodeId&, const Message&, std::span<const TensorRef>) override {}
    void connect(const Endpoint&) override {}
    void disconnect(const NodeId&, const std::string&) override {}
    void compute(const Job&) override {}
    void prepare(std::span<const UnitRange>) override {}
    void allow_capture(CaptureAllowance) override {}
    void arm(TimerId, Instant) override {}
    void idle() override {}
    void log(LogLevel, const std::string&) override {}
};

}  // namespace

TEST_CASE("a frame's capture, first admission and outcome are journalled, a retry is not") {
    using namespace journal;
    Book book;
    const auto frame = book.capture(0);
    book.ledger.admit(frame, at_ms(10), book.sink);
    book.ledger.admit(frame, at_ms(30), book.sink);
    book.settle(frame, FrameState::failed, 40);
    book.capture(1);
    book.settle(book.ledger.id(StreamId{0}, 1), FrameState::dropped, 50);
    const std::vector<Entry> expected{Reserved{StreamId{0}, 1 + numbers_block},
                                      Captured{StreamId{0}, 0},
                                      Admitted{StreamId{0}, 0},
                                      Settled{StreamId{0}, 0, FrameState::failed},
                                      Captured{StreamId{0}, 1},
                                      Settled{StreamId{0}, 1, FrameState::dropped}};
    CHECK((book.sink.persisted == expected));
}

TEST_CASE("numbers are reserved in blocks, half a block before they are used") {
    Book book;
    uint64_t below = 0;
    size_t seen = 0;
    for (uint64_t k = 0; k < 10 * journal::numbers_block; ++k) {
        const auto frame = book.capture(k);
        book.settle(frame, FrameState::completed, 1);
        const auto reserved = entries<journal::Reserved>(book.sink);
        for (; seen < reserved.size(); ++seen) {
            CHECK(reserved[seen].below > below);
            below = reserved[seen].below;
        }
        CHECK(below >= k + 1 + journal::numbers_block / 2);
        CHECK(below <= k + 1 + journal::numbers_block);
    }
    CHECK(seen == 20);
}

TEST_CASE("frames that never reached the core are journalled as one count, and their numbers reserved before") {
    Book book;
    book.capture(0);
    book.sink.persisted.clear();
    book.ledger.miss(StreamId{0}, 5000, "capture_queue_full", at_ms(5), book.sink);
    const std::vector<journal::Entry> expected{journal::Reserved{StreamId{0}, 5001 + journal::numbers_block},
                                               journal::Missed{StreamId{0}, 5000}};
    CHECK((book.sink.persisted == expected));
    CHECK(book.sink.outcomes.size() == 5000);
    CHECK(book.sink.outcomes.back().first.k == 5000);
    CHECK(book.ledger.counts(StreamId{0}).dropped == 5000);
}

TEST_CASE("an outcome is journalled before it is told") {
    FrameLedger ledger(node_id(1), Incarnation{3}, {later_life(7, {{4, Incarnation{1}, true}})});
    Buffers buffers;
    OrderSink sink;
    ledger.recover(StreamId{0}, {{4, Incarnation{1}, true}}, at_ms(0), sink);
    CHECK((sink.calls == std::vector<std::string>{"persist 6", "deliver"}));
    sink.calls.clear();
    FrameRecord record;
    record.raw.buffer = BufferId{1};
    buffers.adopt(record.raw);
    CHECK(ledger.capture(StreamId{0}, 7, record, sink));
    ledger.settle(ledger.id(StreamId{0}, 7), {}, at_ms(1), buffers, sink);
    ledger.miss(StreamId{0}, 2, "capture_queue_full", at_ms(2), sink);
    CHECK((sink.calls == std::vector<std::string>{"persist 2", "persist 3", "persist 6", "release", "deliver",
                                                  "persist 4", "deliver", "deliver"}));
}

TEST_CASE("what earlier lives left unfinished is booked as failed, under its own life, and told once") {
    const std::vector<journal::Unfinished> left{{4, Incarnation{1}, true}, {9, Incarnation{2}, false}};
    FrameLedger ledger(node_id(1), Incarnation{3}, {later_life(1024, left)});
    RecordingSink sink;
    ledger.recover(StreamId{0}, left, at_ms(10), sink);
    const auto& counts = ledger.counts(StreamId{0});
    CHECK(counts.captured == 2);
    CHECK(counts.admitted == 1);
    CHECK(counts.failed == 2);
    ledger.check_invariants();
    REQUIRE(sink.outcomes.size() == 2);
    const FrameId first{{node_id(1), StreamId{0}}, Incarnation{1}, 4};
    CHECK(sink.outcomes[0].first == first);
    CHECK(sink.outcomes[0].second.state == FrameState::failed);
    CHECK(sink.outcomes[0].second.reason == "source_restarted");
    CHECK(sink.outcomes[0].second.attempts == 1);
    CHECK(sink.outcomes[1].first.incarnation == Incarnation{2});
    CHECK(sink.outcomes[1].second.attempts == 0);
    const std::vector<journal::Entry> expected{journal::Settled{StreamId{0}, 4, FrameState::failed},
                                               journal::Settled{StreamId{0}, 9, FrameState::failed}};
    CHECK((sink.persisted == expected));
    CHECK(ledger.find(first) == nullptr);  // a late result of it is nobody's
}

TEST_CASE("numbers go on where earlier lives may have been, missed frames included") {
    FrameLedger ledger(node_id(1), Incarnation{3}, {later_life(1024), later_life(0)});
    RecordingSink sink;
    CHECK_FALSE(ledger.capture(StreamId{0}, 1023, {}, sink));
    ledger.miss(StreamId{0}, 2, "capture_queue_full", at_ms(0), sink);
    CHECK(sink.outcomes.at(0).first.k == 1024);
    CHECK_FALSE(ledger.capture(StreamId{0}, 1025, {}, sink));
    CHECK(ledger.capture(StreamId{0}, 1026, {}, sink));
    CHECK(ledger.capture(StreamId{1}, 0, {}, sink));
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
