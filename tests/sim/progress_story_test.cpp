// Clusters under load in which one node does not get on: it stands still, its lanes or its links become slow, or its
// lanes stand still while it talks. Goal: within a second or two the others do what they can without it, no frame
// fails, and it is used again when it gets on. Method: five equal devices of 25 frames/s, the first two with cameras,
// twice as many frames as they all can do; completions are counted in simulated time.
#include <doctest/doctest.h>

#include "sim/simulation.hpp"
#include "tests/planner/clusters.hpp"

using namespace eddy;
using namespace eddy::sim;
using namespace std::chrono_literals;

namespace {

constexpr size_t nodes = 5;
constexpr size_t victim = 2;  // comes after both cameras, so all frames pass it
constexpr double device_per_s = 25;
constexpr double mbit = 1e6 / 8;

ModelProfile profile() {
    ModelProfile made = test::mobilenet_like(20);
    made.chain_hash.bytes[0] = 1;
    return made;
}

struct Five {
    Simulation sim;
    double mbit_per_s;

    explicit Five(double mbit_per_s_ = 100, double rate = 50, PolicyKind policy = PolicyKind::layered,
                  uint64_t seed = 1)
        : sim(seed, profile(), {mbit_per_s_ * mbit, 500us}, {50, false}), mbit_per_s(mbit_per_s_) {
        for (size_t i = 0; i < nodes; ++i) {
            NodeModel node;
            node.name = std::string(1, static_cast<char>('a' + i));
            node.id = evenly_spaced_id(i, nodes);
            node.policy = policy;
            node.speed = 0.25;
            node.cameras_wait = true;
            if (i < 2) {
                SourceModel source;
                source.name = "camera";
                source.rate_per_s = i == 0 ? rate : 3 * rate;
                source.frames = UINT64_MAX;
                node.sources.push_back(source);
            }
            sim.add(node);
            sim.fabric().set_network_card(i, mbit_per_s * mbit, mbit_per_s * mbit);
        }
        for (size_t i = 0; i < nodes; ++i) sim.start(i);
        REQUIRE(sim.run_until(60s, [&] { return sim.converged(); }));
        sim.run_for(2s);
        for (size_t i = 0; i < 2; ++i) sim.start_cameras(i);
        sim.run_for(15s);
        CHECK(count(&node::CoreCounters::stalls) == 0);
    }
    void set_links_of_victim(double to_mbit_per_s) {
        for (size_t i = 0; i < nodes; ++i) {
            if (i == victim) continue;
            sim.fabric().set_bandwidth(i, victim, to_mbit_per_s * mbit);
            sim.fabric().set_bandwidth(victim, i, to_mbit_per_s * mbit);
        }
    }
    void set_all_links(double to_mbit_per_s) {
        for (size_t i = 0; i < nodes; ++i)
            for (size_t j = 0; j < nodes; ++j)
                if (i != j) sim.fabric().set_bandwidth(i, j, to_mbit_per_s * mbit);
    }
    [[nodiscard]] uint64_t completed() const { return sim.tally(0).completed + sim.tally(1).completed; }
    /// Completions a second from now on.
    double per_s(Usec duration) {
        const uint64_t before = completed();
        sim.run_for(duration);
        return static_cast<double>(completed() - before) / to_seconds(duration);
    }
    [[nodiscard]] uint64_t count(uint64_t node::CoreCounters::*which) const {
        uint64_t total = 0;
        for (size_t i = 0; i < nodes; ++i) total += sim.core(i).counters().*which;
        return total;
    }
    [[nodiscard]] uint64_t count(uint64_t node::StreamCounts::*which) const {
        return sim.core(0).ledger().counts(StreamId{0}).*which + sim.core(1).ledger().counts(StreamId{0}).*which;
    }
    [[nodiscard]] bool around_victim() const {
        return sim.core(victim - 1).next_hop() == evenly_spaced_id(victim + 1, nodes);
    }
    /// Cameras end, and every frame has come to its end.
    void settles() {
        for (size_t i = 0; i < 2; ++i) sim.end_camera(i, 0);
        REQUIRE(sim.run_until(60s, [&] { return sim.all_settled(); }));
        CHECK(count(&node::StreamCounts::failed) == 0);
        CHECK(count(&node::StreamCounts::dropped) == 0);
        sim.run_for(32s);  // who was found dead keeps what it had passed on until frame_timeout
        for (size_t i = 0; i < nodes; ++i) {
            CHECK(sim.live_buffers(i) == 0);
            sim.core(i).check_invariants();
        }
    }
};

constexpr double four = 4 * device_per_s;
constexpr double all = 5 * device_per_s;

}  // namespace

TEST_CASE("a node that stands still is gone around before the ring finds it dead, and joins again") {
    for (const double mbit_per_s : {100, 1000}) {
        CAPTURE(mbit_per_s);
        Five cluster(mbit_per_s);
        cluster.sim.fabric().pause(victim);
        cluster.sim.run_for(350ms);
        CHECK(cluster.around_victim());
        CHECK(cluster.sim.core(victim - 1).ring().is_member(evenly_spaced_id(victim, nodes)));
        cluster.sim.run_for(650ms);
        CHECK_FALSE(cluster.sim.core(victim - 1).ring().is_member(evenly_spaced_id(victim, nodes)));
        CHECK(cluster.per_s(9s) > 0.95 * four);
        cluster.sim.fabric().resume(victim);
        cluster.sim.run_for(2s);
        CHECK(cluster.per_s(8s) > 0.95 * all);
        CHECK_FALSE(cluster.around_victim());
        CHECK(cluster.count(&node::CoreCounters::stalls) == 1);
        CHECK(cluster.count(&node::StreamCounts::retries) == 0);
        CHECK(cluster.count(&node::StreamCounts::late_results) < 50);  // what it held: its work is known as stale
        cluster.settles();
    }
}

TEST_CASE("a node whose links become a hundred times slower is gone around, and used again when they are fast") {
    for (const double mbit_per_s : {100, 1000}) {
        CAPTURE(mbit_per_s);
        Five cluster(mbit_per_s);
        cluster.set_links_of_victim(1);
        cluster.sim.run_for(400ms);
        CHECK(cluster.around_victim());
        cluster.sim.run_for(600ms);
        CHECK(cluster.per_s(19s) > 0.95 * four);
        CHECK(cluster.around_victim());  // without ever going back
        CHECK(cluster.count(&node::CoreCounters::stalls) <= 3);
        cluster.set_links_of_victim(mbit_per_s);
        cluster.sim.run_for(9s);  // the pause between two probes, and what one takes
        CHECK_FALSE(cluster.around_victim());
        CHECK(cluster.per_s(10s) > 0.95 * all);
        CHECK(cluster.count(&node::StreamCounts::retries) == 0);
        CHECK(cluster.count(&node::StreamCounts::late_results) <= 10);
        cluster.settles();
    }
}

TEST_CASE("with less than all can do, a node that stands still or has slow links costs no throughput after a second") {
    for (const bool still : {true, false}) {
        CAPTURE(still);
        Five cluster(100, 15);
        if (still)
            cluster.sim.fabric().pause(victim);
        else
            cluster.set_links_of_victim(1);
        cluster.sim.run_for(1s);
        CHECK(cluster.per_s(9s) > 0.98 * 60);
        cluster.sim.fabric().resume(victim);
        cluster.set_links_of_victim(100);
        CHECK(cluster.per_s(10s) > 0.98 * 60);
        CHECK(cluster.count(&node::StreamCounts::retries) == 0);
        cluster.settles();
    }
}

TEST_CASE("a node whose lanes become ten times slower does a tenth, and is not gone around") {
    Five cluster;
    cluster.sim.set_speed(victim, 0.025);
    cluster.sim.run_for(1s);
    CHECK(cluster.per_s(19s) > 0.95 * (four + device_per_s / 10));
    CHECK_FALSE(cluster.around_victim());
    cluster.sim.set_speed(victim, 0.25);
    cluster.sim.run_for(2s);
    CHECK(cluster.per_s(8s) > 0.95 * all);
    CHECK(cluster.count(&node::CoreCounters::stalls) == 0);
    CHECK(cluster.count(&node::StreamCounts::retries) == 0);
    cluster.settles();
}

TEST_CASE("a node whose lanes stand still while it talks passes on all but what is on them") {
    Five cluster;
    cluster.sim.set_speed(victim, 1e-5);
    cluster.sim.run_for(1s);
    CHECK(cluster.per_s(19s) > 0.95 * four);
    cluster.sim.set_speed(victim, 0.25);
    cluster.sim.run_for(2s);
    CHECK(cluster.per_s(8s) > 0.95 * all);
    CHECK(cluster.count(&node::StreamCounts::retries) < 20);
    cluster.settles();
}

TEST_CASE("if all links become slower alike, the way stays the ring's") {
    Five cluster;
    cluster.set_all_links(20);
    cluster.sim.run_for(5s);
    CHECK_FALSE(cluster.around_victim());
    CHECK(cluster.per_s(10s) > 0.95 * 67);  // what five do over links of 20 Mbit/s: mostly the cameras' own devices
    CHECK_FALSE(cluster.around_victim());
    CHECK(cluster.count(&node::CoreCounters::stalls) <= 2 * nodes);
    CHECK(cluster.count(&node::StreamCounts::retries) == 0);
    cluster.settles();
}

TEST_CASE("in a busy cluster that nothing happens to nobody is taken for one that does not get on") {
    for (const PolicyKind policy : {PolicyKind::layered, PolicyKind::ms_mdi, PolicyKind::ar_mdi, PolicyKind::ddi})
        for (const double mbit_per_s : {5, 20, 100, 1000}) {
            CAPTURE(static_cast<int>(policy));
            CAPTURE(mbit_per_s);
            Five cluster(mbit_per_s, mbit_per_s < 100 ? 15 : 50, policy);
            cluster.sim.run_for(20s);
            CHECK(cluster.count(&node::CoreCounters::stalls) == 0);
        }
}
