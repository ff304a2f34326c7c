// What a simulated device computes and when its cameras have frames. Goal: jobs take what the profile says at the
// device's speed, the rest of one at a new speed; arrivals keep their rate for hours and do not depend on anything
// else.
#include "sim/lanes.hpp"

#include <doctest/doctest.h>

#include "sim/arrivals.hpp"
#include "sim/simulation.hpp"

using namespace eddy;
using namespace eddy::sim;
using namespace std::chrono_literals;

namespace {

constexpr Instant start{};

Job job(uint64_t id, uint32_t first, uint32_t last) {
    Job made;
    made.id = JobId{id};
    made.units = {{}, first, last};
    return made;
}

}  // namespace

TEST_CASE("a job takes its layers' times over the device's speed") {
    const ModelProfile profile = even_profile(4, 40ms, 1000);
    Lanes lanes(profile, 0.5);
    const auto ending = lanes.begin(job(1, 1, 4), start + 5ms);
    CHECK(ending.at == start + 65ms);
    CHECK(lanes.holds(ending));
    const auto done = lanes.end(JobId{1}, ending.at);
    CHECK(done.busy == 60ms);
    CHECK(done.layer_times == std::vector<Usec>{20ms, 20ms, 20ms});
    CHECK_FALSE(lanes.holds(ending));
    CHECK(lanes.busy(start + 1s) == 60ms);
}

TEST_CASE("rounding does not add up over the layers") {
    const ModelProfile profile = even_profile(100, 1ms, 1000);  // of 10 us each
    Lanes lanes(profile, 3);
    CHECK(lanes.begin(job(1, 0, 100), start).at == start + 333us);
}

TEST_CASE("when the speed changes the rest of a job goes on at the new one, and layers done keep their times") {
    const ModelProfile profile = even_profile(4, 40ms, 1000);
    Lanes lanes(profile, 1);
    const auto before = lanes.begin(job(1, 0, 4), start);
    // Half-way through the second layer.
    const auto after = lanes.set_speed(0.5, start + 15ms);
    REQUIRE(after.size() == 1);
    CHECK_FALSE(lanes.holds(before));
    CHECK(lanes.holds(after[0]));
    CHECK(after[0].at == start + 65ms);
    CHECK(lanes.speed() == 0.5);
    const auto done = lanes.end(JobId{1}, after[0].at);
    CHECK(done.busy == 65ms);
    CHECK(done.layer_times == std::vector<Usec>{10ms, 15ms, 20ms, 20ms});
    CHECK(lanes.begin(job(2, 0, 1), start + 100ms).at == start + 120ms);
}

TEST_CASE("time taken is counted up to now, on all lanes, and stays when the device loses its jobs") {
    const ModelProfile profile = even_profile(4, 40ms, 1000);
    Lanes lanes(profile, 1);
    (void)lanes.begin(job(1, 0, 4), start);
    (void)lanes.begin(job(2, 0, 2), start + 10ms);
    CHECK(lanes.busy(start + 15ms) == 20ms);
    lanes.clear(start + 20ms);
    CHECK(lanes.busy(start + 1s) == 30ms);
}

TEST_CASE("a paced camera keeps its rate however odd, and stops after its last frame") {
    ArrivalTimes times(Arrivals::paced, 187.5, 1'000'000, 1);
    times.begin_at(start + 3s);
    CHECK(times.due() == start + 3s);
    for (int i = 0; i < 187'500; ++i) times.next();
    CHECK(times.due() == start + 1003s);
    ArrivalTimes two(Arrivals::paced, 10, 2, 1);
    two.next();
    CHECK(two.due() == start + 100ms);
    two.next();
    CHECK(two.due() == never);
    CHECK(two.k() == 2);
}

TEST_CASE("random arrivals have the mean rate, follow from the seed, and a copy runs ahead through the same") {
    ArrivalTimes times(Arrivals::poisson, 50, UINT64_MAX, 4);
    ArrivalTimes copy = times;
    ArrivalTimes other(Arrivals::poisson, 50, UINT64_MAX, 5);
    size_t equal = 0;
    for (int i = 0; i < 50'000; ++i) {
        copy.next();
        other.next();
        equal += copy.due() == other.due() ? 1 : 0;
    }
    CHECK(to_seconds(copy.due() - start) == doctest::Approx(1000).epsilon(0.02));
    CHECK(equal < 10);
    for (int i = 0; i < 50'000; ++i) times.next();
    CHECK(times.due() == copy.due());
}

TEST_CASE("a simulated device that becomes slower in the middle of a job ends it later") {
    Simulation sim(1, even_profile(10, 100ms, 1000), {});
    NodeModel node;
    node.name = "a";
    node.id = evenly_spaced_id(0, 1);
    node.cameras_wait = true;
    SourceModel source;
    source.name = "camera";
    source.rate_per_s = 1;
    source.frames = 2;
    node.sources = {source};
    const size_t a = sim.add(node);
    sim.start(a);
    sim.run_for(2s);
    CHECK(sim.tally(a).captured == 0);
    CHECK(sim.frames_due(a, 0) == 0);
    sim.start_cameras(a);
    sim.run_for(40ms);
    CHECK(sim.frames_due(a, 0) == 1);
    sim.set_speed(a, 0.25);
    REQUIRE(sim.run_until(10s, [&] { return sim.all_settled(); }));
    CHECK(sim.tally(a).completion_ms == std::vector<double>{280, 400});
    CHECK(sim.busy(a) == 680ms);
}

TEST_CASE("frames that wait because a source blocks are due, and count from the instant they were due") {
    Simulation sim(1, even_profile(10, 100ms, 1000), {});
    NodeModel node;
    node.name = "a";
    node.id = evenly_spaced_id(0, 1);
    node.policy = PolicyKind::local;
    node.queue_frames = 2;
    SourceModel source;
    source.name = "camera";
    source.rate_per_s = 100;
    source.frames = 1000;
    source.reservoir_frames = 3;
    node.sources = {source};
    sim.add(node);
    sim.start(0);
    sim.run_for(995ms);
    CHECK(sim.frames_due(0, 0) == 100);
    CHECK(sim.tally(0).captured < 20);
    sim.end_camera(0, 0);
    CHECK(sim.frames_due(0, 0) == sim.tally(0).captured);
    REQUIRE(sim.run_until(10s, [&] { return sim.all_settled(); }));
    const auto& tally = sim.tally(0);
    CHECK(tally.completed == tally.captured);
    // Frame k was due after 10 k ms, and ends 100 (k + 1) ms after the first.
    for (size_t k = 0; k < tally.completion_ms.size(); ++k)
        CHECK(tally.completion_ms[k] == doctest::Approx(100.0 + 90.0 * static_cast<double>(k)));
}
