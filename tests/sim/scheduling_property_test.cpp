// Whole clusters under every policy, at random. Goal: whatever nodes believe of each other, each frame is worked on
// once and settled once, queues keep the bounds that src/node/node_core.hpp states, no ring of full queues stands
// still, and nothing is left behind. That no layer is left out or done twice on the way to a result is checked in the
// simulation itself (sim/simulation.hpp).
#include <algorithm>

#include <doctest/doctest.h>

#include "eddy/random.hpp"
#include "scheduler/cuts.hpp"
#include "sim/simulation.hpp"
#include "tests/support/sanitizers.hpp"

using namespace eddy;
using namespace eddy::sim;
using namespace std::chrono_literals;

namespace {

constexpr std::array policies{PolicyKind::local, PolicyKind::ddi, PolicyKind::ar_mdi, PolicyKind::ms_mdi,
                              PolicyKind::layered};
/// Longer than any frame may take: nothing is tried again, so what is computed twice shows.
constexpr Usec patient = 100'000s;

/// Layers of unequal times and frontiers; now and then none has parameters, so there are none to share out.
ModelProfile random_profile(Random& random) {
    ModelProfile profile =
        even_profile(1 + random.below(12), from_ms(random.uniform(20, 120)), 10'000 + random.below(200'000));
    const bool parameters = random.chance(0.85);
    for (size_t l = 0; l < profile.layers.size(); ++l) {
        auto& layer = profile.layers[l];
        layer.time = from_seconds(to_seconds(layer.time) * random.uniform(0.2, 2));
        if (!parameters) layer.parameters = 0;
        if (l > 0) layer.frontier_bytes = 1'000 + static_cast<uint64_t>(random.uniform(0.05, 1.5) * 100'000);
    }
    return profile;
}

SourceModel random_source(Random& random, double rate_per_s, uint64_t frames) {
    SourceModel source;
    source.name = "source";
    source.rate_per_s = rate_per_s;
    source.frames = frames;
    source.arrivals = random.chance(0.5) ? Arrivals::poisson : Arrivals::paced;
    source.reservoir_frames = static_cast<uint32_t>(1 + random.below(8));
    source.weight = random.chance(0.5) ? 0 : random.uniform(0.5, 5);
    source.priority = static_cast<uint8_t>(random.below(2));
    return source;
}

/// A ring of its own, whose cameras have not begun yet.
struct Ring {
    ModelProfile profile;
    Simulation sim;
    std::vector<NodeModel> nodes;

    Ring(uint64_t seed, ModelProfile made, SimulationOptions options = {4, true})
        : profile(std::move(made)), sim(seed, profile, {}, options) {}

    NodeModel& add(PolicyKind policy, uint32_t queue_frames) {
        NodeModel& node = nodes.emplace_back();
        node.name = "node " + std::to_string(nodes.size());
        node.policy = policy;
        node.queue_frames = queue_frames;
        node.cameras_wait = true;
        node.frame_timeout = patient;
        return node;
    }
    void set_link(size_t from, size_t to, double bytes_per_s, Usec delay) {
        sim.fabric().set_bandwidth(from, to, bytes_per_s);
        sim.fabric().set_delay(from, to, delay);
    }
    void form() {
        for (size_t i = 0; i < nodes.size(); ++i) {
            nodes[i].id = evenly_spaced_id(i, nodes.size());
            sim.add(nodes[i]);
        }
    }
    void begin() {
        for (size_t i = 0; i < nodes.size(); ++i) sim.start(i);
        REQUIRE(sim.run_until(60s, [&] { return sim.converged(); }));
        sim.run_for(3s);
        for (size_t i = 0; i < nodes.size(); ++i)
            if (!nodes[i].sources.empty()) sim.start_cameras(i);
    }

    /// What the head of node_core.hpp says of queues, where no connection broke.
    void check_bounds() const {
        for (size_t i = 0; i < nodes.size(); ++i) {
            const auto& core = sim.core(i);
            const NodeModel& node = nodes[i];
            const bool cuts = node.policy == PolicyKind::layered;
            const uint64_t others = nodes.size() - 1;
            const uint64_t granted = uint64_t{node.queue_frames} * (cuts ? scheduler::cuts_default : 1);
            for (const auto& row : core.board().rows) {
                const uint32_t local = row.here[scheduler::queue_local];
                uint64_t frames = 0;
                for (size_t queue = 0; queue < core.board().queues; ++queue) frames += row.here[queue];
                CHECK(local <= node.queue_frames);
                if (!row.own) {
                    CHECK(frames <= granted + others);
                    continue;
                }
                // Of an own source those come back besides that nobody on the way could compute.
                CHECK(frames <= granted + node.queue_frames + node.lanes + others);
                CHECK(sim.core(i).ledger().open(row.source.stream).size() <= most_open(node));
            }
        }
    }
    [[nodiscard]] uint64_t most_open(const NodeModel& node) const {
        uint64_t reservoir = 0;
        for (const auto& source : node.sources) reservoir = std::max<uint64_t>(reservoir, source.reservoir_frames);
        return reservoir + node::CoreConfig{}.in_flight_frames;
    }

    /// To the end of all sources, then of the nodes.
    void run_out(Usec limit) {
        uint64_t steps = 0;
        REQUIRE(sim.run_until(limit, [&] {
            if (++steps % 16 == 0) check_bounds();
            return steps % 16 == 0 && sim.all_settled();
        }));
        sim.run_for(20s);
        for (size_t i = 0; i < nodes.size(); ++i) {
            CHECK(sim.live_buffers(i) == 0);
            CHECK(sim.core(i).buffered_bytes() == 0);
            for (const auto& lengths : sim.core(i).queue_lengths())
                CHECK(lengths.reservoir + lengths.local + lengths.distributed + lengths.outbox == 0);
            sim.stop(i, 5s);
        }
        REQUIRE(sim.run_until(30s, [&] {
            for (size_t i = 0; i < nodes.size(); ++i)
                if (!sim.idle(i)) return false;
            return true;
        }));
    }

    [[nodiscard]] uint64_t sum(uint64_t (*of)(const SourceTally&)) const {
        uint64_t total = 0;
        for (size_t i = 0; i < nodes.size(); ++i)
            for (size_t s = 0; s < nodes[i].sources.size(); ++s) total += of(sim.tally(i, s));
        return total;
    }
    [[nodiscard]] uint64_t completed() const {
        return sum([](const SourceTally& tally) { return tally.completed; });
    }
    [[nodiscard]] uint64_t layers_run() const {
        uint64_t total = 0;
        for (size_t i = 0; i < nodes.size(); ++i) total += sim.layers_run(i);
        return total;
    }
};

}  // namespace

TEST_CASE(
    "in random clusters under any policy each frame is worked on once, settles once, and queues keep their bounds") {
    uint64_t cut_changes = 0;
    uint64_t away = 0;
    for (uint64_t seed = 1; seed <= test::times(80U, 15U); ++seed)
        for (const PolicyKind policy : policies) {
            CAPTURE(seed);
            CAPTURE(static_cast<int>(policy));
            Random random(seed);
            Ring ring(seed, random_profile(random));
            const size_t n = 1 + random.below(6);
            size_t sources = 1 + random.below(3);
            for (size_t i = 0; i < n; ++i) {
                NodeModel& node = ring.add(policy, static_cast<uint32_t>(random.chance(0.5) ? 1 + random.below(2) : 8));
                node.speed = random.uniform(0.2, 3);
                node.lanes = static_cast<uint32_t>(1 + random.below(2));
                node.has_model = i == 0 || random.chance(0.75);
                while (sources > 0 && (i + 1 == n || random.chance(0.4))) {
                    node.has_model = true;
                    auto source = random_source(random, random.uniform(2, 60), 10 + random.below(150));
                    source.when_full = static_cast<WhenFull>(random.below(3));
                    node.sources.push_back(source);
                    --sources;
                }
            }
            ring.form();
            for (size_t from = 0; from < n; ++from)
                for (size_t to = 0; to < n; ++to) {
                    // The slow ones take longer for a frame than a view lives.
                    const double bytes_per_s = random.chance(0.3) ? random.uniform(3e4, 3e5) : random.uniform(1e6, 3e7);
                    if (from != to) ring.set_link(from, to, bytes_per_s, from_ms(random.uniform(0, 60)));
                }
            ring.begin();
            std::vector<std::array<uint16_t, scheduler::classes_max + 1>> cuts(n);
            const size_t changing = random.below(n);
            for (int turn = 0; turn < 12; ++turn) {
                ring.sim.run_for(from_seconds(random.uniform(0.1, 2)));
                ring.check_bounds();
                ring.sim.set_speed(changing, random.uniform(0.1, 4));
                for (size_t i = 0; i < n; ++i) {
                    const auto& cut = ring.sim.core(i).board().costs.cut;
                    if (turn > 0 && cuts[i] != cut) ++cut_changes;
                    cuts[i] = cut;
                }
            }
            ring.run_out(4000s);
            CHECK(ring.sum([](const SourceTally& t) { return t.captured - t.settled(); }) == 0);
            CHECK(ring.sum([](const SourceTally& t) { return t.failed; }) == 0);
            CHECK(ring.layers_run() == ring.completed() * ring.profile.layers.size());
            away += ring.sum([](const SourceTally& t) { return t.completed - t.local; });
        }
    // Or it would say little.
    CHECK(cut_changes > test::times(10U, 1U));
    CHECK(away > test::times(2000U, 300U));
}

TEST_CASE("a ring of sources with all buffers full goes on: every frame is completed, at its first attempt") {
    for (uint64_t seed = 1; seed <= test::times(15U, 4U); ++seed)
        for (const PolicyKind policy : policies) {
            CAPTURE(seed);
            CAPTURE(static_cast<int>(policy));
            Random random(seed);
            Ring ring(seed, random_profile(random));
            double model_s = 0;
            uint64_t largest = 0;
            for (const auto& layer : ring.profile.layers) {
                model_s += to_seconds(layer.time);
                largest = std::max(largest, layer.frontier_bytes);
            }
            const size_t n = 2 + random.below(5);
            for (size_t i = 0; i < n; ++i) {
                NodeModel& node = ring.add(policy, static_cast<uint32_t>(1 + random.below(2)));
                node.speed = random.chance(0.3) ? random.uniform(0.05, 0.3) : 1;
                auto source = random_source(random, 10 / model_s, 40);
                source.when_full = WhenFull::block;
                node.sources.push_back(source);
            }
            ring.form();
            for (size_t from = 0; from < n; ++from)
                for (size_t to = 0; to < n; ++to)
                    if (from != to)
                        ring.set_link(from, to, static_cast<double>(largest) / (model_s * random.uniform(0.2, 4)),
                                      from_ms(random.uniform(0.1, 30)));
            ring.begin();
            ring.run_out(4000s);
            CHECK(ring.completed() == 40 * n);
            CHECK(ring.layers_run() == ring.completed() * ring.profile.layers.size());
        }
}
