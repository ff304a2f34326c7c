// The checks of a cluster are shown clusters that are well, and such that are not or are told wrong bounds. Goal: each
// says what is wrong in words, and is silent when nothing is.
#include "sim/cluster_checks.hpp"

#include <functional>

#include <doctest/doctest.h>

using namespace eddy;
using namespace eddy::sim;
using namespace std::chrono_literals;

namespace {

/// Two devices of 10 frames/s each, the first with a camera of 30 frames/s: it is always busy, and its queues are full.
struct Busy {
    std::vector<NodeModel> nodes{2};
    Simulation sim{5, even_profile(10, 100ms, 20'000), {}};
    Busy() {
        SourceModel camera;
        camera.name = "camera";
        camera.rate_per_s = 30;
        camera.frames = 300;
        nodes[0].sources = {camera};
        for (size_t i = 0; i < nodes.size(); ++i) {
            nodes[i].name = i == 0 ? "a" : "b";
            nodes[i].id = evenly_spaced_id(i, nodes.size());
            nodes[i].queue_frames = 4;
            sim.add(nodes[i]);
        }
    }
    void start() {
        for (size_t i = 0; i < nodes.size(); ++i) sim.start(i);
    }
    [[nodiscard]] std::string bounds(size_t node, const NodeModel& told) const {
        return bounds_problem(sim, node, told, nodes).value_or("none");
    }
};

msg::Work work(uint64_t seq, uint64_t k, uint32_t attempt = 1, uint16_t layer = 0) {
    msg::Work message;
    message.frame.k = k;
    message.seq = seq;
    message.attempt = attempt;
    message.layer = layer;
    return message;
}
msg::Ack receipt(uint64_t seq, bool accepted = true) {
    msg::Ack ack;
    ack.seq = seq;
    ack.accepted = accepted;
    return ack;
}

}  // namespace

TEST_CASE("a busy cluster keeps its bounds, and one that is told tighter bounds does not") {
    Busy busy;
    busy.start();
    bool local = false, receipts = false, lanes = false;
    auto no_cameras = busy.nodes;
    no_cameras[0].sources.clear();
    NodeModel no_lane = busy.nodes[1];
    no_lane.lanes = 0;
    for (int i = 0; i < 200; ++i) {
        busy.sim.run_for(50ms);
        for (size_t node = 0; node < 2; ++node) CHECK(busy.bounds(node, busy.nodes[node]) == "none");
        NodeModel tight = busy.nodes[0];
        tight.queue_frames = 0;
        local |= busy.bounds(0, tight).find("frames in a local queue: ") == 0;
        const auto problem = bounds_problem(busy.sim, 0, busy.nodes[0], no_cameras).value_or("none");
        receipts |= problem.find("messages without receipt: ") == 0;
        lanes |= busy.bounds(1, no_lane).find("buffers: ") == 0;
    }
    CHECK(local);
    CHECK(receipts);
    CHECK(lanes);
}

TEST_CASE("what is left is told in words until everything has come to rest") {
    Busy busy;
    busy.start();
    busy.sim.run_for(3s);
    CHECK(leftover_problem(busy.sim, 0, busy.nodes).value_or("none").find("a still has ") == 0);
    REQUIRE(busy.sim.run_until(120s, [&] { return busy.sim.all_settled(); }));
    busy.sim.run_for(5s);
    for (size_t node = 0; node < 2; ++node)
        CHECK(leftover_problem(busy.sim, node, busy.nodes).value_or("none") == "none");
}

TEST_CASE("frames that have left their source are left where they are") {
    Busy busy;
    busy.start();
    bool seen = false;
    for (int i = 0; i < 200 && !seen; ++i) {
        busy.sim.run_for(50ms);
        seen = leftover_problem(busy.sim, 1, busy.nodes).has_value();
        CHECK(busy.sim.core(1).ledger().open_frames() == 0);
    }
    CHECK(seen);
}

TEST_CASE("a ring is whole when all that run see each other, and not when one is gone or has just come") {
    Busy busy;
    busy.sim.start(0);
    busy.sim.run_for(2s);
    CHECK(ring_problem(busy.sim, busy.nodes).value_or("none") == "none");  // alone
    busy.sim.start(1);
    CHECK(ring_problem(busy.sim, busy.nodes).value_or("none") == "a sees 1 members of 2");
    REQUIRE(busy.sim.run_until(10s, [&] { return !ring_problem(busy.sim, busy.nodes); }));
    busy.sim.crash(1);
    CHECK(ring_problem(busy.sim, busy.nodes).value_or("none") == "a sees 2 members of 1");
    REQUIRE(busy.sim.run_until(10s, [&] { return !ring_problem(busy.sim, busy.nodes); }));
}

TEST_CASE("work that a node takes twice in one life is noticed") {
    TakenWork taken;
    taken.started(0);
    taken.receipt(0, receipt(1));
    CHECK(!taken.handled(0, work(1, 7), 0));
    taken.receipt(0, receipt(2));
    const auto problem = taken.handled(0, work(2, 7), 0);
    REQUIRE(problem);
    CHECK(problem->find("frame 7, attempt 1, before layer 0 was taken twice") != std::string::npos);
}

TEST_CASE("another frame, attempt, layer, node or life is other work") {
    TakenWork taken;
    taken.started(0);
    taken.started(1);
    uint64_t seq = 0;
    const auto take = [&](size_t node, uint64_t k, uint32_t attempt, uint16_t layer) {
        taken.receipt(node, receipt(++seq));
        return taken.handled(node, work(seq, k, attempt, layer), 0).has_value();
    };
    CHECK(!take(0, 7, 1, 0));
    CHECK(!take(0, 8, 1, 0));
    CHECK(!take(0, 7, 2, 0));
    CHECK(!take(0, 7, 1, 3));
    CHECK(!take(1, 7, 1, 0));
    CHECK(take(0, 7, 1, 3));
    taken.started(0);
    CHECK(!take(0, 7, 1, 0));
}

TEST_CASE("work that has gone on and comes back with more hops is taken again, and its copies are not") {
    TakenWork taken;
    taken.started(0);
    uint64_t seq = 0;
    const auto take = [&](uint16_t hops) {
        msg::Work back = work(++seq, 7);
        back.hops = hops;
        taken.receipt(0, receipt(seq));
        return taken.handled(0, back, 0).has_value();
    };
    CHECK(!take(1));
    CHECK(!take(3));
    CHECK(take(3));
    CHECK(take(2));
}

TEST_CASE("what is thrown away as stale, refused, or has no receipt is not taken") {
    TakenWork taken;
    taken.started(0);
    taken.receipt(0, receipt(1));
    CHECK(!taken.handled(0, work(1, 7), 0));
    taken.receipt(0, receipt(2));
    CHECK(!taken.handled(0, work(2, 7), 1));  // one more is stale
    taken.receipt(0, receipt(3, false));
    CHECK(!taken.handled(0, work(3, 7), 1));
    CHECK(!taken.handled(0, work(4, 7), 1));
    taken.receipt(0, receipt(5));
    CHECK(taken.handled(0, work(5, 7), 1));
}

namespace {

/// A source and two devices behind it, all of them busy. Told of the first two only, a checker misses what the third
/// one has.
struct Three {
    std::vector<NodeModel> nodes{3};
    Simulation sim{5, even_profile(10, 100ms, 20'000), {}};
    explicit Three(uint64_t custody_bytes = uint64_t{128} << 20) {
        SourceModel camera;
        camera.name = "camera";
        camera.rate_per_s = 40;
        camera.frames = 400;
        nodes[0].sources = {camera};
        for (size_t i = 0; i < nodes.size(); ++i) {
            nodes[i].name = std::string(1, static_cast<char>('a' + i));
            nodes[i].id = evenly_spaced_id(i, nodes.size());
            nodes[i].custody_bytes = custody_bytes;
            nodes[i].policy = PolicyKind::layered;
            sim.add(nodes[i]);
        }
        for (size_t i = 0; i < nodes.size(); ++i) sim.start(i);
    }
    [[nodiscard]] std::vector<NodeModel> without_last() const { return {nodes[0], nodes[1]}; }
    /// Instants at which a frame would be taken by the loss of b, for somebody who does not see c.
    size_t losses(const std::function<void(KeptFrames&)>& before = [](KeptFrames&) {}) {
        size_t found = 0;
        for (int i = 0; i < 100; ++i) {
            sim.run_for(50ms);
            CHECK(!KeptFrames().ended(sim, 1, nodes));
            KeptFrames kept;
            before(kept);
            const auto problem = kept.ended(sim, 1, without_last());
            found += problem ? 1 : 0;
            if (problem) CHECK(problem->find("any more, though only b was lost") != std::string::npos);
        }
        return found;
    }
};

}  // namespace

TEST_CASE("one loss takes no frame with it, and a frame that nobody has any more is noticed") {
    Three three;
    CHECK(three.losses() > 10);
}

TEST_CASE("frames may be gone when two were lost in their time, were given up, or there is no room to keep them") {
    SUBCASE("two losses") {
        Three three;
        const auto lose_another = [&](KeptFrames& kept) { (void)kept.ended(three.sim, 2, three.nodes); };
        CHECK(three.losses(lose_another) == 0);
    }
    SUBCASE("given up, and the source told") {
        for (const char* failure : {"", "refused"}) {
            Three three;
            const auto give_up = [&](KeptFrames& kept) {
                for (const auto& [k, record] : three.sim.core(0).ledger().open(StreamId{0})) {
                    msg::Result result;
                    result.frame = three.sim.core(0).ledger().id(StreamId{0}, k);
                    result.attempt = record.attempts;
                    result.failure = failure;
                    kept.sent(result);
                    result.attempt += 1;  // which has nothing to do with this one
                    kept.sent(result);
                }
            };
            CHECK((three.losses(give_up) == 0) == !std::string(failure).empty());
        }
    }
    SUBCASE("no room") { CHECK(Three(0).losses() == 0); }
    SUBCASE("little room, once something was let go") { CHECK(Three(41'000).losses() < 10); }
}

TEST_CASE("what somebody has, in whatever form, is had") {
    Three three;
    three.sim.run_for(5s);
    const auto had = frames_had(three.sim, 3, 3);
    size_t away = 0;
    for (const auto& [k, record] : three.sim.core(0).ledger().open(StreamId{0})) {
        if (record.attempts == 0) continue;
        ++away;
        CHECK(had.count(three.sim.core(0).ledger().id(StreamId{0}, k)) == 1);
    }
    CHECK(away > 3);
    CHECK(frames_had(three.sim, 0, 3).empty());
    const auto held = three.sim.core(2).frames_here();
    REQUIRE(!held.empty());
    bool missed = false;
    const auto others = frames_had(three.sim, 2, 2);
    const auto first_only = frames_had(three.sim, 3, 2);
    CHECK(others == first_only);
    for (const auto& frame : held) missed |= frames_had(three.sim, 1, 3).count(frame) == 0;
    CHECK(missed);
}
