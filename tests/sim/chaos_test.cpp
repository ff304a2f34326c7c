// Chaos runs of whole clusters. Goal: some hundred seeds without a finding, each with the frames and faults it
// promises; the same seed gives the same run; and without its faults nothing fails in a cluster.
// `eddy sim chaos --seeds A..B` runs more of them.
#include "sim/chaos.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <set>
#include <utility>

#include <doctest/doctest.h>

#include "tests/support/sanitizers.hpp"

using namespace eddy;
using namespace eddy::sim;
using namespace std::chrono_literals;

namespace {
constexpr uint64_t seeds = test::times(200, 15), calm_seeds = test::times(40, 5);

/// A core that finds its own state broken aborts; then people want to know in which run.
std::array<char, 64> at_seed;
void tell_seed(int) { std::fputs(at_seed.data(), stderr); }
ChaosResult run_seed(const ChaosPlan& plan) {
    std::signal(SIGABRT, tell_seed);
    std::snprintf(at_seed.data(), at_seed.size(), "eddy: that was seed %llu\n",
                  static_cast<unsigned long long>(plan.seed));
    return run_chaos(plan);
}

std::string first_finding(const ChaosResult& result) {
    return result.findings.empty() ? "" : to_text(result.findings.front());
}

ptrdiff_t starts(const ChaosPlan& plan, size_t node) {
    return std::count_if(plan.story.steps.begin(), plan.story.steps.end(), [&](const auto& step) {
        const auto* action = std::get_if<NodeStep>(&step.what);
        return action != nullptr && action->verb == NodeVerb::start && action->nodes.front() == node;
    });
}

uint64_t sum(const std::map<std::string, uint64_t>& reasons) {
    uint64_t total = 0;
    for (const auto& [reason, count] : reasons) total += count;
    return total;
}
}  // namespace

TEST_CASE("seeds with at least 500 frames and 10 faults each have no finding") {
    FrameTotals frames;
    uint64_t faults = 0, found = 0, deaths = 0;
    for (uint64_t seed = 1; seed <= seeds && found < 20; ++seed) {
        CAPTURE(seed);
        const auto result = run_seed(chaos_plan(seed));
        CHECK_MESSAGE(result.findings.empty(), first_finding(result));
        found += result.findings.empty() ? 0 : 1;
        CHECK(result.frames.captured >= chaos_frames_min);
        CHECK(result.faults >= chaos_faults_min);
        CHECK(result.source_deaths >= 1);
        CHECK(result.frames.lost == 0);
        CHECK(result.frames.duplicated == 0);
        CHECK(result.frames.captured ==
              result.frames.completed + result.frames.failed + result.frames.dropped + result.frames.abandoned);
        CHECK(result.frames.failed == sum(result.frames.failed_reasons));
        CHECK(result.frames.dropped == sum(result.frames.dropped_reasons));
        frames += result.frames;
        faults += result.faults;
        deaths += result.source_deaths;
    }
    std::cout << "frames " << frames.captured << ", completed " << frames.completed << ", failed " << frames.failed
              << ", dropped " << frames.dropped << ", abandoned " << frames.abandoned << ", told again "
              << frames.retold << ", faults " << faults << ", source deaths " << deaths << "\n";
    // Power cuts take the captures of some frames out of their source's journal, and the outcomes of others.
    CHECK(frames.abandoned > 0);
    CHECK(frames.abandoned < deaths);
    CHECK(frames.retold > 0);
    CHECK(frames.failed_reasons[reason_restarted] > deaths);
    CHECK(frames.completed > frames.captured * 9 / 10);
}

TEST_CASE("without its faults no frame of a cluster fails or is tried again") {
    for (uint64_t seed = 1; seed <= calm_seeds; ++seed) {
        CAPTURE(seed);
        const auto result = run_seed(calm_twin(chaos_plan(seed)));
        CHECK_MESSAGE(result.findings.empty(), first_finding(result));
        CHECK(result.faults == 0);
        CHECK(result.frames.failed == 0);
        CHECK(result.frames.abandoned == 0);
        CHECK(result.frames.captured >= chaos_frames_min);
    }
}

TEST_CASE("the same seed gives the same run, another seed another") {
    std::set<uint64_t> digests;
    for (uint64_t seed = 1; seed <= 5; ++seed) {
        const auto once = run_seed(chaos_plan(seed));
        const auto again = run_seed(chaos_plan(seed));
        CHECK(once.digest == again.digest);
        CHECK(once.events == again.events);
        CHECK(once.frames.completed == again.frames.completed);
        digests.insert(once.digest);
    }
    CHECK(digests.size() == 5);
}

TEST_CASE("looking on changes nothing: a run that is logged is the same run") {
    std::vector<std::string> lines;
    const auto plan = chaos_plan(3);
    const auto logged = run_chaos(plan, [&](Usec, const std::string& text) { lines.push_back(text); });
    CHECK(logged.digest == run_chaos(plan).digest);
    CHECK(std::count(lines.begin(), lines.end(), "all is mended") == 1);
    CHECK(std::count(lines.begin(), lines.end(), "cameras end") == 1);
    CHECK(std::count(lines.begin(), lines.end(), to_text(plan.story.steps.front(), plan.story)) == 1);
}

TEST_CASE("plans differ in size, policy, sources and faults, and keep what they promise") {
    std::set<size_t> sizes, sources_seen;
    std::set<PolicyKind> policies;
    std::set<NodeVerb> verbs;
    std::set<WhenFull> when_full;
    size_t relays = 0, deadlines = 0, splits = 0, cuts = 0, losses = 0, layered = 0;
    size_t early_cameras = 0, late_nodes = 0, late_starts = 0, little_custody = 0, pairs = 0;
    for (uint64_t seed = 1; seed <= 300; ++seed) {
        CAPTURE(seed);
        const auto plan = chaos_plan(seed);
        CHECK(plan.seed == seed);
        CHECK(plan.nodes.size() >= chaos_nodes_min);
        CHECK(plan.nodes.size() <= chaos_nodes_max);
        sizes.insert(plan.nodes.size());
        policies.insert(plan.nodes.front().policy);
        layered += plan.nodes.front().policy == PolicyKind::layered ? 1 : 0;
        early_cameras += plan.cameras_from == Usec{0} ? 1 : 0;
        late_nodes += plan.late.size();
        for (const size_t node : plan.late) {
            CHECK(std::count(plan.story.seeds.begin(), plan.story.seeds.end(), node) == 0);
            late_starts += starts(plan, node) > 0 ? 1 : 0;  // otherwise the mending starts it
        }
        little_custody += plan.nodes.front().custody_bytes < 1'000'000 ? 1 : 0;
        size_t sources = 0;
        for (const auto& node : plan.nodes) {
            sources += node.sources.size();
            CHECK((node.has_model || node.sources.empty()));
            relays += node.has_model ? 0 : 1;
            for (const auto& source : node.sources) {
                when_full.insert(source.when_full);
                deadlines += source.deadline != Usec::max() ? 1 : 0;
            }
        }
        CHECK(sources >= 1);
        CHECK(sources <= 4);
        sources_seen.insert(sources);
        Usec last{0}, lost_at{-1};
        bool source_crash = false;
        for (const auto& step : plan.story.steps) {
            CHECK(step.at >= last);
            CHECK(step.at < plan.mend_at);
            last = step.at;
            splits += std::holds_alternative<SplitStep>(step.what) ? 1 : 0;
            cuts += std::holds_alternative<CutStep>(step.what) ? 1 : 0;
            if (const auto* weather = std::get_if<WeatherStep>(&step.what)) {
                losses += weather->network.loss > 0 ? 1 : 0;
                CHECK(!weather->network.datagrams);
            }
            if (const auto* action = std::get_if<NodeStep>(&step.what)) {
                verbs.insert(action->verb);
                const bool loss = action->verb == NodeVerb::crash || action->verb == NodeVerb::vanish;
                pairs += loss && std::exchange(lost_at, loss ? step.at : lost_at) == step.at ? 1 : 0;
                source_crash |= action->verb == NodeVerb::crash && !plan.nodes[action->nodes.front()].sources.empty();
            }
        }
        CHECK(source_crash);
        CHECK(plan.load_until > plan.mend_at + recovered_within);
    }
    CHECK(sizes.size() == 12);
    CHECK(sources_seen.size() == 4);
    CHECK(policies.size() == 5);
    CHECK(layered > 90);
    CHECK(verbs.size() == 7);
    CHECK(when_full.size() == 3);
    CHECK(std::min({relays, deadlines, splits, cuts, losses}) > 30);
    CHECK(std::min({early_cameras, late_nodes, little_custody, pairs}) > 30);
    CHECK(early_cameras < 150);
    CHECK(late_starts > late_nodes * 3 / 4);
}

TEST_CASE("a plan is told as the cluster, then its faults in order") {
    const auto plan = chaos_plan(7);
    const std::string text = to_text(plan);
    CHECK(text.find(std::to_string(plan.nodes.size()) + " nodes, policy ") == 0);
    size_t place = 0;
    for (const auto& step : plan.story.steps) {
        const size_t found = text.find(to_text(step, plan.story), place);
        REQUIRE(found != std::string::npos);
        place = found;
    }
    for (const auto& node : plan.nodes) CHECK(text.find("  " + node.name + " ") != std::string::npos);
    CHECK(text.find("all is mended") > place);
}
