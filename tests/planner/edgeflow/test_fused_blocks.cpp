// Goal: the planner comes close to the best plan there is, never predicts more than one device alone takes, and keeps
// to memory. Method: exhaustive search on small cases; properties on random nets and clusters.
#include <algorithm>
#include <numeric>
#include <set>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "exhaustive.hpp"
#include "nets.hpp"
#include "planner/edgeflow/fused_blocks.hpp"
#include "planner/edgeflow/moves.hpp"
#include "planner/edgeflow/seeds.hpp"
#include "planner/edgeflow/splits.hpp"
#include "random_plans.hpp"
#include "tests/support/sanitizers.hpp"

using namespace eddy;
using namespace eddy::planner::edgeflow;
using namespace eddy::test;

namespace {

/// Few rows and steps, links that matter, speeds that differ.
Problem small_problem(Random& random, size_t devices) {
    const graph::ModelGraph graph = [&] {
        for (;;) {
            const graph::ModelGraph made =
                random_net(random, devices == 2 ? 6 : 4, 2 + static_cast<int>(random.below(4)));
            const size_t steps = graph::row_steps(made, graph::row_rules(made)).size();
            if (steps <= (devices == 2 ? 4U : 3U)) return made;
        }
    }();
    ClusterSketch cluster;
    cluster.speeds.clear();
    for (size_t i = 0; i < devices; ++i) cluster.speeds.push_back(random.uniform(0.2, 1));
    cluster.bytes_per_us = random.uniform(5, 100);
    cluster.message = {random.uniform(0, 10), 0.0005};
    cluster.source = random.below(devices);
    const double row_us = random.uniform(5, 40);
    const double step_us = random.uniform(0, 10);
    return problem_of(graph, linear_profile(graph, row_us, step_us), cluster);
}

double one_device_us(const Problem& problem) {
    Evaluator evaluator(problem);
    double best = std::numeric_limits<double>::infinity();
    for (size_t device = 0; device < problem.devices(); ++device)
        if (problem.device(device).has_model)
            best = std::min(best, evaluator.latency_us(one_device_plan(evaluator.blocks(), device)));
    return best;
}

Problem random_problem(Random& random) {
    const graph::ModelGraph graph =
        random_net(random, 8 + static_cast<int64_t>(random.below(20)), 3 + static_cast<int>(random.below(10)));
    ClusterSketch cluster;
    cluster.speeds.clear();
    for (size_t i = 1 + random.below(6); i > 0; --i) cluster.speeds.push_back(random.uniform(0.1, 1));
    cluster.source = random.below(cluster.speeds.size());
    cluster.bytes_per_us = random.uniform(1, 200);
    cluster.message = {random.uniform(0, 50), 0.001};
    const double row_us = random.uniform(1, 50);
    const double step_us = random.uniform(0, 20);
    return problem_of(graph, linear_profile(graph, row_us, step_us), cluster);
}

bool same(const Move& a, const Move& b) {
    return a.kind == b.kind && a.block == b.block && a.index == b.index && a.by == b.by;
}

}  // namespace

TEST_CASE("a move drawn at random is one of all there are, every kind is drawn, and what it makes is a plan") {
    std::set<Move::Kind> kinds;
    CHECK(rc::check("any plan", [&] {
        Random random(*rc::gen::arbitrary<uint64_t>());
        const Problem problem = random_problem(random);
        Blocks blocks(problem);
        Moves moves(blocks, weight_sets(problem));
        const Plan plan = random_plan(blocks, random);
        const std::vector<Move> all = moves.all(plan);
        for (int i = 0; i < 50; ++i) {
            const Move move = moves.any(plan, random);
            const auto made = moves.apply(plan, move);
            if (!made) continue;
            kinds.insert(move.kind);
            RC_ASSERT(std::any_of(all.begin(), all.end(), [&](const Move& each) { return same(each, move); }));
            RC_ASSERT(*made != plan);
            RC_ASSERT(check_plan(blocks, *made).ok());
        }
    }));
    CHECK(kinds.size() == 7);
}

TEST_CASE("where there is nothing to divide the planner ends all the same") {
    const graph::ModelGraph graph = [] {
        for (Random random(3);;)
            if (const auto made = random_net(random, 1, 1); graph::row_steps(made, graph::row_rules(made)).size() == 1)
                return made;
    }();
    ClusterSketch cluster;
    cluster.speeds = {1};
    const Problem problem = problem_of(graph, linear_profile(graph, 10, 1), cluster);
    CHECK(plan_fused_blocks(problem).value().latency_us == doctest::Approx(one_device_us(problem)));
}

TEST_CASE("on small cases the plan found is within two per cent of the best there is, in the mean") {
    std::vector<double> gaps;
    for (uint64_t seed = 1; seed <= test::times<uint64_t>(24, 6); ++seed) {
        CAPTURE(seed);
        Random random(seed);
        const Problem problem = small_problem(random, seed % 3 == 0 ? 3 : 2);
        const double best_us = Exhaustive(problem).best_us();
        const auto planned = plan_fused_blocks(problem);
        REQUIRE(planned.ok());
        CHECK(planned->latency_us >= best_us * (1 - 1e-9));
        gaps.push_back(planned->latency_us / best_us);
        CHECK(gaps.back() < 1.10);
    }
    const double mean = std::accumulate(gaps.begin(), gaps.end(), 0.0) / static_cast<double>(gaps.size());
    MESSAGE("gap to the best plan: mean " << mean << ", worst " << *std::max_element(gaps.begin(), gaps.end()));
    CHECK(mean <= 1.02);
}

TEST_CASE("no plan is predicted to take longer than the best device alone") {
    CHECK(rc::check("any cluster", [] {
        Random random(*rc::gen::inRange<uint64_t>(0, 1'000'000'000));
        const Problem problem = random_problem(random);
        const auto planned = plan_fused_blocks(problem, {.evaluations_max = 60});
        RC_ASSERT(planned.ok());
        RC_ASSERT(planned->latency_us <= one_device_us(problem) * (1 + 1e-9));
        Evaluator evaluator(problem);
        RC_ASSERT(check_plan(evaluator.blocks(), planned->plan).ok());
        RC_ASSERT(evaluator.latency_us(planned->plan) == planned->latency_us);
    }));
}

TEST_CASE("four equal devices and fast links share a deep net nearly evenly") {
    NetBuilder net(64);
    ValueId last{0};
    for (int i = 0; i < 8; ++i) last = net.convolution(last);
    ClusterSketch cluster;
    cluster.speeds = {1, 1, 1, 1};
    cluster.bytes_per_us = 10'000;
    const Problem problem = problem_of(net.graph(), linear_profile(net.graph(), 100, 0), cluster);
    const auto planned = plan_fused_blocks(problem);
    REQUIRE(planned.ok());
    CHECK(planned->latency_us < 0.30 * one_device_us(problem));
}

TEST_CASE("where links are hopeless one device does everything, the fastest that is worth the way") {
    NetBuilder net(16);
    net.convolution(net.convolution(ValueId{0}));
    ClusterSketch cluster;
    cluster.speeds = {1, 3};
    cluster.bytes_per_us = 0.01;
    const RowProfile profile = linear_profile(net.graph(), 10, 0, 1);
    auto planned = plan_fused_blocks(problem_of(net.graph(), profile, cluster));
    REQUIRE(planned.ok());
    CHECK(planned->plan.blocks.size() == 1);
    CHECK(planned->plan.blocks[0].bounds == std::vector<int64_t>{0, 16, 16});
    cluster.bytes_per_us = 1e6;
    cluster.speeds = {0.001, 3};
    planned = plan_fused_blocks(problem_of(net.graph(), profile, cluster));
    REQUIRE(planned.ok());
    CHECK(planned->plan.blocks[0].part(1).size() >= 15);
}

TEST_CASE("devices without the model make nothing, and the memory of devices is kept to") {
    CHECK(rc::check("any cluster", [] {
        Random random(*rc::gen::inRange<uint64_t>(0, 1'000'000'000));
        const graph::ModelGraph graph = random_net(random, 16, 8);
        ClusterSketch cluster;
        cluster.speeds = {1, 1, 1};
        auto parts = parts_of(graph, linear_profile(graph, 20, 1), cluster);
        parts.devices[1].has_model = false;
        parts.devices[2].memory_bytes = 2000 + random.below(30'000);
        const Problem problem = Problem::make(std::move(parts)).value();
        const auto planned = plan_fused_blocks(problem, {.evaluations_max = 100});
        RC_ASSERT(planned.ok());
        Blocks blocks(problem);
        RC_ASSERT(fits_memory(problem, units_of(blocks, planned->plan)));
        for (const Block& block : planned->plan.blocks) RC_ASSERT(block.part(1).empty());
    }));
}

TEST_CASE("a cluster without the memory for any plan is told so") {
    NetBuilder net(8);
    net.convolution(ValueId{0});
    auto parts = parts_of(net.graph(), linear_profile(net.graph(), 20, 1), {});
    for (Device& device : parts.devices) device.memory_bytes = 100;
    const auto planned = plan_fused_blocks(Problem::make(std::move(parts)).value(), {.evaluations_max = 50});
    REQUIRE(!planned.ok());
    CHECK(planned.error().code == ErrorCode::exhausted);
    CHECK(planned.error().message.find("memory") != std::string::npos);
}

TEST_CASE("the same seed finds the same plan, and planning again from it never makes it worse") {
    Random random(7);
    const Problem problem = random_problem(random);
    const auto one = plan_fused_blocks(problem, {.evaluations_max = 500});
    const auto two = plan_fused_blocks(problem, {.evaluations_max = 500});
    REQUIRE(one.ok());
    REQUIRE(two.ok());
    CHECK(one->plan == two->plan);
    const auto again = plan_fused_blocks(problem, {.seed = 2, .evaluations_max = 200, .start = one->plan});
    REQUIRE(again.ok());
    CHECK(again->latency_us <= one->latency_us);
    CHECK(again->evaluations <= 201);
}

TEST_CASE("where plans have many units and messages, fewer of them are looked at") {
    Random random(7);
    const Problem problem = random_problem(random);
    Evaluator evaluator(problem);
    const auto all = plan_fused_blocks(problem, {.evaluations_max = 100'000, .pieces_max = 20'000});
    REQUIRE(all.ok());
    CHECK(all->evaluations < 10'000);  // two units at least, of every plan
    CHECK(all->evaluations > 100);
    CHECK(evaluator.latency_us(all->plan) == all->latency_us);
    const UnitGraph units = units_of(evaluator.blocks(), all->plan);
    CHECK(evaluator.pieces() == units.units.size() + units.messages.size());
}

TEST_CASE("a plan to begin with that is of another model is refused") {
    NetBuilder net(8);
    net.convolution(ValueId{0});
    const Problem problem = problem_of(net.graph(), linear_profile(net.graph(), 1, 1), {});
    CHECK(!plan_fused_blocks(problem, {.start = Plan{{{0, 1, {0, 4, 9}, false}}}}).ok());
}

TEST_CASE("more than four devices are tried in groups that always hold each alone and all together") {
    Random random(3);
    const graph::ModelGraph graph = random_net(random, 16, 6);
    ClusterSketch cluster;
    cluster.speeds = {0.1, 0.6, 0.3, 0.5, 0.2, 0.4};
    const auto sets = weight_sets(problem_of(graph, linear_profile(graph, 1, 1), cluster));
    size_t alone = 0;
    size_t all = 0;
    for (const auto& weights : sets) {
        const auto members = std::count_if(weights.begin(), weights.end(), [](double weight) { return weight > 0; });
        alone += members == 1 ? 1 : 0;
        all += members == 6 ? 1 : 0;
    }
    CHECK(alone == 6);
    CHECK(all == 1);
    CHECK(sets.size() < 24);
}
