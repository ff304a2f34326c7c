// Goal: frames by rows come to their end at their source whatever the order of things, under plans that follow each
// other, and nothing of them stays anywhere. Method: nodes joined in memory; random nets, plans and orders, and by
// hand.
#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "halves.hpp"

using namespace eddy;
using namespace eddy::node;
using namespace eddy::test;

namespace {

uint64_t any_seed() { return *rc::gen::inRange<uint64_t>(0, 1'000'000'000); }

/// Captures frames as there is room, until so many have begun and all is done.
void capture_and_run(RandomRows& rows, uint64_t frames, uint64_t first = 0) {
    for (uint64_t begun = 0; begun < frames || !rows.world.idle();) {
        const bool room = begun < frames && rows.world.flows(rows.source).has_room();
        RC_ASSERT(room || !rows.world.idle());
        if (room && (rows.world.idle() || rows.world.random().chance(0.2)))
            rows.world.capture(rows.source, first + begun++);
        else
            rows.world.step();
    }
}

}  // namespace

TEST_CASE("every frame by rows ends at its source once, in any order, and leaves nothing anywhere") {
    CHECK(rc::check("any net, plan and order", [] {
        const auto seed = any_seed();
        RandomRows rows(seed, 1 + seed % 2);
        rows.use(rows.plan(1 + static_cast<uint32_t>(seed % 3)));
        capture_and_run(rows, 6);
        RC_ASSERT(rows.world.results.size() == 6U);
        RC_ASSERT(rows.world.clean());
        RC_ASSERT_FALSE(rows.world.alone);
        RC_ASSERT(rows.world.flows(rows.source).failures() == 0U);
        for (size_t i = 0; i < rows.world.nodes(); ++i) {
            RC_ASSERT(rows.world.node(i).offences == 0U);
            RC_ASSERT(rows.world.flows(i).stale_rows() == 0U);
            RC_ASSERT(rows.world.node(i).broken.empty());
        }
    }));
}

TEST_CASE(
    "an order tells how many bytes of inputs are put together: own rows and the neighbour's, not what comes whole") {
    Halves halves;
    RowWorld& world = halves.in_use();
    for (size_t node = 0; node < 2; ++node) {
        std::vector<UnitOrder> computed = world.node(node).sink.compiled.back().second;
        std::erase_if(computed, [](const UnitOrder& order) { return order.kind != UnitOrder::Kind::compute; });
        REQUIRE(computed.size() == 2);
        CHECK(computed[0].inputs.size() == 1);
        CHECK(computed[0].gathered_bytes == 0);
        REQUIRE(computed[1].inputs.size() == 2);
        CHECK(computed[1].gathered_bytes == computed[1].inputs[0].bytes + computed[1].inputs[1].bytes);
    }
}

TEST_CASE("make before break: frames end under the plan they began with, and all forget it when the last has") {
    CHECK(rc::check("two plans after each other", [] {
        RandomRows rows(any_seed());
        RowWorld& world = rows.world;
        rows.use(rows.plan(2));
        const RowPlan first = *world.flows(rows.source).current();
        world.capture(rows.source, 0);
        world.capture(rows.source, 1);
        for (uint64_t steps = world.random().below(20); steps > 0 && !world.idle(); --steps) world.step();
        RowPlan next = rows.plan(2);
        next.window = 3;  // so that it is another
        world.propose(rows.source, next);
        RC_ASSERT(world.flows(rows.source).current()->window == first.window);
        RC_ASSERT(world.flows(rows.source).preparing());
        capture_and_run(rows, 5, 2);
        RC_ASSERT(world.results.size() == 7U);
        RC_ASSERT(world.flows(rows.source).current()->window == 3U);
        RC_ASSERT(world.clean());
        for (size_t i = 0; i < world.nodes(); ++i) {
            RC_ASSERT(world.node(i).broken.empty());
            RC_ASSERT(world.node(i).sink.forgotten == std::vector<PlanId>{PlanId{1}});
            RC_ASSERT(world.flows(i).stale_rows() == 0U);
        }
    }));
}

TEST_CASE("a third plan ends the first, whose frames are begun anew, for devices know two of a source") {
    CHECK(rc::check("while frames of the first are under way", [] {
        RandomRows rows(any_seed());
        RowWorld& world = rows.world;
        RowFlows& source = world.flows(rows.source);
        rows.use(rows.plan(2));
        CHECK(source.may_propose());
        world.capture(rows.source, 0);
        world.capture(rows.source, 1);
        // Their units take long: only what plans need goes on.
        const auto prepare_all = [&] {
            while (source.preparing()) {
                RC_ASSERT(!world.compiles.empty() || !world.parcels.empty());
                if (!world.compiles.empty())
                    world.compiled(0);
                else
                    world.deliver(0);
            }
        };
        world.propose(rows.source, rows.plan(2));
        prepare_all();
        RC_ASSERT_FALSE(source.may_propose());
        RC_ASSERT(world.node(rows.source).broken.empty());
        world.propose(rows.source, rows.plan(2));
        RC_ASSERT(world.node(rows.source).broken.size() == 2U);
        RC_ASSERT(source.failures() == 0U);
        prepare_all();
        for (const FrameId& frame : world.node(rows.source).broken) world.begin(frame);
        world.run();
        RC_ASSERT(world.results.size() == 2U);
        RC_ASSERT(world.clean());
        for (size_t i = 0; i < world.nodes(); ++i)
            RC_ASSERT(world.node(i).sink.forgotten == (std::vector<PlanId>{PlanId{1}, PlanId{2}}));
    }));
}

TEST_CASE("a frame that nobody waits for is dropped at all devices, and the others end") {
    CHECK(rc::check("at any time", [] {
        RandomRows rows(any_seed());
        RowWorld& world = rows.world;
        rows.use(rows.plan(2));
        world.capture(rows.source, 0);
        world.capture(rows.source, 1);
        for (uint64_t steps = world.random().below(20); steps > 0 && !world.idle(); --steps) world.step();
        const bool ended = world.results.count(world.frame(rows.source, 0)) != 0;
        if (!ended) world.settle(world.frame(rows.source, 0));
        RC_ASSERT_FALSE(world.flows(rows.source).has(world.frame(rows.source, 0)));
        world.run();
        RC_ASSERT(world.results.size() == (ended ? 2U : 1U));
        RC_ASSERT(world.clean());
        capture_and_run(rows, 3, 2);
        RC_ASSERT(world.clean());
        for (size_t i = 0; i < world.nodes(); ++i) RC_ASSERT(world.node(i).offences == 0U);
    }));
}

TEST_CASE("who wants no plan any more lets frames end, and then all forget it") {
    Halves halves;
    RowWorld& world = halves.in_use();
    world.capture(0, 0);
    world.flows(0).stop(world.node(0).sink);
    CHECK(world.flows(0).current() == nullptr);
    CHECK_FALSE(world.flows(0).has_room());
    world.run();
    CHECK(world.results.size() == 1);
    CHECK(world.clean());
    for (size_t i = 0; i < 2; ++i) CHECK(world.node(i).sink.forgotten.size() == 1);
}

TEST_CASE("a plan of one device alone is used without a word to anybody") {
    Halves halves;
    RowWorld& world = halves.world;
    RowPlan plan = halves.plan;
    plan.devices = {world.node(0).id};
    for (RowBlock& block : plan.blocks) block.bounds = {0, 8};
    world.propose(0, plan);
    CHECK(world.parcels.empty());
    world.run();
    world.capture(0, 0);
    world.run();
    CHECK(world.results.size() == 1);
    CHECK(world.alone);
    CHECK(world.flows(0).own_epochs() == 1);
    CHECK(world.clean());
}

TEST_CASE("a device answers when it has compiled its units and reaches all that it exchanges rows with") {
    Halves halves(3);
    RowWorld& world = halves.world;
    world.cut.insert({1, 2});
    RowPlan plan = halves.plan;
    SUBCASE("not yet connected to the other") {
        for (RowBlock& block : plan.blocks) block.bounds = {0, 2, 4, 8};
        world.propose(0, plan);
        world.run();
        world.tick();
        world.run();
        CHECK(world.flows(0).current() == nullptr);
        CHECK(world.flows(0).preparing());
        world.cut.clear();
        world.tick();
        world.run();
    }
    SUBCASE("nothing is exchanged with it") {
        for (RowBlock& block : plan.blocks) block.bounds = {0, 4, 4, 8};
        world.propose(0, plan);
        world.run();
    }
    CHECK(world.flows(0).current() != nullptr);
    world.capture(0, 0);
    world.run();
    CHECK(world.results.size() == 1);
    CHECK(world.clean());
}

TEST_CASE("frames after those that were cancelled go by rows before the cancels have come") {
    Halves halves;
    RowWorld& world = halves.in_use();
    const auto go_on = [&] {  // with all but cancels, which come last
        for (;;) {
            const auto next = std::find_if(world.parcels.begin(), world.parcels.end(), [](const auto& parcel) {
                return !std::holds_alternative<msg::RowsCancel>(parcel.out.message);
            });
            if (next != world.parcels.end())
                world.deliver(static_cast<size_t>(next - world.parcels.begin()));
            else if (!world.jobs.empty())
                world.computed(0);
            else
                return;
        }
    };
    for (uint64_t k = 0; k < 2; ++k) {
        const auto rows = halves.first_rows(k);
        world.give(1, 0, *rows.rows(), rows.out.tensors);
        world.settle(world.frame(0, k));
    }
    for (uint64_t k = 2; k < 4; ++k) world.capture(0, k);
    go_on();
    CHECK(world.results.count(world.frame(0, 2)) == 1);
    CHECK(world.results.count(world.frame(0, 3)) == 1);
    world.run();
    CHECK(world.clean());
}

TEST_CASE("a device that is asked again says again that it is ready") {
    Halves halves;
    RowWorld& world = halves.in_use();
    RowPlan plan = *world.flows(0).current();
    world.give(1, 0, msg::PlanPrepare{1, plan});
    REQUIRE(world.parcels.size() == 1);
    CHECK(std::get<msg::PlanAnswer>(world.parcels[0].out.message) == msg::PlanAnswer{1, true, ""});
    CHECK(world.compiles.empty());
    world.run();
    world.tick();
    CHECK(world.parcels.empty());
}

TEST_CASE("of two sources' plans the one with more frames under way for the time left is worked on first") {
    Halves halves(2, 0);
    RowWorld& world = halves.world;
    world.propose(0, halves.plan);
    world.propose(1, halves.plan);
    world.run();
    CHECK(world.flows(0).weight() == 0);
    CHECK_FALSE(world.flows(0).take(JobId{1}, world.now));
    size_t own = 1;
    size_t others = 2;
    SUBCASE("the other's") {}
    SUBCASE("the own") { std::swap(own, others); }
    for (uint64_t k = 0; k < own; ++k) world.capture(0, k);
    const double alone = world.flows(0).weight();
    CHECK(alone > 0);
    for (uint64_t k = 0; k < others; ++k) world.capture(1, 10 + k);
    // The other source cuts its frames, and this one gets its part of them.
    while (world.flows(1).weight() > 0) {
        world.start(1);
        world.computed(0);
    }
    world.run();
    CHECK((world.flows(0).weight() > alone) == (others > own));
    world.start(0);
    REQUIRE(world.jobs.size() == 1);
    CHECK((world.jobs[0].second.units.plan == PlanId{2}) == (others > own));
}

TEST_CASE("pace is what units take here over what the row profile says, and makes weights smaller") {
    Halves halves(2, 0);
    RowWorld& world = halves.in_use();
    CHECK_FALSE(world.flows(0).pace());
    world.capture(0, 0);
    world.start(0);
    world.computed(0);  // the capture, of which nothing is expected
    CHECK_FALSE(world.flows(0).pace());
    const double before = world.flows(0).weight();
    world.start(0);
    world.computed(0, "", Usec{3 * 42});  // four rows of ten and two
    REQUIRE(world.flows(0).pace());
    CHECK(*world.flows(0).pace() == doctest::Approx(3));
    CHECK(before == doctest::Approx(1e6 / 84));
    world.run();
    while (world.flows(1).weight() > 0) {
        world.start(1);
        world.computed(0);
        world.run();
    }
    CHECK(world.flows(0).weight() == doctest::Approx(1e6 / (3 * 42)));
    world.start(0);
    world.computed(0);  // one unit that was quick for once changes little
    CHECK(*world.flows(0).pace() < 3);
    CHECK(*world.flows(0).pace() > 2.99);
}

TEST_CASE("who drops frames can begin others in their place when the devices know, whatever rows come late") {
    CHECK(rc::check("one frame at a time", [] {
        RandomRows rows(any_seed());
        RowWorld& world = rows.world;
        rows.use(rows.plan(1));
        for (uint64_t k = 0; k < 4; ++k) {
            world.capture(rows.source, k);
            for (uint64_t steps = world.random().below(20); steps > 0 && !world.idle(); --steps) world.step();
            const FrameId frame = world.frame(rows.source, k);
            if (world.results.count(frame) == 0) world.settle(frame);
            for (size_t i = 0; i < world.parcels.size();)
                if (world.parcels[i].rows() == nullptr)
                    world.deliver(i);
                else
                    ++i;
        }
        world.capture(rows.source, 4);
        world.run();
        RC_ASSERT(world.results.count(world.frame(rows.source, 4)) == 1U);
    }));
}
