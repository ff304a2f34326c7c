// Random fault runs. Goal: two thousand seeds without a finding, each with the faults it promises; the same seed gives
// the same run; and a story that was shrunk keeps its finding. `eddy sim ring-faults --seeds A..B` runs more of them,
// `--seed S --as-scenario FILE --shrink` makes a story of one.
#include "sim/ring_faults.hpp"

#include <algorithm>
#include <iostream>
#include <set>

#include <doctest/doctest.h>

#include "sim/scenario_parser.hpp"
#include "tests/support/sanitizers.hpp"

using namespace eddy;
using namespace eddy::sim;
using namespace std::chrono_literals;

namespace {
constexpr uint64_t seeds = test::times(2000, 100);
}  // namespace

TEST_CASE("2000 seeds, at least 120 s and 20 faults each, have no finding") {
    uint64_t faults = 0, lookups = 0, checks = 0, checked_runs = 0, found = 0;
    for (uint64_t seed = 1; seed <= seeds; ++seed) {
        CAPTURE(seed);
        const auto scenario = fault_scenario(seed);
        const auto result = run_scenario(scenario);
        faults += result.faults;
        lookups += result.lookups;
        checks += result.invariant_checks;
        checked_runs += result.invariant_checks > 20 ? 1 : 0;
        CHECK_MESSAGE(!result.finding, (result.finding ? to_text(*result.finding) : ""));
        if (result.finding) {
            if (++found >= 20) break;  // enough to read
            continue;
        }
        CHECK(result.ended >= 120s);
        CHECK(result.faults >= 20);
        CHECK(result.lookups > 0);
    }
    std::cout << "faults " << faults << ", lookups " << lookups << ", checks of the invariant " << checks << " in "
              << checked_runs << " runs\n";
    if (found == 0) CHECK(checked_runs > seeds * 9 / 20);
}

TEST_CASE("seeds differ in size, list length, network and kind, and their stories can be read back") {
    std::set<size_t> sizes, lengths;
    size_t datagrams = 0, orderly = 0, small_views = 0;
    for (uint64_t seed = 1; seed <= 300; ++seed) {
        CAPTURE(seed);
        const auto scenario = fault_scenario(seed);
        sizes.insert(scenario.nodes.size());
        lengths.insert(scenario.list_max);
        datagrams += scenario.network.datagrams ? 1 : 0;
        orderly += scenario.within_assumptions ? 1 : 0;
        small_views += scenario.view_max < scenario.nodes.size() ? 1 : 0;
        CHECK(scenario.nodes.size() <= 32);
        const auto again = parse_scenario(to_text(scenario), "made up");
        REQUIRE_MESSAGE(again.ok(), (again.ok() ? "" : again.error().message));
        CHECK(to_text(*again) == to_text(scenario));
    }
    CHECK(*sizes.begin() == 1);
    CHECK(*sizes.rbegin() == 32);
    CHECK(lengths == std::set<size_t>{2, 3, 4, 8, 16});
    CHECK(datagrams > 50);
    CHECK(orderly == 150);
    CHECK(small_views > 50);
}

TEST_CASE("a seed replays exactly, also from its story") {
    for (const uint64_t seed : {3, 4, 11, 18}) {
        CAPTURE(seed);
        const auto one = run_scenario(fault_scenario(seed));
        const auto same = run_scenario(fault_scenario(seed));
        const auto told = run_scenario(*parse_scenario(to_text(fault_scenario(seed)), "story"));
        CHECK(one.trace_hash == same.trace_hash);
        CHECK(one.trace_hash == told.trace_hash);
        CHECK(one.faults == told.faults);
        CHECK(one.left_out == told.left_out);
    }
    CHECK(run_scenario(fault_scenario(3)).trace_hash != run_scenario(fault_scenario(5)).trace_hash);
}

namespace {

bool strikes(const Scenario& scenario, NodeVerb verb, size_t node) {
    return std::any_of(scenario.steps.begin(), scenario.steps.end(), [&](const auto& step) {
        const auto* action = std::get_if<NodeStep>(&step.what);
        return action != nullptr && action->verb == verb &&
               std::find(action->nodes.begin(), action->nodes.end(), node) != action->nodes.end();
    });
}

}  // namespace

TEST_CASE("shrinking leaves what the finding needs, and what makes it fair") {
    const auto scenario = fault_scenario(8);
    REQUIRE(scenario.nodes.size() > 3);
    size_t runs = 0;
    // A made-up bug: it shows once node 2 has been started and node 3 has been struck, whatever else happens.
    const auto play = [&](const Scenario& candidate) {
        ++runs;
        ScenarioResult result;
        if (strikes(candidate, NodeVerb::start, 2) && strikes(candidate, NodeVerb::start, 3))
            result.finding = Finding{"MadeUp", "", candidate.end(), 0};
        return result;
    };
    const auto shrunk = shrink(scenario, 1000, play);
    REQUIRE(shrunk);
    CHECK(shrunk->finding.rule == "MadeUp");
    CHECK(shrunk->runs == runs);
    CHECK(strikes(shrunk->scenario, NodeVerb::start, 2));
    CHECK(strikes(shrunk->scenario, NodeVerb::start, 3));
    for (size_t node = scenario.seeds.size(); node < scenario.nodes.size(); ++node)
        for (const auto verb : {NodeVerb::crash, NodeVerb::vanish, NodeVerb::leave, NodeVerb::restart, NodeVerb::pause})
            CHECK_FALSE(strikes(shrunk->scenario, verb, node));
    for (size_t node = 4; node < scenario.nodes.size(); ++node)
        CHECK_FALSE(strikes(shrunk->scenario, NodeVerb::start, node));
    for (const size_t seed : scenario.seeds) CHECK(strikes(shrunk->scenario, NodeVerb::start, seed));
}

TEST_CASE("shrinking stops at its limit, and at once where nothing was found") {
    size_t runs = 0;
    const auto always = [&](const Scenario&) {
        ++runs;
        ScenarioResult result;
        result.finding = Finding{"MadeUp", "", 1000s, 0};
        return result;
    };
    CHECK(shrink(fault_scenario(8), 3, always));
    CHECK(runs == 3);
    CHECK_FALSE(shrink(fault_scenario(8), 5, [](const Scenario&) { return ScenarioResult{}; }));
}

TEST_CASE("shrinking does not take another rule's finding for the same") {
    const auto play = [](const Scenario& candidate) {
        ScenarioResult result;
        result.finding = Finding{strikes(candidate, NodeVerb::start, 2) ? "One" : "Other", "", candidate.end(), 0};
        return result;
    };
    const auto shrunk = shrink(fault_scenario(8), 500, play);
    REQUIRE(shrunk);
    CHECK(shrunk->finding.rule == "One");
    CHECK(strikes(shrunk->scenario, NodeVerb::start, 2));
}
