// Whole clusters of production cores in virtual time. Goal: whatever happens to nodes, every captured frame gets
// exactly one outcome, queues keep their bounds (checked inside the simulation after every event), and nothing is left
// behind.
#include <algorithm>
#include <numeric>

#include <doctest/doctest.h>

#include "eddy/random.hpp"
#include "sim/simulation.hpp"

using namespace eddy;
using namespace eddy::sim;
using namespace std::chrono_literals;

namespace {

SourceModel camera(double rate_per_s, uint64_t frames) {
    SourceModel source;
    source.name = "camera";
    source.rate_per_s = rate_per_s;
    source.frames = frames;
    return source;
}

NodeModel device(size_t i, size_t n, std::vector<SourceModel> sources = {}) {
    NodeModel node;
    node.name = std::string(1, static_cast<char>('a' + i));
    node.id = evenly_spaced_id(i, n);
    node.sources = std::move(sources);
    return node;
}

/// Three equal devices that can do 10 frames/s each; the first two have cameras.
struct ThreeDevices {
    Simulation sim{7, even_profile(20, 100ms, 100'000), {}};
    explicit ThreeDevices(double rate_a, double rate_b, uint64_t frames) {
        sim.add(device(0, 3, {camera(rate_a, frames)}));
        sim.add(device(1, 3, {camera(rate_b, frames)}));
        sim.add(device(2, 3));
        for (size_t i = 0; i < 3; ++i) sim.start(i);
    }
};

double mean(const std::vector<double>& values) {
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace

TEST_CASE("three nodes find each other through the first one and agree on the ring") {
    ThreeDevices cluster(1, 1, 5);
    REQUIRE(cluster.sim.run_until(5s, [&] { return cluster.sim.converged(); }));
    CHECK(cluster.sim.core(0).ring().successor() == evenly_spaced_id(1, 3));
    CHECK(cluster.sim.core(2).ring().successor() == evenly_spaced_id(0, 3));
    CHECK(cluster.sim.core(0).ring().predecessor() == evenly_spaced_id(2, 3));
}

TEST_CASE("two cameras that no node could serve alone are served by the three together") {
    ThreeDevices cluster(11, 11, 300);
    REQUIRE(cluster.sim.run_until(120s, [&] { return cluster.sim.all_settled(); }));
    for (size_t i = 0; i < 2; ++i) {
        CHECK(cluster.sim.tally(i).captured == 300);
        CHECK(cluster.sim.tally(i).completed == 300);
    }
    for (size_t i = 0; i < 3; ++i) CHECK(cluster.sim.busy(i) > 2s);
    CHECK(cluster.sim.tally(0).local < 300);
}

TEST_CASE("a ring of one computes everything itself") {
    Simulation sim(1, even_profile(10, 50ms, 1000), {});
    sim.add(device(0, 1, {camera(10, 50)}));
    sim.start(0);
    REQUIRE(sim.run_until(30s, [&] { return sim.all_settled(); }));
    CHECK(sim.tally(0).completed == 50);
    CHECK(mean(sim.tally(0).completion_ms) == doctest::Approx(50).epsilon(0.05));
}

TEST_CASE("the policy `local` sends no frame away") {
    Simulation sim(1, even_profile(10, 100ms, 1000), {});
    for (size_t i = 0; i < 2; ++i) {
        auto node = device(i, 2, {camera(9, 40)});
        node.policy = PolicyKind::local;
        sim.add(node);
        sim.start(i);
    }
    REQUIRE(sim.run_until(60s, [&] { return sim.all_settled(); }));
    CHECK(sim.tally(0).local == 40);
    CHECK(sim.core(1).counters().work_received == 0);
}

TEST_CASE("a live camera in overload drops what it cannot serve, and says how much") {
    Simulation sim(3, even_profile(10, 100ms, 1000), {});
    for (const auto when_full : {WhenFull::drop_newest, WhenFull::drop_oldest}) {
        auto source = camera(30, 300);
        source.when_full = when_full;
        const size_t i = sim.add(device(when_full == WhenFull::drop_oldest ? 1 : 0, 2, {source}));
        sim.start(i);
    }
    REQUIRE(sim.run_until(120s, [&] { return sim.all_settled(); }));
    for (size_t i = 0; i < 2; ++i) {
        const auto& tally = sim.tally(i);
        CHECK(tally.completed + tally.dropped == 300);
        CHECK(tally.dropped > 150);
        CHECK(tally.reasons.at("reservoir_full") == tally.dropped);
    }
}

TEST_CASE("drop-oldest keeps frames fresher than drop-newest in the same overload") {
    const auto mean_completion = [](WhenFull when_full) {
        Simulation sim(3, even_profile(10, 100ms, 1000), {});
        auto source = camera(30, 600);
        source.when_full = when_full;
        source.reservoir_frames = 20;
        sim.add(device(0, 1, {source}));
        sim.start(0);
        REQUIRE(sim.run_until(120s, [&] { return sim.all_settled(); }));
        return mean(sim.tally(0).completion_ms);
    };
    CHECK(mean_completion(WhenFull::drop_oldest) < mean_completion(WhenFull::drop_newest));
}

TEST_CASE("frames past their deadline are dropped wherever they are") {
    Simulation sim(3, even_profile(10, 100ms, 1000), {});
    auto source = camera(40, 200);
    source.deadline = 400ms;
    source.when_full = WhenFull::drop_oldest;
    sim.add(device(0, 2, {source}));
    sim.add(device(1, 2));
    sim.start(0);
    sim.start(1);
    REQUIRE(sim.run_until(60s, [&] { return sim.all_settled(); }));
    const auto& tally = sim.tally(0);
    CHECK(tally.completed + tally.dropped == 200);
    CHECK(tally.reasons.count("deadline") == 1);
    for (const double ms : tally.completion_ms) CHECK(ms <= 400 + 1);
}

TEST_CASE("a crashed worker costs retries, not frames") {
    ThreeDevices cluster(11, 11, 300);
    cluster.sim.run_for(8s);
    cluster.sim.crash(2);
    REQUIRE(cluster.sim.run_until(200s, [&] { return cluster.sim.all_settled(); }));
    for (size_t i = 0; i < 2; ++i) CHECK(cluster.sim.tally(i).completed == 300);
    CHECK(cluster.sim.converged());
}

TEST_CASE("a machine that vanishes without a word is found by its silence") {
    ThreeDevices cluster(11, 11, 300);
    cluster.sim.run_for(8s);
    cluster.sim.vanish(2);
    cluster.sim.run_for(5s);
    CHECK(cluster.sim.converged());
    REQUIRE(cluster.sim.run_until(200s, [&] { return cluster.sim.all_settled(); }));
    for (size_t i = 0; i < 2; ++i) CHECK(cluster.sim.tally(i).completed == 300);
}

TEST_CASE("a node that is stopped finishes what it admitted, hands over the rest and leaves no retry behind") {
    ThreeDevices cluster(9, 9, 200);
    cluster.sim.run_for(6s);
    cluster.sim.stop(2, 5s);
    REQUIRE(cluster.sim.run_until(6s, [&] { return cluster.sim.idle(2); }));
    cluster.sim.crash(2);  // the process exits
    REQUIRE(cluster.sim.run_until(100s, [&] { return cluster.sim.all_settled(); }));
    for (size_t i = 0; i < 2; ++i) {
        CHECK(cluster.sim.tally(i).completed == 200);
        CHECK(cluster.sim.core(i).ledger().counts(StreamId{0}).retries == 0);
    }
}

TEST_CASE("stopping a source reports every admitted frame: done in time, or failed as stopped") {
    ThreeDevices cluster(11, 11, 100'000);
    cluster.sim.run_for(10s);
    cluster.sim.stop(0, 200ms);
    REQUIRE(cluster.sim.run_until(1s, [&] { return cluster.sim.idle(0); }));
    const auto& tally = cluster.sim.tally(0);
    const auto& counts = cluster.sim.core(0).ledger().counts(StreamId{0});
    CHECK(counts.captured == counts.completed + counts.failed + counts.dropped);
    CHECK(tally.settled() == counts.captured);
    CHECK(tally.reasons.count("stopping") + tally.reasons.count("stopped") > 0);
}

TEST_CASE("a node without a model relays, and the others do the work") {
    Simulation sim(5, even_profile(20, 100ms, 50'000), {});
    sim.add(device(0, 3, {camera(12, 200)}));
    auto relay = device(1, 3);
    relay.has_model = false;
    sim.add(relay);
    sim.add(device(2, 3));
    for (size_t i = 0; i < 3; ++i) sim.start(i);
    REQUIRE(sim.run_until(100s, [&] { return sim.all_settled(); }));
    CHECK(sim.tally(0).completed == 200);
    CHECK(sim.busy(1) == 0s);
    CHECK(sim.core(1).counters().work_relayed > 0);
    CHECK(sim.busy(2) > 1s);
}

TEST_CASE("the frames of a light source are not parked behind an overloaded neighbour's for ever") {
    Simulation sim(5, even_profile(20, 150ms, 50'000), {});
    sim.add(device(0, 3, {camera(6, 150)}));
    auto heavy = camera(14, 350);
    heavy.when_full = WhenFull::drop_oldest;
    sim.add(device(1, 3, {heavy}));
    sim.add(device(2, 3));
    for (size_t i = 0; i < 3; ++i) sim.start(i);
    REQUIRE(sim.run_until(200s, [&] { return sim.all_settled(); }));
    const auto& tally = sim.tally(0);
    CHECK(tally.completed == 150);
    CHECK(sim.core(0).ledger().counts(StreamId{0}).retries == 0);
    CHECK(*std::max_element(tally.completion_ms.begin(), tally.completion_ms.end()) < 9000);
}

TEST_CASE("once the sources end, no node holds a buffer any more") {
    ThreeDevices cluster(12, 4, 100);
    REQUIRE(cluster.sim.run_until(100s, [&] { return cluster.sim.all_settled(); }));
    cluster.sim.run_for(2s);
    for (size_t i = 0; i < 3; ++i) CHECK(cluster.sim.live_buffers(i) == 0);
}

TEST_CASE("the same seed replays the same run, another seed another") {
    const auto fingerprint = [](uint64_t seed) {
        Simulation sim(seed, even_profile(20, 100ms, 100'000), {});
        auto source = camera(11, 100);
        source.arrivals = Arrivals::poisson;
        sim.add(device(0, 2, {source}));
        sim.add(device(1, 2, {source}));
        sim.start(0);
        sim.start(1);
        REQUIRE(sim.run_until(100s, [&] { return sim.all_settled(); }));
        return std::make_pair(sim.events_run(), sim.tally(0).completion_ms);
    };
    CHECK(fingerprint(11) == fingerprint(11));
    CHECK(fingerprint(11) != fingerprint(12));
}

TEST_CASE("random clusters with crashes, vanishings, restarts and stops settle every frame of surviving sources") {
    for (uint64_t seed = 1; seed <= 150; ++seed) {
        CAPTURE(seed);
        Random random(seed);
        const size_t n = 1 + random.below(6);
        const PolicyKind policy = seed % 2 == 0 ? PolicyKind::layered : static_cast<PolicyKind>(seed / 2 % 5);
        LinkModel link;
        link.bytes_per_s = random.uniform(1e6, 50e6);
        link.delay = from_ms(random.uniform(0.1, 20));
        Simulation sim(
            seed, even_profile(1 + random.below(30), from_ms(random.uniform(10, 120)), 10'000 + random.below(400'000)),
            link);
        for (size_t i = 0; i < n; ++i) {
            auto node = device(i, n);
            node.policy = policy;
            node.speed = random.uniform(0.3, 2);
            node.lanes = static_cast<uint32_t>(1 + random.below(2));
            node.has_model = i == 0 || random.chance(0.8);
            node.queue_frames = static_cast<uint32_t>(1 + random.below(10));
            node.frame_timeout = 20s;
            if (i == 0 || random.chance(0.4)) {
                auto source = camera(random.uniform(2, 30), 20 + random.below(150));
                source.arrivals = random.chance(0.5) ? Arrivals::poisson : Arrivals::paced;
                source.when_full = static_cast<WhenFull>(random.below(3));
                source.reservoir_frames = static_cast<uint32_t>(1 + random.below(10));
                if (random.chance(0.2)) source.deadline = from_ms(random.uniform(50, 2000));
                node.sources.push_back(source);
                node.has_model = true;
            }
            sim.add(node);
            sim.start(i);
        }
        const uint64_t faults = n == 1 ? 0 : random.below(5);
        for (uint64_t f = 0; f < faults; ++f) {
            sim.run_for(from_seconds(random.uniform(0.1, 4)));
            const size_t victim = 1 + random.below(n - 1);  // the first node's source must survive
            if (!sim.running(victim))
                sim.start(victim);
            else if (random.chance(0.5))
                sim.crash(victim);
            else
                sim.stop(victim, from_seconds(random.uniform(0, 3)));
        }
        REQUIRE(sim.run_until(400s, [&] { return sim.all_settled(); }));
        const auto& tally = sim.tally(0);
        CHECK(tally.captured == tally.completed + tally.failed + tally.dropped);
        if (faults == 0) CHECK(tally.failed == 0);
    }
}
