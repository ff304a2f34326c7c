// A node between two others, and what becomes of frames it handed over. Goal: the node before may forget a frame just
// when two others have it or nobody needs it, and one that is lost takes no frame along.
#include <doctest/doctest.h>

#include "tests/src/node/chain_world.hpp"

using namespace eddy;
using namespace eddy::node;

TEST_CASE("a frame that was accepted is kept until the one who has it says that it need not be") {
    Chain world;
    world.join();
    world.give(0);
    REQUIRE(world.works().size() == 1);
    const uint64_t number = world.works()[0].custody;
    CHECK(number != 0);
    CHECK(world.kept() == 0);  // not accepted yet: the link holds it
    world.accept();
    CHECK(world.kept() == 1);
    CHECK(world.core->buffered_bytes() == 1000);
    world.say(before, msg::Ack{0, 0, Usec{0}, Usec{0}, true, {}, {number}});  // not its business
    world.say(after, msg::Ack{1, 0, Usec{0}, Usec{0}, true, {}, {number + 1}});
    CHECK(world.kept() == 1);
    world.say(after, msg::Ack{1, 0, Usec{0}, Usec{0}, true, {}, {number, number}});
    CHECK(world.kept() == 0);
    CHECK(world.core->buffered_bytes() == 0);
    CHECK(world.core->counters().custody_evicted == 0);
}

TEST_CASE("the node before may forget a frame once the node after has accepted it, and not earlier") {
    Chain world;
    world.join();
    world.give(0);
    world.tick(50);
    CHECK(world.released_to(before).empty());
    world.accept();
    SUBCASE("it is told with the next receipt") { world.give(1); }
    SUBCASE("it is told soon, if nothing else is to be told") {
        CHECK(world.released_to(before).empty());
        world.tick(50);
    }
    CHECK(world.released_to(before) == std::vector<uint64_t>{world.number_of(0)});
    const size_t acks = world.sink.all<msg::Ack>().size();
    world.tick(50);
    CHECK(world.sink.all<msg::Ack>().size() == acks);  // nothing to tell, so nothing is said
}

TEST_CASE("the node before keeps a frame that ends here until its source has the result, or the reason") {
    Chain world;
    world.join();
    world.give(0, before, 1, false, after);
    REQUIRE(world.sink.jobs.size() == 1);
    SUBCASE("the result") { world.computed(0, true); }
    SUBCASE("why there is none") {
        ev::Computed done;
        done.job = world.sink.jobs[0].id;
        done.failure = "the library said no";
        world.on(done);
    }
    world.tick(50);
    REQUIRE(world.sink.all<msg::Result>().size() == 1);
    CHECK(world.released_to(before).empty());
    world.say(before, msg::ResultAck{world.sink.all<msg::Result>()[0].second.frame});  // not its frame
    world.tick(50);
    CHECK(world.released_to(before).empty());
    world.say(after, msg::ResultAck{world.sink.all<msg::Result>()[0].second.frame});
    world.tick(50);
    CHECK(world.released_to(before) == std::vector<uint64_t>{world.number_of(0)});
}

TEST_CASE("of two results of one frame only the later one is waited for") {
    Chain world;
    world.join();
    world.give(0, before, 1, false, after);
    world.computed(0, true);
    auto again = world.work(after, 0, ++world.sent[before]);
    again.attempt = 2;
    again.custody = 77;
    world.say(before, again, {world.tensor()});
    world.computed(1, true);
    world.tick(50);
    CHECK(world.released_to(before) == std::vector<uint64_t>{world.number_of(0)});
    world.say(after, msg::ResultAck{again.frame});
    world.tick(50);
    CHECK(world.released_to(before) == std::vector<uint64_t>{world.number_of(0), 77});
}

TEST_CASE("a copy is not taken, and whoever sent it need not keep it") {
    Chain world;
    world.join();
    world.peer_up(70);  // between the node before and this one: the predecessor now
    world.give(0, before, 2);
    uint16_t layer = 2;
    SUBCASE("the same step of its way") {}
    SUBCASE("an earlier step") { layer = 1; }
    world.give(0, 70, layer);
    CHECK(world.released_to(70) == std::vector<uint64_t>{world.number_of(0)});
    CHECK(world.released_to(before).empty());
    CHECK(world.core->counters().work_stale == 1);
    CHECK(world.works().size() == 1);
}

TEST_CASE("a keeper that took a frame back and sends it again keeps it anew, until the frame has gone on from here") {
    Chain world;
    world.join();
    const auto again = [&](uint64_t number) {
        auto copy = world.work(far_source, 0, ++world.sent[before]);
        copy.custody = number;
        world.say(before, copy, {world.tensor()});
        world.tick(50);
    };
    bool finished = false;
    SUBCASE("while it has no receipt") { world.give(0); }
    SUBCASE("while it waits for the link") {
        world.give(1);
        world.give(0);
    }
    SUBCASE("while it is computed, and its source has no result") {
        world.give(0, before, 3, false);
        REQUIRE(world.sink.jobs.size() == 1);
        finished = true;
    }
    again(77);
    CHECK(world.core->counters().work_stale == 1);
    CHECK(world.released_to(before).empty());
    again(78);  // and once more
    CHECK(world.released_to(before) == std::vector<uint64_t>{77});
    if (finished) {
        world.computed(0, true);
        again(79);
        CHECK(world.released_to(before) == std::vector<uint64_t>{77, 78});
        world.peer_up(far_source);
        world.say(far_source, msg::ResultAck{world.work(far_source, 0, 0).frame});
        world.tick(50);
        CHECK(world.released_to(before) == std::vector<uint64_t>{77, 78, world.number_of(0), 79});
        return;
    }
    for (int i = 0; i < 2; ++i) world.accept();
    world.tick(50);
    auto released = world.released_to(before);
    std::erase(released, world.number_of(1));
    CHECK(released == std::vector<uint64_t>{77, world.number_of(0), 78});
    again(79);  // it has gone on: nobody keeps what is thrown away
    CHECK(world.released_to(before).back() == 79);
}

TEST_CASE("a frame that went on from here and comes back is taken: those it came by rely on this node") {
    Chain world;
    world.join();
    world.give(0);
    const auto come_back = [&](uint16_t hops) {
        auto back = world.work(far_source, 0, ++world.sent[after]);
        back.custody = 77;
        back.hops = hops;
        back.chain_hash.bytes[0] = 99;
        world.say(after, back, {world.tensor()});
        world.tick(50);
    };
    bool taken = false;
    SUBCASE("it has no receipt, and is not back: whoever has it this far has a copy") { come_back(2); }
    SUBCASE("it is back before its receipt, which comes with word that it need not be kept") {
        come_back(3);
        world.accept({world.works().front().custody});
        world.tick(50);
        taken = true;
    }
    SUBCASE("it has not been anywhere since") {
        world.accept();
        come_back(1);
    }
    SUBCASE("it has been elsewhere") {
        world.accept();
        come_back(2);
        taken = true;
    }
    CHECK(world.core->counters().work_stale == (taken ? 0 : 1));
    CHECK(world.works().size() == (taken ? 2 : 1));
    CHECK(world.released_to(after) == (taken ? std::vector<uint64_t>{} : std::vector<uint64_t>{77}));
    if (!taken) return;
    world.accept();
    auto copy = world.work(far_source, 0, ++world.sent[before]);
    copy.hops = 2;
    world.say(before, copy, {world.tensor()});
    CHECK(world.core->counters().work_stale == 1);
}

TEST_CASE("a frame that was further elsewhere, or is tried again, is no copy") {
    Chain world;
    world.join();
    world.peer_up(70);
    world.give(0, before, 1);
    SUBCASE("further") { world.give(0, 70, 2); }
    SUBCASE("a later attempt, from its beginning") {
        auto again = world.work(far_source, 0, ++world.sent[70], 0);
        again.attempt = 2;
        again.chain_hash.bytes[0] = 99;
        world.say(70, again, {world.tensor()});
    }
    CHECK(world.core->counters().work_stale == 0);
    world.accept();
    CHECK(world.works().size() == 2);
}

TEST_CASE("what is overtaken by a later attempt while it waits need not be kept by anyone") {
    Chain world;
    world.join();
    world.give(0);
    world.give(1);  // waits for the link
    auto again = world.work(far_source, 1, ++world.sent[before]);
    again.attempt = 2;
    again.custody = 77;
    again.chain_hash.bytes[0] = 99;
    world.say(before, again, {world.tensor()});
    world.tick(50);
    CHECK(world.released_to(before) == std::vector<uint64_t>{world.number_of(1)});
}

TEST_CASE("what a lost neighbour had accepted goes on from here, in the order in which it was sent") {
    Chain world(0, PolicyKind::layered);
    world.join();
    world.peer_up(200);
    for (uint64_t k = 0; k < 4; ++k) world.give(k);
    world.accept();
    world.accept();
    REQUIRE(world.works().size() == 3);  // the last without a receipt
    REQUIRE(world.kept() == 2);
    world.lose(after);
    CHECK(world.core->counters().custody_returned == 2);
    CHECK(world.kept() == 0);
    for (uint64_t k = 0; k < 4; ++k) {
        const auto works = world.works(200);
        REQUIRE(works.size() == k + 1);
        CHECK(works.back().frame.k == k);
        CHECK(works.back().layer == 1);
        CHECK(works.back().attempt == 1);
        CHECK(works.back().hops == 2);
        world.accept({}, 200);
    }
    CHECK(world.kept() == 4);
}

TEST_CASE("a connection that breaks and comes back changes nothing about what is kept") {
    Chain world;
    world.join();
    world.give(0);
    world.accept();
    const uint64_t number = world.works()[0].custody;
    world.on(ev::PeerDown{node_id(after), after, "reset"});
    CHECK(world.kept() == 1);
    world.peer_up(after);
    world.tick(50);
    CHECK(world.kept() == 1);
    CHECK(world.works().size() == 1);
    CHECK(world.core->counters().custody_returned == 0);
    world.say(after, msg::Ack{0, 0, Usec{0}, Usec{0}, true, {}, {number}});
    CHECK(world.kept() == 0);
}

TEST_CASE("what the node before need not keep is told it over its next connection, if there is none just now") {
    Chain world;
    world.join();
    world.give(0);
    world.on(ev::PeerDown{node_id(before), before, "reset"});
    world.accept();
    world.tick(50);
    CHECK(world.released_to(before).empty());
    world.peer_up(before);
    world.tick(50);
    CHECK(world.released_to(before) == std::vector<uint64_t>{world.number_of(0)});
}

TEST_CASE("a neighbour in a later life has nothing any more of what the earlier one accepted") {
    Chain world;
    world.join();
    world.give(0);
    world.accept();
    world.on(ev::PeerDown{node_id(after), after, "reset"});
    REQUIRE(world.kept() == 1);
    world.on(ev::PeerUp{member(after, 2), after});
    world.settle_ring();
    CHECK(world.core->counters().custody_returned == 1);
    REQUIRE(world.works().size() == 2);
    CHECK(world.works()[1].frame == world.works()[0].frame);
    CHECK(world.works()[1].custody != world.works()[0].custody);
    CHECK(world.works()[1].seq == 1);
}

TEST_CASE("frames of a life that has ended are worked on no more, and need not be kept") {
    Chain world;
    world.join();
    for (const uint64_t k : {0, 1}) world.give(k, before, 1, false, after);
    REQUIRE(world.sink.jobs.size() == 1);
    world.on(ev::PeerDown{node_id(after), after, "reset"});
    SUBCASE("a later life: 1 waits no longer") {
        world.on(ev::PeerUp{member(after, 2), after});
        world.settle_ring();
        world.tick(50);
        CHECK(world.core->counters().work_stale == 1);
        world.computed(0, true);
        CHECK(world.sink.jobs.size() == 1);
        world.tick(50);
        CHECK(world.released_to(before) == std::vector<uint64_t>{world.number_of(1)});
    }
    SUBCASE("the same life: its connection only broke") {
        world.on(ev::PeerUp{member(after, 1), after});
        world.settle_ring();
        world.tick(50);
        world.computed(0, true);
        CHECK(world.sink.jobs.size() == 2);
    }
}

TEST_CASE("who left may still finish what it has; when its connection ends, the rest comes back") {
    Chain world;
    world.join();
    world.peer_up(200);
    world.give(0);
    world.accept();
    world.oracle.remove(after);
    world.say(after, msg::Leave{"bye"});
    world.settle_ring();
    CHECK(world.kept() == 1);
    world.on(ev::PeerDown{node_id(after), after, "closed"});
    CHECK(world.core->counters().custody_returned == 1);
    CHECK(world.works(200).size() == 1);
}

TEST_CASE("custody is bounded in bytes and in time, and may be switched off") {
    Chain world;
    SUBCASE("bytes") {
        world.config.custody_bytes = 2 * (1000 + Custody::overhead_bytes);
        world.join();
        for (uint64_t k = 0; k < 3; ++k) {
            world.give(k);
            world.accept();
        }
        CHECK(world.kept() == 2);
        CHECK(world.core->custody().bytes() <= world.config.custody_bytes);
        CHECK(world.core->counters().custody_evicted == 1);
        world.lose(after);
        CHECK(world.core->counters().custody_returned == 2);
    }
    SUBCASE("time") {
        world.config.frame_timeout = from_ms(3000);
        world.join();
        world.give(0);
        world.accept();
        world.tick(3000);
        CHECK(world.kept() == 1);
        world.tick(1);
        CHECK(world.kept() == 0);
        CHECK(world.core->counters().custody_evicted == 1);
        CHECK(world.core->buffered_bytes() == 0);
    }
    SUBCASE("off") {
        world.config.custody_bytes = 0;
        world.join();
        world.give(0);
        CHECK(world.works()[0].custody == 0);
        world.accept();
        CHECK(world.kept() == 0);
        CHECK(world.core->counters().custody_evicted == 0);
        world.tick(50);
        CHECK(world.released_to(before) == std::vector<uint64_t>{world.number_of(0)});
    }
}
