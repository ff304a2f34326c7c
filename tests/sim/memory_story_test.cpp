// Nodes that have memory for parts of the model. Goal: under every policy a frame is finished where the ring can finish
// it, and otherwise fails soon, with a reason that says why; nothing goes round for ever or is left behind. That no
// node runs a layer that does not fit, and that layers are run in order, the simulation checks itself.
#include <algorithm>
#include <array>

#include <doctest/doctest.h>

#include "sim/cluster_checks.hpp"
#include "sim/simulation.hpp"

using namespace eddy;
using namespace eddy::sim;
using namespace std::chrono_literals;

namespace {

constexpr uint16_t layers = 12;
constexpr const char* no_memory = "no_memory_for_layers";
constexpr std::array shared{PolicyKind::layered, PolicyKind::ms_mdi, PolicyKind::ar_mdi};

/// A ring in which each node runs these layers; the first one has a camera. A frame takes a node 60 ms.
struct Ring {
    std::vector<NodeModel> nodes;
    Simulation sim{7, even_profile(layers, 60ms, 40'000), {}, {4, true}};

    Ring(PolicyKind policy, const std::vector<LayerRange>& runs, double rate_per_s, uint64_t frames) {
        for (size_t i = 0; i < runs.size(); ++i) {
            NodeModel& node = nodes.emplace_back();
            node.name = "node " + std::to_string(i);
            node.id = evenly_spaced_id(i, runs.size());
            node.policy = policy;
            node.layers = runs[i];
            node.cameras_wait = true;
            if (i > 0) continue;
            SourceModel source;
            source.name = "camera";
            source.rate_per_s = rate_per_s;
            source.frames = frames;
            node.sources = {source};
        }
    }
    const SourceTally& run(Usec most = 120s) {
        for (const NodeModel& node : nodes) sim.add(node);
        for (size_t i = 0; i < nodes.size(); ++i) sim.start(i);
        REQUIRE(sim.run_until(60s, [&] { return sim.converged(); }));
        sim.run_for(2s);
        sim.start_cameras(0);
        const Instant began = sim.now();
        REQUIRE(sim.run_until(most, [&] { return sim.all_settled(); }));
        took = sim.now() - began;
        sim.run_for(2s);
        for (size_t i = 0; i < nodes.size(); ++i) CHECK(leftover_problem(sim, i, nodes).value_or("") == "");
        const SourceTally& tally = sim.tally(0, 0);
        CHECK(tally.captured == tally.completed + tally.failed + tally.dropped);
        return tally;
    }
    Usec took{0};
};

void check_all_fail(const SourceTally& tally, uint64_t frames) {
    CHECK(tally.completed == 0);
    CHECK(tally.reasons == std::map<std::string, uint64_t>{{no_memory, frames}});
}

}  // namespace

TEST_CASE("parts of a model finish a frame if it meets them in their order, home again included, or it fails") {
    const LayerRange thirds[] = {{0, 4}, {4, 8}, {8, 12}};
    std::array<size_t, 3> order{0, 1, 2};
    do {
        const bool meets = order == std::array<size_t, 3>{0, 1, 2} || order == std::array<size_t, 3>{2, 0, 1};
        for (const PolicyKind policy : shared)
            for (const double rate_per_s : {5.0, 120.0}) {
                CAPTURE(order[0] * 100 + order[1] * 10 + order[2]);
                CAPTURE(std::string(name_of(policy)));
                CAPTURE(rate_per_s);
                Ring ring(policy, {thirds[order[0]], thirds[order[1]], thirds[order[2]]}, rate_per_s, 300);
                const SourceTally& tally = ring.run();
                if (!meets) {
                    check_all_fail(tally, 300);
                    continue;
                }
                CHECK(tally.completed == 300);
                // Three devices of 60 ms, each of which can do nothing but its third: 20 ms a frame.
                if (rate_per_s > 50) CHECK(to_seconds(ring.took) < 300 * 0.020 * 1.3);
            }
    } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("parts that overlap share the work, and layered brings both to their limits") {
    for (const PolicyKind policy : shared) {
        CAPTURE(std::string(name_of(policy)));
        Ring ring(policy, {{0, 8}, {4, 12}}, 100, 400);
        CHECK(ring.run().completed == 400);
        if (policy == PolicyKind::layered) CHECK(to_seconds(ring.took) < 400 * 0.030 * 1.2);
    }
}

TEST_CASE("a source whose device has memory for no layer sends its frames on as they are") {
    for (const PolicyKind policy : {PolicyKind::layered, PolicyKind::ms_mdi, PolicyKind::ar_mdi, PolicyKind::ddi}) {
        CAPTURE(std::string(name_of(policy)));
        Ring ring(policy, {{0, 0}, {}, {}}, 60, 300);
        CHECK(ring.run().completed == 300);
        CHECK(ring.sim.layers_run(0) == 0);
        if (policy == PolicyKind::layered || policy == PolicyKind::ddi)
            CHECK(to_seconds(ring.took) < 300 * 0.030 * 1.2);
    }
}

TEST_CASE("a device with a part helps the sources of whole ones, under layered") {
    Ring ring(PolicyKind::layered, {{}, {6, 12}}, 100, 400);
    CHECK(ring.run().completed == 400);
    CHECK(to_seconds(ring.took) < 400 * 0.030 * 1.4);
}

TEST_CASE("a layer that nobody in the ring can run fails frames soon, with the reason") {
    for (const PolicyKind policy : shared)
        for (const std::vector<LayerRange>& runs : {std::vector<LayerRange>{{0, 6}, {0, 6}, {0, 5}},
                                                    {{0, 6}, {7, 12}, {0, 3}},
                                                    {{6, 12}, {0, 0}, {6, 12}},
                                                    {{0, 0}, {0, 0}, {0, 0}},
                                                    {{0, 11}}}) {
            CAPTURE(std::string(name_of(policy)));
            CAPTURE(runs.size());
            Ring ring(policy, runs, 50, 200);
            check_all_fail(ring.run(20s), 200);
        }
}

TEST_CASE("local has nobody else to run a layer for it, and ddi nobody else for a frame") {
    Ring alone(PolicyKind::local, {{0, 11}, {}}, 50, 100);
    check_all_fail(alone.run(10s), 100);
    Ring whole(PolicyKind::ddi, {{0, 11}, {0, 6}, {}}, 10, 100);
    CHECK(whole.run().completed == 100);
    CHECK(whole.sim.layers_run(0) == 0);
    CHECK(whole.sim.layers_run(1) == 0);
    Ring parts(PolicyKind::ddi, {{0, 6}, {6, 12}}, 10, 20);
    check_all_fail(parts.run(), 20);  // in its frame_timeout: a worker may come
}

TEST_CASE("when the only node with the last layers dies, frames fail with the reason, and succeed once it is back") {
    Ring ring(PolicyKind::layered, {{0, 8}, {4, 12}, {0, 8}}, 10, 300);
    for (const NodeModel& node : ring.nodes) ring.sim.start(ring.sim.add(node));
    REQUIRE(ring.sim.run_until(60s, [&] { return ring.sim.converged(); }));
    ring.sim.start_cameras(0);
    ring.sim.run_for(5s);
    CHECK(ring.sim.tally(0, 0).failed == 0);
    ring.sim.crash(1);
    ring.sim.run_for(10s);
    const uint64_t failed = ring.sim.tally(0, 0).failed;
    CHECK(failed > 50);
    ring.sim.start(1);
    ring.sim.run_for(3s);
    const uint64_t completed = ring.sim.tally(0, 0).completed;
    REQUIRE(ring.sim.run_until(60s, [&] { return ring.sim.all_settled(); }));
    CHECK(ring.sim.tally(0, 0).completed > completed + 80);
    CHECK(ring.sim.tally(0, 0).reasons.at(no_memory) >= failed - 5);
}

TEST_CASE("with next to no memory for queues frames still get through, and buffers stay near the bound") {
    for (const PolicyKind policy : {PolicyKind::layered, PolicyKind::ms_mdi, PolicyKind::ar_mdi, PolicyKind::ddi}) {
        CAPTURE(std::string(name_of(policy)));
        Ring ring(policy, {{}, {}, {}}, 200, 600);
        for (NodeModel& node : ring.nodes) {
            node.queue_bytes = 8 * 40'000;
            node.custody_bytes = 4 * 40'000;
        }
        ring.nodes[1].sources = ring.nodes[2].sources = ring.nodes[0].sources;
        for (const NodeModel& node : ring.nodes) ring.sim.start(ring.sim.add(node));
        REQUIRE(ring.sim.run_until(60s, [&] { return ring.sim.converged(); }));
        for (size_t i = 0; i < 3; ++i) ring.sim.start_cameras(i);
        uint64_t most = 0;
        REQUIRE(ring.sim.run_until(120s, [&] {
            for (size_t i = 0; i < 3; ++i) most = std::max(most, ring.sim.core(i).buffered_bytes());
            return ring.sim.all_settled();
        }));
        for (size_t i = 0; i < 3; ++i) CHECK(ring.sim.tally(i, 0).completed == 600);
        // A reservoir of 8; of each of three sources one frame beyond the bound from either side, and one admitted.
        CHECK(most <= (12 + 8 + 3 * 3) * 40'000);
    }
}
