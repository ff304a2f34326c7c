// A ring node whose neighbours die, leave, come back, or are introduced from elsewhere.
#include <doctest/doctest.h>

#include "tests/ring/one_node.hpp"

using namespace eddy;
using namespace eddy::testing;

TEST_CASE("a silent successor is noticed within a second, and the next in the list takes its place") {
    World world(100);
    world.form({150, 200, 250});
    world.run(5000);
    world.run(5900, {150});
    CHECK(world.order() == Order{100, 200, 250});
    CHECK(world.ring.successor() == node_id(200));
    REQUIRE(world.sink.disconnected.size() == 1);
    CHECK(world.sink.disconnected[0].first == node_id(150));
    // 200 still lists nobody else's death: the dead one does not come back on hearsay.
    world.say(200, neighbours(900, {member(250), member(100)}, 150));
    CHECK(world.ring.successor() == node_id(200));
}

TEST_CASE("a successor whose bulk data still arrives is alive") {
    World world(100);
    world.form({150, 200});
    for (double until = 200; until < 10'000; until += 200) {
        world.run(until, {150});
        world.ring.on_life(node_id(150), world.now());
    }
    CHECK(world.ring.successor() == node_id(150));
}

TEST_CASE("a node that stood still itself does not blame the others for the silence") {
    World world(100);
    world.form({150, 200});
    world.run(1000);
    world.ms = 60'000;  // suspended for a minute
    world.ring.tick(world.now(), world.sink);
    CHECK(world.ring.successor() == node_id(150));
    world.run(62'000, {150});
    CHECK(world.ring.successor() == node_id(200));
}

TEST_CASE("a broken connection to a living successor is mended without a change of the ring") {
    World world(100);
    world.form({150, 200});
    const auto epoch = world.ring.epoch();
    world.down(150);
    CHECK(world.sink.dialled.back() == member(150).endpoint);
    world.ms += 5;
    world.up(150);
    world.settle();
    CHECK(world.ring.epoch() == epoch);
    world.down(150);
    world.ring.on_dial_failed(member(150).endpoint, false, world.now(), world.sink);  // refused: nobody listens there
    CHECK(world.order() == Order{100, 200});
}

TEST_CASE("all successors but the last may die at once") {
    World world(100);
    world.form({120, 140, 160, 180, 200});
    world.run(1000);
    for (const uint8_t dead : {120, 140, 160, 180}) world.oracle.remove(dead);
    world.run(4500);
    CHECK(world.order() == Order{100, 200});
    CHECK(world.ring.successor() == node_id(200));
}

TEST_CASE("a ring of two that loses one is a ring of one, which goes on calling") {
    World world(100);
    world.form({200});
    world.oracle.remove(200);
    world.run(2000);
    CHECK(world.order() == Order{100});
    CHECK_FALSE(world.ring.predecessor());
    const auto calls = [&] {
        return std::count(world.sink.dialled.begin(), world.sink.dialled.end(), member(200).endpoint);
    };
    const auto before = calls();
    world.run(600'000);
    CHECK(calls() > before + 100);  // at least every four seconds
    world.oracle.add(200);
    world.up(200);
    world.settle();
    CHECK(world.order() == Order{100, 200});
}

TEST_CASE("who leaves is out of the ring at once, and is not believed back in that life") {
    World world(100);
    world.form({150, 200});
    const auto epoch = world.ring.epoch();
    world.oracle.remove(150);
    world.say(150, msg::Leave{"done"});
    CHECK(world.order() == Order{100, 200});
    CHECK(world.ring.epoch() > epoch);
    CHECK(world.ring.has_left(node_id(150)));
    world.down(150);
    const size_t dialled = world.sink.dialled.size();
    world.say(200, neighbours(900, {member(100)}, 150));
    world.run(20'000);
    CHECK(world.sink.dialled.size() == dialled);
    auto again = neighbours(100'000, {member(100)});
    again.predecessor = member(150, 2);  // it was started again
    world.say(200, again);
    CHECK(world.sink.dialled.size() == dialled + 1);
}

TEST_CASE("a leaving node tells its peers, and sends whoever asks it elsewhere") {
    World world(100);
    world.form({150, 200});
    world.ring.leave("stopped", world.now(), world.sink);
    CHECK(world.count<msg::Leave>(150) == 1);
    CHECK(world.count<msg::Leave>(200) == 1);
    const size_t told = world.count<msg::Neighbours>(200);
    world.say(200, msg::GetNeighbours{77, 0});
    CHECK(world.count<msg::Leave>(200) == 2);
    CHECK(world.count<msg::Neighbours>(200) == told);
}

TEST_CASE("a restart with a higher incarnation and another address replaces the record") {
    World world(100);
    world.form({150, 200});
    const auto epoch = world.ring.epoch();
    auto restarted = member(150, 2);
    restarted.endpoint.port = 9;
    world.ring.on_peer_up(restarted, world.now(), world.sink);
    CHECK(world.order() == Order{100, 150, 200});
    CHECK(world.ring.members()[1] == restarted);
    CHECK(world.ring.epoch() > epoch);
    world.say(200, neighbours(900, {member(100)}, 150));  // the old record, late
    CHECK(world.ring.members()[1] == restarted);
}

TEST_CASE("whoever is introduced to the node before it becomes its successor and learns of the old one") {
    World world(100);
    world.form({200});
    world.say(200, msg::Introduce{member(150)});
    CHECK(world.sink.dialled.back() == member(150).endpoint);
    world.up(150);
    const auto questions = world.sink.all<msg::GetNeighbours>();
    REQUIRE(questions.back().first == node_id(150));
    // It comes from another ring, which lacks 200.
    auto answer = neighbours(1, {member(180), member(30)}, 30);
    answer.request = questions.back().second.request;
    world.say(150, answer);
    CHECK(world.order() == Order{100, 150, 180, 30});
    const auto introduced = world.sink.all<msg::Introduce>();
    REQUIRE_FALSE(introduced.empty());
    CHECK(introduced.back().first == node_id(150));
    CHECK(introduced.back().second.member == member(200));
}

TEST_CASE("whoever is introduced to the wrong node is passed on to the one before its place") {
    World world(100);
    world.form({120, 140, 200});
    world.say(200, msg::Introduce{member(150)});
    const auto asked = world.sink.all<msg::FindSuccessor>();
    REQUIRE_FALSE(asked.empty());
    CHECK(asked.back().first == node_id(140));
    CHECK(asked.back().second.key == node_id(150));
    world.say(140, msg::Found{asked.back().second.request, true, {}, {member(200)}});
    const auto introduced = world.sink.all<msg::Introduce>();
    REQUIRE(introduced.size() >= 1);
    CHECK(introduced.back().first == node_id(140));
    CHECK(introduced.back().second.member == member(150));
}

TEST_CASE("what cannot be believed yet is asked for again in time, not at once: repeated news are no news") {
    World world(100);
    world.form({150, 180, 200});
    world.say(180, msg::Leave{"done"});
    const auto partly_believed = neighbours(900, {member(180), member(200)}, 200);
    world.say(150, partly_believed);
    CHECK(world.order() == Order{100, 150, 200});
    const size_t notified = world.count<msg::Notify>(150);
    for (int i = 0; i < 5; ++i) world.say(150, partly_believed);
    CHECK(world.count<msg::Notify>(150) == notified);
    world.run(2500, {180});
    const auto asked = world.sink.all<msg::GetNeighbours>();
    CHECK(asked.back().second.known_version == 0);
}
