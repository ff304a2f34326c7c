// Three times as many frames as a ring can serve, for minutes. Goal: what nodes hold is bounded and does not grow,
// frames of sources that drop are finished in the time that those before them take, every drop has its reason, and sums
// balance.
#include <algorithm>
#include <array>

#include <doctest/doctest.h>

#include "sim/cluster_checks.hpp"
#include "sim/simulation.hpp"

using namespace eddy;
using namespace eddy::sim;
using namespace std::chrono_literals;

namespace {

constexpr size_t devices = 3;
constexpr double device_per_s = 10;
constexpr double offered_per_s = 3 * device_per_s;  ///< of a source at each
constexpr uint64_t frame_bytes = 60'000;
constexpr uint32_t reservoir = 8;
constexpr uint32_t queue_frames = 8;
constexpr int seconds = 180;

struct Held {
    uint64_t bytes = 0;  ///< of the fullest node
    uint64_t open = 0;   ///< frames without an outcome, of the source with most
};

/// What was seen each second, and at the end.
struct Run {
    std::vector<Held> held;
    std::vector<SourceTally> tallies;
    std::vector<uint64_t> half;  ///< by source: completed in the first half

    [[nodiscard]] Held most(int from_s, int to_s) const {
        Held most;
        for (int s = from_s; s < to_s; ++s) {
            most.bytes = std::max(most.bytes, held[static_cast<size_t>(s)].bytes);
            most.open = std::max(most.open, held[static_cast<size_t>(s)].open);
        }
        return most;
    }
};

Run overload(PolicyKind policy, WhenFull when_full) {
    Simulation sim(3, even_profile(20, from_seconds(1 / device_per_s), frame_bytes), {}, {500, true});
    std::vector<NodeModel> nodes(devices);
    for (size_t i = 0; i < devices; ++i) {
        NodeModel& node = nodes[i];
        node.name = "node " + std::to_string(i);
        node.id = evenly_spaced_id(i, devices);
        node.policy = policy;
        node.queue_frames = queue_frames;
        node.cameras_wait = true;
        SourceModel source;
        source.name = "camera";
        source.rate_per_s = offered_per_s;
        source.frames = UINT64_MAX;
        source.when_full = when_full;
        source.reservoir_frames = reservoir;
        node.sources = {source};
        sim.start(sim.add(node));
    }
    REQUIRE(sim.run_until(60s, [&] { return sim.converged(); }));
    for (size_t i = 0; i < devices; ++i) sim.start_cameras(i);
    Run run;
    for (int s = 0; s < seconds; ++s) {
        sim.run_for(1s);
        Held held;
        for (size_t i = 0; i < devices; ++i) {
            CHECK(bounds_problem(sim, i, nodes[i], nodes).value_or("") == "");
            held.bytes = std::max(held.bytes, sim.core(i).buffered_bytes());
            held.open = std::max<uint64_t>(held.open, sim.core(i).ledger().open_frames());
            if (s == seconds / 2) run.half.push_back(sim.tally(i, 0).completed);
        }
        run.held.push_back(held);
    }
    for (size_t i = 0; i < devices; ++i) sim.end_camera(i, 0);
    REQUIRE(sim.run_until(60s, [&] { return sim.all_settled(); }));
    sim.run_for(2s);
    for (size_t i = 0; i < devices; ++i) {
        CHECK(leftover_problem(sim, i, nodes).value_or("") == "");
        run.tallies.push_back(sim.tally(i, 0));
    }
    return run;
}

uint64_t sum(const std::map<std::string, uint64_t>& counts) {
    uint64_t all = 0;
    for (const auto& [reason, count] : counts) all += count;
    return all;
}

}  // namespace

TEST_CASE("under three times the load, for minutes, memory stays flat and every frame is accounted for") {
    for (const PolicyKind policy :
         {PolicyKind::local, PolicyKind::ddi, PolicyKind::ar_mdi, PolicyKind::ms_mdi, PolicyKind::layered})
        for (const WhenFull when_full : {WhenFull::block, WhenFull::drop_oldest, WhenFull::drop_newest}) {
            CAPTURE(std::string(name_of(policy)));
            CAPTURE(static_cast<int>(when_full));
            const Run run = overload(policy, when_full);
            const Held early = run.most(20, seconds / 2);
            const Held late = run.most(seconds / 2, seconds);
            // A frame more or less here or there, but no growth: 60 MB more came in each of these minutes.
            CHECK(late.bytes <= early.bytes + 4 * frame_bytes);
            CHECK(late.open <= early.open + 4);
            // What waits to be admitted, here in both queues, and with every other node.
            CHECK(late.open <= reservoir + 2 * queue_frames + (devices - 1) * (queue_frames + node::credit_window + 1));
            for (size_t i = 0; i < run.tallies.size(); ++i) {
                const SourceTally& tally = run.tallies[i];
                CHECK(tally.captured == tally.completed + tally.dropped);
                CHECK(tally.failed == 0);
                CHECK(tally.duplicated == 0);
                CHECK(sum(tally.reasons) == tally.dropped);
                CHECK(tally.completed > run.half[i] * 3 / 2);  // the second half is no worse
                if (when_full == WhenFull::block) {
                    CHECK(tally.dropped == 0);
                    continue;
                }
                CHECK(tally.dropped > tally.captured / 2);
                for (const auto& [reason, count] : tally.reasons)
                    CHECK((reason == "reservoir_full" || reason == "capture_queue_full"));
                // What was there before it, at the rate at which this source is served; queues are no strict line.
                const double rate_per_s = static_cast<double>(tally.completed) / seconds;
                const double longest_ms = *std::max_element(tally.completion_ms.begin(), tally.completion_ms.end());
                CHECK(longest_ms <= 5e3 * static_cast<double>(run.most(0, seconds).open) / rate_per_s);
            }
        }
}
