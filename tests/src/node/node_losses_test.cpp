// What a source does about frames that a lost node may have had, and how a node stops. Goal: nothing is tried again
// that somebody still has, everything else is, a bounded number of times; a leave makes nobody try again.
#include <set>

#include <doctest/doctest.h>

#include "tests/src/node/chain_world.hpp"

using namespace eddy;
using namespace eddy::node;

namespace {

/// A source whose frame 2 was sent to its successor, node 150, and accepted there; node 200 comes behind that.
struct Source : Chain {
    explicit Source(uint32_t attempts_max = 3) : Chain(1) {
        config.attempts_max = attempts_max;
        config.queue_frames = 2;
        begin();
        peer_up(after);
        peer_up(200);
        tell_gamma(after);
        tell_gamma(200);
        for (uint64_t k = 0; k < 3; ++k) capture(k);
        computed(0, true);
        for (size_t job = 1; works().empty() && job < sink.jobs.size(); ++job) computed(job, sink.jobs[job].ends_model);
        REQUIRE(works().size() == 1);
        accept();
        REQUIRE(kept() == 1);
    }
    [[nodiscard]] uint64_t retries() const { return core->ledger().counts(StreamId{0}).retries; }
    void wait(double for_ms) {
        for (double waited = 0; waited < for_ms; waited += 50) tick(50);
    }
};

}  // namespace

TEST_CASE("a source keeps nothing of a frame whose result came before the receipt") {
    Source world;
    world.capture(3);
    world.capture(4);
    while (world.works().size() < 2) world.computed(world.sink.jobs.size() - 1, world.sink.jobs.back().ends_model);
    REQUIRE(world.works().size() == 2);
    msg::Result result;
    result.frame = world.works()[1].frame;
    result.attempt = 1;
    world.say(after, result);
    REQUIRE(world.kept() == 1);
    world.accept();
    CHECK(world.kept() == 1);
    CHECK(world.core->counters().custody_evicted == 0);
}

TEST_CASE("a source whose successor is lost goes on with the layers it has, and tries nothing again") {
    Source world;
    world.lose(after);
    CHECK(world.core->counters().custody_returned == 1);
    world.wait(3000);
    CHECK(world.retries() == 0);
}

TEST_CASE("a frame that a lost node may have had is sent again only after a while, and only if nobody brings it back") {
    Source world;
    world.say(after, msg::Ack{1, 0, Usec{0}, Usec{0}, true, {}, {world.works()[0].custody}});  // node 200 has it
    REQUIRE(world.kept() == 0);
    world.lose(200);
    CHECK(world.retries() == 0);
    world.wait(900);
    CHECK(world.retries() == 0);
    SUBCASE("it came back: node 150 had kept it") {
        msg::Result result;
        result.frame = world.works()[0].frame;
        result.attempt = 1;
        world.say(after, result);
        world.wait(3000);
        CHECK(world.retries() == 0);
        CHECK(world.core->ledger().counts(StreamId{0}).completed >= 2);
    }
    SUBCASE("it did not") {
        world.capture(3);  // waits in the local queue, so the other one is shared again
        world.wait(300);
        CHECK(world.retries() == 1);
        while (world.works().size() < 2) world.computed(world.sink.jobs.size() - 1, world.sink.jobs.back().ends_model);
        CHECK(world.works()[1].attempt == 2);
        world.accept({world.works()[1].custody});
        world.wait(3000);
        CHECK(world.retries() == 1);  // once for each loss
    }
}

TEST_CASE("a frame that the next node still has is not suspected when another one is lost") {
    Source world;
    world.lose(200);
    REQUIRE(world.kept() == 1);
    world.wait(3000);
    CHECK(world.retries() == 0);
}

TEST_CASE("frames that take long anyway are given longer after a loss") {
    Source world;
    world.ms += 1000;
    msg::Result result;
    result.frame = world.works()[0].frame;
    result.attempt = 1;
    world.say(after, result);
    const size_t jobs = world.sink.jobs.size();
    for (uint64_t k = 3; k < 9; ++k) world.capture(k);
    for (size_t job = jobs - 1; world.works().size() < 2 && job < world.sink.jobs.size(); ++job)
        world.computed(job, world.sink.jobs[job].ends_model);
    REQUIRE(world.works().size() == 2);
    world.accept({world.works()[1].custody});
    world.lose(200);
    world.wait(3500);
    CHECK(world.retries() == 0);
    world.wait(1000);
    CHECK(world.retries() == 1);
}

TEST_CASE("a suspicion alone does not fail a frame that is on its last attempt") {
    Source world(1);
    world.say(after, msg::Ack{1, 0, Usec{0}, Usec{0}, true, {}, {world.works()[0].custody}});
    world.lose(200);
    world.wait(29'000);
    CHECK(world.core->ledger().counts(StreamId{0}).failed == 0);
    world.wait(2000);
    CHECK(world.core->ledger().counts(StreamId{0}).failed > 0);
}

TEST_CASE("a node that stops passes on what others gave it, takes no more, and leaves when it has nothing left") {
    for (const auto policy : {PolicyKind::ms_mdi, PolicyKind::layered}) {
        Chain world(0, policy);
        world.join();
        for (uint64_t k = 0; k < 4; ++k) world.give(k, before, 1, false);
        REQUIRE(world.sink.jobs.size() == 1);
        const uint64_t limit = world.limit(before);
        world.on(ev::Stop{at_ms(5000)});
        for (size_t sent = 1; sent <= 3; ++sent) {
            REQUIRE(world.works().size() == sent);
            CHECK(world.works().back().layer == 1);
            world.accept();
        }
        CHECK(world.sink.all<msg::Leave>().empty());
        CHECK_FALSE(world.sink.idle_told);
        const bool finished = world.sink.jobs[0].ends_model;
        world.computed(0, finished);
        if (!finished) {
            REQUIRE(world.works().size() == 4);
            CHECK(world.sink.all<msg::Leave>().empty());
            world.accept();
        }
        CHECK(world.sink.all<msg::Leave>().size() == 2);
        CHECK(world.sink.idle_told);
        CHECK(world.sink.jobs.size() == 1);
        CHECK(world.limit(before) == limit);
        const auto released = world.released_to(before);
        CHECK(std::set<uint64_t>(released.begin(), released.end()).size() == (finished ? 3 : 4));
    }
}

TEST_CASE("a source that stops and waits for its frames passes on those of others meanwhile") {
    Source world;
    world.on(ev::Stop{at_ms(5000)});
    world.peer_up(before);
    const size_t sent = world.works().size();
    world.give(0);
    CHECK(world.works().size() == sent + 1);
    CHECK(world.sink.all<msg::Leave>().empty());
    world.accept();
    CHECK(world.limit(before) > credit_initial);
}

TEST_CASE("what cannot be passed on is finished before the leave") {
    Chain world;
    world.join();
    world.give(0, before, 1, false, after);  // it ends here
    world.on(ev::Stop{at_ms(5000)});
    CHECK(world.sink.all<msg::Leave>().empty());
    world.computed(0, true);
    CHECK(world.works().empty());
    CHECK(world.sink.all<msg::Leave>().size() == 2);
    CHECK_FALSE(world.sink.idle_told);  // its source may not have the result
    world.say(after, msg::ResultAck{world.sink.all<msg::Result>()[0].second.frame});
    CHECK(world.sink.idle_told);
    CHECK(world.released_to(before) == std::vector<uint64_t>{world.number_of(0)});
}

TEST_CASE("when the stop's time is over a node leaves whatever it still has") {
    Chain world;
    world.join();
    world.give(0, before, 1, false, after);
    world.on(ev::Stop{at_ms(5000)});
    world.ms = 5000;
    world.on(ev::Timer{TimerId::stop});
    CHECK(world.sink.all<msg::Leave>().size() == 2);
    CHECK(world.sink.idle_told);
}

TEST_CASE("work that comes after the leave is refused, so that its sender goes round") {
    Chain world;
    world.join();
    world.on(ev::Stop{at_ms(5000)});
    CHECK(world.sink.all<msg::Leave>().size() == 2);
    CHECK(world.sink.idle_told);
    world.give(0);
    const auto acks = world.sink.all<msg::Ack>();
    REQUIRE_FALSE(acks.empty());
    CHECK_FALSE(acks.back().second.accepted);
    CHECK(acks.back().second.released.empty());
}

TEST_CASE("a frame of another model that has visited everybody known is passed on, but not for ever") {
    Chain world;
    world.join();
    auto made = world.work(far_source, 0, ++world.sent[before]);
    made.chain_hash.bytes[0] = 99;
    bool passed_on = true;
    SUBCASE("one round") { made.hops = 2; }
    SUBCASE("many") { made.hops = members_max + 1; }
    SUBCASE("as many as members can be, and one more") {
        made.hops = members_max + 2;
        passed_on = false;
    }
    world.say(before, made, {world.tensor()});
    CHECK(world.works().size() == (passed_on ? 1 : 0));
    CHECK(world.core->counters().results_sent == (passed_on ? 0 : 1));
}

TEST_CASE("a node that is alone keeps what it cannot compute for a ring to come, but not for ever") {
    Chain world;
    world.begin();
    world.peer_up(before);
    world.oracle.remove(before);
    world.say(before, msg::Leave{});
    REQUIRE(world.core->ring().members().size() == 1);
    world.give(0);
    CHECK(world.waiting() == 1);
    CHECK(world.core->counters().results_sent == 0);
    SUBCASE("the ring comes") {
        world.peer_up(after);
        CHECK(world.works().size() == 1);
        CHECK(world.waiting() == 0);
    }
    SUBCASE("the ring does not come") {
        world.tick(to_ms(world.config.frame_timeout));
        CHECK(world.waiting() == 1);
        world.tick(1);
        CHECK(world.waiting() == 0);
        CHECK(world.core->counters().results_sent == 1);
        CHECK(world.core->buffered_bytes() == 0);
    }
}
