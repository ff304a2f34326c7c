// The world of rings. Goal: what it is told happens to the right node, and what it says of the whole (live, owner,
// ideal, counters) is true. The ring's own behaviour is tested in tests/ring and by scenarios.
#include "sim/ring_world.hpp"

#include <algorithm>
#include <map>

#include <doctest/doctest.h>

#include "sim/fault_player.hpp"
#include "sim/simulation.hpp"

using namespace eddy;
using namespace eddy::sim;
using namespace std::chrono_literals;

namespace {

RingWorldOptions options_of(uint64_t seed) {
    RingWorldOptions options;
    options.seed = seed;
    return options;
}

/// Ids at equal distances: node i follows node i - 1. All know the first two as seeds.
struct Circle {
    explicit Circle(size_t nodes, RingWorldOptions options = options_of(1)) : world(std::move(options)) {
        for (size_t i = 0; i < nodes; ++i) world.add(evenly_spaced_id(i, nodes), {0, 1});
    }
    void start_all() {
        for (size_t i = 0; i < world.size(); ++i) {
            world.start(i);
            world.run_for(300ms);
        }
        REQUIRE(world.run_until(10s, [&] { return world.ideal(); }));
    }
    RingWorld world;
};

NodeId just_after(NodeId id) {
    ++id.bytes.back();
    return id;
}

}  // namespace

TEST_CASE("an empty world is ideal, a node that knows nobody is not if there are two") {
    Circle circle(2);
    CHECK(circle.world.ideal());
    circle.world.start(1);
    CHECK(circle.world.ideal());
    circle.world.start(0);
    CHECK_FALSE(circle.world.ideal());
    CHECK(circle.world.run_until(5s, [&] { return circle.world.ideal(); }));
    CHECK(circle.world.ring(0).successor() == circle.world.id(1));
}

TEST_CASE("live nodes are those that others should have in their ring") {
    Circle circle(6);
    RingWorld& world = circle.world;
    circle.start_all();
    CHECK(world.live_count() == 6);
    world.leave(1);
    CHECK((world.running(1) && !world.live(1)));
    world.crash(2);
    world.vanish(3);
    world.pause(4);
    CHECK((world.running(4) && !world.live(4)));
    CHECK_FALSE(world.running(2));
    CHECK_FALSE(world.running(3));
    CHECK(world.live_nodes() == std::vector<size_t>{0, 5});
    CHECK_FALSE(world.ideal());
    CHECK(world.run_until(10s, [&] { return world.ideal(); }));
    CHECK_FALSE(world.running(1));  // its time to say goodbye is over
    world.resume(4);
    CHECK(world.live(4));
    CHECK(world.run_until(10s, [&] { return world.ideal(); }));
}

TEST_CASE("calls that make no sense in a node's state change nothing") {
    Circle circle(2);
    RingWorld& world = circle.world;
    world.crash(0);
    world.leave(0);
    world.pause(0);
    world.resume(0);
    CHECK_FALSE(world.running(0));
    world.start(0);
    world.start(0);
    CHECK(world.member(0).incarnation == Incarnation{1});
    world.resume(0);
    world.leave(0);
    world.leave(0);
    world.resume(0);
    CHECK_FALSE(world.live(0));
    world.run_for(2s);
    CHECK_FALSE(world.running(0));
}

TEST_CASE("a node that starts again is the same with a higher incarnation") {
    Circle circle(3);
    RingWorld& world = circle.world;
    circle.start_all();
    world.restart(1);
    CHECK(world.member(1).incarnation == Incarnation{2});
    CHECK(world.run_until(10s, [&] { return world.ideal(); }));
    world.vanish(1);
    world.run_for(100ms);
    world.start(1);
    CHECK(world.member(1).incarnation == Incarnation{3});
    CHECK(world.run_until(10s, [&] {
        const auto& members = world.ring(0).members();
        return world.ideal() && std::find(members.begin(), members.end(), world.member(1)) != members.end();
    }));
}

TEST_CASE("the owner of a key is the first live node at or after it") {
    Circle circle(4);
    RingWorld& world = circle.world;
    for (size_t i = 0; i < 4; ++i) world.start(i);
    for (size_t i = 0; i < 4; ++i) {
        CHECK(world.owner(world.id(i)) == i);
        CHECK(world.owner(just_after(world.id(i))) == (i + 1) % 4);
    }
    world.crash(2);
    CHECK(world.owner(world.id(2)) == 3);
}

TEST_CASE("ideal sees a missing predecessor, a short list and one that names the dead") {
    Circle circle(8);
    RingWorld& world = circle.world;
    circle.start_all();
    const std::vector<size_t> all = {7, 1, 2, 3, 4, 5, 6, 0};
    CHECK(world.ideal(all));
    CHECK_FALSE(world.ideal(std::vector<size_t>{0, 1, 2, 3}));  // their lists name more
    world.crash(5);
    CHECK_FALSE(world.ideal());
    CHECK_FALSE(world.ideal(all));
    CHECK(world.run_until(10s, [&] { return world.ideal(); }));
}

TEST_CASE("each side of a partition becomes a ring of its own, and healing makes one of them") {
    Circle circle(6);
    RingWorld& world = circle.world;
    circle.start_all();
    const std::vector<size_t> even = {0, 2, 4};
    const std::vector<size_t> odd = {1, 3, 5};
    world.partition({even, odd});
    CHECK(world.run_until(15s, [&] { return world.ideal(even) && world.ideal(odd); }));
    CHECK_FALSE(world.ideal());
    world.heal();
    CHECK(world.run_until(15s, [&] { return world.ideal(); }));
}

TEST_CASE("lookups name their origin, when they began, and the owner") {
    Circle circle(12);
    RingWorld& world = circle.world;
    circle.start_all();
    std::map<std::pair<size_t, uint64_t>, std::pair<NodeId, Instant>> asked;
    for (size_t i = 0; i < 12; ++i) {
        const NodeId key = just_after(world.id((7 * i + 3) % 12));
        asked[{i, world.lookup(i, key)}] = {key, world.now()};
        world.run_for(5ms);
    }
    world.run_for(2s);
    const auto answers = world.take_lookups();
    CHECK(answers.size() == 12);
    CHECK(world.take_lookups().empty());
    for (const auto& answer : answers) {
        const auto& [key, when] = asked.at({answer.origin, answer.result.lookup});
        CHECK(answer.result.found);
        CHECK(answer.result.key == key);
        CHECK(answer.started == when);
        CHECK(answer.result.owner.id == world.id(world.owner(key)));
    }
}

TEST_CASE("a hook sees every event of every node; counters count what was sent") {
    Circle circle(3);
    RingWorld& world = circle.world;
    std::vector<uint64_t> seen(3);
    world.after_event([&](size_t node) { ++seen[node]; });
    circle.start_all();
    world.run_for(10s);
    for (const uint64_t events : seen) CHECK(events > 50);
    const auto& counters = world.counters();
    CHECK(counters.delivered <= counters.sent);
    CHECK(counters.sent_by_type[Message(msg::Ping{}).index()] > 100);
    uint64_t sum = 0;
    for (const uint64_t sent : counters.sent_by_type) sum += sent;
    CHECK(sum == counters.sent);
}

TEST_CASE("log lines come with the node that wrote them") {
    std::vector<size_t> wrote(2);
    RingWorldOptions options;
    options.log = [&](size_t node, LogLevel, const std::string&) { ++wrote[node]; };
    Circle circle(2, options);
    circle.start_all();
    CHECK(wrote[0] > 0);
    CHECK(wrote[1] > 0);
}

TEST_CASE("a ring forms and heals although datagrams are lost, doubled and reordered") {
    RingWorldOptions options;
    options.network.datagrams = true;
    options.network.loss = 0.02;
    options.network.duplicate = 0.05;
    options.network.reorder = 0.1;
    options.network.delay_spread = from_ms(0.4);
    Circle circle(10, options);
    RingWorld& world = circle.world;
    for (size_t i = 0; i < 10; ++i) world.start(i);
    CHECK(world.run_until(30s, [&] { return world.ideal(); }));
    world.vanish(3);
    CHECK(world.run_until(30s, [&] { return world.ideal(); }));
    CHECK(world.counters().lost > 0);
    CHECK(world.counters().duplicated > 0);
}

TEST_CASE("equal seeds and calls replay the same run, event by event") {
    const auto play = [](uint64_t seed) {
        RingWorldOptions options = options_of(seed);
        options.network.delay_spread = from_ms(0.3);
        Circle circle(8, options);
        RingWorld& world = circle.world;
        for (size_t i = 0; i < 8; ++i) world.at(Instant(i * 200ms), [&world, i] { world.start(i); });
        world.at(Instant(5s), [&world] { world.vanish(world.random().below(8)); });
        world.run_for(10s);
        return std::pair(world.trace_hash(), world.counters().events);
    };
    CHECK(play(5) == play(5));
    CHECK(play(5) != play(6));
}

TEST_CASE("faults are played at their rates, end by themselves, and everything can be mended") {
    const auto only = [](auto set) {
        ProcessFaults faults;
        set(faults);
        Circle circle(10);
        RingWorld& world = circle.world;
        circle.start_all();
        FaultPlayer player(world, faults, 4);
        const Instant begun = world.now();
        player.play(begun, begun + 100s);
        size_t least_live = 10;
        while (world.now() < begun + 100s) {
            world.run_for(100ms);
            least_live = std::min(least_live, world.live_count());
        }
        CHECK(player.faults() > 25);
        CHECK(player.faults() < 85);
        world.run_for(60s);
        CHECK(world.live_count() == 10);  // whatever it was has ended
        return std::pair(player.departures() == player.faults(), least_live < 10);
    };
    const std::pair departs(true, true);
    CHECK(only([](ProcessFaults& f) { f.crash_per_s = 0.5; }) == departs);
    CHECK(only([](ProcessFaults& f) { f.vanish_per_s = 0.5; }) == departs);
    CHECK(only([](ProcessFaults& f) { f.leave_per_s = 0.5; }) == departs);
    CHECK(only([](ProcessFaults& f) { f.pause_per_s = 0.5; }) == std::pair(false, true));
    CHECK(only([](ProcessFaults& f) { f.slow_per_s = 0.5; }) == std::pair(false, false));
    CHECK(only([](ProcessFaults& f) { f.partition_per_s = 0.5; }) == std::pair(false, false));
    CHECK(only([](ProcessFaults& f) { f.one_way_per_s = 0.5; }) == std::pair(false, false));
}

TEST_CASE("after faults of every kind at once, a mended world has one ring again") {
    for (uint64_t seed = 1; seed <= 5; ++seed) {
        CAPTURE(seed);
        Circle circle(12, options_of(seed));
        RingWorld& world = circle.world;
        circle.start_all();
        ProcessFaults faults;
        faults.crash_per_s = faults.vanish_per_s = faults.leave_per_s = 0.1;
        faults.pause_per_s = faults.slow_per_s = faults.partition_per_s = faults.one_way_per_s = 0.1;
        FaultPlayer player(world, faults, seed);
        player.play(world.now(), world.now() + 60s);
        world.run_for(60s);
        CHECK(player.faults() > 20);
        player.mend();
        world.run_for(40s);  // what was still to end
        player.mend();
        CHECK(world.run_until(30s, [&] { return world.live_count() == 12 && world.ideal(); }));
    }
}
