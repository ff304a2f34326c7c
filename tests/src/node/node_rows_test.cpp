// Goal: frames by rows of whole nodes end once, whatever becomes of those that share them, and what peers say against
// the plan changes nothing. Method: cores joined in memory, with invariants checked after every event.
#include <doctest/doctest.h>

#include "core_world.hpp"

using namespace eddy;
using namespace eddy::node;

namespace {

/// The first core has a plan that all share.
struct Shared : CoreWorld {
    explicit Shared(size_t count = 2, Usec deadline = Usec::max()) : CoreWorld(count) {
        node(0).config.streams[0].deadline = deadline;
        begin();
        until([&] { return planned() == nodes(); });
    }
    [[nodiscard]] bool on_its_way(uint64_t k) {
        for (size_t i = 0; i < nodes(); ++i)
            for (const auto& [peer, rows] : node(i).sink.all<msg::Rows>())
                if (rows.frame.k == k && core(0).rows().has(rows.frame)) return true;
        return false;
    }
    /// Frame 0 is under way by rows, some of which are at the others.
    void begin_frame() {
        capture(0);
        until([&] { return on_its_way(0); });
        run(0.5);
        REQUIRE(outcomes().empty());
    }
    [[nodiscard]] const Outcome& outcome(size_t which = 0) const { return outcomes().at(which).second; }
};

bool is_rows(const Message& message) { return std::get_if<msg::Rows>(&message) != nullptr; }

}  // namespace

TEST_CASE("frames go by rows over the nodes that are there, and end once") {
    Shared world(3);
    for (uint64_t k = 0; k < 20; ++k) {
        world.capture(k);
        world.run(3);
    }
    world.until([&] { return world.outcomes().size() == 20; });
    world.run(100);
    CHECK(world.completed() == 20);
    CHECK(world.each_once());
    CHECK(world.clean());
    size_t sent = 0;
    size_t receipts = 0;
    for (size_t i = 0; i < 3; ++i) {
        sent += world.node(i).sink.all<msg::Rows>().size();
        receipts += world.node(i).sink.all<msg::RowsAck>().size();
        CHECK(world.node(i).sink.all<msg::Work>().empty());
        CHECK(world.core(i).counters().protocol_errors == 0);
        CHECK(world.core(i).counters().busy > from_ms(20));
    }
    CHECK(sent > 80);
    CHECK(receipts == sent);
    for (const auto& [frame, outcome] : world.outcomes()) {
        CHECK(outcome.attempts == 1);
        CHECK_FALSE(outcome.local);
        CHECK(outcome.parts.computing >= from_ms(4));
        CHECK(outcome.completion >= outcome.parts.computing + outcome.parts.waiting);
    }
}

TEST_CASE(
    "plans are made for those that are there, as fast as they are known to be, and any memory where none is told") {
    Shared world(3);
    const PlanRequest first = world.node(0).sink.plans_wanted.back();
    REQUIRE(first.devices.size() == 3);
    REQUIRE(first.links.size() == 9);
    CHECK(first.devices[0].node == CoreWorld::id(0));
    for (const auto& device : first.devices) {
        CHECK(device.memory_bytes == UINT64_MAX);
        CHECK(device.speed == doctest::Approx(1));
    }
    for (const auto& link : first.links) CHECK(link.bytes_per_s == doctest::Approx(125e6));  // untried
    world.run(1000);
    msg::NodeState told = world.node(1).sink.all<msg::NodeState>().back().second;
    told.sequence += 1000;
    told.gamma_s_per_parameter *= 2;
    told.memory_bytes = 12345;
    told.links = {{CoreWorld::id(2), 5e6F}};
    world.say(0, 1, told);
    const size_t asked = world.node(0).sink.plans_wanted.size();
    world.until([&] { return world.node(0).sink.plans_wanted.size() > asked; }, 900);
    const PlanRequest& second = world.node(0).sink.plans_wanted.back();
    REQUIRE(second.devices.size() == 3);
    CHECK(second.devices[1].speed == doctest::Approx(0.5));
    CHECK(second.devices[1].memory_bytes == 12345);
    CHECK(second.links[1 * 3 + 2].bytes_per_s == doctest::Approx(5e6));
    // What is untried may be like what was tried.
    CHECK(second.links[1 * 3 + 0].bytes_per_s == doctest::Approx(5e6));
    CHECK(second.links[2 * 3 + 1].bytes_per_s == doctest::Approx(5e6));
    REQUIRE(second.from);
    CHECK(*second.from == *world.core(0).rows().current());
}

TEST_CASE("a link that was crossed in no time does not make those fast that nobody has tried") {
    Shared world(3);
    world.run(1000);
    msg::NodeState told = world.node(1).sink.all<msg::NodeState>().back().second;
    told.sequence += 1000;
    told.links = {{CoreWorld::id(2), 900e6F}};
    world.say(0, 1, told);
    const size_t asked = world.node(0).sink.plans_wanted.size();
    world.until([&] { return world.node(0).sink.plans_wanted.size() > asked; }, 900);
    const PlanRequest& request = world.node(0).sink.plans_wanted.back();
    CHECK(request.links[1 * 3 + 2].bytes_per_s == doctest::Approx(900e6));
    CHECK(request.links[2 * 3 + 1].bytes_per_s == doctest::Approx(125e6));
}

TEST_CASE(
    "auto: frames that come faster than rows carry them go along the chain, and by rows when they are few again") {
    CoreWorld world(2, PartitionKind::automatic);
    world.job_ms = 0.81;
    world.begin();
    world.until([&] { return world.planned() == 2; });
    const auto sent = [&] { return world.node(0).sink.all<msg::Rows>().size(); };
    uint64_t k = 0;
    const auto offer = [&](double every_ms, double for_ms) {
        const size_t before = sent();
        for (double ms = 0; ms < for_ms; ms += every_ms) {
            world.capture(k++);
            world.run(every_ms);
        }
        return sent() - before;
    };
    offer(20, 3500);
    CHECK(offer(20, 500) == 2 * 25);  // what the capture cuts out, and rows beside the other's
    offer(2, 4000);
    CHECK(offer(2, 500) == 0);
    offer(20, 5000);
    CHECK(offer(20, 500) == 2 * 25);
    world.run(1000);
    CHECK(world.outcomes().size() == k);
    CHECK(world.each_once());
    CHECK(world.clean());
}

TEST_CASE("a source alone asks for no plan, and computes its frames itself") {
    CoreWorld world(1);
    world.begin();
    world.run(3000);
    CHECK(world.node(0).sink.plans_wanted.empty());
    for (uint64_t k = 0; k < 5; ++k) world.capture(k);
    world.until([&] { return world.completed() == 5; });
    for (const auto& [frame, outcome] : world.outcomes()) {
        CHECK(outcome.local);
        CHECK(outcome.hops == 0);
    }
    CHECK(world.clean());
}

TEST_CASE("where the chain is set, or nothing is known of rows, no plan is asked for or taken part in") {
    CoreWorld world(2, PartitionKind::chain);
    SUBCASE("chain") {}
    SUBCASE("no row profile") {
        for (size_t i = 0; i < 2; ++i) {
            world.node(i).config.partition = PartitionKind::edgeflow;
            world.node(i).config.rows = nullptr;
        }
    }
    world.begin();
    world.run(3000);
    CHECK(world.node(0).sink.plans_wanted.empty());
    RowPlan plan;
    plan.chain_hash = world.node(0).config.profile.chain_hash;
    plan.devices = {CoreWorld::id(0), CoreWorld::id(1)};
    world.say(1, 0, msg::PlanPrepare{1, plan});
    CHECK(world.node(1).sink.compiled.empty());
    for (uint64_t k = 0; k < 5; ++k) world.capture(k);
    world.until([&] { return world.completed() == 5; });
    world.run(1000);
    CHECK(world.clean());
}

TEST_CASE("a frame whose plan loses a node is begun anew, and none is lost") {
    Shared world(2);
    world.begin_frame();
    world.capture(1);
    SUBCASE("for good") {
        world.kill(1);
        world.until([&] { return world.completed() == 2; });
        CHECK(world.planned() == 0);
    }
    SUBCASE("for a moment") {
        world.cut(0, 1);
        CHECK(world.planned() == 0);
        world.until([&] { return world.completed() == 2; });
        world.until([&] { return world.planned() == 2; });
        CHECK(world.core(0).rows().failures() == 0);
    }
    CHECK(world.each_once());
    CHECK(world.outcome().attempts == 2);
    CHECK(world.outcome().completion < from_ms(100));  // it did not wait to be missed
    const size_t sent = world.node(0).sink.all<msg::Rows>().size();
    world.capture(2);
    world.until([&] { return world.completed() == 3; });
    CHECK((world.node(0).sink.all<msg::Rows>().size() > sent) == (world.planned() == 2));
    world.run(1000);
    CHECK(world.clean());
}

TEST_CASE("nodes that lose each other for a moment again and again lose no frame") {
    for (uint64_t seed = 0; seed < 6; ++seed) {
        Random random(seed);
        CoreWorld world(3);
        world.node(0).config.attempts_max = 100;
        world.node(0).config.frame_timeout = std::chrono::seconds(300);
        world.begin();
        for (uint64_t k = 0; k < 120; ++k) {
            world.capture(k);
            world.run(random.uniform(0, 60));
            if (!random.chance(0.1)) continue;
            const size_t one = random.below(3);
            world.cut(one, (one + 1 + random.below(2)) % 3);
        }
        world.until([&] { return world.outcomes().size() == 120; });
        world.run(2000);
        CHECK(world.completed() == 120);
        CHECK(world.each_once());
        CHECK(world.clean());
    }
}

TEST_CASE("a unit that fails at a node ends the plan, the frame is begun anew, and that node is left out for a while") {
    Shared world(2);
    world.fails = [](size_t at, const Job& job) {
        return std::string(at == 1 && job.units.plan != PlanId{0} ? "no memory" : "");
    };
    world.capture(0);
    world.until([&] { return world.completed() == 1; });
    CHECK(world.outcome().attempts == 2);
    CHECK(world.core(0).rows().failures() == 1);
    world.run(3'000);
    CHECK(world.planned() == 0);
    world.fails = nullptr;
    world.until([&] { return world.planned() == 2; }, 60'000);
    CHECK(world.clean());
}

TEST_CASE("a frame that hangs by rows is begun anew in time") {
    Shared world(2);
    world.job_ms = 0.81;  // as the row profile says, so that no other plan is made meanwhile
    world.swallows = [](size_t, size_t, const Message& message) { return is_rows(message); };
    world.capture(0);
    world.until([&] { return world.completed() == 1; });
    CHECK(world.outcome().attempts == 2);
    CHECK(world.outcome().completion >= from_ms(3000));  // the time of one attempt
    CHECK(world.outcome().completion < from_ms(3500));
    CHECK(world.each_once());
    world.run(1000);
    CHECK(world.clean());
}

TEST_CASE("rows tell which attempt of a frame they are of") {
    Shared world(2);
    world.swallows = [](size_t from, size_t, const Message& message) { return from == 1 && is_rows(message); };
    world.capture(0);
    world.until([&] { return world.core(0).rows().own_epochs() == 2; });  // units take longer than the row profile says
    CHECK(world.node(0).sink.all<msg::Rows>().back().second.attempt == 1);
    world.swallows = nullptr;
    world.until([&] { return world.completed() == 1; });
    CHECK(world.outcome().attempts == 2);
    for (size_t i = 0; i < 2; ++i) {
        CHECK(world.node(i).sink.all<msg::Rows>().back().second.attempt == 2);
        CHECK(world.node(i).sink.all<msg::Rows>().back().second.epoch == 2);
    }
}

TEST_CASE("no plan is asked for while frames of one before the current one are under way, for these would end") {
    CoreWorld world(4);
    for (const size_t later : {2, 3}) world.node(later).dead = true;
    world.begin();
    world.until([&] { return world.planned() == 2; });
    world.swallows = [](size_t from, size_t, const Message& message) { return from == 1 && is_rows(message); };
    world.capture(0);
    world.begin(2);
    world.until([&] { return world.planned() == 3; }, 2000);
    const size_t asked = world.node(0).sink.plans_wanted.size();
    world.begin(3);
    world.until([&] { return world.core(0).ring().members().size() == 4; }, 800);
    world.swallows = nullptr;
    world.until([&] { return world.completed() == 1; });
    CHECK(world.outcomes()[0].second.completion >= from_ms(3000));  // it was left its time
    CHECK(world.node(0).sink.plans_wanted.size() == asked);
    world.until([&] { return world.planned() == 4; });
    world.run(1000);
    CHECK(world.clean());
}

TEST_CASE("a frame by rows that is too late is dropped once, and all devices drop it") {
    Shared world(2, from_ms(300));
    // The source's result waits for rows that never come.
    world.swallows = [](size_t from, size_t, const Message& message) { return from == 1 && is_rows(message); };
    world.capture(0);
    world.run(200);
    CHECK(world.outcomes().empty());
    world.run(300);
    REQUIRE(world.outcomes().size() == 1);
    CHECK(world.outcome().state == FrameState::dropped);
    CHECK(world.outcome().reason == "deadline");
    const auto cancels = world.node(0).sink.all<msg::RowsCancel>();
    REQUIRE(cancels.size() == 1);
    CHECK(cancels[0].first == CoreWorld::id(1));
    CHECK(cancels[0].second.frame.k == 0);
    CHECK(world.planned() == 2);
    CHECK(world.clean());
    world.swallows = nullptr;
    world.capture(1);
    world.until([&] { return world.completed() == 1; });
    CHECK(world.each_once());
}

TEST_CASE("a result that comes just after the deadline does not count") {
    Shared world(2, from_ms(1000));
    for (uint64_t k = 0; k < 100; ++k) {
        world.capture(k, 1000 - 0.2 * static_cast<double>(k));
        world.run(100);
        REQUIRE(world.outcomes().size() == k + 1);
        const Outcome& outcome = world.outcome(k);
        if (outcome.state == FrameState::completed) CHECK(outcome.completion <= from_ms(1000));
        if (outcome.state != FrameState::completed) CHECK(outcome.reason == "deadline");
    }
    CHECK(world.completed() > 20);
    CHECK(world.completed() < 99);
    CHECK(world.clean());
}

TEST_CASE("a source that stops finishes its frames by rows, or tells at its time limit that it did not") {
    Shared world(2);
    for (uint64_t k = 0; k < 6; ++k) world.capture(k);
    const auto idle = [&] { return world.node(0).sink.idle_told; };
    SUBCASE("in time") {
        world.until([&] { return world.on_its_way(2); });
        world.stop(0, 10'000);
        world.until(idle, 5000);
        CHECK(world.outcomes().size() == 6);
        CHECK(world.completed() >= 3);
        for (const auto& [frame, outcome] : world.outcomes())
            if (outcome.state != FrameState::completed) CHECK(outcome.reason == "stopping");
    }
    SUBCASE("not in time") {
        world.swallows = [](size_t, size_t, const Message& message) { return is_rows(message); };
        world.run(50);
        world.stop(0, 1000);
        world.until(idle, 1500);
        CHECK(world.completed() == 0);
        CHECK(world.outcomes().size() == 6);
    }
    CHECK(world.each_once());
    world.run(200);
    CHECK(world.clean());
}

TEST_CASE("a node that shares others' frames stops in peace, and these end without it") {
    Shared world(2);
    for (uint64_t k = 0; k < 6; ++k) world.capture(k);
    world.until([&] { return world.on_its_way(0); });
    world.stop(1, 5000);
    world.until([&] { return world.node(1).sink.idle_told; }, 6000);
    world.kill(1);
    world.until([&] { return world.completed() == 6; });
    CHECK(world.each_once());
    CHECK(world.clean());
}

TEST_CASE("what peers say of rows and plans that are not theirs changes nothing and stays nowhere") {
    Shared world(3);
    const uint32_t epoch = world.core(0).rows().own_epochs();
    const RowPlan plan = *world.core(0).rows().current();
    world.capture(0);
    world.until([&] { return world.on_its_way(0); });
    REQUIRE_FALSE(world.node(0).sink.all<msg::Rows>().empty());
    const msg::Rows sent = world.node(0).sink.all<msg::Rows>().front().second;
    const auto says = [&](size_t to, size_t from, const Message& message) {
        const auto live = world.node(to).live;
        const size_t compiled = world.node(to).sink.compiled.size();
        const size_t forgotten = world.node(to).sink.forgotten.size();
        world.say(to, from, message, {world.tensor(100), world.tensor(1u << 20)});
        for (const BufferId buffer : world.node(to).live) CHECK(live.count(buffer) == 1);
        CHECK(world.node(to).sink.compiled.size() == compiled);
        CHECK(world.node(to).sink.forgotten.size() == forgotten);
        REQUIRE(world.planned() == 3);
    };
    for (const auto& [to, from] : {std::pair<size_t, size_t>{1, 2}, {0, 2}, {2, 1}, {1, 0}, {0, 1}}) {
        CAPTURE(to);
        CAPTURE(from);
        const uint64_t errors = world.core(to).counters().protocol_errors;
        msg::Rows rows = sent;
        rows.message = 77;
        says(to, from, rows);
        CHECK(world.core(to).counters().protocol_errors == errors + 1);
        rows = sent;
        rows.epoch = 99;
        says(to, from, rows);
        rows = sent;
        rows.frame.source.node = node_id(77);
        says(to, from, rows);
        rows.frame.source.node = CoreWorld::id(from);
        says(to, from, rows);
        says(to, from, msg::PlanAnswer{epoch + 1, false, "no"});
        says(to, from, msg::PlanAnswer{0, true, ""});
        says(to, from, msg::PlanRetire{epoch + 1});
        if (from != 0) says(to, from, msg::PlanRetire{epoch});
        if (from != 0) says(to, from, msg::RowsCancel{sent.frame, sent.attempt, epoch});
        says(to, from, msg::RowsCancel{{{node_id(77), StreamId{3}}, Incarnation{9}, 5}, 1, 1});
        for (const uint64_t seq : {uint64_t{0}, uint64_t{1}, uint64_t{1000}, UINT64_MAX})
            says(to, from, msg::RowsAck{seq, UINT64_MAX, Usec{100}, Usec{0}});
        RowPlan bad = plan;
        bad.blocks.pop_back();
        says(to, from, msg::PlanPrepare{7777, bad});
        bad = plan;
        bad.devices = {node_id(77)};
        says(to, from, msg::PlanPrepare{7777, bad});
    }
    world.until([&] { return world.completed() == 1; });
    CHECK(world.outcome().attempts == 1);
    for (uint64_t k = 1; k < 5; ++k) world.capture(k);
    world.until([&] { return world.completed() == 5; });
    world.run(100);
    CHECK(world.clean());
}
