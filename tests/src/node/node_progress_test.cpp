// A node whose neighbours do not always get on. Goal: work goes around who stands still and comes back to who gets on
// again, no frame is in nobody's hands meanwhile, and none goes past its own source. The ring is 100 (the node), 150,
// 180, 220 (far_source), 50.
#include <algorithm>

#include <doctest/doctest.h>

#include "tests/src/node/chain_world.hpp"

using namespace eddy;
using namespace eddy::node;

namespace {

constexpr uint8_t next_but_one = 180;

struct Way : Chain {
    explicit Way(size_t streams = 0, PolicyKind policy = PolicyKind::layered) : Chain(streams, policy) {}
    void join() {
        begin();
        for (const uint8_t id : {after, next_but_one, far_source, before}) peer_up(id);
    }
    void wait(double later_ms) {
        for (; later_ms > 0; later_ms -= 50) tick(std::min(later_ms, 50.0));
    }
    /// Receipts of everything sent there so far; the last took so long for its bytes.
    void receipt(uint8_t from, double span_ms = 0, std::vector<uint64_t> released = {}) {
        const std::vector<msg::Credit> credits{
            {source_of(far_source), 1000}, {source_of(before), 1000}, {source_of(after), 1000}};
        say(from, msg::Ack{works(from).size(), 0, Usec{0}, from_ms(span_ms), true, credits, std::move(released)});
    }
    [[nodiscard]] bool goes_to(uint8_t id) const { return core->next_hop() == node_id(id); }
    [[nodiscard]] bool logged(const std::string& text) const {
        return std::any_of(sink.lines.begin(), sink.lines.end(),
                           [&](const auto& line) { return line.find(text) != std::string::npos; });
    }
    /// Without a receipt for long enough.
    void hold_up(uint8_t from = before, uint8_t source = far_source) {
        give(0, from, 1, true, source);
        REQUIRE(works().size() == 1);
        wait(4100);
        REQUIRE(core->link(node_id(after))->progress().pace() == Progress::Pace::held_up);
    }
};

}  // namespace

TEST_CASE("work goes around a successor that gives no receipt, and what it was sent goes the other way as well") {
    Way world;
    world.join();
    CHECK(world.goes_to(after));
    world.hold_up();
    CHECK(world.goes_to(next_but_one));
    CHECK(world.core->counters().stalls == 1);
    CHECK(world.core->counters().stall_returned == 1);
    CHECK(world.logged("does not get on (held up, no receipt for"));
    REQUIRE(world.works(next_but_one).size() == 1);
    CHECK(world.works(next_but_one)[0].frame == world.works(after)[0].frame);
    CHECK(world.works(next_but_one)[0].attempt == 1);
    CHECK(world.works(next_but_one)[0].custody != world.works(after)[0].custody);
    world.accept({}, next_but_one);
    world.give(1);
    CHECK(world.works(after).size() == 1);
    CHECK(world.works(next_but_one).size() == 2);
    CHECK(world.core->ring().successor() == node_id(after));  // for all the ring knows it lives

    world.receipt(after);
    CHECK(world.goes_to(after));
    CHECK(world.logged("gets on again"));
    CHECK(world.kept() == 1);  // by the other: what came back is not kept for the successor
    world.give(2);
    CHECK(world.works(after).size() == 2);
    CHECK(world.core->counters().stalls == 1);
}

TEST_CASE("if nobody gets on, the successor is used as ever, and what was sent last stays where it is") {
    Way world;
    world.join();
    world.hold_up(before, before);
    for (const uint8_t id : {next_but_one, far_source, before}) {
        CHECK(world.goes_to(id));
        CHECK(world.works(id).size() == 1);
        world.wait(4100);
    }
    CHECK(world.core->counters().stalls == 4);
    CHECK(world.core->counters().stall_returned == 3);  // the last is kept where it is
    CHECK(world.core->link(node_id(before))->unacknowledged().size() == 1);
    CHECK(world.goes_to(after));
    world.receipt(after);
    CHECK(world.goes_to(after));
}

TEST_CASE("no frame goes past its own source: it is finished here, or given to its source by who cannot compute it") {
    Way world;
    world.join();
    world.hold_up();
    SUBCASE("computed") {
        world.give(7, before, 1, false, after);
        REQUIRE(world.sink.jobs.size() == 1);
        CHECK(world.sink.jobs[0].ends_model);
        CHECK(world.row(after).last);
    }
    SUBCASE("not for this node to compute") {
        Way relay;
        relay.config.profile = ModelProfile{};
        relay.join();
        relay.say(before, relay.work(far_source, 0, ++relay.sent[before]), {relay.tensor(1000)});
        relay.wait(4100);
        CHECK(relay.goes_to(next_but_one));
        relay.receipt(next_but_one);
        auto made = relay.work(after, 7, ++relay.sent[before], 1);
        relay.say(before, made, {relay.tensor(1000)});
        REQUIRE(relay.works(after).size() == 2);
        CHECK(relay.works(after)[1].frame.source.node == node_id(after));
    }
}

TEST_CASE("who accepts and passes nothing on is stuck: what it has is done elsewhere, what it says later is too late") {
    Way world(0, PolicyKind::layered);
    world.join();
    for (uint64_t k = 0; k < 3; ++k) {
        world.give(k);
        world.receipt(after);
    }
    REQUIRE(world.kept() == 3);
    world.wait(6000);
    CHECK(world.goes_to(after));
    world.wait(100);
    CHECK(world.core->link(node_id(after))->progress().pace() == Progress::Pace::stuck);
    CHECK(world.goes_to(next_but_one));
    CHECK(world.core->counters().stalls == 1);
    CHECK(world.core->counters().stall_returned == 3);
    CHECK(world.core->counters().custody_returned == 3);
    CHECK(world.logged("does not get on (stuck)"));
    for (size_t i = 0; i < 3; ++i) world.receipt(next_but_one);
    REQUIRE(world.works(next_but_one).size() == 3);
    CHECK(world.kept() == 3);

    const uint64_t number = world.works(after)[0].custody;
    SUBCASE("it says something of one of them") { world.receipt(after, 0, {number}); }
    SUBCASE("it passes on a probe") {
        world.wait(1000);
        world.give(9);
        REQUIRE(world.works(after).size() == 4);
        world.receipt(after);
        CHECK(world.goes_to(next_but_one));
        world.give(10);
        CHECK(world.works(after).size() == 4);
        world.receipt(after, 0, {world.works(after).back().custody});
    }
    CHECK(world.goes_to(after));
}

TEST_CASE("the only neighbour is stuck: it gets a probe now and then, and what it holds of them is queued again") {
    Way relay;
    relay.config.profile = ModelProfile{};  // so it can do nothing with a frame but pass it on
    relay.begin();
    relay.peer_up(after);
    const auto give = [&](uint64_t k) {
        relay.say(after, relay.work(after, k, ++relay.sent[after], 0), {relay.tensor(1000)});
    };
    for (uint64_t k = 0; k < 3; ++k) {
        give(k);
        relay.receipt(after);
    }
    REQUIRE(relay.works(after).size() == 3);
    relay.wait(6100);
    REQUIRE(relay.core->link(node_id(after))->progress().pace() == Progress::Pace::stuck);
    CHECK(relay.core->counters().custody_returned == 3);
    CHECK(relay.goes_to(after));
    CHECK(relay.works(after).size() == 3);
    CHECK(relay.kept() == 0);

    relay.wait(1000);
    CHECK(relay.works(after).size() == 4);
    relay.receipt(after);
    relay.wait(6000);
    CHECK(relay.works(after).size() == 5);  // after 2 s, and nothing more before there is a receipt
    relay.receipt(after);
    CHECK(relay.works(after).size() == 6);
    CHECK(relay.core->counters().custody_returned == 3);
    relay.wait(200);
    CHECK(relay.core->counters().custody_returned == 4);
    CHECK(relay.core->counters().stalls == 1);

    relay.receipt(after, 0, {relay.works(after).back().custody});
    CHECK(relay.logged("gets on again"));
    CHECK(relay.works(after).size() == 7);
}

TEST_CASE("who was passed over is probed although nothing goes the way around: it leads to the frames' source") {
    Way world;
    world.config.profile.layers[1].frontier_bytes = 100'000;  // less says nothing about speed
    world.begin();
    for (const uint8_t id : {after, far_source}) world.peer_up(id);
    for (uint64_t k = 0; k < 8; ++k) {
        world.give(k, far_source);
        world.receipt(after, k < 6 ? 1 : 100);
    }
    REQUIRE(world.core->link(node_id(after))->progress().pace() == Progress::Pace::slow);
    REQUIRE(world.goes_to(far_source));
    const size_t sent = world.works(after).size();
    world.give(20, far_source, 1, false);  // for the lane
    world.give(21, far_source, 1, false);
    CHECK(world.works(after).size() == sent);
    world.wait(1000);
    REQUIRE(world.works(after).size() == sent + 1);
    CHECK(world.works(far_source).empty());
    world.receipt(after, 1);
    CHECK(world.goes_to(after));
}

TEST_CASE("a probe does not lead a frame past its own source either") {
    Way world;
    world.config.profile.layers[1].frontier_bytes = 100'000;
    world.join();
    world.hold_up();
    for (uint64_t k = 10; k < 18; ++k) {
        world.receipt(next_but_one, k < 16 ? 1 : 100);
        world.give(k);
    }
    world.receipt(next_but_one, 100);
    REQUIRE(world.core->link(node_id(next_but_one))->progress().pace() == Progress::Pace::slow);
    REQUIRE(world.goes_to(far_source));
    const size_t sent = world.works(next_but_one).size();
    world.give(20, before, 1, false, after);  // for the lane
    world.give(21, before, 1, false, after);
    world.wait(1500);
    CHECK(world.works(next_but_one).size() == sent);
    world.give(22, before, 1, false);
    CHECK(world.works(next_but_one).size() == sent + 1);
}

TEST_CASE("a frame that waits for its source to say something makes nobody stuck while that source is away") {
    Way world(0, PolicyKind::layered);
    world.join();
    world.give(0);
    world.receipt(after);
    world.lose(far_source);
    world.wait(8000);
    CHECK(world.core->counters().stalls == 0);
    CHECK(world.kept() == 1);
}

TEST_CASE("policies that let frames rest as long as they like make nobody stuck by that") {
    Way world(0, PolicyKind::ms_mdi);
    world.join();
    world.give(0);
    world.receipt(after);
    world.wait(9000);
    CHECK(world.core->counters().stalls == 0);
}

TEST_CASE("a node that stood still itself blames neither neighbours nor lanes") {
    Way world;
    world.join();
    world.give(0);
    world.give(1, before, 1, false);
    REQUIRE(world.sink.jobs.size() == 1);
    world.tick(20'000);
    world.wait(200);
    CHECK(world.core->counters().stalls == 0);
    CHECK_FALSE(world.logged("layers take more than"));
    CHECK(world.goes_to(after));
}

TEST_CASE("a run that takes far too long makes this node dear at once, until a run takes what it should") {
    Way world;
    world.join();
    world.wait(50);
    const auto told = [&] {
        world.send(before, 100 + world.sent[before]);
        world.wait(450);
        return world.sink.all<msg::NodeState>().back().second;
    };
    world.send(before, 0);
    REQUIRE(world.sink.jobs.size() == 1);
    const double gamma = world.core->gamma_s_per_parameter(node_id(100));
    const double model_s = world.core->board().costs.model_s;
    world.wait(250);
    CHECK(world.core->board().costs.model_s == doctest::Approx(model_s));
    world.wait(100);  // of about 30 ms
    CHECK(world.core->board().costs.model_s > 4 * model_s);
    CHECK(world.core->gamma_s_per_parameter(node_id(100)) > 4 * gamma);
    CHECK(world.logged("layers take more than 4 times"));
    world.wait(1000);
    CHECK(world.core->board().costs.model_s > 20 * model_s);
    CHECK(told().gamma_s_per_parameter > 20 * gamma);
    world.computed(0, world.sink.jobs[0].ends_model, 1800);
    world.wait(50);
    CHECK(world.core->board().costs.model_s > 20 * model_s);  // the next may take as long
    REQUIRE(world.sink.jobs.size() == 2);
    world.computed(1, world.sink.jobs[1].ends_model, 30);
    world.wait(50);
    CHECK(world.core->board().costs.model_s < 4 * model_s);
}

TEST_CASE("who routes around the node before is granted some credit, after that one") {
    Way world;
    world.join();
    world.send(next_but_one, 0);
    CHECK(world.limit(next_but_one) > 1);
    CHECK(world.limit(next_but_one) <= 1 + credit_window / 2);
    world.send(before, 1);
    CHECK(world.limit(before) > 1);
    const uint64_t kept = world.limit(next_but_one);
    world.wait(2100);
    world.send(before, 2);
    CHECK(world.limit(before) > 3);  // what the other kept does not count any more
    CHECK(world.limit(next_but_one) == kept);
}
