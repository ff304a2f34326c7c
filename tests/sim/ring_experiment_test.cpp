// The experiments behind `eddy sim ring`. Goal: its figures are what they are called, whatever the ring is worth; that
// the ring is worth something is asked at the end, of a size that runs in a second or two.
#include "sim/ring_experiment.hpp"

#include <cmath>

#include <doctest/doctest.h>

using namespace eddy;
using namespace eddy::sim;

namespace {

RingExperimentOptions of(size_t nodes, uint64_t seed = 1) {
    RingExperimentOptions options;
    options.nodes = nodes;
    options.seed = seed;
    options.lookups = 1000;
    return options;
}

}  // namespace

TEST_CASE("options out of range are refused with what is allowed") {
    const auto refused = [](auto change) {
        RingExperimentOptions options;
        change(options);
        const auto checked = check_options(options);
        REQUIRE_FALSE(checked.ok());
        CHECK(checked.error().code == ErrorCode::invalid);
        return checked.error().message;
    };
    CHECK(check_options({}).ok());
    CHECK(refused([](auto& o) { o.nodes = 0; }) == "nodes: from 1 to 60000 are allowed, found 0");
    refused([](auto& o) { o.nodes = 60'001; });
    refused([](auto& o) { o.fail = 1; });
    refused([](auto& o) { o.fail = -0.1; });
    refused([](auto& o) { o.fail = std::nan(""); });
    refused([](auto& o) { o.churn_per_s = -1; });
    refused([](auto& o) { o.churn_per_s = std::nan(""); });
    refused([](auto& o) { o.fail = 0.1, o.churn_per_s = 1; });
    refused([](auto& o) { o.successors = 0; });
    refused([](auto& o) { o.successors = 64; });
    refused([](auto& o) { o.lookups = 0; });
    refused([](auto& o) { o.delay = from_seconds(2); });
}

TEST_CASE("a ring of one answers itself") {
    const auto report = run_ring_experiment(of(1));
    CHECK(report.lookups.lookups == 1000);
    CHECK(report.lookups.failures == 0);
    CHECK(report.lookups.hops_mean == 0);
    REQUIRE(report.converged_s);
    CHECK(report.good(of(1)));
    CHECK_FALSE(report.before_repair);
}

TEST_CASE("every lookup is accounted for, and equal seeds give equal reports") {
    const auto options = of(60, 3);
    const auto report = run_ring_experiment(options);
    CHECK(report.lookups.lookups + report.lookups_lost == options.lookups);
    CHECK(report.lookups_lost == 0);
    CHECK(report.departures == 0);
    CHECK(report.messages_per_node_per_s > 4);  // heartbeats alone are eight
    CHECK(report.messages_per_node_per_s < 40);
    CHECK(report.lookups.hops_p99 >= report.lookups.hops_mean);
    const auto again = run_ring_experiment(options);
    CHECK(again.trace_hash == report.trace_hash);
    CHECK(again.lookups.timeouts == report.lookups.timeouts);
    CHECK(run_ring_experiment(of(60, 4)).trace_hash != report.trace_hash);
}

TEST_CASE("a failure takes the asked part of the nodes, and is asked about before anyone repaired") {
    auto options = of(80, 2);
    options.fail = 0.25;
    const auto report = run_ring_experiment(options);
    CHECK(report.departures == 20);
    REQUIRE(report.before_repair);
    CHECK(report.before_repair->lookups == 1000);
    CHECK(report.lookups.lookups == 1000);
    CHECK(report.before_repair->timeouts > report.lookups.timeouts);
    REQUIRE(report.repaired_s);
    CHECK(*report.repaired_s > 0.5);  // silence takes time to be noticed
}

TEST_CASE("few nodes are not asked more at once than they take") {
    auto options = of(4);
    options.fail = 0.5;
    options.lookups = 10'000;
    const auto report = run_ring_experiment(options);
    REQUIRE(report.before_repair);
    CHECK(report.before_repair->lookups == 64);
    CHECK(report.lookups.lookups == 10'000);
}

TEST_CASE("under churn nodes come and go, and the askers that went are not failures") {
    auto options = of(50, 5);
    options.churn_per_s = 2;
    const auto report = run_ring_experiment(options);
    CHECK(report.departures > 50);
    CHECK(report.departures < 110);
    CHECK(report.lookups.lookups + report.lookups_lost == options.lookups);
    CHECK(report.lookups.failures < report.lookups.lookups / 10);
}

TEST_CASE("a ring that does not come to be is told as such") {
    auto options = of(100);
    options.duration = from_seconds(3);  // all start within half a second; nothing settles so soon
    options.delay = from_seconds(1);
    const auto report = run_ring_experiment(options);
    CHECK_FALSE(report.converged_s);
    CHECK(report.invariant_violations > 0);
    CHECK_FALSE(report.violations.empty());
    CHECK_FALSE(report.good(options));
}

TEST_CASE("progress is told in lines") {
    auto options = of(5);
    std::vector<std::string> lines;
    options.progress = [&](const std::string& line) { lines.push_back(line); };
    const auto quiet = run_ring_experiment(of(5));
    CHECK(run_ring_experiment(options).trace_hash == quiet.trace_hash);
    REQUIRE(lines.size() == 12);
    CHECK(lines.back().substr(0, 8) == "at 60 s:");
}

TEST_CASE("two hundred nodes form a ring that finds every key in few hops") {
    const auto options = of(200, 7);
    const auto report = run_ring_experiment(options);
    REQUIRE(report.converged_s);
    CHECK(report.lookups.failures == 0);
    CHECK(report.lookups.hops_mean <= 0.5 * std::log2(200) + 1);
    CHECK(report.invariant_violations == 0);
    CHECK(report.good(options));
}

TEST_CASE("after a quarter of the nodes vanished the ring is one again and finds every key") {
    auto options = of(200, 8);
    options.fail = 0.25;
    const auto report = run_ring_experiment(options);
    CHECK(report.repaired_s);
    CHECK(report.lookups.failures == 0);
    CHECK(report.invariant_violations == 0);
    CHECK(report.good(options));
}
