// Goal: a plan that one device cannot go on with ends at all of them, its frames come back once, and what does not fit a
// plan is kept by nobody. Method: nodes joined in memory; one fails at any time, or says what it must not.
#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "halves.hpp"

using namespace eddy;
using namespace eddy::node;
using namespace eddy::test;

namespace {

uint64_t any_seed() { return *rc::gen::inRange<uint64_t>(0, 1'000'000'000); }

enum class Blow : uint8_t { job_fails, device_lost, frame_hangs };

/// Frames under way, and something happens to them. Whatever it is: each ends or comes back, once.
void strike(uint64_t seed, Blow blow) {
    RandomRows rows(seed);
    RowWorld& world = rows.world;
    RowFlows& source = world.flows(rows.source);
    rows.use(rows.plan(2));
    world.capture(rows.source, 0);
    world.capture(rows.source, 1);
    for (uint64_t steps = world.random().below(25); steps > 0 && !world.idle(); --steps) world.step();
    const size_t ended = world.results.size();
    bool struck = true;
    size_t struck_at = rows.source;
    if (blow == Blow::job_fails) {
        struck = !world.jobs.empty();
        if (struck) struck_at = world.jobs[0].first;
        if (struck) world.computed(0, "the processor is on fire");
    } else if (blow == Blow::device_lost) {
        struck_at = (rows.source + 1) % world.nodes();
        world.lose(struck_at);
    } else {
        struck = source.has(world.frame(rows.source, 1));
        source.break_plan_of(world.frame(rows.source, 1), world.node(rows.source).sink);
        world.tick();
    }
    world.run();
    const auto broken = world.node(rows.source).broken;
    RC_ASSERT(world.results.size() + broken.size() == 2U);
    RC_ASSERT(std::set(broken.begin(), broken.end()).size() == broken.size());
    for (const FrameId& frame : broken) {
        RC_ASSERT(world.results.count(frame) == 0U);
        RC_ASSERT_FALSE(source.has(frame));
        world.settle(frame);
    }
    RC_ASSERT(world.clean());
    RC_ASSERT((source.current() == nullptr) == struck);
    if (blow == Blow::device_lost) RC_ASSERT(broken.size() == 2U - ended);
    if (blow != Blow::device_lost) RC_ASSERT(source.failures() == (struck ? 1U : 0U));
    for (size_t i = 0; i < world.nodes(); ++i) {
        if (!world.node(i).lost) RC_ASSERT(world.node(i).sink.forgotten.size() == (struck ? 1U : 0U));
        const bool blamed = blow == Blow::job_fails && struck && i == struck_at;
        if (blow != Blow::device_lost) RC_ASSERT(source.unwilling(world.node(i).id, world.now) == blamed);
        RC_ASSERT(world.node(i).offences == 0U);
    }
}

bool contains(const std::vector<std::string>& lines, const std::string& text) {
    return std::any_of(lines.begin(), lines.end(),
                       [&](const std::string& line) { return line.find(text) != std::string::npos; });
}

}  // namespace

TEST_CASE("a unit that fails ends its plan, and frames under way come back once") {
    CHECK(rc::check("any unit", [] { strike(any_seed(), Blow::job_fails); }));
}

TEST_CASE("a device that is lost ends the plan, and frames under way come back once") {
    CHECK(rc::check("at any time", [] { strike(any_seed(), Blow::device_lost); }));
}

TEST_CASE("a frame that hangs ends the plan, and frames under way come back once") {
    CHECK(rc::check("at any time", [] { strike(any_seed(), Blow::frame_hangs); }));
}

TEST_CASE("a source that is lost is forgotten with its plans and frames") {
    CHECK(rc::check("at any time", [] {
        RandomRows rows(any_seed());
        RowWorld& world = rows.world;
        rows.use(rows.plan(2));
        world.capture(rows.source, 0);
        world.capture(rows.source, 1);
        for (uint64_t steps = world.random().below(25); steps > 0 && !world.idle(); --steps) world.step();
        world.lose(rows.source);
        world.run();
        RC_ASSERT(world.clean());
        for (size_t i = 0; i < world.nodes(); ++i)
            if (i != rows.source) RC_ASSERT(world.node(i).sink.forgotten.size() == 1U);
    }));
}

TEST_CASE("a device that cannot take part is not asked for a while, and the plan before goes on") {
    Halves halves;
    RowWorld& world = halves.in_use();
    world.capture(0, 0);
    RowPlan next = halves.plan;
    next.window = 1;
    size_t to_blame = 1;
    SUBCASE("it refuses") {
        world.propose(0, next);
        world.give(0, 1, msg::PlanAnswer{2, false, "no memory"});
        CHECK(contains(world.node(0).sink.lines, "does not take part: no memory"));
    }
    SUBCASE("it cannot compile it") {
        world.propose(0, next);
        while (world.compiles.empty() || world.compiles.back().first != 1) world.deliver(0);
        world.compiled(world.compiles.size() - 1, "no such operator");
    }
    SUBCASE("this one cannot compile it") {
        world.propose(0, next);
        world.compiled(0, "no such operator");
        to_blame = 0;
    }
    SUBCASE("the plan does not fit the model") {
        next.blocks.pop_back();
        world.propose(0, next);
        to_blame = 0;
    }
    world.run();
    CHECK(world.flows(0).current()->window == 2);
    CHECK_FALSE(world.flows(0).preparing());
    CHECK(world.flows(0).failures() == 1);
    CHECK(world.flows(0).unwilling(world.node(to_blame).id, world.now));
    CHECK_FALSE(world.flows(0).unwilling(world.node(1 - to_blame).id, world.now));
    CHECK(world.results.size() == 1);
    CHECK(world.node(0).broken.empty());
    world.now += std::chrono::seconds(59);
    CHECK(world.flows(0).unwilling(world.node(to_blame).id, world.now));
    world.now += std::chrono::seconds(2);
    CHECK_FALSE(world.flows(0).unwilling(world.node(to_blame).id, world.now));
    world.tick();
    world.capture(0, 1);
    world.run();
    CHECK(world.results.size() == 2);
    CHECK(world.clean());
}

TEST_CASE("a device that cannot go on with a plan gives back what it holds at once") {
    Halves halves;
    RowWorld& world = halves.in_use();
    const RowWorld::Parcel rows = halves.first_rows();
    world.give(1, 0, *rows.rows(), rows.out.tensors);
    const auto job = std::find_if(world.jobs.begin(), world.jobs.end(), [](const auto& each) { return each.first == 1; });
    REQUIRE(job != world.jobs.end());
    world.computed(static_cast<size_t>(job - world.jobs.begin()), "no memory");
    CHECK(world.node(1).buffers.count() == 0);
    CHECK(world.node(1).sink.forgotten.size() == 1);
    CHECK(world.flows(0).current() != nullptr);  // it has not heard of it
    world.give(1, 0, *rows.rows(), rows.out.tensors);
    CHECK(world.node(1).buffers.count() == 0);
}

TEST_CASE("devices that do not answer are waited for a minute, and one that compiles too late does no harm") {
    Halves halves;
    RowWorld& world = halves.world;
    world.propose(0, halves.plan);
    world.compiled(0);
    world.deliver(0);
    world.now += PlanLifecycle::answer_within;
    world.tick();
    CHECK(world.flows(0).failures() == 1);
    CHECK_FALSE(world.flows(0).preparing());
    while (!world.parcels.empty()) world.deliver(0);
    world.run();
    CHECK(world.parcels.empty());
    CHECK(world.flows(0).current() == nullptr);
}

TEST_CASE("two devices of a third one's plan that lose each other have it end") {
    Halves halves(3);
    RowWorld& world = halves.world;
    for (RowBlock& block : halves.plan.blocks) block.bounds = {0, 2, 4, 8};
    halves.in_use();
    world.capture(0, 0);
    world.flows(1).lost(world.node(2).id, world.now, world.node(1).sink);
    world.tick();
    world.run();
    CHECK(world.flows(0).current() == nullptr);
    CHECK(world.flows(0).failures() == 1);
    CHECK(world.node(0).broken.size() == 1);
    CHECK(contains(world.node(0).sink.lines, "no connection to"));
}

TEST_CASE("an answer counts only from a device of a plan that is not over") {
    Halves halves(3);
    RowWorld& world = halves.world;
    halves.plan.devices = {world.node(0).id, world.node(1).id};
    halves.in_use();
    world.give(0, 2, msg::PlanAnswer{1, false, "I am not asked"});
    world.give(0, 1, msg::PlanAnswer{7, false, "what plan?"});
    world.give(0, 1, msg::PlanAnswer{1, true, ""});
    CHECK(world.flows(0).current() != nullptr);
    CHECK(world.flows(0).failures() == 0);
    CHECK_FALSE(world.flows(0).unwilling(world.node(2).id, world.now));
    world.give(0, 1, msg::PlanAnswer{1, false, "not any more"});
    CHECK(world.flows(0).current() == nullptr);
    CHECK(world.flows(0).failures() == 1);
}

TEST_CASE("rows that no plan has a peer send are an offence, late ones are none, and neither is kept") {
    Halves halves(3);
    RowWorld& world = halves.world;
    halves.plan.devices = {world.node(0).id, world.node(1).id};
    halves.in_use();
    const RowWorld::Parcel good = halves.first_rows();
    world.parcels.clear();
    world.jobs.clear();
    world.node(0).running = 0;
    const auto given = [&](const msg::Rows& rows, std::vector<TensorRef> tensors, size_t from = 0) {
        const uint64_t offences = world.node(1).offences;
        const uint64_t stale = world.flows(1).stale_rows();
        const size_t held = world.node(1).buffers.count();
        world.give(1, from, rows, std::move(tensors));
        if (world.node(1).buffers.count() > held) return std::string("kept");
        if (world.node(1).offences > offences) return std::string("offence");
        return std::string(world.flows(1).stale_rows() > stale ? "stale" : "neither");
    };
    const std::vector<TensorRef>& tensors = good.out.tensors;
    msg::Rows rows = *good.rows();
    rows.epoch = 9;
    CHECK(given(rows, tensors) == "stale");  // of a plan that is over, or was never told
    rows = *good.rows();
    rows.frame.source.node = world.node(2).id;
    CHECK(given(rows, tensors) == "stale");  // of another's plans, of whom nothing is known
    CHECK(given(*good.rows(), tensors, 2) == "offence");
    rows = *good.rows();
    rows.message = 1000;
    CHECK(given(rows, tensors) == "offence");
    CHECK(given(*good.rows(), {}) == "offence");
    auto wrong = tensors;
    wrong[0].bytes += 4;
    CHECK(given(*good.rows(), wrong) == "offence");
    wrong = tensors;
    wrong[0].meta.rows.begin += 1;
    CHECK(given(*good.rows(), wrong) == "offence");
    CHECK(contains(world.node(1).sink.lines, "are refused: other rows than the plan says"));
    CHECK(given(*good.rows(), tensors) == "kept");
    CHECK(given(*good.rows(), tensors) == "stale");
}

TEST_CASE("only a frame's source may cancel it, and only attempts that it has made") {
    Halves halves(3);
    RowWorld& world = halves.world;
    for (RowBlock& block : halves.plan.blocks) block.bounds = {0, 2, 4, 8};
    halves.in_use();
    const RowWorld::Parcel rows = halves.first_rows();
    world.deliver(0);
    const size_t at = world.index(rows.out.to);
    REQUIRE(world.node(at).buffers.count() > 0);
    msg::RowsCancel cancel{rows.rows()->frame, rows.rows()->attempt, rows.rows()->epoch};
    world.give(at, 3 - at, cancel);
    CHECK(world.node(at).buffers.count() > 0);
    cancel.epoch = 5;
    world.give(at, 0, cancel);
    cancel.epoch = rows.rows()->epoch;
    cancel.attempt -= 1;
    world.give(at, 0, cancel);
    CHECK(world.node(at).buffers.count() > 0);
    cancel.attempt += 1;
    world.give(at, 0, cancel);
    CHECK(world.node(at).buffers.count() == 0);
}

TEST_CASE("a source that sends a cancelled frame again while its unit still runs breaks nothing") {
    Halves halves;
    RowWorld& world = halves.in_use();
    const RowWorld::Parcel rows = halves.first_rows();
    const auto running_at_1 = [&] {
        return static_cast<size_t>(std::count_if(world.jobs.begin(), world.jobs.end(),
                                                 [](const auto& job) { return job.first == 1; }));
    };
    world.give(1, 0, *rows.rows(), rows.out.tensors);
    REQUIRE(running_at_1() == 1);
    // Cancelled, and so many others that this one is not remembered any more.
    for (uint64_t k = 0; k < 20; ++k) world.give(1, 0, msg::RowsCancel{world.frame(0, k), 1, 1});
    CHECK(world.node(1).buffers.count() == 0);
    world.give(1, 0, *rows.rows(), rows.out.tensors);
    CHECK(world.node(1).buffers.count() > 0);
    for (int i = 0; i < 3; ++i)
        for (size_t job = 0; job < world.jobs.size(); ++job)
            if (world.jobs[job].first == 1) {
                world.computed(job);
                break;
            }
    world.give(1, 0, msg::RowsCancel{world.frame(0, 0), 1, 1});
    CHECK(world.node(1).buffers.count() == 0);
}

TEST_CASE("of a source that never ends its plans a device knows two") {
    Halves halves;
    RowWorld& world = halves.world;
    RowPlan plan = halves.plan;
    plan.devices = {world.node(0).id, world.node(1).id};
    for (uint32_t epoch = 1; epoch <= 5; ++epoch) world.give(1, 0, msg::PlanPrepare{epoch, plan});
    CHECK(world.node(1).sink.compiled.size() == 5);
    CHECK(world.node(1).sink.forgotten == (std::vector<PlanId>{PlanId{1}, PlanId{2}, PlanId{3}}));
    world.parcels.clear();
    world.give(1, 0, msg::PlanPrepare{3, plan});  // an old one, told late
    REQUIRE(world.parcels.size() == 1);
    CHECK_FALSE(std::get<msg::PlanAnswer>(world.parcels[0].out.message).ready);
    CHECK(world.node(1).sink.forgotten.size() == 3);
    world.give(1, 0, msg::PlanRetire{5});
    world.give(1, 0, msg::PlanRetire{5});
    world.give(1, 0, msg::PlanRetire{77});
    CHECK(world.node(1).sink.forgotten.back() == PlanId{5});
    CHECK(world.node(1).sink.forgotten.size() == 4);
}

TEST_CASE("a node without a model takes part in nothing and says so") {
    Buffers buffers;
    testing::RecordingSink sink;
    RowFlowsConfig config;
    config.self = testing::node_id(2);
    config.connected = [](const NodeId&) { return true; };
    RowFlows flows(config, buffers);
    RowPlan plan;
    plan.devices = {testing::node_id(1), testing::node_id(2)};
    flows.on(testing::node_id(1), msg::PlanPrepare{1, plan}, {}, sink);
    const auto out = flows.take_outbox();
    REQUIRE(out.size() == 1);
    CHECK(out[0].to == testing::node_id(1));
    CHECK(std::get<msg::PlanAnswer>(out[0].message) == msg::PlanAnswer{1, false, "this node has no model"});
    flows.check_invariants();
}
