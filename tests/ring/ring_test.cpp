// A ring node among others: joining, stabilising, telling, and what it makes of nonsense.
#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "tests/ring/one_node.hpp"

using namespace eddy;
using namespace eddy::testing;

TEST_CASE("a node alone is a ring of one") {
    World world(10);
    world.start();
    CHECK(world.order() == Order{10});
    CHECK_FALSE(world.ring.successor());
    CHECK_FALSE(world.ring.predecessor());
}

TEST_CASE("seeds are tried at once and then for ever, ever more slowly, with one complaint a minute") {
    World world(config(10, {{"seed", 1}}));
    world.start();
    CHECK(world.sink.dialled.size() == 1);
    world.run(60'000);
    CHECK(world.sink.dialled.size() > 12);
    CHECK(world.sink.dialled.size() < 40);
    const auto complaints = std::count_if(world.sink.lines.begin(), world.sink.lines.end(), [](const auto& line) {
        return line.find("seed seed:1 not reached") != std::string::npos;
    });
    CHECK(complaints == 1);
}

TEST_CASE("a node that names itself as a seed does not dial itself") {
    World world(config(10, {member(10).endpoint}));
    world.start();
    CHECK(world.sink.dialled.empty());
}

TEST_CASE("a node asks the first one it meets for its own place, and takes the successor only once that answers") {
    World world(100);
    world.start();
    world.up(50);
    const auto asked = world.sink.all<msg::FindSuccessor>();
    REQUIRE(asked.size() == 1);
    CHECK(asked[0].second.key == node_id(100));
    world.say(50, msg::Found{asked[0].second.request, true, {}, {member(150), member(50)}});
    CHECK(world.ring.members().size() == 1);  // 150 has only been heard of
    CHECK(world.sink.dialled == std::vector<Endpoint>{member(150).endpoint});
    CHECK(world.count<msg::Introduce>(50) == 1);  // the one before learns of it at once
    world.up(150);
    const auto question = world.sink.all<msg::GetNeighbours>();
    REQUIRE(question.size() == 1);
    auto answer = neighbours(1, {member(50)}, 50);
    answer.request = question[0].second.request;
    world.say(150, answer);
    CHECK(world.order() == Order{100, 150, 50});
    CHECK(world.count<msg::Notify>(150) == 1);
}

TEST_CASE("two nodes that meet alone make a ring of two") {
    World world(100);
    world.form({150});
    CHECK(world.order() == Order{100, 150});
    CHECK(world.ring.successor() == node_id(150));
    CHECK(world.ring.predecessor() == node_id(150));
}

TEST_CASE("members stand in ring order, beginning with this node") {
    World world(100);
    world.form({50, 200, 150});
    CHECK(world.order() == Order{100, 150, 200, 50});
    CHECK(world.ring.successor() == node_id(150));
    CHECK(world.ring.predecessor() == node_id(50));
}

TEST_CASE("a nearer successor is found through the present one's predecessor") {
    World world(100);
    world.form({200});
    world.oracle.add(150);
    world.say(200, neighbours(900, {member(100)}, 150));
    CHECK(world.sink.dialled.back() == member(150).endpoint);
    CHECK(world.ring.successor() == node_id(200));
    world.up(150);
    world.settle();
    CHECK(world.order() == Order{100, 150, 200});
}

TEST_CASE("a nearer successor that does not answer changes nothing, and is not believed in for a while") {
    World world(100);
    world.form({200});
    const size_t dialled = world.sink.dialled.size();
    world.say(200, neighbours(900, {member(100)}, 150));
    world.run(world.ms + 700);
    CHECK(world.ring.successor() == node_id(200));
    const size_t notified = world.count<msg::Notify>(200);
    world.say(200, neighbours(901, {member(100)}, 150));
    CHECK(world.sink.dialled.size() == dialled + 1);
    CHECK(world.count<msg::Notify>(200) == notified + 1);  // so that 200 looks whether its predecessor lives
}

TEST_CASE("a predecessor gives way to a nearer one only") {
    World world(100);
    world.form({20, 90, 150});
    CHECK(world.ring.predecessor() == node_id(90));
    world.say(20, msg::Notify{});
    CHECK(world.ring.predecessor() == node_id(90));
    CHECK(world.count<msg::Neighbours>(20) == 1);  // it is told of the nearer one
    world.up(95);
    world.say(95, msg::Notify{});
    CHECK(world.ring.predecessor() == node_id(95));
}

TEST_CASE("changes are told to the predecessor at once") {
    World world(100);
    world.form({50, 150, 200});
    world.run(500);
    const size_t told = world.count<msg::Neighbours>(50);
    world.say(150, msg::Leave{"done"});
    world.run(world.ms + 25);
    CHECK(world.count<msg::Neighbours>(50) == told + 1);
}

TEST_CASE("neighbours that have not changed are not told again") {
    World world(100);
    world.form({50, 150});
    world.run(200);
    world.say(50, msg::GetNeighbours{7, 0});
    const auto first = world.sink.all<msg::Neighbours>().back().second;
    CHECK(first.request == 7);
    CHECK(first.successors.size() == 2);
    world.say(50, msg::GetNeighbours{8, first.version});
    const auto second = world.sink.all<msg::Neighbours>().back().second;
    CHECK(second.unchanged);
    CHECK(second.successors.empty());
}

TEST_CASE("heartbeats measure the round trip") {
    World world(10);
    world.form({20});
    world.run(1000);
    world.ms = to_ms(world.ring.next_wakeup().time_since_epoch());
    world.ring.tick(world.now(), world.sink);
    const auto pings = world.sink.all<msg::Ping>();
    REQUIRE_FALSE(pings.empty());
    for (int i = 0; i < 60; ++i) {
        const size_t before = world.sink.all<msg::Ping>().size();
        while (world.sink.all<msg::Ping>().size() == before) {
            world.ms = to_ms(world.ring.next_wakeup().time_since_epoch());
            world.ring.tick(world.now(), world.sink);
        }
        world.ms += 12;
        world.say(20, msg::Pong{world.sink.all<msg::Ping>().back().second.sequence});
    }
    CHECK(to_ms(world.ring.round_trip(node_id(20))) == doctest::Approx(12).epsilon(0.05));
    world.say(20, msg::Pong{999'999});  // answers nothing that was asked
    CHECK(to_ms(world.ring.round_trip(node_id(20))) == doctest::Approx(12).epsilon(0.05));
}

TEST_CASE("connections that nobody needs are closed; members of the view keep theirs") {
    auto sparse = config(100);
    sparse.connect_view = false;
    World world(sparse);
    world.form({120, 140, 160, 50});
    world.run(10'000);
    std::vector<uint8_t> closed;
    for (const auto& [id, why] : world.sink.disconnected) closed.push_back(id.bytes[0]);
    std::sort(closed.begin(), closed.end());
    CHECK(closed == Order{140, 160});
    CHECK(world.order() == Order{100, 120, 140, 160, 50});

    World meshed(100);
    meshed.form({120, 140, 160, 50});
    meshed.run(10'000);
    CHECK(meshed.sink.disconnected.empty());
}

TEST_CASE(
    "when all places for peers are taken, the longest unused makes room; where all are needed, the new one goes") {
    auto small = config(100);
    small.peers_max = 3;
    small.connect_view = false;
    World world(small);
    world.form({120, 50});
    world.up(77);
    CHECK(world.sink.disconnected.empty());
    world.up(78);
    REQUIRE(world.sink.disconnected.size() == 1);
    CHECK(world.sink.disconnected[0].first == node_id(77));
    small.peers_max = 2;
    World full(small);
    full.form({120, 50});
    full.up(77);
    REQUIRE(full.sink.disconnected.size() == 1);
    CHECK(full.sink.disconnected[0].first == node_id(77));
}

TEST_CASE("a list out of order is cut where the disorder begins, and complained of once") {
    World world(100);
    world.form({150});
    for (uint64_t version = 900; version < 910; ++version)
        world.say(150, neighbours(version, {member(200), member(180), member(220)}, 100));
    CHECK(world.order() == Order{100, 150, 200});
    const auto complaints = std::count_if(world.sink.lines.begin(), world.sink.lines.end(), [](const auto& line) {
        return line.find("out of order") != std::string::npos;
    });
    CHECK(complaints == 1);
}

TEST_CASE("answers that were never asked for, late ones and repeated ones change nothing") {
    World world(100);
    world.form({150, 200});
    world.run(500);
    const auto before = world.ring.members();
    world.say(150, msg::Found{4711, true, {}, {member(130)}});
    world.say(150, msg::Pong{4711});
    auto late = neighbours(1, {});  // an old version
    late.request = 4711;
    world.say(150, late);
    world.say(200, neighbours(9999, {}));  // of somebody who is not the successor
    CHECK(world.ring.members() == before);
    world.ring.on_message(node_id(66), msg::Notify{}, world.now(), world.sink);  // of nobody
    CHECK(world.ring.predecessor() == node_id(200));
}

TEST_CASE("a ring leaves to the node what is the node's, and keeps its own to itself") {
    World world(100);
    world.form({150, 200});
    const auto taken = [&](const Message& message) {
        return world.ring.on_message(node_id(150), message, world.now(), world.sink);
    };
    const std::vector<Message> of_the_node = {
        msg::NodeState{},  msg::Work{},       msg::Ack{},  msg::Result{},     msg::ResultAck{}, msg::PlanPrepare{},
        msg::PlanAnswer{}, msg::PlanRetire{}, msg::Rows{}, msg::RowsCancel{}, msg::RowsAck{}};
    for (const Message& message : of_the_node) CHECK_FALSE(taken(message));
    const std::vector<Message> of_the_ring = {
        msg::Ping{},           msg::Pong{},       msg::FindSuccessor{},        msg::Found{}, msg::Notify{},
        msg::GetNeighbours{1}, msg::Neighbours{}, msg::Introduce{member(160)}, msg::Leave{}};
    for (const Message& message : of_the_ring) CHECK(taken(message));
    CHECK(of_the_node.size() + of_the_ring.size() == std::variant_size_v<Message>);
}

TEST_CASE("a neighbour that tells of a later life of this very node is not believed") {
    World world(100);
    world.form({150});
    auto liar = neighbours(900, {member(200)});
    liar.predecessor = member(100, 99);
    world.say(150, liar);
    CHECK(world.ring.members().front() == member(100));
    CHECK(std::any_of(world.sink.lines.begin(), world.sink.lines.end(),
                      [](const auto& line) { return line.find("later life of this very node") != std::string::npos; }));
}

TEST_CASE("whatever peers say, in whatever order, lists stay bounded and ordered and the epoch tells of every change") {
    CHECK(rc::check([](const std::vector<std::tuple<uint8_t, uint8_t, uint16_t, std::vector<uint8_t>>>& steps) {
        auto small = config(128);
        small.list_max = 3;
        small.view_max = 6;
        small.peers_max = 8;
        World world(small);
        world.start();
        for (const auto& [peer, action, gap, listed] : steps) {
            world.ms += gap % 2000;
            const auto before = world.ring.members();
            const auto epoch = world.ring.epoch();
            std::vector<msg::Member> members;
            for (const uint8_t id : listed) members.push_back(member(id, action));
            auto told = neighbours(gap, members, peer);
            switch (action % 12) {
                case 0:
                case 1: world.up(peer, action); break;
                case 2: world.down(peer); break;
                case 3: world.say(peer, msg::Leave{"bye"}); break;
                case 4: world.say(peer, told); break;
                case 5: world.say(peer, msg::Notify{}); break;
                case 6: world.say(peer, msg::Introduce{member(static_cast<uint8_t>(gap))}); break;
                case 7: world.say(peer, msg::FindSuccessor{gap, node_id(action)}); break;
                case 8:
                    if (!world.sink.sent.empty())  // an answer to something, true or not
                        for (const auto& [to, asked] : world.sink.all<msg::FindSuccessor>())
                            world.ring.on_message(to, msg::Found{asked.request, gap % 2 == 0, members, members},
                                                  world.now(), world.sink);
                    break;
                case 9:
                    for (const auto& [to, asked] : world.sink.all<msg::GetNeighbours>()) {
                        told.request = asked.request;
                        world.ring.on_message(to, told, world.now(), world.sink);
                    }
                    break;
                case 10: world.ring.on_dial_failed(member(peer).endpoint, false, world.now(), world.sink); break;
                default: world.ring.tick(world.now(), world.sink); break;
            }
            world.ring.check_invariants();
            if (world.ring.members() != before) RC_ASSERT(world.ring.epoch() > epoch);
            if (world.ring.epoch() == epoch) RC_ASSERT(world.ring.members() == before);
        }
    }));
}
