// What a core believes of its neighbours and what it lets them send: credits, views that age, prices, and rows of
// foreign sources.
#include <doctest/doctest.h>

#include "eddy/random.hpp"
#include "tests/src/node/node_world.hpp"

using namespace eddy;
using namespace eddy::node;

TEST_CASE("a predecessor is granted what the source's queues hold, whatever it sends and however it asks") {
    bool partial = false;
    for (const PolicyKind policy : {PolicyKind::ms_mdi, PolicyKind::layered}) {
        CAPTURE(static_cast<int>(policy));
        Neighbours world(0, policy);
        world.config.queue_frames = 3;
        world.join();
        const uint32_t room = 3 * (policy == PolicyKind::layered ? 5 : 1);
        Random random(5);
        world.tell(1, {}, {{0, from_ms(40), 0}});
        // Nothing gets done, and the successor says nothing more: a frame runs, one is with it, the rest waits.
        for (uint64_t k = 0; world.sent[before] < world.limit(before) && k < 200; ++k) {
            if (k == 0)
                world.send(before, k);
            else
                world.send(before, k, static_cast<uint16_t>(1 + random.below(3)), random.chance(0.3));
            const auto& jobs = world.sink.jobs;
            const uint64_t comes_back = !jobs.empty() && !jobs.front().ends_model ? 1 : 0;
            const uint64_t may_come = world.limit(before) - world.sent[before];
            CHECK(may_come <= 8);
            CHECK(world.waiting() + may_come + comes_back <= room);
            partial = partial || comes_back > 0;
            world.tick(30);
        }
        CHECK(world.sent[before] == world.limit(before));
        CHECK(world.waiting() >= room - 1);
        CHECK(world.sink.disconnected.empty());
        world.send(before, 1000);
        CHECK(world.sink.disconnected.size() == 1);
        CHECK(world.waiting() <= room);
    }
    CHECK(partial);
}

TEST_CASE("credits go to the predecessor and who sent lately: a former one keeps what it has, and gets no more") {
    Neighbours world(0, PolicyKind::layered);
    world.join();
    world.send(before, 0);
    CHECK(world.limit(before) > 1);
    world.peer_up(70);
    CHECK(world.core->ring().predecessor() == node_id(70));
    CHECK(world.limit(70) == credit_initial);  // it has not sent anything of that source
    world.send(before, 1);                     // as one that goes around the other does
    const uint64_t kept = world.limit(before);
    world.computed(0, world.sink.jobs[0].ends_model);
    world.tick(to_ms(feeds_for));
    CHECK(world.limit(before) == kept);
    world.send(70, 2);
    CHECK(world.limit(70) > credit_initial);
    CHECK(world.limit(70) <= 1 + 8);
}

TEST_CASE("what the successor holds counts while its report is fresh, and for nothing when it is old") {
    Neighbours world(1);
    world.join();
    world.tell(1, {{source_of(100), 0, 4}, {source_of(100), 2, 3}, {source_of(77), 0, 9}},
               {{0, from_ms(5), 2.5F}, {3, from_ms(1), 1.5F}});
    world.tick();
    CHECK(world.seen_next(100) == 7);
    CHECK_FALSE(world.has_row(77));
    CHECK(world.core->board().next_price[0] == 2.5F);
    CHECK(world.core->board().costs.remaining_s[0] < 0.01);  // by way of the successor
    world.tick(1000);
    CHECK(world.seen_next(100) == 7);
    CHECK(world.core->board().next_price[0] == 2.5F);
    world.tick(1);
    CHECK(world.seen_next(100) == 0);
    CHECK(world.core->board().next_price[0] == 0);
    CHECK(world.core->board().costs.remaining_s[0] == doctest::Approx(0.04 * (1 + scheduler::run_overhead)));  // here
    world.tell(1, {{source_of(100), 0, 5}});  // told before
    CHECK(world.seen_next(100) == 0);
    world.tell(2, {{source_of(100), 0, 5}}, {{0, from_ms(40), 7.0F}});
    CHECK(world.seen_next(100) == 5);
    CHECK(world.core->board().next_price[0] == 7.0F);
}

TEST_CASE("absurd backlogs add up to no more than a number can hold") {
    Neighbours world(1);
    world.join();
    world.tell(1, {{source_of(100), 0, UINT32_MAX}, {source_of(100), 1, UINT32_MAX - 1}, {source_of(100), 2, 7}});
    CHECK(world.seen_next(100) == UINT32_MAX);
}

TEST_CASE("what others than the successor say of themselves is not taken for its") {
    Neighbours world(1);
    world.join();
    msg::NodeState state;
    state.sequence = 9;
    state.chain_hash = world.config.profile.chain_hash;
    state.backlog = {{source_of(100), 0, 6}};
    state.remaining = {{0, from_ms(1), 5.0F}};
    world.say(before, state);
    world.tick();
    CHECK(world.seen_next(100) == 0);
    CHECK(world.core->board().next_price[0] == 0);
    // It becomes the successor: what it said is known already.
    world.oracle.remove(after);
    world.say(after, msg::Leave{"bye"});
    world.settle_ring();
    REQUIRE(world.core->ring().successor() == node_id(before));
    world.tick();
    CHECK(world.seen_next(100) == 6);
    CHECK(world.core->board().next_price[0] == 5.0F);
}

TEST_CASE("a report takes out of the view just the frames it has counted, and no others") {
    Neighbours world;
    world.config.queue_frames = 8;
    world.join();
    for (uint64_t k = 0; k < 4; ++k) world.send(before, k, 1, true);
    // The link takes one at a time; receipts settle them, and say nothing of where they are.
    for (uint64_t seq = 1; seq <= 3; ++seq)
        world.say(after, msg::Ack{seq, 1000, Usec{0}, Usec{0}, true, {{source_of(far_source), 9}}});
    REQUIRE(world.sink.all<msg::Work>().size() == 4);
    CHECK(world.seen_next() == 4);
    world.tell(1, {{source_of(far_source), 1, 1}}, {}, 3);  // two of the three have gone on
    CHECK(world.seen_next() == 2);
    world.tell(2, {}, {}, 3);
    CHECK(world.seen_next() == 1);
    world.tell(3, {}, {}, 4);
    CHECK(world.seen_next() == 0);
}

TEST_CASE("a link without credit is known to the policy, and so is its new credit") {
    Neighbours world;
    world.join();
    world.send(before, 0, 1, true);
    CHECK_FALSE(world.row().credit);
    world.say(after, msg::Ack{1, 1000, Usec{0}, Usec{0}, true, {}});
    CHECK_FALSE(world.row().credit);
    world.say(before, msg::Ack{0, 0, Usec{0}, Usec{0}, true, {{source_of(far_source), 9}}});
    CHECK_FALSE(world.row().credit);  // of another link
    world.say(after, msg::Ack{1, 1000, Usec{0}, Usec{0}, true, {{source_of(far_source), 2}}});
    CHECK(world.row().credit);
    world.tick();
    CHECK(world.row().credit);
}

TEST_CASE("the row of a foreign source goes when nothing came for a minute, and comes back with its next frame") {
    Neighbours world;
    world.join();
    world.send(before, 0);
    REQUIRE(world.has_row());
    world.tick(60'000);
    CHECK(world.has_row());  // its frame runs
    world.computed(0, true);
    world.send(before, 1, 1);
    world.computed(1, true);
    world.tick(59'999);
    CHECK(world.has_row());
    world.tick(1);
    CHECK_FALSE(world.has_row());
    world.send(before, 2);
    CHECK(world.has_row());
    CHECK(world.sink.disconnected.empty());
    CHECK(world.limit(before) > 3);
    REQUIRE(world.sink.jobs.size() == 3);
}

TEST_CASE("a frame takes its source's priority along, and so does the row it makes") {
    Neighbours world;
    world.join();
    auto made = world.work(far_source, 0, 1);
    made.priority = 7;
    made.chain_hash.bytes[0] = 99;
    world.say(before, made, {world.tensor()});
    CHECK(world.row().priority == 7);
    REQUIRE(world.sink.all<msg::Work>().size() == 1);
    CHECK(world.sink.all<msg::Work>()[0].second.priority == 7);
}

TEST_CASE("a source that comes next is known to be the end of its frames' way") {
    Neighbours world;
    world.join();
    world.send(before, 0);
    auto made = world.work(after, 0, ++world.sent[before]);
    world.say(before, made, {world.tensor()});
    world.tick();
    CHECK(world.row(after).last);
    CHECK_FALSE(world.row().last);
}

TEST_CASE("when a successor with credit is gone, its credit is not used at the one behind it") {
    Neighbours world(0, PolicyKind::layered);
    world.join();
    world.send(before, 0, 1, true);  // another model's: it can only be passed on
    CHECK(world.sink.all<msg::Work>().size() == 1);
    world.say(after, msg::Ack{1, 1000, Usec{0}, from_ms(1), true, {}});
    world.peer_up(120);
    for (int i = 0; i < 20 && world.core->ring().successor() != node_id(120); ++i) {
        world.ms += 500;
        world.on(ev::Timer{TimerId::ring});
        world.settle_ring();
    }
    REQUIRE(world.core->ring().successor() == node_id(120));
    world.send(before, 1, 1, true);
    REQUIRE(world.sink.all<msg::Work>().size() == 2);
    world.say(120, msg::Ack{1, 1000, Usec{0}, from_ms(1), true, {{source_of(far_source), 9}}});
    world.send(before, 2, 1, true);
    world.send(before, 3, 1, true);
    REQUIRE(world.row().credit);
    REQUIRE(world.waiting() == 1);  // until the receipt of the one before
    const size_t sent = world.sink.all<msg::Work>().size();
    world.oracle.remove(120);
    world.on(ev::PeerDown{node_id(120), 120, "gone"});
    for (int i = 0; i < 60 && world.core->ring().successor() != node_id(after); ++i) {
        world.ms += 500;
        world.on(ev::DialFailed{member(120).endpoint, "refused", false});
        world.on(ev::Timer{TimerId::ring});
        world.settle_ring();
    }
    CHECK(world.core->ring().successor() == node_id(after));
    CHECK_FALSE(world.row().credit);
    CHECK(world.waiting() == 3);  // and what it had accepted, and nobody else
    CHECK(world.sink.all<msg::Work>().size() == sent);
}

TEST_CASE(
    "a node whose link was never used tells its predecessor what is left of a frame at more layers than it offers") {
    Neighbours world(0, PolicyKind::layered);
    world.join();
    world.tick(500);
    std::vector<msg::Remaining> told;
    for (const auto& [peer, state] : world.sink.all<msg::NodeState>())
        if (peer == node_id(before)) told = state.remaining;
    REQUIRE(told.size() == 4);
    for (uint16_t layer = 0; layer < 4; ++layer) {
        CHECK(told[layer].layer == layer);
        CHECK(to_ms(told[layer].time) ==
              doctest::Approx(10 * (4 - layer) + 40 * scheduler::run_overhead).epsilon(1e-3));
        CHECK(told[layer].price == 0);
    }
    CHECK(world.core->board().costs.classes == 1);
}
