// Goal: no schedule can beat the bound of a batch, and it is as near as the fluid system allows.
#include <cmath>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "clusters.hpp"

using namespace eddy;
using namespace eddy::planner;
using namespace eddy::test;

namespace {

void add_batch(Experiment& experiment, size_t device, double rate_per_s, uint64_t frames) {
    add_source(experiment, device, rate_per_s);
    experiment.sources.back().frames = frames;
}

}  // namespace

TEST_CASE("a device alone needs the work of its frames, or the time until the last has come and is computed") {
    const ModelProfile profile = make_profile({{4, 10}, {6, 10}});
    Experiment busy = make_cluster(1, 100);
    add_batch(busy, 0, 1000, 500);
    const MakespanBound crowded = makespan_bound(busy, profile).value();
    CHECK(crowded.fluid_s == doctest::Approx(5));
    CHECK(crowded.makespan_s == doctest::Approx(5));
    Experiment idle = make_cluster(1, 100);
    idle.devices[0].speed = 0.5;
    idle.devices[0].lanes = 4;
    add_batch(idle, 0, 10, 51);
    const MakespanBound sparse = makespan_bound(idle, profile).value();
    CHECK(sparse.fluid_s == doctest::Approx(5));
    CHECK(sparse.last_result_s == doctest::Approx(5 + 0.02));
    CHECK(sparse.makespan_s == doctest::Approx(5 + 0.02));
}

TEST_CASE("the last frame's quickest way counts links, their delays and the result") {
    Experiment experiment = make_cluster(2, 8);
    experiment.link.delay_ms = 3;
    experiment.devices[0].has_model = false;
    add_batch(experiment, 0, 1, 1);
    const MakespanBound bound = makespan_bound(experiment, make_profile({{10, 20}}), {1000}).value();
    CHECK(bound.last_result_s == doctest::Approx(0.020 + 0.003 + 0.010 + 0.001 + 0.003));
}

TEST_CASE("capacity that lies idle before a source's frames come is lost") {
    // Device 0 computes 100 frames/s. The first source brings 200 within a second or so, the second 99 more, one a
    // second.
    Experiment experiment = make_cluster(1, 100);
    add_batch(experiment, 0, 1e6, 200);
    add_batch(experiment, 0, 1, 100);
    CHECK(makespan_bound(experiment, make_profile({{10, 1}})).value().fluid_s == doctest::Approx(99));
    // With 300 at the very end there is nothing to do before.
    experiment.sources[1].rate_per_s = 100;
    experiment.sources[1].frames = 901;
    CHECK(makespan_bound(experiment, make_profile({{10, 1}})).value().fluid_s == doctest::Approx(11.01));
}

TEST_CASE("with changes of speed the bound is that of devices which are always as fast as they ever are") {
    const ModelProfile profile = make_profile({{10, 10}});
    Experiment experiment = make_cluster(1, 100);
    add_batch(experiment, 0, 1000, 500);
    experiment.changes = {{1, 0, 0.5}};
    CHECK(makespan_bound(experiment, profile).value().makespan_s == doctest::Approx(5));
    experiment.changes.push_back({2, 0, 4});
    CHECK(makespan_bound(experiment, profile).value().makespan_s == doctest::Approx(1.25));
}

TEST_CASE("frames that have not come cannot be served, so a slow stream of many leaves work for its end") {
    // Two devices, the second only for source 1, whose link is shut: its frames come at 150/s for two seconds.
    Experiment experiment = make_cluster(2, 1e-4);
    add_batch(experiment, 1, 150, 301);
    CHECK(makespan_bound(experiment, make_profile({{10, 1000}})).value().fluid_s ==
          doctest::Approx(3.01).epsilon(1e-3));
    add_batch(experiment, 0, 50, 101);
    CHECK(makespan_bound(experiment, make_profile({{10, 1000}})).value().fluid_s ==
          doctest::Approx(3.01).epsilon(1e-3));
}

TEST_CASE("a batch takes at least its frames at the capacity bound, and at most that after its last arrival") {
    CHECK(rc::check("between", [] {
        Case made = random_case(*rc::gen::arbitrary<uint64_t>());
        Case asked = made;  // its rates are numbers of frames
        double last = 0;
        for (size_t j = 0; j < made.experiment.sources.size(); ++j) {
            ExperimentSource& source = made.experiment.sources[j];
            source.frames = *rc::gen::inRange<uint64_t>(1, 500);
            asked.experiment.sources[j].rate_per_s = static_cast<double>(*source.frames);
            last = std::max(last, static_cast<double>(*source.frames - 1) / source.rate_per_s);
        }
        const double all_at_once = 1 / capacity_bound(asked.experiment, asked.profile).value().theta;
        const MakespanBound bound = makespan_bound(made.experiment, made.profile).value();
        RC_ASSERT(bound.fluid_s >= all_at_once * (1 - 1e-6));
        RC_ASSERT(bound.fluid_s >= last * (1 - 1e-9));
        RC_ASSERT(bound.fluid_s <= (last + all_at_once) * (1 + 1e-6));
        RC_ASSERT(bound.last_result_s >= last);
        RC_ASSERT(bound.makespan_s == std::max(bound.fluid_s, bound.last_result_s));
        for (auto& source : made.experiment.sources) source.rate_per_s = 1e9;
        const MakespanBound at_once = makespan_bound(made.experiment, made.profile).value();
        RC_ASSERT(std::abs(at_once.fluid_s - all_at_once) <= 1e-5 * all_at_once);
    }));
}

TEST_CASE("many sources that end at different times have a bound that still holds") {
    Experiment experiment = make_cluster(2, 100);
    for (uint64_t j = 0; j < 60; ++j) add_batch(experiment, j % 2, 10, 10 + 3 * j);
    double frames = 0;
    for (const auto& source : experiment.sources) frames += static_cast<double>(*source.frames);
    const double fluid_s = makespan_bound(experiment, make_profile({{10, 1}})).value().fluid_s;
    CHECK(fluid_s >= frames / 200);
    CHECK(fluid_s <= frames / 200 + 1);
    for (auto& source : experiment.sources) source.rate_per_s = 0.5;  // little to do, until the last has come
    CHECK(makespan_bound(experiment, make_profile({{10, 1}})).value().fluid_s == doctest::Approx(186 / 0.5));
}
