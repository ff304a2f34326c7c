// Goal: rules of thumb are what they say, and problems that make no sense are refused.
#include <cmath>
#include <numeric>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "nets.hpp"
#include "planner/edgeflow/evaluator.hpp"
#include "planner/edgeflow/splits.hpp"

using namespace eddy;
using namespace eddy::planner::edgeflow;
using namespace eddy::test;

TEST_CASE("bounds by weight cover all rows, and nobody is more than a row away from its share") {
    CHECK(rc::check("any weights", [] {
        const auto rows = *rc::gen::inRange<int64_t>(2, 300);
        const auto whole = *rc::gen::nonEmpty(rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 10)));
        RC_PRE(std::accumulate(whole.begin(), whole.end(), 0) > 0);
        const std::vector<double> weights(whole.begin(), whole.end());
        const auto bounds = bounds_by_weight(rows, weights);
        RC_ASSERT(bounds.size() == weights.size() + 1);
        RC_ASSERT(bounds.front() == 0);
        RC_ASSERT(bounds.back() == rows);
        const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
        for (size_t i = 0; i < weights.size(); ++i) {
            const auto part = static_cast<double>(bounds[i + 1] - bounds[i]);
            RC_ASSERT(std::abs(part - static_cast<double>(rows) * weights[i] / total) <= 1.0);
            if (weights[i] == 0) RC_ASSERT(part == 0);
        }
    }));
}

TEST_CASE("a single row goes to the largest weight") {
    CHECK(bounds_by_weight(1, std::vector<double>{1, 3, 3}) == std::vector<int64_t>{0, 0, 1, 1});
}

TEST_CASE("equal splits do not ask how fast devices are, proportional ones do") {
    NetBuilder net(12);
    net.convolution(ValueId{0});
    ClusterSketch cluster;
    cluster.speeds = {3, 1, 2};
    auto parts = parts_of(net.graph(), linear_profile(net.graph(), 10, 0), cluster);
    const Problem problem = Problem::make(parts).value();
    Blocks blocks(problem);
    CHECK(equal_plan(blocks).blocks[0].bounds == std::vector<int64_t>{0, 4, 8, 12});
    CHECK(proportional_plan(blocks).blocks[0].bounds == std::vector<int64_t>{0, 6, 8, 12});
    parts.devices[1].has_model = false;
    const Problem without = Problem::make(parts).value();
    Blocks blocks_without(without);
    CHECK(equal_plan(blocks_without).blocks[0].bounds == std::vector<int64_t>{0, 6, 6, 12});
}

TEST_CASE("times of rows lie on lines through what was measured, and fewer rows are never free") {
    NetBuilder net(16);
    net.convolution(ValueId{0});
    auto parts = parts_of(net.graph(), linear_profile(net.graph(), 1, 0), {});
    parts.profiles[0].steps[0].times = {{2, 30}, {8, 60}, {16, 80}};
    const Problem problem = Problem::make(parts).value();
    CHECK(problem.step_us(0, 0, 0) == 0);
    CHECK(problem.step_us(0, 0, 1) == doctest::Approx(25));
    CHECK(problem.step_us(0, 0, 2) == doctest::Approx(30));
    CHECK(problem.step_us(0, 0, 5) == doctest::Approx(45));
    CHECK(problem.step_us(0, 0, 12) == doctest::Approx(70));
    CHECK(problem.step_us(0, 0, 16) == doctest::Approx(80));
}

TEST_CASE("the same model can be planned for again with other speeds, links and another source") {
    NetBuilder net(8);
    net.convolution(ValueId{0});
    const Problem problem = problem_of(net.graph(), linear_profile(net.graph(), 10, 0), {});
    auto parts = parts_of(net.graph(), linear_profile(net.graph(), 10, 0), {});
    parts.devices[1].speed = 4;
    const auto changed = problem.with(parts.devices, parts.links, 1);
    REQUIRE(changed.ok());
    CHECK(changed->source() == 1);
    Evaluator before(problem);
    Evaluator after(*changed);
    CHECK(before.latency_us(one_device_plan(before.blocks(), 0)) == doctest::Approx(80));
    CHECK(after.latency_us(one_device_plan(after.blocks(), 1)) == doctest::Approx(20));
    CHECK_FALSE(problem.with(parts.devices, parts.links, 2).ok());
}

TEST_CASE("problems that make no sense are refused with the reason") {
    NetBuilder net(8);
    net.convolution(ValueId{0});
    const auto parts = parts_of(net.graph(), linear_profile(net.graph(), 1, 1), {});
    const auto refused = [](Problem::Parts broken) {
        const auto made = Problem::make(std::move(broken));
        return made.ok() ? std::string() : made.error().message;
    };
    CHECK(refused(parts).empty());
    auto broken = parts;
    broken.devices[0].speed = 0;
    CHECK(refused(broken).find("d0: its speed") != std::string::npos);
    broken = parts;
    broken.devices[1].profile = 1;
    CHECK(refused(broken).find("no row profile") != std::string::npos);
    broken = parts;
    broken.links.pop_back();
    CHECK(refused(broken).find("link") != std::string::npos);
    broken = parts;
    broken.links[1].bytes_per_us = NAN;
    CHECK(refused(broken).find("link's speed") != std::string::npos);
    broken = parts;
    broken.source = 2;
    CHECK(refused(broken).find("source") != std::string::npos);
    broken = parts;
    for (Device& device : broken.devices) device.has_model = false;
    CHECK(refused(broken).find("no device has the model") != std::string::npos);
    broken = parts;
    broken.devices.resize(17, parts.devices[0]);
    CHECK(refused(broken).find("1 to 16") != std::string::npos);
    broken = parts;
    broken.profiles[0].steps.pop_back();
    CHECK(refused(broken).find("0 steps") != std::string::npos);
    broken = parts;
    broken.profiles[0].steps[0].times.back().rows = 7;
    CHECK(refused(broken).find("all its 8 rows") != std::string::npos);
    broken = parts;
    broken.profiles[0].steps[0].times.front().time_us = -1;
    CHECK(refused(broken).find("below 0") != std::string::npos);
    broken = parts;
    broken.profiles[0].steps[0].times = {{8, 1}, {8, 1}};
    CHECK(refused(broken).find("ascend") != std::string::npos);
}
