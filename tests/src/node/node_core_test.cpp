// One core alone with a scripted world: what it does with frames, neighbours and what neighbours say.
#include "src/node/node_core.hpp"

#include <doctest/doctest.h>

#include "tests/src/node/node_world.hpp"

using namespace eddy;
using namespace eddy::node;
using namespace eddy::testing;

TEST_CASE("alone, a frame is computed whole and its outcome says so") {
    World world;
    world.begin();
    world.capture(0);
    REQUIRE(world.sink.jobs.size() == 1);
    CHECK(world.sink.jobs[0].units == UnitRange{PlanId{}, 0, 4});
    CHECK(world.sink.jobs[0].ends_model);
    world.ms = 30;
    world.computed(0, true);
    REQUIRE(world.sink.outcomes.size() == 1);
    const auto& outcome = world.sink.outcomes[0].second;
    CHECK(outcome.state == FrameState::completed);
    CHECK(outcome.local);
    CHECK(outcome.completion == from_ms(30));
    CHECK(outcome.inference.classes.size() == 1);
    CHECK(world.core->buffered_bytes() == 0);
}

TEST_CASE("a full reservoir drops by its policy, and every frame's room is given back once") {
    World world;
    world.begin();
    for (uint64_t k = 0; k < 10; ++k) world.capture(k);
    // One runs, two wait in each of the two queues, two in the reservoir: three are dropped.
    CHECK(world.sink.outcomes.size() == 3);
    for (const auto& [frame, outcome] : world.sink.outcomes) CHECK(outcome.reason == "reservoir_full");
    CHECK(world.sink.outcomes[0].first.k == 7);
    CHECK(world.sink.allowed[StreamId{0}] == 8);
}

TEST_CASE("a frame of the distributed queue is computed up to its share and sent to the successor") {
    World world;
    world.begin();
    world.peer_up(150);
    world.tell_gamma(150);
    for (uint64_t k = 0; k < 3; ++k) world.capture(k);  // one runs, one waits local, one distributed
    world.computed(0, true);
    REQUIRE(world.sink.jobs.size() == 2);
    CHECK_FALSE(world.sink.jobs[1].ends_model);
    CHECK(world.sink.jobs[1].units.first == 0);
    CHECK(world.sink.jobs[1].units.last > 0);
    world.computed(1, false);
    const auto sent = world.sink.all<msg::Work>();
    REQUIRE(sent.size() == 1);
    CHECK(sent[0].first == node_id(150));
    CHECK(sent[0].second.layer == world.sink.jobs[1].units.last);
    CHECK(sent[0].second.hops == 1);
    CHECK(sent[0].second.so_far.computing == from_ms(10));
}

TEST_CASE("work whose source comes next is finished here, and the result goes straight there") {
    World world(0);
    world.begin();
    world.peer_up(150);
    world.say(150, world.work(150, 9, 1), {world.tensor()});
    const auto acks = world.sink.all<msg::Ack>();
    REQUIRE_FALSE(acks.empty());
    CHECK(acks[0].second.accepted);
    REQUIRE(world.sink.jobs.size() == 1);
    CHECK(world.sink.jobs[0].units == UnitRange{PlanId{}, 1, 4});
    world.computed(0, true);
    const auto results = world.sink.all<msg::Result>();
    REQUIRE(results.size() == 1);
    CHECK(results[0].first == node_id(150));
    CHECK(results[0].second.frame.k == 9);
    CHECK(results[0].second.failure.empty());
}

TEST_CASE("a result without acknowledgement is sent again when its source comes back") {
    World world(0);
    world.begin();
    world.peer_up(150);
    world.say(150, world.work(150, 9, 1), {world.tensor()});
    world.on(ev::PeerDown{node_id(150), 150, "reset"});
    world.computed(0, true);
    CHECK(world.sink.all<msg::Result>().empty());
    world.peer_up(150);
    REQUIRE(world.sink.all<msg::Result>().size() == 1);
    world.say(150, msg::ResultAck{world.sink.all<msg::Result>()[0].second.frame});
    world.on(ev::PeerDown{node_id(150), 150, "reset"});
    world.peer_up(150);
    CHECK(world.sink.all<msg::Result>().size() == 1);
}

TEST_CASE("the same work twice is computed once, and both get a receipt") {
    World world(0);
    world.begin();
    world.peer_up(150);
    world.peer_up(200);
    world.say(150, world.work(150, 9, 1), {world.tensor()});
    world.say(200, world.work(150, 9, 1), {world.tensor()});
    CHECK(world.sink.jobs.size() == 1);
    CHECK(world.core->counters().work_stale == 1);
    CHECK(world.core->buffered_bytes() == 1000);
}

TEST_CASE("a later attempt overtakes an earlier one that still waits") {
    World world(0);
    world.config.queue_frames = 8;
    world.begin();
    world.peer_up(150);
    world.peer_up(200);
    world.say(150, world.work(150, 1, 1), {world.tensor()});  // runs
    world.say(200, world.work(150, 2, 1), {world.tensor()});  // waits
    auto again = world.work(150, 2, 2);
    again.attempt = 2;
    world.say(200, again, {world.tensor()});  // the predecessor, which has credit
    world.computed(0, true);
    world.computed(1, true);
    CHECK(world.sink.jobs.size() == 2);
    CHECK(world.sink.all<msg::Result>().back().second.attempt == 2);
}

TEST_CASE("work beyond its credit, or out of sequence, ends the connection") {
    World world(0);
    world.begin();
    world.peer_up(150);
    world.say(150, world.work(150, 1, 5), {world.tensor()});
    REQUIRE(world.sink.disconnected.size() == 1);
    CHECK(world.core->counters().protocol_errors == 1);
    CHECK(world.sink.jobs.empty());
    CHECK(world.core->buffered_bytes() == 0);
}

TEST_CASE("work that cannot be right is refused, and the sender keeps it") {
    World world(0);
    world.begin();
    world.peer_up(150);
    SUBCASE("a layer the model does not have") { world.say(150, world.work(150, 1, 1, 99), {world.tensor()}); }
    SUBCASE("a frontier of the wrong size") { world.say(150, world.work(150, 1, 1), {world.tensor(12)}); }
    SUBCASE("no tensors at all") { world.say(150, world.work(150, 1, 1), {}); }
    SUBCASE("more hops than a ring can have") {
        auto work = world.work(150, 1, 1);
        work.hops = 60000;
        world.say(150, work, {world.tensor()});
    }
    const auto acks = world.sink.all<msg::Ack>();
    REQUIRE_FALSE(acks.empty());
    CHECK_FALSE(acks[0].second.accepted);
    CHECK(world.sink.jobs.empty());
    CHECK(world.core->buffered_bytes() == 0);
}

TEST_CASE("messages of an earlier connection are ignored") {
    World world(0);
    world.begin();
    world.peer_up(150);
    ev::Received old;
    old.peer = node_id(150);
    old.connection = 149;
    old.message = world.work(150, 1, 1);
    old.tensors = {world.tensor()};
    world.on(old);
    CHECK(world.sink.jobs.empty());
    CHECK(world.core->buffered_bytes() == 0);
}

TEST_CASE("the first result of a frame wins; a second and a stranger's are only counted") {
    World world;
    world.begin();
    world.peer_up(150);
    world.tell_gamma(150);
    for (uint64_t k = 0; k < 3; ++k) world.capture(k);
    msg::Result result;
    result.frame = {{node_id(100), StreamId{0}}, Incarnation{1}, 2};
    result.attempt = 1;
    result.so_far = {from_ms(1e9), from_ms(1e9)};  // absurd: the parts still fit into the whole
    world.ms = 40;
    world.say(150, result);
    REQUIRE(world.sink.outcomes.size() == 1);
    const auto& outcome = world.sink.outcomes[0].second;
    CHECK(outcome.completion == from_ms(40));
    CHECK(outcome.parts.waiting + outcome.parts.computing <= outcome.completion);
    world.say(150, result);
    CHECK(world.sink.outcomes.size() == 1);
    CHECK(world.core->ledger().counts(StreamId{0}).late_results == 1);
    result.frame.source.node = node_id(77);
    world.say(150, result);
    CHECK(world.core->counters().protocol_errors == 1);
    CHECK(world.sink.all<msg::ResultAck>().size() == 2);
}

TEST_CASE("a frame that fails elsewhere is tried again, and fails for good after the last attempt") {
    World world;
    world.config.attempts_max = 2;
    world.begin();
    world.peer_up(150);
    world.tell_gamma(150);
    for (uint64_t k = 0; k < 3; ++k) world.capture(k);
    world.computed(0, true);
    world.computed(1, false);  // frame 2 is now with node 150
    REQUIRE(world.sink.all<msg::Work>().size() == 1);
    msg::Result failed;
    failed.frame = world.sink.all<msg::Work>()[0].second.frame;
    failed.attempt = 1;
    failed.failure = "out of memory";
    world.say(150, failed);
    CHECK(world.core->ledger().counts(StreamId{0}).retries == 1);
    CHECK(world.sink.outcomes.size() == 1);
    world.say(150, failed);  // of an attempt that is over
    CHECK(world.sink.outcomes.size() == 1);
    failed.attempt = 2;
    world.say(150, failed);
    REQUIRE(world.sink.outcomes.size() == 2);
    CHECK(world.sink.outcomes[1].second.state == FrameState::failed);
    CHECK(world.sink.outcomes[1].second.reason == "attempts_exhausted");
}

TEST_CASE("what a lost neighbour had no receipt for comes back to the queue") {
    World world;
    world.begin();
    world.peer_up(150);
    world.tell_gamma(150);
    for (uint64_t k = 0; k < 3; ++k) world.capture(k);
    world.computed(0, true);
    world.computed(1, false);
    world.on(ev::PeerDown{node_id(150), 150, "reset"});
    // Alone again: the rest of the frame's layers run here.
    CHECK(world.core->ledger().counts(StreamId{0}).retries == 0);
    world.computed(2, true);
    REQUIRE(world.sink.jobs.size() >= 4);
    const auto resumed = world.sink.jobs[1].units.last;
    CHECK((world.sink.jobs[2].units.first == resumed || world.sink.jobs[3].units.first == resumed));
}

TEST_CASE("two sources that wait for one link take turns") {
    World world(0);
    world.begin();
    for (const uint8_t peer : {150, 200, 220, 50}) world.peer_up(peer);
    // Sources 220 and 50 both pass here on their way to 150; the link takes one message at a time.
    uint64_t sent = 0;
    for (uint64_t k = 0; k < 2; ++k)
        for (const uint8_t source : {220, 50}) {
            world.ms += 1;
            auto work = world.work(source, k, ++sent);
            work.chain_hash.bytes[0] = 99;  // of another model: it is only passed on
            world.say(50, work, {world.tensor()});
        }
    for (uint64_t seq = 1; seq <= 3; ++seq) {
        world.ms += 1;
        std::vector<msg::Credit> credits{{{node_id(220), StreamId{0}}, 9}, {{node_id(50), StreamId{0}}, 9}};
        world.say(150, msg::Ack{seq, 1000, Usec{0}, Usec{0}, true, credits});
    }
    std::vector<uint8_t> order;
    for (const auto& [peer, work] : world.sink.all<msg::Work>()) order.push_back(work.frame.source.node.bytes[0]);
    CHECK(order == std::vector<uint8_t>{220, 50, 220, 50});
}

TEST_CASE("a computation that fails is told with its frame, once") {
    World world;
    world.begin();
    world.capture(0);
    ev::Computed done;
    done.job = world.sink.jobs[0].id;
    done.failure = "the library said no";
    world.on(done);
    REQUIRE(world.sink.outcomes.size() == 1);
    CHECK(world.sink.outcomes[0].second.reason == "compute_failed");
    CHECK(world.core->buffered_bytes() == 0);
}

TEST_CASE("a stop drops what waits in the reservoir, finishes what was admitted, leaves and says so") {
    World world;
    world.begin();
    world.peer_up(150);
    for (uint64_t k = 0; k < 2; ++k) world.capture(k);
    world.on(ev::Stop{at_ms(1000)});
    world.capture(2);
    CHECK(world.sink.outcomes.back().second.reason == "stopping");
    CHECK_FALSE(world.sink.idle_told);
    world.computed(0, true);
    world.computed(1, true);
    CHECK(world.sink.all<msg::Leave>().size() == 1);
    CHECK(world.sink.idle_told);
}

TEST_CASE("frames that are not done when the stop's time is over are reported failed") {
    World world;
    world.begin();
    world.capture(0);
    world.on(ev::Stop{at_ms(1000)});
    CHECK(world.sink.armed.at(TimerId::stop) == at_ms(1000));
    world.ms = 1000;
    world.on(ev::Timer{TimerId::stop});
    REQUIRE(world.sink.outcomes.size() == 1);
    CHECK(world.sink.outcomes[0].second.reason == "stopped");
    CHECK(world.sink.idle_told);
}

TEST_CASE("neighbours hear of a changed backlog at most once in the time of a frame") {
    World world(0);
    world.begin();
    world.peer_up(150);
    const auto before = world.sink.all<msg::NodeState>().size();
    world.ms = 20;
    world.say(150, world.work(150, 1, 1), {world.tensor()});
    CHECK(world.sink.all<msg::NodeState>().size() == before);
    CHECK(world.sink.armed.at(TimerId::state) == at_ms(40));
    world.ms = 40;
    world.on(ev::Timer{TimerId::state});
    CHECK(world.sink.all<msg::NodeState>().size() == before + 1);
    world.ms = 41;
    world.computed(0, true);
    world.peer_up(200);
    world.say(200, world.work(150, 2, 1), {world.tensor()});
    world.say(200, world.work(150, 3, 2), {world.tensor()});
    const auto states = world.sink.all<msg::NodeState>();
    CHECK(states.back().second.as_of_seq <= 2);
    CHECK(world.sink.armed.at(TimerId::state) > at_ms(41));
}

TEST_CASE("a frame whose deadline passes while it waits here is not computed, and its source is told why") {
    World world(0);
    world.begin();
    world.peer_up(150);
    auto hurried = world.work(150, 2, 2);
    hurried.deadline_left = from_ms(20);
    world.say(150, world.work(150, 1, 1), {world.tensor()});
    world.say(150, hurried, {world.tensor()});
    world.ms = 20;
    world.computed(0, true);
    CHECK(world.sink.jobs.size() == 1);
    const auto results = world.sink.all<msg::Result>();
    REQUIRE(results.size() == 2);
    CHECK(results[1].second.frame.k == 2);
    CHECK(results[1].second.expired);
    CHECK(world.core->buffered_bytes() == 0);
}

TEST_CASE("of a model without parameters there are no shares: whoever has a frame computes all of it") {
    for (const PolicyKind policy : {PolicyKind::ar_mdi, PolicyKind::ms_mdi}) {
        World world;
        for (auto& layer : world.config.profile.layers) layer.parameters = 0;
        world.config.policy = policy;
        world.begin();
        world.peer_up(150);
        world.tell_gamma(150, 0);
        for (uint64_t k = 0; k < 3; ++k) world.capture(k);
        for (size_t job = 0; job < 3; ++job) world.computed(job, true);
        CHECK(world.sink.outcomes.size() == 3);
        CHECK(world.sink.all<msg::Work>().empty());
    }
}

TEST_CASE("what earlier lives left unfinished fails at the start, once, and nobody is asked to try it again") {
    World world(2);
    world.config.self.incarnation = Incarnation{3};
    world.config.streams[1].first_number = 1024;
    world.config.streams[1].unfinished = {{5, Incarnation{1}, true}, {1000, Incarnation{2}, false}};
    world.begin();
    world.peer_up(150);
    REQUIRE(world.sink.outcomes.size() == 2);
    for (const auto& [frame, outcome] : world.sink.outcomes) {
        CHECK(frame.source == SourceId{world.config.self.id, StreamId{1}});
        CHECK(outcome.state == FrameState::failed);
        CHECK(outcome.reason == "source_restarted");
    }
    CHECK(world.sink.outcomes[0].first.incarnation == Incarnation{1});
    CHECK(world.sink.jobs.empty());
    CHECK(world.core->ledger().open_frames() == 0);
    CHECK(world.core->ledger().counts(StreamId{1}).failed == 2);
    CHECK(world.core->ledger().counts(StreamId{0}).captured == 0);
    // A result that was on its way when the source died.
    msg::Result late;
    late.frame = world.sink.outcomes[0].first;
    late.attempt = 1;
    world.say(150, late);
    CHECK(world.sink.all<msg::ResultAck>().size() == 1);
    CHECK(world.sink.outcomes.size() == 2);
    world.on(ev::Captured{StreamId{1}, 1024, at_ms(0), world.tensor(), 0});
    world.computed(0, true);
    CHECK(world.sink.outcomes.back().first.k == 1024);
    CHECK(world.sink.outcomes.back().first.incarnation == Incarnation{3});
}

TEST_CASE("what is journalled of a source says at every moment what its ledger says") {
    World world;
    world.config.streams[0].when_full = WhenFull::drop_oldest;
    world.begin();
    uint64_t captured = 0, admitted = 0, settled = 0, missed = 0;
    size_t read = 0;
    const auto check = [&] {
        for (; read < world.sink.persisted.size(); ++read) {
            const auto& entry = world.sink.persisted[read];
            captured += std::holds_alternative<journal::Captured>(entry) ? 1 : 0;
            admitted += std::holds_alternative<journal::Admitted>(entry) ? 1 : 0;
            settled += std::holds_alternative<journal::Settled>(entry) ? 1 : 0;
            if (const auto* e = std::get_if<journal::Missed>(&entry)) missed += e->frames;
        }
        const auto& counts = world.core->ledger().counts(StreamId{0});
        CHECK(captured + missed == counts.captured);
        CHECK(admitted == counts.admitted);
        CHECK(settled + missed == counts.completed + counts.failed + counts.dropped);
    };
    for (uint64_t k = 0; k < 40; k += 2) {
        world.on(ev::Captured{StreamId{0}, k, at_ms(world.ms), world.tensor(), k == 0 ? 0U : 1U});
        check();
        if (k % 8 == 0) world.computed(world.sink.jobs.size() - 1, true);
        check();
    }
    world.on(ev::Stop{at_ms(1000)});
    check();
    world.ms = 1000;
    world.on(ev::Timer{TimerId::stop});
    check();
    CHECK(world.core->ledger().open_frames() == 0);
    CHECK(captured == settled);
}
