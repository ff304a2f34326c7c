// The book of frames is fed right and wrong histories. Goal: every wrong one is noticed, by its rule, and counted.
#include "sim/frame_book.hpp"

#include <doctest/doctest.h>

#include "tests/support/recording_sink.hpp"

using namespace eddy;
using namespace eddy::sim;

namespace {

constexpr Instant at{from_seconds(5)};

NodeId node_id(uint8_t first) {
    NodeId id;
    id.bytes[0] = first;
    return id;
}
FrameId frame(uint64_t k, uint64_t life = 1) { return {{node_id(1), StreamId{0}}, Incarnation{life}, k}; }
Outcome completed() { return {}; }
Outcome failed(const std::string& reason) {
    Outcome outcome;
    outcome.state = FrameState::failed;
    outcome.reason = reason;
    return outcome;
}
Outcome dropped(const std::string& reason) {
    Outcome outcome = failed(reason);
    outcome.state = FrameState::dropped;
    return outcome;
}
std::string rule(const FrameBook::Wrong& wrong) { return wrong ? wrong->rule : "none"; }

/// Node 0 runs its first life, with one stream; frames 0, 1 and 2 are captured.
struct Book : FrameBook {
    Book() {
        started(0, Incarnation{1}, 1);
        for (uint64_t k = 0; k < 3; ++k) REQUIRE(!captured(0, frame(k), at));
    }
};

/// A core's own ledger of a later life, which has captured nothing itself.
struct Ledger : node::FrameLedger {
    explicit Ledger(uint64_t life)
        : node::FrameLedger(node_id(1), Incarnation{life}, std::vector<node::StreamConfig>(1)) {}
    void tell_restarted(uint64_t k) {
        eddy::testing::RecordingSink sink;
        recover(StreamId{0}, {journal::Unfinished{k, Incarnation{1}, true}}, at, sink);
    }
};

}  // namespace

TEST_CASE("a history in which every frame has one outcome of a known kind has no mistake") {
    Book book;
    CHECK(rule(book.settled(0, frame(0), completed())) == "none");
    CHECK(rule(book.settled(0, frame(1), failed("timeout"))) == "none");
    CHECK(rule(book.settled(0, frame(2), dropped("deadline"))) == "none");
    CHECK(rule(book.ended(0, true)) == "none");
    CHECK(rule(book.close()) == "none");
    const auto& totals = book.totals();
    CHECK(totals.captured == 3);
    CHECK(totals.completed == 1);
    CHECK(totals.failed_reasons == std::map<std::string, uint64_t>{{"timeout", 1}});
    CHECK(totals.dropped_reasons == std::map<std::string, uint64_t>{{"deadline", 1}});
    CHECK(totals.lost + totals.duplicated + totals.abandoned == 0);
}

TEST_CASE("a second outcome of a frame is a duplicate, whatever it is") {
    Book book;
    CHECK(rule(book.settled(0, frame(1), completed())) == "none");
    CHECK(rule(book.settled(0, frame(1), completed())) == "DeliveredOnce");
    CHECK(rule(book.settled(0, frame(1), failed("timeout"))) == "DeliveredOnce");
    CHECK(book.totals().duplicated == 2);
    CHECK(book.totals().completed == 1);
    CHECK(book.totals().failed == 0);
}

TEST_CASE("a frame without an outcome at the end is lost") {
    Book book;
    CHECK(rule(book.settled(0, frame(0), completed())) == "none");
    const auto wrong = book.close();
    CHECK(rule(wrong) == "NothingLost");
    CHECK(wrong->text == "source 01000000/0, life 1, frame 1 has no outcome at the end");
    CHECK(book.totals().lost == 2);
    CHECK(rule(book.close()) == "none");  // each is lost once
}

TEST_CASE("what was open when its source died is abandoned, what was open when it ended by itself is lost") {
    for (const bool said_idle : {false, true}) {
        Book book;
        CHECK(rule(book.settled(0, frame(0), completed())) == "none");
        CHECK(rule(book.ended(0, said_idle)) == (said_idle ? "NothingLost" : "none"));
        CHECK(book.totals().lost == (said_idle ? 2 : 0));
        CHECK(book.totals().abandoned == (said_idle ? 0 : 2));
        CHECK(rule(book.close()) == "none");
    }
}

TEST_CASE("the end of one node leaves the frames of others open") {
    Book book;
    book.started(1, Incarnation{1}, 1);
    const FrameId other{{node_id(2), StreamId{0}}, Incarnation{1}, 0};
    CHECK(rule(book.captured(1, other, at)) == "none");
    CHECK(rule(book.ended(1, false)) == "none");
    CHECK(book.totals().abandoned == 1);
    CHECK(rule(book.settled(0, frame(0), completed())) == "none");
    CHECK(rule(book.ended(7, false)) == "none");  // which never ran
}

TEST_CASE("the next life says of an abandoned frame that its source restarted, once, and nothing else") {
    Book book;
    CHECK(rule(book.ended(0, false)) == "none");
    book.started(0, Incarnation{2}, 1);
    CHECK(rule(book.captured(0, frame(3, 2), at)) == "none");
    CHECK(rule(book.settled(0, frame(0), failed(reason_restarted))) == "none");
    CHECK(book.totals().abandoned == 2);
    CHECK(book.totals().failed_reasons.at(reason_restarted) == 1);
    CHECK(rule(book.settled(0, frame(0), failed(reason_restarted))) == "DeliveredOnce");
    CHECK(rule(book.settled(0, frame(1), completed())) == "KnownReason");
    CHECK(rule(book.settled(0, frame(3, 2), failed(reason_restarted))) == "KnownReason");
}

TEST_CASE("a next life that keeps silent about frames which were open has lost them") {
    Book book;
    CHECK(rule(book.settled(0, frame(1), completed())) == "none");
    CHECK(rule(book.ended(0, false)) == "none");
    book.started(0, Incarnation{2}, 1);
    Ledger ledger(2);
    const auto wrong = book.compare(0, ledger);
    CHECK(rule(wrong) == "NothingLost");
    CHECK(wrong->text.find("frame 0 was open when its source died") != std::string::npos);
    ledger.tell_restarted(0);
    CHECK(rule(book.settled(0, frame(0), failed(reason_restarted))) == "none");
    CHECK(rule(book.compare(0, ledger)) == "NothingLost");
    ledger.tell_restarted(2);
    CHECK(rule(book.settled(0, frame(2), failed(reason_restarted))) == "none");
    CHECK(rule(book.compare(0, ledger)) == "none");  // this life's ledger has them as captured and failed
}

TEST_CASE("a number that an earlier life gave out is not given out again") {
    Book book;
    CHECK(rule(book.ended(0, false)) == "none");
    book.started(0, Incarnation{2}, 1);
    CHECK(rule(book.captured(0, frame(2, 2), at)) == "NumbersRise");
    CHECK(rule(book.captured(0, frame(3, 2), at)) == "none");
    CHECK(rule(book.settled(0, frame(1, 2), dropped("capture_queue_full"))) == "NumbersRise");
}

TEST_CASE("the journal must say what all lives of a source had") {
    Book book;
    journal::Books books;
    const StreamId stream{0};
    const auto write = [&](const journal::Entry& entry) { REQUIRE(books.apply(entry)); };
    CHECK(rule(book.compare(0, books)) == "SumsBalance");  // it does not know the stream
    write(journal::Counts{stream, "camera", 0, {}});
    write(journal::Life{Incarnation{1}});
    for (uint64_t k = 0; k < 3; ++k) write(journal::Captured{stream, k});
    CHECK(rule(book.compare(0, books)) == "none");
    CHECK(rule(book.settled(0, frame(0), completed())) == "none");
    const auto wrong = book.compare(0, books);
    CHECK(rule(wrong) == "SumsBalance");
    CHECK(
        wrong->text ==
        "the journal of stream 0 says 3 captured, 0 completed, 0 failed, 0 dropped, 3 open; its lives had 3 captured, "
        "1 completed, 0 failed, 0 dropped, 2 open");
    write(journal::Settled{stream, 0, FrameState::completed});
    CHECK(rule(book.compare(0, books)) == "none");
    CHECK(rule(book.settled(0, frame(3), dropped("capture_queue_full"))) == "none");
    CHECK(rule(book.compare(0, books)) == "SumsBalance");
    write(journal::Missed{stream, 1});
    CHECK(rule(book.compare(0, books)) == "none");
    CHECK(rule(book.ended(0, false)) == "none");
    book.started(0, Incarnation{2}, 1);
    CHECK(rule(book.compare(0, books)) == "none");
    CHECK(rule(book.settled(0, frame(1), failed(reason_restarted))) == "none");
    CHECK(rule(book.compare(0, books)) == "SumsBalance");
    write(journal::Settled{stream, 1, FrameState::failed});
    CHECK(rule(book.compare(0, books)) == "none");
    CHECK(rule(book.compare(7, books)) == "none");  // which has no streams
}

TEST_CASE("what a power cut took out of the journal may stay abandoned, or be told again, and nothing else may") {
    Book book;  // frames 0, 1, 2
    CHECK(rule(book.settled(0, frame(1), completed())) == "none");
    CHECK(rule(book.settled(0, frame(3), dropped("capture_queue_full"))) == "none");
    CHECK(rule(book.ended(0, false)) == "none");
    const std::vector<journal::Entry> lost{journal::Captured{StreamId{0}, 2},
                                           journal::Settled{StreamId{0}, 1, FrameState::completed},
                                           journal::Missed{StreamId{0}, 1}};
    book.power_cut(0, node_id(1), Incarnation{1}, lost);
    book.started(0, Incarnation{2}, 1);
    journal::Books books;
    for (const journal::Entry& entry :
         std::vector<journal::Entry>{journal::Counts{StreamId{0}, "camera", 0, {}}, journal::Life{Incarnation{1}},
                                     journal::Captured{StreamId{0}, 0}, journal::Captured{StreamId{0}, 1}})
        REQUIRE(books.apply(entry));
    CHECK(rule(book.compare(0, books)) == "none");
    Ledger ledger(2);
    CHECK(rule(book.compare(0, ledger)) == "NothingLost");  // frame 0 was not lost
    for (const uint64_t k : {0, 1}) {
        CHECK(rule(book.settled(0, frame(k), failed(reason_restarted))) == "none");
        REQUIRE(books.apply(journal::Settled{StreamId{0}, k, FrameState::failed}));
        ledger.tell_restarted(k);
    }
    CHECK(rule(book.compare(0, ledger)) == "none");
    CHECK(rule(book.compare(0, books)) == "none");
    CHECK(rule(book.settled(0, frame(1), failed(reason_restarted))) == "DeliveredOnce");
    CHECK(book.totals().retold == 1);
    CHECK(book.totals().abandoned == 1);
    CHECK(book.totals().completed == 1);
    CHECK(book.totals().failed == 1);
    CHECK(book.totals().lost == 0);
    CHECK(rule(book.settled(0, frame(2), failed(reason_restarted))) == "KnownFrame");  // no journal had it
}

TEST_CASE("a power cut soon after a restart has the next life tell once more what this one had told") {
    Book book;
    CHECK(rule(book.ended(0, false)) == "none");
    book.started(0, Incarnation{2}, 1);
    for (uint64_t k = 0; k < 3; ++k) CHECK(rule(book.settled(0, frame(k), failed(reason_restarted))) == "none");
    CHECK(rule(book.ended(0, false)) == "none");
    const std::vector<journal::Entry> lost{journal::Settled{StreamId{0}, 2, FrameState::failed}};
    book.power_cut(0, node_id(1), Incarnation{2}, lost);
    book.started(0, Incarnation{3}, 1);
    CHECK(rule(book.settled(0, frame(1), failed(reason_restarted))) == "DeliveredOnce");
    CHECK(rule(book.settled(0, frame(2), failed(reason_restarted))) == "none");
    CHECK(book.totals().retold == 1);
    CHECK(book.totals().failed == 3);
}

TEST_CASE("frames nobody captured, or captured twice, or settled elsewhere, are not known") {
    Book book;
    CHECK(rule(book.settled(0, frame(9), completed())) == "KnownFrame");
    CHECK(rule(book.captured(0, frame(1), at)) == "KnownFrame");
    book.started(1, Incarnation{1}, 1);
    CHECK(rule(book.settled(1, frame(2), completed())) == "KnownFrame");
}

TEST_CASE("a frame that found no room on its way to the core is captured and dropped at once") {
    Book book;
    CHECK(rule(book.settled(0, frame(3), dropped("capture_queue_full"))) == "none");
    CHECK(book.totals().captured == 4);
    CHECK(rule(book.settled(0, frame(3), dropped("capture_queue_full"))) == "DeliveredOnce");
    CHECK(rule(book.settled(0, frame(4), dropped("deadline"))) == "KnownFrame");
}

TEST_CASE("reasons come from a small known set, and completions have none") {
    Book book;
    CHECK(rule(book.settled(0, frame(0), failed("bad luck"))) == "KnownReason");
    CHECK(rule(book.settled(0, frame(1), dropped("timeout"))) == "KnownReason");
    Outcome odd;
    odd.reason = "timeout";
    CHECK(rule(book.settled(0, frame(2), odd)) == "KnownReason");
}

TEST_CASE("a ledger that says something else than was seen is noticed") {
    eddy::testing::RecordingSink sink;
    node::Buffers buffers;
    node::FrameLedger ledger(node_id(1), Incarnation{1}, std::vector<node::StreamConfig>(1));
    FrameBook book;
    book.started(0, Incarnation{1}, 1);
    CHECK(rule(book.compare(0, ledger)) == "none");
    node::FrameRecord record;
    record.raw.buffer = BufferId{1};
    buffers.adopt(record.raw);
    REQUIRE(ledger.capture(StreamId{0}, 0, record, sink));
    const auto wrong = book.compare(0, ledger);
    CHECK(rule(wrong) == "SumsBalance");
    CHECK(wrong->text ==
          "stream 0 says 1 captured, 0 completed, 0 failed, 0 dropped, 1 open; it was seen to have 0 captured, 0 "
          "completed, 0 failed, 0 dropped, 0 open");
    CHECK(rule(book.captured(0, frame(0), at)) == "none");
    CHECK(rule(book.compare(0, ledger)) == "none");
    CHECK(rule(book.settled(0, frame(0), completed())) == "none");
    CHECK(rule(book.compare(0, ledger)) == "SumsBalance");
    ledger.settle(frame(0), completed(), at, buffers, sink);
    CHECK(rule(book.compare(0, ledger)) == "none");
    ++ledger.counts(StreamId{0}).failed;  // its own sum does not balance
    CHECK(rule(book.compare(0, ledger)) == "SumsBalance");
}

TEST_CASE("totals of runs add up") {
    Book one;
    CHECK(rule(one.settled(0, frame(0), failed("timeout"))) == "none");
    Book two;
    CHECK(rule(two.settled(0, frame(0), failed("timeout"))) == "none");
    CHECK(rule(two.settled(0, frame(1), dropped("stopping"))) == "none");
    CHECK(rule(two.settled(0, frame(1), completed())) == "DeliveredOnce");
    CHECK(rule(one.settled(0, frame(1), completed())) == "none");
    CHECK(rule(one.ended(0, false)) == "none");
    CHECK(rule(two.close()) == "NothingLost");
    FrameTotals sum = one.totals();
    sum += two.totals();
    CHECK(sum.captured == 6);
    CHECK(sum.completed == 1);
    CHECK(sum.failed == 2);
    CHECK(sum.dropped == 1);
    CHECK(sum.abandoned == 1);
    CHECK(sum.lost == 1);
    CHECK(sum.duplicated == 1);
    CHECK(sum.failed_reasons.at("timeout") == 2);
    CHECK(sum.dropped_reasons.at("stopping") == 1);
}

TEST_CASE("when a frame was captured is remembered") {
    Book book;
    CHECK(book.captured_at(frame(2)) == at);
    CHECK(!book.captured_at(frame(9)));
}
