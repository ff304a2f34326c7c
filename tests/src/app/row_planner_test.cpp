// Goal: a plan made for a node is one that all nodes can carry out, names who takes part and nobody else, and what is
// told of it is what the simulation says, however often it is asked and whatever came before. Method: random clusters
// and nets; the period is reckoned once more from the plan's units and messages; small clusters whose numbers are
// known.
#include "src/app/row_planner.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include <doctest/doctest.h>

#include "planner/edgeflow/evaluator.hpp"
#include "tests/planner/edgeflow/nets.hpp"
#include "tests/support/sanitizers.hpp"

using namespace eddy;
using namespace eddy::app;
using planner::edgeflow::Problem;

namespace {

NodeId node_of(size_t number) {
    NodeId id;
    id.bytes[0] = static_cast<uint8_t>(number + 1);
    return id;
}

ContentHash some_hash() {
    ContentHash hash;
    hash.bytes[7] = 0x77;
    return hash;
}

struct Cluster {
    graph::ModelGraph graph;
    RowProfile profile;
    PlanRequest request;

    [[nodiscard]] Result<PlanProposal> plan() const { return make_row_plan(request, graph, profile, some_hash()); }
};

/// Work that is worth sharing, links that do or do not matter.
Cluster random_cluster(uint64_t seed) {
    Random random(seed);
    const graph::ModelGraph graph =
        test::random_net(random, 6 + static_cast<int64_t>(random.below(20)), 3 + static_cast<int>(random.below(6)));
    RowProfile profile =
        test::linear_profile(graph, random.uniform(20, 400), random.uniform(0, 50), random.uniform(0, 30));
    PlanRequest request;
    request.number = seed;
    const size_t devices = 2 + random.below(3);
    for (size_t d = 0; d < devices; ++d) request.devices.push_back({node_of(d), random.uniform(0.1, 2), UINT64_MAX});
    for (size_t i = 0; i < devices * devices; ++i)
        request.links.push_back({random.uniform(1e6, 2e8), Usec(static_cast<int64_t>(random.below(300)))});
    request.window = 1 + static_cast<uint32_t>(random.below(3));
    return {graph, std::move(profile), std::move(request)};
}

struct Story {
    Cluster cluster;
    PlanProposal made;  ///< its first plan
};

/// A good many; planned once, since that takes its time.
const std::vector<Story>& stories() {
    static const std::vector<Story> all = [] {
        std::vector<Story> told;
        for (uint64_t seed = 1; seed <= test::times<uint64_t>(16, 4); ++seed) {
            Cluster cluster = random_cluster(seed);
            auto made = cluster.plan();
            REQUIRE(made.ok());
            told.push_back({std::move(cluster), *std::move(made)});
        }
        return told;
    }();
    return all;
}

template <class Check>
void for_clusters(const Check& check) {
    for (const Story& story : stories()) {
        CAPTURE(story.cluster.request.number);
        check(story.cluster, story.made);
    }
}

bool equal(const PlanProposal& a, const PlanProposal& b) {
    return a.plan == b.plan && a.latency == b.latency && a.period == b.period && a.latency_before == b.latency_before &&
           a.alone == b.alone;
}

/// The problem as only the devices of a plan see it.
Problem problem_of(const Cluster& cluster, const RowPlan& plan) {
    std::vector<size_t> places;
    for (const NodeId& node : plan.devices)
        for (size_t d = 0; d < cluster.request.devices.size(); ++d)
            if (cluster.request.devices[d].node == node) places.push_back(d);
    Problem::Parts parts{cluster.graph, {cluster.profile}, {}, {}, {}, 0, plan.window};
    for (const size_t d : places) parts.devices.push_back({"", 0, cluster.request.devices[d].speed});
    for (const size_t from : places)
        for (const size_t to : places) {
            const auto& link = cluster.request.links[from * cluster.request.devices.size() + to];
            parts.links.push_back({link.bytes_per_s / 1e6, static_cast<double>(link.delay.count())});
        }
    return Problem::make(std::move(parts)).value();
}

planner::edgeflow::Plan plan_of(const RowPlan& told) {
    planner::edgeflow::Plan plan;
    for (const RowBlock& block : told.blocks)
        plan.blocks.push_back(
            {block.first, block.last, {block.bounds.begin(), block.bounds.end()}, block.boundary_first});
    return plan;
}

/// What each processor and each port, outwards and inwards, has to do for a frame.
double busiest_us(const Problem& problem, const planner::edgeflow::UnitGraph& graph) {
    double most = 0;
    for (uint32_t device = 0; device < problem.devices(); ++device) {
        double computes = 0, handles = 0, sends = 0, receives = 0;
        for (const auto& unit : graph.units)
            if (unit.device == device) computes += unit.cost_us;
        for (const auto& message : graph.messages) {
            const uint32_t from = graph.units[message.unit].device;
            const auto bytes = static_cast<double>(message.bytes);
            for (const uint32_t end : {from, message.to})
                if (end == device) handles += problem.message().fixed_us + problem.message().us_per_byte * bytes;
            const double wire = bytes / problem.link(from, message.to).bytes_per_us;
            if (from == device) sends += wire;
            if (message.to == device) receives += wire;
        }
        most = std::max({most, computes + handles, sends, receives});
    }
    return most;
}

/// One convolution of 40 rows: 100 a row, 50 besides; so 4050 for all.
Cluster one_convolution(size_t devices, double bytes_per_s = 1e9) {
    test::NetBuilder net(40);
    net.convolution(ValueId{0});
    Cluster made{net.graph(), {}, {}};
    made.profile = test::linear_profile(made.graph, 100, 50);
    for (size_t d = 0; d < devices; ++d) made.request.devices.push_back({node_of(d), 1, UINT64_MAX});
    made.request.links.assign(devices * devices, {bytes_per_s, Usec{10}});
    return made;
}

}  // namespace

TEST_CASE("most of the clusters here are worth sharing work in, or nothing would be tested") {
    const auto shared = [](const Story& story) { return story.made.plan.devices.size() > 1; };
    CHECK(std::count_if(stories().begin(), stories().end(), shared) > static_cast<long>(stories().size() / 2));
}

TEST_CASE("a plan names the source and who has rows, and shares out all rows of all steps among them") {
    for_clusters([](const Cluster& cluster, const PlanProposal& made) {
        const RowPlan& plan = made.plan;
        CHECK(plan.chain_hash == some_hash());
        CHECK(plan.window == cluster.request.window);
        REQUIRE(plan.devices.at(0) == cluster.request.devices[0].node);
        CHECK(std::set<NodeId>(plan.devices.begin(), plan.devices.end()).size() == plan.devices.size());
        std::vector<bool> has_rows(plan.devices.size(), false);
        for (const RowBlock& block : plan.blocks) {
            REQUIRE(block.bounds.size() == plan.devices.size() + 1);
            CHECK(std::is_sorted(block.bounds.begin(), block.bounds.end()));
            for (size_t d = 0; d < plan.devices.size(); ++d)
                if (block.bounds[d] < block.bounds[d + 1]) has_rows[d] = true;
        }
        CHECK(std::find(has_rows.begin() + 1, has_rows.end(), false) == has_rows.end());
        // Bounds begin with 0, end with all rows, and blocks leave nothing out.
        const Problem problem = problem_of(cluster, plan);
        planner::edgeflow::Blocks blocks(problem);
        const Status checked = check_plan(blocks, plan_of(plan));
        CHECK_MESSAGE(checked.ok(), (checked.ok() ? "" : checked.error().message));
    });
}

TEST_CASE("what is predicted is what the simulation of the plan alone says, and no slower than the source alone") {
    for_clusters([](const Cluster& cluster, const PlanProposal& made) {
        const Problem problem = problem_of(cluster, made.plan);
        planner::edgeflow::Evaluator evaluator(problem);
        CHECK(made.latency == Usec(static_cast<int64_t>(evaluator.latency_us(plan_of(made.plan)))));
        CHECK(made.latency <= made.alone);
        // What gains less than predictions are wrong by is not divided.
        if (made.latency < made.alone)
            CHECK(1.03 * static_cast<double>(made.latency.count()) < 2 + static_cast<double>(made.alone.count()));
        if (made.latency == made.alone) CHECK(made.plan.devices.size() == 1);
        CHECK(made.latency_before == Usec{0});
        const double speed = cluster.request.devices[0].speed;
        double alone_us = cluster.profile.unit_us;
        for (const StepTimes& step : cluster.profile.steps) alone_us += step.times.back().time_us;
        CHECK(static_cast<double>(made.alone.count()) <= Problem::Parts{}.dispatch_us + alone_us / speed);
    });
}

TEST_CASE("the period is what the busiest processor or port needs, with messages, and is within its bounds") {
    for_clusters([](const Cluster& cluster, const PlanProposal& made) {
        const Problem problem = problem_of(cluster, made.plan);
        planner::edgeflow::Blocks blocks(problem);
        const double busiest = busiest_us(problem, units_of(blocks, plan_of(made.plan)));
        CHECK(static_cast<double>(made.period.count()) == doctest::Approx(busiest).epsilon(1e-9).scale(1e9));
        CHECK(made.period <= made.latency);
        // All together compute at least what one would: the busiest has its share of that, by its speed.
        double speeds = 0;
        for (const auto& device : cluster.request.devices) speeds += device.speed;
        const double work = static_cast<double>(made.alone.count()) * cluster.request.devices[0].speed;
        CHECK(static_cast<double>(made.period.count() + 1) * speeds >= work);
    });
}

TEST_CASE("a port that is slower than all processors is the period, outwards as well as inwards") {
    for (const bool outwards : {true, false}) {
        CAPTURE(outwards);
        // Three fast devices help a slow source; either what they are given or what they give back is large.
        Cluster cluster = one_convolution(4, 1e7);
        test::NetBuilder net(40, outwards ? 40 : 4);
        net.convolution(ValueId{0}, 1, 1, outwards ? 4 : 40);
        cluster.graph = net.graph();
        cluster.request.devices[0].speed = 0.02;
        const auto made = cluster.plan();
        REQUIRE(made.ok());
        REQUIRE(made->plan.devices.size() > 2);
        const Problem problem = problem_of(cluster, made->plan);
        planner::edgeflow::Blocks blocks(problem);
        double bytes = 0;
        const auto units = units_of(blocks, plan_of(made->plan));
        for (const auto& message : units.messages)
            if ((message.to == 0) != outwards) bytes += static_cast<double>(message.bytes);
        CHECK(made->period == Usec(static_cast<int64_t>(bytes / 10)));
    }
}

TEST_CASE("where links become too slow for it, the last plan that divides rows is still clearly better than none") {
    Cluster cluster = random_cluster(5);
    cluster.request.devices.resize(2);
    const auto made = [&](double bytes_per_s) {
        cluster.request.links.assign(4, {bytes_per_s, Usec{100}});
        return cluster.plan().value();
    };
    double divided = 1e8;
    double alone = 1e3;
    REQUIRE(made(divided).plan.devices.size() > 1);
    REQUIRE(made(alone).plan.devices.size() == 1);
    while (divided / alone > 1.002) {
        const double middle = std::sqrt(divided * alone);
        (made(middle).plan.devices.size() > 1 ? divided : alone) = middle;
    }
    const PlanProposal last = made(divided);
    CHECK(static_cast<double>(last.alone.count()) > 1.029 * static_cast<double>(last.latency.count()));
    CHECK(made(alone).latency == made(alone).alone);
}

TEST_CASE("other planners divide rows as they always do, and what is told of their plans is as true") {
    Cluster cluster = random_cluster(5);
    const auto made = [&](RowPlannerKind kind) {
        return make_row_plan(cluster.request, cluster.graph, cluster.profile, some_hash(), kind).value();
    };
    const size_t devices = cluster.request.devices.size();
    const auto ours = made(RowPlannerKind::fused_blocks);
    for (const auto kind : {RowPlannerKind::equal, RowPlannerKind::proportional, RowPlannerKind::progressive_lp}) {
        CAPTURE(name_of(kind));
        const auto plan = made(kind);
        CHECK(plan.latency >= ours.latency);
        CHECK(plan.alone == ours.alone);
        cluster.request.from = plan.plan;
        CHECK(made(kind).plan == plan.plan);
        CHECK(made(kind).latency_before == plan.latency);
        cluster.request.from.reset();
    }
    CHECK(made(RowPlannerKind::equal).plan.devices.size() == devices);
    for (const RowBlock& block : made(RowPlannerKind::equal).plan.blocks) CHECK(block.last == block.first + 1);
    cluster.request.links.assign(devices * devices, {1e3, Usec{100}});
    CHECK(made(RowPlannerKind::equal).plan.devices.size() == devices);
    CHECK(made(RowPlannerKind::fused_blocks).plan.devices.size() == 1);
}

TEST_CASE("a device alone takes the profile's times by its speed, and is its own period") {
    Cluster cluster = one_convolution(1);
    cluster.request.devices[0].speed = 0.5;
    const auto made = cluster.plan();
    REQUIRE(made.ok());
    CHECK(made->latency == Usec{8160});
    CHECK(made->alone == Usec{8160});
    CHECK(made->period == Usec{8160});
    CHECK(made->plan.devices == std::vector<NodeId>{node_of(0)});
    REQUIRE(made->plan.blocks.size() == 1);
    CHECK(made->plan.blocks[0].bounds == std::vector<uint32_t>{0, 40});
}

TEST_CASE("a source that only has others compute is named without rows") {
    Cluster cluster = one_convolution(3);
    cluster.request.devices[0].speed = 0.001;
    cluster.request.devices[1].speed = 0.001;
    const auto made = cluster.plan();
    REQUIRE(made.ok());
    CHECK(made->plan.devices == std::vector<NodeId>{node_of(0), node_of(2)});
    CHECK(made->plan.blocks.at(0).bounds == std::vector<uint32_t>{0, 0, 40});
    CHECK(made->alone == Usec{4050060});
}

TEST_CASE("a plan that is told back is judged as it was predicted, and the next is not worse") {
    for_clusters([](const Cluster& cluster, const PlanProposal& made) {
        for (const bool afresh : {false, true}) {
            Cluster again = cluster;
            again.request.from = made.plan;
            again.request.afresh = afresh;
            const auto next = again.plan();
            REQUIRE(next.ok());
            CHECK(next->latency_before == made.latency);
            CHECK(next->alone == made.alone);
            if (!afresh) CHECK(next->latency <= made.latency);
            if (afresh) CHECK(next->latency == made.latency);  // found as if nothing had been before
        }
    });
}

TEST_CASE("a plan lives on when a device joins, and cannot when one that it names is gone") {
    for_clusters([](const Cluster& cluster, const PlanProposal& made) {
        const size_t before = cluster.request.devices.size();
        Cluster more = cluster;
        more.request.from = made.plan;
        more.request.devices.insert(more.request.devices.begin() + 1, {node_of(77), 0.001, UINT64_MAX});
        more.request.links.clear();
        for (size_t from = 0; from <= before; ++from)
            for (size_t to = 0; to <= before; ++to) {
                const bool known = from != 1 && to != 1;
                const size_t at = (from - (from > 1 ? 1 : 0)) * before + to - (to > 1 ? 1 : 0);
                more.request.links.push_back(known ? cluster.request.links[at] : PlanRequest::Link{1e6, Usec{100}});
            }
        const auto joined = more.plan();
        REQUIRE(joined.ok());
        CHECK(joined->latency_before == made.latency);
        CHECK(joined->latency <= made.latency);
        if (made.plan.devices.size() == 1) return;
        Cluster less = cluster;
        less.request.from = made.plan;
        for (auto& device : less.request.devices)
            if (device.node == made.plan.devices.back()) device.node = node_of(99);
        const auto left = less.plan();
        REQUIRE(left.ok());
        CHECK(left->latency_before == Usec{0});
        CHECK(std::find(left->plan.devices.begin(), left->plan.devices.end(), made.plan.devices.back()) ==
              left->plan.devices.end());
    });
}

TEST_CASE("what a plan in use would take by now is told when speeds have changed") {
    Cluster cluster = one_convolution(2);
    const auto made = cluster.plan();
    REQUIRE(made.ok());
    REQUIRE(made->plan.devices.size() == 2);
    cluster.request.from = made->plan;
    cluster.request.devices[1].speed = 0.1;
    const auto next = cluster.plan();
    REQUIRE(next.ok());
    CHECK(next->latency_before > made->latency * 5);
    CHECK(next->latency < next->latency_before);
    cluster.request.devices[1].speed = 1e-300;  // by a measurement that is none
    CHECK(cluster.plan()->latency_before > made->latency);
}

TEST_CASE("what a plan in use takes is told by its own window, also where a wider one does not fit") {
    Cluster cluster = one_convolution(2);
    const auto made = cluster.plan();
    REQUIRE(made.ok());
    REQUIRE(made->plan.devices.size() == 2);
    const Problem problem = problem_of(cluster, made->plan);
    planner::edgeflow::Blocks blocks(problem);
    const auto memory = units_of(blocks, plan_of(made->plan)).memory.at(1);
    cluster.request.from = made->plan;
    cluster.request.devices[1].memory_bytes = memory.weight_bytes + memory.of_frames(1);
    cluster.request.window = 4;
    const auto next = cluster.plan();
    REQUIRE(next.ok());
    CHECK(next->latency_before == made->latency);
    CHECK(next->latency > made->latency);
}

TEST_CASE("a plan of another model, or one that is none at all, is as if there were none") {
    Cluster cluster = one_convolution(2);
    const auto made = cluster.plan();
    REQUIRE(made.ok());
    const auto without = [&](RowPlan told) {
        cluster.request.from = std::move(told);
        const auto next = cluster.plan();
        REQUIRE(next.ok());
        CHECK(next->latency_before == Usec{0});
        CHECK(next->plan == made->plan);
    };
    RowPlan wrong = made->plan;
    wrong.blocks[0].bounds.back() = 39;
    without(wrong);
    wrong.blocks[0].bounds.pop_back();
    without(wrong);
    wrong = made->plan;
    wrong.blocks[0].last = 5;
    without(wrong);
    wrong.blocks.clear();
    without(wrong);
    wrong = made->plan;
    std::swap(wrong.devices[0], wrong.devices[1]);
    without(wrong);
}

TEST_CASE("equal requests give equal plans") {
    for_clusters([](const Cluster& cluster, const PlanProposal& made) {
        const auto again = cluster.plan();
        REQUIRE(again.ok());
        CHECK(equal(*again, made));
    });
}

TEST_CASE("a plan that does not fit memory any more is told as none, and one that does is found") {
    Cluster cluster = one_convolution(2);
    const auto made = cluster.plan();
    REQUIRE(made.ok());
    cluster.request.from = made->plan;
    cluster.request.devices[1].memory_bytes = 16;
    const auto next = cluster.plan();
    REQUIRE(next.ok());
    CHECK(next->latency_before == Usec{0});
    CHECK(next->plan.devices == std::vector<NodeId>{node_of(0)});
    CHECK(next->latency == next->alone);
}

TEST_CASE("what cannot be planned is told in words") {
    const auto why = [](const Cluster& cluster) {
        const auto made = cluster.plan();
        REQUIRE_FALSE(made.ok());
        return made.error().message;
    };
    Cluster cluster = one_convolution(2);
    for (auto& device : cluster.request.devices) device.memory_bytes = 16;
    CHECK(why(cluster) == "no plan fits the devices' memory: not even one with everything on one device");
    cluster = one_convolution(2);
    cluster.request.devices[1].speed = 0;
    CHECK(why(cluster) == short_name(node_of(1)) + ": its speed must be above 0");
    cluster.request.devices[1].speed = std::numeric_limits<double>::quiet_NaN();
    CHECK(why(cluster) == short_name(node_of(1)) + ": its speed must be above 0");
    cluster = one_convolution(2);
    cluster.request.links[1].bytes_per_s = 0;
    CHECK(why(cluster) == "a link's speed must be above 0, its delay 0 or more");
    cluster.request.links.pop_back();
    CHECK(why(cluster) == "there is not one link from each device to each");
    CHECK(why(one_convolution(0)) == "0 devices, allowed: 1 to 16");
    CHECK(why(one_convolution(17)) == "17 devices, allowed: 1 to 16");
    cluster = one_convolution(2);
    cluster.profile.steps.clear();
    CHECK(why(cluster).find("has 0 steps, the model 1") != std::string::npos);
}
