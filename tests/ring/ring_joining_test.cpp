// A node on its own that is told of rings, of places long held, and of others on their own; and connections that stand
// at one end only.
#include <doctest/doctest.h>

#include "tests/ring/one_node.hpp"

using namespace eddy;
using namespace eddy::testing;

namespace {

/// What 100 was last asked to find out, answered by this peer.
void tell_place(World& world, uint8_t peer, std::vector<msg::Member> after) {
    const auto asked = world.sink.all<msg::FindSuccessor>();
    REQUIRE_FALSE(asked.empty());
    REQUIRE(asked.back().first == node_id(peer));
    world.say(peer, msg::Found{asked.back().second.request, true, {}, std::move(after)});
}

void answer_last_question(World& world, uint8_t peer, msg::Neighbours answer) {
    const auto questions = world.sink.all<msg::GetNeighbours>();
    REQUIRE_FALSE(questions.empty());
    REQUIRE(questions.back().first == node_id(peer));
    answer.request = questions.back().second.request;
    world.say(peer, answer);
}

size_t dials(const World& world, uint8_t id) {
    return static_cast<size_t>(std::count(world.sink.dialled.begin(), world.sink.dialled.end(), member(id).endpoint));
}

}  // namespace

TEST_CASE("whoever a joiner was sent to and has no list was restarted, and is no successor to rely on") {
    World world(100);
    world.start();
    world.up(50);
    tell_place(world, 50, {member(150), member(50)});
    world.up(150);
    answer_last_question(world, 150, neighbours(1, {}));
    CHECK(world.order() == Order{100});
    world.run(1100, {50, 150});
    CHECK(world.sink.all<msg::FindSuccessor>().size() > 1);  // it looks for its place again
}

TEST_CASE("a node that knows of a ring makes none with another one that is alone") {
    World world(config(100, {member(50).endpoint}));
    world.start();
    world.ms = 500;  // its patience with being alone is over
    world.up(50);
    tell_place(world, 50, {member(200), member(50)});
    world.ring.on_dial_failed(member(200).endpoint, false, world.now(), world.sink);
    world.down(50);
    world.up(160);
    tell_place(world, 160, {member(160)});
    CHECK(world.count<msg::GetNeighbours>(160) == 0);
    world.run(4500, {160});
    world.up(160);
    tell_place(world, 160, {member(160)});  // the ring was never heard of again
    CHECK(world.count<msg::GetNeighbours>(160) == 1);
    answer_last_question(world, 160, neighbours(1, {}));
    CHECK(world.order() == Order{100, 160});
}

TEST_CASE("a restarted node whose place is known, but whose next ones are dead, joins at the first that lives") {
    World world(100);
    world.start();
    world.up(50);
    const std::vector<msg::Member> after{member(100), member(120), member(150), member(50)};
    tell_place(world, 50, after);
    for (const uint8_t dead : {120, 150}) {
        CHECK(world.sink.dialled.back() == member(dead).endpoint);
        world.ring.on_dial_failed(member(dead).endpoint, false, world.now(), world.sink);
        world.run(world.ms + 100, {50});
        tell_place(world, 50, after);
    }
    answer_last_question(world, 50, neighbours(1, {member(100), member(120), member(150)}, 40));
    CHECK(world.order() == Order{100, 50});
}

TEST_CASE("a node that stood still gives a better successor no more time than anybody else") {
    World world(100);
    world.form({200});
    world.run(1000);
    world.ms = 11'000;  // suspended for ten seconds; then everything comes at once
    world.up(150);
    world.say(200, msg::Introduce{member(150)});
    REQUIRE(world.count<msg::GetNeighbours>(150) == 1);
    world.run(11'700, {150});
    const auto given_up = [](const std::string& line) { return line.find("does not answer") != std::string::npos; };
    CHECK(std::count_if(world.sink.lines.begin(), world.sink.lines.end(), given_up) == 1);
}

TEST_CASE("a later life that is heard of makes a node look whether its connection to the earlier one still stands") {
    World world(100);
    world.form({150, 180, 200});
    world.run(1000);
    const size_t pings = world.count<msg::Ping>(180);
    const auto told = neighbours(900, {member(180, 2), member(200), member(100)}, 100);
    world.say(150, told);
    CHECK(world.count<msg::Ping>(180) == pings + 1);
    CHECK(world.ring.members()[2] == member(180));  // the connected one's own word
    world.down(180);
    const size_t asked = world.count<msg::GetNeighbours>(150);
    world.run(world.ms + 50, {150, 180});
    REQUIRE(world.count<msg::GetNeighbours>(150) == asked + 1);
    CHECK(world.sink.all<msg::GetNeighbours>().back().second.known_version == 0);
    answer_last_question(world, 150, told);
    CHECK(world.ring.members()[2] == member(180, 2));
}

TEST_CASE("a seed that breaks off while it is used is called again soon, one that was idle when it is due") {
    for (const bool idle : {false, true}) {
        CAPTURE(idle);
        World world(config(100, {member(50).endpoint}));
        world.form({150, 200});
        world.run(1000);
        for (int i = 0; i < 6; ++i) world.up(50);  // now it is verified every half a minute
        world.ms += 3500;
        if (!idle) world.say(50, msg::FindSuccessor{1, node_id(170)});
        world.down(50);
        const size_t before = dials(world, 50);
        const double broken = world.ms;
        world.run(broken + 300);
        CHECK((dials(world, 50) > before) == !idle);
    }
}

TEST_CASE("of a seed that leaves only its next life counts: it is called as soon as the old connection is gone") {
    World world(config(100, {member(150).endpoint}));
    world.form({150, 200});
    world.say(150, msg::Leave{"done"});
    world.run(5000, {150});  // its end is not heard, for want of use the connection is closed
    CHECK(world.order() == Order{100, 200});
    const size_t before = dials(world, 150);
    world.run(9500, {150});
    CHECK(dials(world, 150) > before);
}

TEST_CASE("a node alone closes no connection for want of use, and calls its seeds when it loses one") {
    World world(config(100, {member(50).endpoint}));
    world.start();
    world.up(50);
    for (double until = 500; until < 30'000; until += 500) {
        world.run(until, {50});
        world.ring.on_life(node_id(50), world.now());  // it lives, and says nothing of use
    }
    CHECK(world.ring.contacts() == 1);
    const size_t before = dials(world, 50);
    world.down(50);
    world.run(world.ms + 300, {50});
    CHECK(dials(world, 50) > before);
}

TEST_CASE("where only nodes without a list come next, a node joins at the one before its place") {
    World world(100);
    world.start();
    world.up(50);
    world.up(150);
    for (int i = 0; i < 2; ++i) {
        CHECK(world.order() == Order{100});
        world.run(1000 * i + 1, {50, 150});
        for (const uint8_t peer : {50, 150})
            if (world.sink.all<msg::FindSuccessor>().back().first == node_id(peer)) {
                const auto asked = world.sink.all<msg::FindSuccessor>().back().second.request;
                // Whoever is asked, the way leads to 50, which tells of 150.
                if (peer == 150) world.say(150, msg::Found{asked, false, {member(50)}, {}});
                tell_place(world, 50, {member(150), member(50)});
                break;
            }
        if (i < 1) answer_last_question(world, 150, neighbours(1, {}));
    }
    answer_last_question(world, 50, neighbours(1, {member(150), member(50)}, 40));
    CHECK(world.order() == Order{100, 50});
}

TEST_CASE("a better successor that lives and owes an answer is asked again soon, a silent one is not") {
    for (const bool lives : {false, true}) {
        CAPTURE(lives);
        World world(100);
        world.form({200});
        world.run(1000);
        world.up(150);
        world.say(200, msg::Introduce{member(150)});
        world.run(1500, {150});
        if (lives) world.say(150, msg::Ping{1});
        world.run(1700, {150});  // the question was never answered
        const size_t before = world.count<msg::GetNeighbours>(150) + dials(world, 150);
        world.say(200, neighbours(900, {member(100)}, 150));
        CHECK(world.count<msg::GetNeighbours>(150) + dials(world, 150) == before + (lives ? 1 : 0));
    }
}

TEST_CASE("a node alone looks for its place through those it heard lately, not through the dead") {
    World world(100);
    world.start();
    for (const uint8_t id : {40, 50, 60, 70}) world.up(id);
    for (double until = 500; until < 30'000; until += 500) {
        world.run(until, {40, 50, 60, 70});
        world.ring.on_life(node_id(60), world.now());
        if (until > 4500) {
            const auto asked = world.sink.all<msg::FindSuccessor>();
            REQUIRE_FALSE(asked.empty());
            CHECK(asked.back().first == node_id(60));
        }
    }
    CHECK(world.ring.contacts() == 1);  // the silent are let go
}
