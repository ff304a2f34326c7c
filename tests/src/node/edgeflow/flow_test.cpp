// Goal: frames that devices share come to their result whatever the order of messages, each unit is given all it reads,
// nothing is kept longer than needed, and what does not fit the plan is refused. Method: random nets, plans and orders.
#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "flow_world.hpp"

using namespace eddy;
using namespace eddy::node;
using namespace eddy::planner::edgeflow;
using namespace eddy::test;

namespace {

struct Setting {
    Random random;
    Problem problem;
    Plan plan;
    FlowWorld world;

    explicit Setting(uint64_t seed, uint32_t window = 3)
        : random(seed), problem(make_problem(random)), plan(make_plan()), world(problem, plan, window, seed) {}

    static Problem make_problem(Random& random) {
        const graph::ModelGraph graph =
            random_net(random, 4 + static_cast<int64_t>(random.below(12)), 2 + static_cast<int>(random.below(8)));
        ClusterSketch cluster;
        cluster.speeds.assign(1 + random.below(5), 1);
        cluster.source = random.below(cluster.speeds.size());
        return problem_of(graph, linear_profile(graph, 10, 2), cluster);
    }
    Plan make_plan() {
        Blocks blocks(problem);
        return random_plan(blocks, random);
    }
};

/// Two devices, two layers, halves.
struct Halves {
    Problem problem = make_problem();
    Plan plan{{{0, 1, {0, 4, 8}, false}, {1, 2, {0, 4, 8}, false}}};
    FlowWorld world{problem, plan, 2, 1};

    static Problem make_problem() {
        NetBuilder net(8);
        net.convolution(net.convolution(ValueId{0}));
        return problem_of(net.graph(), linear_profile(net.graph(), 10, 2), {});
    }
    void run() {
        while (!world.idle()) world.step();
    }
    /// The frame's lower half, which is kept from the other device.
    FlowWorld::Parcel first_parcel(uint64_t k = 0) {
        world.capture(k);
        for (;;) {
            for (const FlowWorld::Parcel& parcel : world.parcels())
                if (parcel.out.tensors.front().meta.value == ValueId{0}) {
                    FlowWorld::Parcel found = parcel;
                    world.renew(found);
                    world.parcels().clear();
                    return found;
                }
            world.step();
        }
    }
};

}  // namespace

TEST_CASE("every frame comes to its result once, in any order of messages, and leaves nothing behind") {
    CHECK(rc::check("any plan", [] {
        const auto seed = *rc::gen::inRange<uint64_t>(0, 1'000'000'000);
        Setting setting(seed);
        uint64_t begun = 0;
        while (begun < 8 || !setting.world.idle()) {
            RC_ASSERT(!setting.world.idle() || setting.world.source().has_room());
            if (begun < 8 && setting.world.source().has_room() && (setting.world.idle() || setting.random.chance(0.2)))
                setting.world.capture(begun++);
            if (!setting.world.idle()) setting.world.step();
        }
        RC_ASSERT(setting.world.results().size() == 8U);
        RC_ASSERT(setting.world.live() == 0U);
        for (size_t device = 0; device < setting.problem.devices(); ++device) {
            RC_ASSERT(setting.world.flow(device).frames() == 0U);
            RC_ASSERT(setting.world.flow(device).bytes() == 0U);
        }
    }));
}

TEST_CASE("frames that are dropped half-way leave nothing behind, and others come to their result") {
    CHECK(rc::check("any plan", [] {
        const auto seed = *rc::gen::inRange<uint64_t>(0, 1'000'000'000);
        Setting setting(seed);
        setting.world.capture(0);
        setting.world.capture(1);
        for (uint64_t steps = setting.random.below(20); steps > 0 && !setting.world.idle(); --steps)
            setting.world.step();
        setting.world.drop(0);
        while (!setting.world.idle()) setting.world.step();
        RC_ASSERT(setting.world.results().count(1) == 1U);
        RC_ASSERT(setting.world.live() == 0U);
    }));
}

TEST_CASE("the frame that came first goes first") {
    Halves halves;
    Flow& flow = halves.world.source();
    TensorRef frame;
    frame.bytes = flow.plan().tensors()[flow.plan().units()[0].makes[0]].bytes;
    for (const uint64_t k : {7, 3}) flow.begin(flow_frame(k), 1, frame, {}, Instant{});
    CHECK(flow.take(Instant{})->frame.k == 7);
    for (size_t units = 1; flow.can_fire(); ++units) {
        const auto job = flow.take(Instant{});
        if (job->frame.k == 3) CHECK(units > 1);
    }
}

TEST_CASE("rows of a higher attempt take the place of those of a lower one, which come too late then") {
    Halves halves;
    const FlowWorld::Parcel old = halves.first_parcel();
    FlowWorld::Parcel again = old;
    halves.world.renew(again);
    again.attempt = 2;
    Flow& flow = halves.world.flow(1);
    std::vector<TensorRef> released;
    const auto give = [&](const FlowWorld::Parcel& parcel) {
        return flow.receive(flow_frame(0), parcel.attempt, parcel.out.message, parcel.from, parcel.out.tensors, {},
                            Instant{}, released);
    };
    CHECK_FALSE(give(old));
    CHECK(released.empty());
    CHECK_FALSE(give(again));
    REQUIRE(released.size() == 1);
    CHECK(released[0].buffer == old.out.tensors[0].buffer);
    CHECK(flow.attempt_of(flow_frame(0)) == 2);
    CHECK(flow.frames() == 1);
    const auto late = give(old);
    REQUIRE(late);
    CHECK(late->stale);
    flow.check_invariants();
}

TEST_CASE("what does not fit the plan is refused, and tells why") {
    Halves halves;
    const FlowWorld::Parcel good = halves.first_parcel();
    const auto refused = [&](const FlowWorld::Parcel& parcel) {
        std::vector<TensorRef> released;
        const auto objection =
            halves.world.flow(1).receive(flow_frame(parcel.frame), parcel.attempt, parcel.out.message, parcel.from,
                                         parcel.out.tensors, {}, Instant{}, released);
        CHECK(released.empty());
        return objection ? (objection->stale ? "stale: " : "") + objection->why : std::string();
    };
    FlowWorld::Parcel bad = good;
    bad.out.message = 1000;
    CHECK(refused(bad).find("not this device's") != std::string::npos);
    bad = good;
    bad.from = 1;
    CHECK(refused(bad).find("not this device's") != std::string::npos);
    bad = good;
    bad.out.tensors.push_back(bad.out.tensors.front());
    CHECK(refused(bad).find("number of tensors") != std::string::npos);
    bad = good;
    bad.out.tensors.front().bytes += 4;
    CHECK(refused(bad).find("other rows") != std::string::npos);
    bad = good;
    bad.out.tensors.front().meta.rows.begin -= 1;
    CHECK(refused(bad).find("other rows") != std::string::npos);
    bad = good;
    bad.out.tensors.front().meta.value = ValueId{99};
    CHECK(refused(bad).find("other rows") != std::string::npos);
    bad = good;
    std::swap(bad.out.tensors.front().meta.shape[2], bad.out.tensors.front().meta.shape[3]);
    CHECK(refused(bad).find("type or shape") != std::string::npos);
    bad = good;
    bad.out.tensors.front().meta.dtype = DType::i32;
    CHECK(refused(bad).find("type or shape") != std::string::npos);
    CHECK(refused(good).empty());
    CHECK(refused(good).find("stale: the same rows a second time") == 0);
}

TEST_CASE("a pool's sum whose channels are said to come last is refused") {
    NetBuilder net(8);
    net.whole(net.pooled(net.convolution(ValueId{0})));
    const Problem problem = problem_of(net.graph(), linear_profile(net.graph(), 10, 2), {});
    FlowWorld world(problem, {{{0, 1, {0, 4, 8}, false}, {1, 2, {0, 4, 8}, false}, {2, 3, {0, 1, 1}, false}}}, 2, 1);
    world.capture(0);
    size_t sums = 0;
    while (!world.idle()) {
        for (FlowWorld::Parcel parcel : world.parcels()) {
            TensorMeta& meta = parcel.out.tensors.front().meta;
            if (meta.value != ValueId{2}) continue;
            ++sums;
            meta.channels_last = true;
            std::vector<TensorRef> released;
            const auto objection = world.flow(parcel.out.to)
                                       .receive(flow_frame(0), 1, parcel.out.message, parcel.from, parcel.out.tensors,
                                                {}, Instant{}, released);
            REQUIRE(objection);
            CHECK(objection->why.find("type or shape") != std::string::npos);
        }
        world.step();
    }
    CHECK(sums > 0);
    CHECK(world.results().count(0) == 1);
}

TEST_CASE("no more frames than the window holds are taken, and done ones are known again") {
    Halves halves;
    FlowWorld::Parcel parcel = halves.first_parcel();
    std::vector<TensorRef> released;
    const auto give = [&](uint64_t k) {
        return halves.world.flow(1).receive(flow_frame(k), 1, parcel.out.message, parcel.from, parcel.out.tensors, {},
                                            Instant{}, released);
    };
    CHECK_FALSE(give(0));
    CHECK_FALSE(give(1));
    const auto third = give(2);
    REQUIRE(third);
    CHECK(third->stale);
    halves.world.flow(1).drop(flow_frame(0), 1);
    const auto done = give(0);
    REQUIRE(done);
    CHECK(done->why.find("done") != std::string::npos);
    CHECK_FALSE(give(2));
}

TEST_CASE("durations are those of what a unit waited for last") {
    Halves halves;
    Flow& flow = halves.world.source();
    TensorRef frame;
    frame.bytes = flow.plan().tensors()[flow.plan().units()[0].makes[0]].bytes;
    flow.begin(flow_frame(0), 1, frame, {Usec{100}, Usec{0}}, Instant{});
    const auto capture = flow.take(Instant{} + Usec{10});
    REQUIRE(capture);
    CHECK(capture->unit == 0);
    std::vector<TensorRef> cut(flow.plan().outputs_of(flow.plan().units()[0]).size());
    const auto sent = flow.computed(flow_frame(0), 1, 0, cut, Usec{5}, Instant{} + Usec{15});
    REQUIRE(sent);
    CHECK(sent->so_far == Durations{Usec{110}, Usec{5}});
    REQUIRE(sent->sends.size() == 1);
    CHECK(sent->sends[0].so_far == sent->so_far);

    // The second layer waits for the first one here and for rows from the other device.
    const auto first = flow.take(Instant{} + Usec{20});
    REQUIRE(first);
    std::vector<TensorRef> made(flow.plan().outputs_of(flow.plan().units()[first->unit]).size());
    for (TensorRef& tensor : made) tensor.bytes = 1;
    const auto computed = flow.computed(flow_frame(0), 1, first->unit, made, Usec{50}, Instant{} + Usec{70});
    REQUIRE(computed);
    CHECK_FALSE(flow.can_fire());
    const auto& [message, arrival] = *flow.plan().arrivals().begin();
    std::vector<TensorRef> halo;
    for (const uint32_t tensor : arrival.tensors) halo.push_back(ref_of(flow.plan().tensors()[tensor]));
    std::vector<TensorRef> released;
    CHECK_FALSE(flow.receive(flow_frame(0), 1, message, arrival.from, halo, {Usec{-5}, Usec{1000}},
                             Instant{} + Usec{90}, released));
    const auto second = flow.take(Instant{} + Usec{93});
    REQUIRE(second);
    std::vector<TensorRef> last(flow.plan().outputs_of(flow.plan().units()[second->unit]).size());
    const auto end = flow.computed(flow_frame(0), 1, second->unit, last, Usec{7}, Instant{} + Usec{100});
    REQUIRE(end);
    CHECK(end->so_far == Durations{Usec{3}, Usec{1007}});
}
