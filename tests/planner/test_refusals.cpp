// Goal: what no bound can be had of is refused in words that name it, by each of the three bounds; and changes are made
// in their order.
#include <functional>
#include <limits>

#include <doctest/doctest.h>

#include "clusters.hpp"

using namespace eddy;
using namespace eddy::planner;
using namespace eddy::test;

namespace {

Case sound_case() {
    Case made{make_cluster(2, 100), make_profile({{5, 100}, {5, 10}})};
    add_source(made.experiment, 0, 10);
    made.experiment.sources[0].frames = 5;
    return made;
}

/// Empty if the three did not agree.
std::string refusal(const std::function<void(Case&)>& spoil, double result_bytes = 300) {
    Case made = sound_case();
    spoil(made);
    const auto capacity = capacity_bound(made.experiment, made.profile, {result_bytes});
    const auto utility = utility_optimum(made.experiment, made.profile, {result_bytes});
    const auto makespan = makespan_bound(made.experiment, made.profile, {result_bytes});
    if (capacity || utility || makespan || utility.error() != capacity.error() || makespan.error() != capacity.error())
        return "";
    return capacity.error().message;
}

bool refused(const std::string& words, const std::function<void(Case&)>& spoil) {
    const std::string said = refusal(spoil);
    CAPTURE(said);
    return said.find(words) != std::string::npos;
}

}  // namespace

TEST_CASE("bad input is refused in words") {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    CHECK(refused("one device", [](Case& c) { c.experiment.devices.clear(); }));
    CHECK(refused("one source", [](Case& c) { c.experiment.sources.clear(); }));
    CHECK(refused("made.pt has no layers", [](Case& c) { c.profile.layers.clear(); }));
    CHECK(refused("negative time", [](Case& c) { c.profile.layers[1].time = Usec(-1); }));
    CHECK(refused("device 1: speed", [](Case& c) { c.experiment.devices[1].speed = 0; }));
    CHECK(refused("device 1: speed", [=](Case& c) { c.experiment.devices[1].speed = nan; }));
    CHECK(refused("device 0: speed", [](Case& c) { c.experiment.devices[0].lanes = 0; }));
    CHECK(refused("source 0 is on no device", [](Case& c) { c.experiment.sources[0].device = 2; }));
    CHECK(refused("source 0: rate_per_s", [](Case& c) { c.experiment.sources[0].rate_per_s = 0; }));
    CHECK(refused("source 0: weight", [](Case& c) { c.experiment.sources[0].weight = 0; }));
    CHECK(refused("mbit_per_s", [](Case& c) { c.experiment.link.mbit_per_s = 0; }));
    CHECK(refused("delay_ms", [](Case& c) { c.experiment.link.delay_ms = -1; }));
    CHECK(refused("mbit_per_s", [=](Case& c) { c.experiment.links_between.push_back({0, 1, {nan, 0}}); }));
    CHECK(refused("not there", [](Case& c) { c.experiment.links_between.push_back({0, 2, {}}); }));
    CHECK(refused("same id", [](Case& c) { c.experiment.devices[1].id = c.experiment.devices[0].id; }));
    CHECK(refused("no device has the model", [](Case& c) {
        for (auto& device : c.experiment.devices) device.has_model = false;
    }));
    CHECK(refused("no device has the model", [](Case& c) { c.profile.layers[0].weight_bytes = 1ULL << 40; }));
    CHECK(refusal([](Case&) {}, -1).find("result_bytes") != std::string::npos);
}

TEST_CASE("a cluster that nothing limits has no θ, but serves what is offered") {
    Case made = sound_case();
    made.profile = make_profile({{0, 0}, {0, 0}});
    const auto bound = capacity_bound(made.experiment, made.profile);
    REQUIRE_FALSE(bound);
    CHECK(bound.error().message.find("nothing limits") != std::string::npos);
    CHECK(utility_optimum(made.experiment, made.profile).value().operation.throughput_per_s[0] == doctest::Approx(10));
    CHECK(makespan_bound(made.experiment, made.profile).value().makespan_s == doctest::Approx(0.4));
}

TEST_CASE("a batch must have an end") {
    Case made = sound_case();
    made.experiment.sources[0].frames.reset();
    CHECK(makespan_bound(made.experiment, made.profile).error().message.find("source 0 has no number of frames") !=
          std::string::npos);
    made.experiment.sources[0].frames = 0;
    CHECK_FALSE(makespan_bound(made.experiment, made.profile));
}

TEST_CASE("a planner that refused once goes on") {
    CapacityPlanner planner;
    Case made = sound_case();
    Case free = made;
    free.profile = make_profile({{0, 0}});
    CHECK(planner.capacity(made.experiment, made.profile));
    CHECK_FALSE(planner.capacity(free.experiment, free.profile));
    CHECK(planner.capacity(made.experiment, made.profile));
}

TEST_CASE("an experiment at a time has the changes up to then, the latest of each device") {
    Experiment experiment = make_cluster(3, 100);
    experiment.changes = {{30, 1, 0.25}, {10, 1, 0.5}, {20, 2, 2}};
    const auto speed = [&](double at_s, size_t device) {
        return experiment_at(experiment, at_s).devices[device].speed;
    };
    CHECK(speed(9.9, 1) == 1);
    CHECK(speed(10, 1) == 0.5);
    CHECK(speed(29, 1) == 0.5);
    CHECK(speed(31, 1) == 0.25);
    CHECK(speed(19, 2) == 1);
    CHECK(speed(20, 2) == 2);
    CHECK(speed(99, 0) == 1);
    CHECK(experiment_at(experiment, 15).changes.empty());
    CHECK(experiment.changes.size() == 3);
}
