// Goal: the counts of a source add up whenever its node tells the truth, and are seen not to when it does not.
#include "src/metrics/collector.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

using namespace eddy;
using namespace eddy::metrics;

namespace {

constexpr StreamId front{0};
constexpr StreamId yard{3};

Instant at(double seconds) { return Instant(from_seconds(seconds)); }

FrameId frame(StreamId stream, uint64_t k) {
    FrameId id;
    id.source.stream = stream;
    id.k = k;
    return id;
}

Outcome completed(double completion_ms, double waiting_ms, double computing_ms, bool local) {
    Outcome outcome;
    outcome.completion = from_ms(completion_ms);
    outcome.parts = {from_ms(waiting_ms), from_ms(computing_ms)};
    outcome.local = local;
    outcome.attempts = 1;
    return outcome;
}

Outcome lost(FrameState state, const std::string& reason) {
    Outcome outcome;
    outcome.state = state;
    outcome.reason = reason;
    outcome.attempts = 3;
    return outcome;
}

}  // namespace

TEST_CASE("each fate of a frame is counted under its source, with times and ways") {
    Collector collector(at(0), "kitchen");
    collector.add_source(yard, "yard");
    collector.add_source(front, "front");
    for (uint64_t k = 0; k < 5; ++k) collector.on_captured(front, k, at(10 + 0.1 * static_cast<double>(k)));
    collector.on_missed(front, 2, "queue full", at(11));
    collector.on_missed(front, 0, "queue full", at(11));
    collector.on_admitted(front, 3);
    collector.on_admitted(front);
    collector.on_outcome(frame(front, 0), completed(100, 20, 50, true), at(11));
    collector.on_outcome(frame(front, 1), completed(300, 40, 150, false), at(11));
    collector.on_outcome(frame(front, 2), lost(FrameState::failed, "timeout"), at(11));
    collector.on_outcome(frame(front, 3), lost(FrameState::dropped, "deadline"), at(11));

    const auto sources = collector.sources(at(12));
    REQUIRE(sources.size() == 2);
    CHECK(sources[1].name == "yard");
    CHECK(sources[1].captured == 0);
    CHECK_FALSE(sources[1].completion_ms.has_value());
    CHECK(sources[1].balanced());

    const SourceStats& s = sources[0];
    CHECK(s.name == "front");
    CHECK(s.node == "kitchen");
    CHECK(s.captured == 7);
    CHECK(s.admitted == 4);
    CHECK(s.completed == 2);
    CHECK(s.failed == std::map<std::string, uint64_t>{{"timeout", 1}});
    CHECK(s.dropped == std::map<std::string, uint64_t>{{"deadline", 1}, {"queue full", 2}});
    CHECK(s.in_flight == 1);
    CHECK(s.balanced());
    CHECK(s.path_local == 1);
    CHECK(s.path_distributed == 1);
    CHECK(s.attempts == 8);
    CHECK(s.throughput_per_s == doctest::Approx(1.0));  // two in the two seconds since the first capture
    REQUIRE(s.completion_ms.has_value());
    CHECK(s.completion_ms->mean == doctest::Approx(200));
    CHECK(s.completion_ms->p50 == doctest::Approx(100).epsilon(0.01));
    CHECK(s.completion_ms->p99 == doctest::Approx(300).epsilon(0.01));
    CHECK(s.completion_ms->max == doctest::Approx(300));
    REQUIRE(s.parts_ms.has_value());
    CHECK(s.parts_ms->waiting == doctest::Approx(30));
    CHECK(s.parts_ms->computing == doctest::Approx(100));
    CHECK(s.parts_ms->transferring == doctest::Approx(70));
}

TEST_CASE("throughput stops falling once a stream has ended and its last frame has its outcome") {
    Collector collector(at(0));
    collector.on_captured(front, 0, at(1));
    collector.on_captured(front, 1, at(2));
    collector.on_source_ended(front, at(2));
    collector.on_outcome(frame(front, 0), completed(1, 0, 0, true), at(3));
    const auto per_s = [&](double now) { return collector.sources(at(now)).at(0).throughput_per_s; };
    CHECK(per_s(11) == doctest::Approx(0.1));  // a frame is still out
    collector.on_outcome(frame(front, 1), completed(1, 0, 0, true), at(5));
    CHECK(per_s(5) == doctest::Approx(0.5));
    CHECK(per_s(100) == doctest::Approx(0.5));
}

TEST_CASE("a frame with two outcomes, or one that was never captured, makes the sum disagree") {
    Collector twice(at(0));
    twice.on_captured(front, 7, at(1));
    twice.on_outcome(frame(front, 7), completed(1, 0, 0, true), at(2));
    CHECK(twice.sources(at(2)).at(0).balanced());
    twice.on_outcome(frame(front, 7), lost(FrameState::failed, "timeout"), at(3));
    CHECK_FALSE(twice.sources(at(3)).at(0).balanced());

    Collector never(at(0));
    never.on_outcome(frame(front, 7), lost(FrameState::dropped, "deadline"), at(3));
    CHECK_FALSE(never.sources(at(3)).at(0).balanced());
}

TEST_CASE("after any history in which each frame has at most one outcome, every sum holds") {
    CHECK(rc::check("captured = completed + failed + dropped + in flight", [] {
        Collector collector(at(0));
        uint64_t next = 0;
        std::vector<FrameId> open;
        for (const int step : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 9))) {
            if (step < 4) {
                const StreamId stream{static_cast<uint16_t>(next % 3)};
                collector.on_captured(stream, next, at(1));
                open.push_back(frame(stream, next++));
            } else if (step == 4) {
                collector.on_missed(front, 2, "full", at(1));
            } else if (!open.empty()) {
                const Outcome outcome = step < 7    ? completed(step, 1, 1, step == 5)
                                        : step == 7 ? lost(FrameState::failed, "timeout")
                                                    : lost(FrameState::dropped, "full");
                collector.on_outcome(open.back(), outcome, at(2));
                open.pop_back();
            }
        }
        uint64_t in_flight = 0;
        for (const auto& source : collector.sources(at(3))) {
            RC_ASSERT(source.balanced());
            in_flight += source.in_flight;
        }
        RC_ASSERT(in_flight == open.size());
    }));
}

TEST_CASE("the report holds the node's row and the time it ran") {
    Collector collector(at(5));
    collector.add_source(front, "front");
    NodeStats node;
    node.name = "a";
    const Report report = collector.report(at(15), node);
    CHECK(report.duration_s == doctest::Approx(10));
    CHECK(report.nodes == std::vector<NodeStats>{node});
    CHECK(report.sources.size() == 1);
    CHECK(collector.uptime(at(15)) == from_seconds(10));
}

TEST_CASE(
    "what an earlier life left unfinished counts in this one as captured and failed, and not for its throughput") {
    Collector collector(at(0));
    Outcome outcome = lost(FrameState::failed, "source_restarted");
    outcome.attempts = 1;
    collector.on_unfinished(frame(front, 5), outcome);
    collector.on_unfinished(frame(front, 6), outcome);
    collector.add_source(front, "front");
    auto stats = collector.sources(at(10)).at(0);
    CHECK(stats.captured == 2);
    CHECK(stats.failed == std::map<std::string, uint64_t>{{"source_restarted", 2}});
    CHECK(stats.attempts == 2);
    CHECK(stats.in_flight == 0);
    CHECK(stats.balanced());
    collector.on_captured(front, 1024, at(10));
    collector.on_outcome(frame(front, 1024), completed(1, 0, 1, true), at(11));
    stats = collector.sources(at(12)).at(0);
    CHECK(stats.throughput_per_s == doctest::Approx(0.5));
    CHECK(stats.balanced());
}
