// Goal: a cluster that moves frames at the few cuts that a node would offer carries as much as one that may move them
// before any layer. Method: the capacity bound of both, the layers between two cuts merged into one.
#include <fstream>
#include <sstream>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "clusters.hpp"
#include "scheduler/cuts.hpp"

using namespace eddy;
using namespace eddy::planner;
using namespace eddy::scheduler;
using namespace eddy::test;

namespace {

constexpr uint64_t result_bytes = 300;

/// Times and frontiers of the recorded profile that the shipped experiments use; other numbers do not count here.
ModelProfile shipped_profile() {
    std::ifstream file(std::string(EDDY_SOURCE_DIR) + "/configs/experiments/mobilenet_v2_224.profile.json");
    ModelProfile profile;
    LayerProfile layer;
    for (std::string line; std::getline(file, line);) {
        std::istringstream in(line);
        std::string key;
        uint64_t number = 0;
        in >> key >> number;
        if (key == "\"frontier_bytes\":") layer.frontier_bytes = number;
        if (key == "\"time_us\":") {
            layer.time = Usec(number);
            profile.layers.push_back(layer);
        }
    }
    return profile;
}

CutCosts costs_of(const ModelProfile& profile, double speed, double mbit_per_s) {
    CutCosts costs;
    for (const LayerProfile& layer : profile.layers) {
        costs.layer_s.push_back(to_seconds(layer.time) / speed);
        costs.frontier_bytes.push_back(layer.frontier_bytes);
    }
    costs.frontier_bytes.push_back(result_bytes);
    costs.bytes_per_s = mbit_per_s * 1e6 / 8;
    return costs;
}

/// The chain as it is for someone who knows of these cuts only.
ModelProfile merged(const ModelProfile& profile, const std::vector<uint16_t>& cuts) {
    ModelProfile coarse;
    for (size_t i = 0; i < profile.layers.size(); ++i) {
        if (coarse.layers.size() < cuts.size() && cuts[coarse.layers.size()] == i)
            coarse.layers.push_back(profile.layers[i]);
        else
            coarse.layers.back().time += profile.layers[i].time;
    }
    return coarse;
}

/// θ with these cuts over θ with all of them.
double kept(const Experiment& experiment, const ModelProfile& profile, const std::vector<uint16_t>& cuts) {
    const double all = capacity_bound(experiment, profile).value().theta;
    return capacity_bound(experiment, merged(profile, cuts)).value().theta / all;
}

/// Equal devices, and the first two have sources at 1 : 3.
Experiment two_sources(size_t devices, double speed, double mbit_per_s, ExperimentLinks links = ExperimentLinks::ring) {
    Experiment experiment = make_cluster(devices, mbit_per_s, links);
    for (auto& device : experiment.devices) device.speed = speed;
    add_source(experiment, 0, 62.5);
    add_source(experiment, 1, 187.5);
    return experiment;
}

}  // namespace

TEST_CASE("five cuts of MobileNetV2 carry what all of them would, on slow links and fast ones") {
    const ModelProfile profile = shipped_profile();
    REQUIRE(profile.layers.size() == 34);
    for (const double mbit_per_s : {5.0, 20.0, 50.0, 100.0, 300.0, 1000.0}) {
        const auto cuts = choose_cuts(costs_of(profile, 0.223, mbit_per_s));
        for (const auto links : {ExperimentLinks::ring, ExperimentLinks::direct})
            for (size_t devices = 2; devices <= 5; ++devices) {
                CAPTURE(mbit_per_s);
                CAPTURE(devices);
                CHECK(kept(two_sources(devices, 0.223, mbit_per_s, links), profile, cuts) > 0.999);
            }
    }
    // Not because cuts would not matter there.
    CHECK(kept(two_sources(5, 0.223, 20), profile, {0}) < 0.8);
    CHECK(kept(two_sources(5, 0.223, 20), profile, {0, 8, 22}) < 0.8);
    CHECK(kept(two_sources(5, 0.223, 50), profile, {0, 12, 18, 27, 31}) < 0.96);
}

TEST_CASE("three cuts do on devices and links that all differ") {
    const ModelProfile profile = shipped_profile();
    Experiment experiment = two_sources(5, 0.35, 20);
    experiment.devices[2].speed = 0.1;
    experiment.devices[4].speed = 0.9;
    experiment.links_between.push_back({1, 2, {8, 0}});
    experiment.links_between.push_back({3, 4, {60, 0}});
    CHECK(kept(experiment, profile, choose_cuts(costs_of(profile, 0.35, 20), 3)) > 0.999);
}

TEST_CASE("if there is room for all corners, no cluster loses more than the hull allows") {
    CHECK(rc::check("any cluster", [] {
        const Case made = random_case(*rc::gen::arbitrary<uint64_t>(), 4, 9);
        const auto cuts = choose_cuts(costs_of(made.profile, 1, made.experiment.link.mbit_per_s), cuts_max);
        // Result messages, which may start elsewhere, are the hundredth of a per cent.
        RC_ASSERT(kept(made.experiment, made.profile, cuts) > 1 / hull_excess - 1e-4);
    }));
}
