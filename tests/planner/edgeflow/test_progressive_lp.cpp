// Goal: a layer's split is what the published program asks for. Method: every integer split of a layer is tried under
// the same recursion, and the distance to the best is told.
#include <algorithm>
#include <cmath>
#include <numeric>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "exhaustive.hpp"
#include "nets.hpp"
#include "planner/edgeflow/layer_state.hpp"
#include "planner/edgeflow/progressive_lp.hpp"
#include "planner/edgeflow/splits.hpp"

using namespace eddy;
using namespace eddy::planner::edgeflow;
using namespace eddy::test;

namespace {

Problem random_problem(Random& random, size_t devices) {
    const graph::ModelGraph graph = random_net(random, 24, 6);
    ClusterSketch cluster;
    cluster.speeds.clear();
    for (size_t i = 0; i < devices; ++i) cluster.speeds.push_back(random.uniform(0.2, 1));
    cluster.bytes_per_us = random.uniform(2, 100);
    const double row_us = random.uniform(5, 40);
    const double step_us = random.uniform(0, 20);
    return problem_of(graph, linear_profile(graph, row_us, step_us), cluster);
}

double best_layer_us(LayerState& state, uint32_t step) {
    double best = std::numeric_limits<double>::infinity();
    const int64_t rows = state.blocks().facts(step, step + 1).reference_rows;
    for_all_splits(rows, state.blocks().problem().devices(), [&](const std::vector<int64_t>& bounds) {
        best = std::min(best, state.latest_us({step, step + 1, bounds, false}));
    });
    return best;
}

}  // namespace

TEST_CASE("two equal devices on fast links share every layer in halves") {
    NetBuilder net(16);
    net.convolution(net.convolution(ValueId{0}, 1), 1);
    ClusterSketch cluster;
    cluster.bytes_per_us = 1e6;
    const Problem problem = problem_of(net.graph(), linear_profile(net.graph(), 10, 0), cluster);
    const auto planned = plan_progressive_lp(problem);
    REQUIRE(planned.ok());
    for (const Block& block : planned->plan.blocks) CHECK(block.bounds == std::vector<int64_t>{0, 8, 16});
}

TEST_CASE("rows go by speed when nothing has to travel far") {
    NetBuilder net(30);
    net.convolution(ValueId{0}, 1);
    ClusterSketch cluster;
    cluster.speeds = {2, 1};
    cluster.bytes_per_us = 1e6;
    const Problem problem = problem_of(net.graph(), linear_profile(net.graph(), 10, 0), cluster);
    const auto planned = plan_progressive_lp(problem);
    REQUIRE(planned.ok());
    CHECK(planned->plan.blocks[0].bounds == std::vector<int64_t>{0, 20, 30});
}

TEST_CASE("a device that would only be in the way is left out") {
    NetBuilder net(16);
    net.convolution(ValueId{0});
    ClusterSketch cluster;
    cluster.bytes_per_us = 0.01;
    const Problem problem = problem_of(net.graph(), linear_profile(net.graph(), 10, 0), cluster);
    const auto planned = plan_progressive_lp(problem);
    REQUIRE(planned.ok());
    CHECK(planned->plan.blocks[0].part(1).empty());
}

TEST_CASE("each layer's split is close to the best of all whole ones") {
    std::vector<double> gaps;
    for (uint64_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        Random random(seed);
        const Problem problem = random_problem(random, seed % 2 == 0 ? 2 : 3);
        const auto planned = plan_progressive_lp(problem);
        REQUIRE(planned.ok());
        Blocks blocks(problem);
        REQUIRE(check_plan(blocks, planned->plan).ok());
        LayerState state(blocks);
        for (const Block& block : planned->plan.blocks) {
            const double best_us = best_layer_us(state, block.first);
            CHECK(state.latest_us(block) >= best_us - 1e-6);
            gaps.push_back(state.latest_us(block) / best_us);
            state.accept(block);
        }
    }
    const double mean = std::accumulate(gaps.begin(), gaps.end(), 0.0) / static_cast<double>(gaps.size());
    MESSAGE("gap of a layer to its best split: mean " << mean << ", worst "
                                                      << *std::max_element(gaps.begin(), gaps.end()));
    CHECK(mean < 1.001);
}

TEST_CASE("plans of the program are plans, whatever the net and the cluster") {
    CHECK(rc::check("any cluster", [] {
        Random random(*rc::gen::inRange<uint64_t>(0, 1'000'000'000));
        const Problem problem = random_problem(random, 1 + random.below(6));
        const auto planned = plan_progressive_lp(problem);
        RC_ASSERT(planned.ok());
        Blocks blocks(problem);
        RC_ASSERT(check_plan(blocks, planned->plan).ok());
        RC_ASSERT(std::isfinite(planned->latency_us));
    }));
}
