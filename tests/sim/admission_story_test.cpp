// Who gets how much of a ring that cannot serve all, under `layered`. Goal: shares are those of the weights, whatever
// sources do when they are full; a prior source is served first, and the others still get something.
#include <algorithm>

#include <doctest/doctest.h>

#include "sim/simulation.hpp"

using namespace eddy;
using namespace eddy::sim;
using namespace std::chrono_literals;

namespace {

constexpr double device_per_s = 10;
constexpr double warm_up_s = 40;
constexpr double window_s = 60;

SourceModel source(WhenFull when_full, double rate_per_s, double weight = 1, uint8_t priority = 0) {
    SourceModel made;
    made.name = "source";
    made.when_full = when_full;
    made.rate_per_s = rate_per_s;
    made.frames = 1'000'000;
    made.weight = weight;
    made.priority = priority;
    return made;
}
SourceModel camera(double rate_per_s, double weight = 1, uint8_t priority = 0) {
    return source(WhenFull::drop_newest, rate_per_s, weight, priority);
}
SourceModel file(double rate_per_s, double weight = 1, uint8_t priority = 0) {
    return source(WhenFull::block, rate_per_s, weight, priority);
}

struct Served {
    double per_s = 0;
    double longest_gap_s = 0;  ///< between completions, from the end of the warm-up on
};

/// A source at each of the first devices of three that serve 30 frames/s together; all at the first if `together`.
std::vector<Served> serve(std::vector<SourceModel> sources, bool together = false, double bytes_per_s = 12.5e6) {
    LinkModel link;
    link.bytes_per_s = bytes_per_s;
    Simulation sim(11, even_profile(20, from_seconds(1 / device_per_s), 60'000), link, {50, true});
    std::vector<Served> served(sources.size());
    std::vector<Instant> last(sources.size());
    Instant begun = never;
    for (size_t i = 0; i < 3; ++i) {
        NodeModel node;
        node.name = std::string(1, static_cast<char>('a' + i));
        node.id = evenly_spaced_id(i, 3);
        node.policy = PolicyKind::layered;
        if (together && i == 0) node.sources = sources;
        if (!together && i < sources.size()) node.sources = {sources[i]};
        sim.add(node);
        sim.start(i);
    }
    sim.set_on_outcome([&](size_t node, size_t stream, const Outcome& outcome) {
        if (sim.now() < begun || outcome.state != FrameState::completed) return;
        const size_t j = together ? stream : node;
        served[j].per_s += 1 / window_s;
        served[j].longest_gap_s = std::max(served[j].longest_gap_s, to_seconds(sim.now() - last[j]));
        last[j] = sim.now();
    });
    sim.run_for(from_seconds(warm_up_s));
    begun = sim.now();
    std::fill(last.begin(), last.end(), begun);
    sim.run_for(from_seconds(window_s));
    for (size_t j = 0; j < sources.size(); ++j)
        served[j].longest_gap_s = std::max(served[j].longest_gap_s, to_seconds(sim.now() - last[j]));
    return served;
}

}  // namespace

TEST_CASE("a live camera that drops and a file that waits share the ring by their weights") {
    for (const bool together : {false, true})
        for (const double weight : {1.0, 4.0, 0.25}) {
            CAPTURE(together);
            CAPTURE(weight);
            const auto served = serve({camera(60), file(60, weight)}, together);
            const double total = 3 * device_per_s;
            CHECK(served[0].per_s >= 0.93 * total / (1 + weight));
            CHECK(served[1].per_s >= 0.93 * total * weight / (1 + weight));
        }
}

TEST_CASE("a source that offers less than its share gets all of it, and the other the rest") {
    for (const bool camera_is_light : {false, true}) {
        CAPTURE(camera_is_light);
        const auto served = camera_is_light ? serve({camera(6), file(60)}) : serve({file(6), camera(60)});
        CHECK(served[0].per_s >= 0.98 * 6);
        CHECK(served[1].per_s >= 0.93 * (3 * device_per_s - 6));
    }
}

TEST_CASE("a prior source gets nearly all there is if it offers as much, wherever it is, and starves nobody") {
    for (const bool together : {false, true})
        for (const double offered : {22.0, 90.0})
            for (const bool prior_is_camera : {false, true}) {
                CAPTURE(together);
                CAPTURE(offered);
                CAPTURE(prior_is_camera);
                const auto served = prior_is_camera ? serve({camera(offered, 1, 1), file(60)}, together)
                                                    : serve({file(offered, 1, 1), camera(60)}, together);
                CHECK(served[0].per_s > 0.9 * std::min(offered, 3 * device_per_s - 2));
                CHECK(served[0].per_s + served[1].per_s > 0.85 * 3 * device_per_s);
                for (const Served& source : served) CHECK(source.longest_gap_s < 3);
            }
}

TEST_CASE("a prior source within its share gets all it offers") {
    for (const bool together : {false, true})
        for (const bool prior_is_camera : {false, true}) {
            CAPTURE(together);
            CAPTURE(prior_is_camera);
            const auto served = prior_is_camera ? serve({camera(12, 1, 1), file(60)}, together)
                                                : serve({file(12, 1, 1), camera(60)}, together);
            CHECK(served[0].per_s >= 0.98 * 12);
            CHECK(served[1].per_s >= 0.93 * 18);
            CHECK(served[1].longest_gap_s < 3);
        }
}

TEST_CASE("shares hold where the links are what is scarce") {
    // 8 frames/s over each link.
    for (const double weight : {1.0, 4.0}) {
        CAPTURE(weight);
        const auto served = serve({camera(60), file(60, weight)}, true, 8 * 60'000);
        CHECK(served[0].per_s + served[1].per_s > 16);
        CHECK(served[1].per_s / served[0].per_s > 0.8 * weight);
        CHECK(served[1].per_s / served[0].per_s < 1.25 * weight);
    }
}
