// Goal: θ is the largest scale at which every source can be served, and what is told of the optimum fits it. Method:
// cases worked out by hand, the arc program by brute force, and what must hold of any cluster.
#include <algorithm>
#include <cmath>
#include <map>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "arc_program.hpp"
#include "clusters.hpp"
#include "planner/layered_graph.hpp"

using namespace eddy;
using namespace eddy::planner;
using namespace eddy::test;

namespace {

double theta(const Experiment& experiment, const ModelProfile& profile, double result_bytes = 300) {
    return capacity_bound(experiment, profile, {result_bytes}).value().theta;
}
double theta(const Case& made) { return theta(made.experiment, made.profile); }

const ResourceUse& use_of(const CapacityBound& bound, ResourceUse::Kind kind, size_t from, size_t to) {
    for (const ResourceUse& use : bound.operation.resources)
        if (use.kind == kind && use.from == from && use.to == to) return use;
    FAIL("this resource is not told of");
    return bound.operation.resources.front();
}

Case case_of_seed() { return random_case(*rc::gen::arbitrary<uint64_t>()); }

}  // namespace

TEST_CASE("a device alone serves what its lanes compute") {
    Experiment experiment = make_cluster(1, 100);
    experiment.devices[0].speed = 0.5;
    experiment.devices[0].lanes = 2;
    add_source(experiment, 0, 20);
    const CapacityBound bound = capacity_bound(experiment, make_profile({{4, 150}, {6, 50}})).value();
    CHECK(bound.theta == doctest::Approx(5));
    CHECK(bound.operation.throughput_per_s == std::vector<double>{bound.theta * 20});
    CHECK(bound.operation.busy_fraction[0] == doctest::Approx(1));
    REQUIRE(bound.operation.resources.size() == 1);
    CHECK(bound.operation.resources[0].binding);
    CHECK(bound.operation.resources[0].price == doctest::Approx(1));
    REQUIRE(bound.operation.runs.size() == 1);
    CHECK(bound.operation.runs[0].last_layer == 1);
    CHECK(bound.operation.cuts.empty());
}

TEST_CASE("a narrow link to a helper binds, and says so") {
    // 10 ms a frame; the cut before layer 1 costs least: 125 kB/s carry 10 frames/s of 12.5 kB, each of which spares
    // home 5 ms. So home serves 100 + 5 frames/s.
    Experiment experiment = make_cluster(2, 1);
    add_source(experiment, 0, 1);
    const CapacityBound bound = capacity_bound(experiment, make_profile({{5, 100}, {5, 12.5}}), {0}).value();
    CHECK(bound.theta == doctest::Approx(105));
    const ResourceUse& link = use_of(bound, ResourceUse::Kind::link, 0, 1);
    CHECK(link.binding);
    CHECK(link.price == doctest::Approx(5.0 / 105));
    CHECK(use_of(bound, ResourceUse::Kind::processor, 0, 0).price == doctest::Approx(100.0 / 105));
    CHECK_FALSE(use_of(bound, ResourceUse::Kind::processor, 1, 1).binding);
    REQUIRE(bound.operation.cuts.size() == 2);
    CHECK(bound.operation.cuts[0].cut == 1);
    CHECK(bound.operation.cuts[0].frames_per_s == doctest::Approx(10));
    CHECK(bound.operation.cuts[1].cut == 2);  // results
    CHECK(bound.operation.cuts[1].from == 1);
    CHECK(bound.operation.cuts[1].to == 0);
}

TEST_CASE("two equal devices serve exactly twice what one does, with a source each or over wide links") {
    const ModelProfile profile = make_profile({{3, 10}, {0, 5}, {7, 1}});
    Experiment one = make_cluster(1, 1000);
    add_source(one, 0, 10);
    Experiment two = make_cluster(2, 1000);
    add_source(two, 0, 10);
    CHECK(theta(two, profile) == doctest::Approx(2 * theta(one, profile)).epsilon(1e-7));
    add_source(two, 1, 10);
    CHECK(theta(two, profile) == doctest::Approx(theta(one, profile)).epsilon(1e-7));
}

TEST_CASE("a frame does not pass through its own source's device again, even where that would help") {
    // Device 1 is easy to reach, device 2 only with what is left of a frame after layer 0, and only from the source's
    // device. So device 2 gets 10 whole frames a second from there, and spares device 1 a tenth of a layer's worth.
    Experiment experiment = make_cluster(3, 8, ExperimentLinks::direct);
    experiment.links_between = {{0, 1, {8000, 0}}, {1, 2, {0.0008, 0}}};
    experiment.devices[0].has_model = false;
    add_source(experiment, 0, 1);
    CHECK(theta(experiment, make_profile({{5, 100}, {5, 1}}), 0) == doctest::Approx(100 + 10 + 0.05));
}

TEST_CASE("an infinitely wide link limits nothing") {
    Experiment experiment = make_cluster(3, std::numeric_limits<double>::infinity());
    add_source(experiment, 2, 5);
    CHECK(theta(experiment, make_profile({{5, 1e6}, {5, 1e6}})) == doctest::Approx(60));
}

TEST_CASE("a device without the model relays, and one without the memory does too") {
    const ModelProfile profile = make_profile({{10, 100}});
    Experiment experiment = make_cluster(3, 8);
    add_source(experiment, 0, 1);
    const double all = theta(experiment, profile, 0);
    CHECK(all == doctest::Approx(100 + 10));
    experiment.devices[0].has_model = false;
    CHECK(theta(experiment, profile, 0) == doctest::Approx(10));
    experiment.devices[1].memory_mb = 2;
    const CapacityBound bound = capacity_bound(experiment, profile, {0}).value();
    CHECK(bound.theta == doctest::Approx(10));
    REQUIRE(bound.operation.runs.size() == 1);
    CHECK(bound.operation.runs[0].device == 2);
    CHECK(bound.operation.busy_fraction[1] == 0);
    experiment.devices[1].memory_mb = 4;  // a MiB of weights as loaded and as compiled, 100 kB here and there
    CHECK(capacity_bound(experiment, profile, {0}).value().operation.busy_fraction[1] > 0);
}

TEST_CASE("devices with memory for parts of the model serve it together, if a frame meets them in the right order") {
    ModelProfile profile = make_profile({{10, 1}, {10, 1}});
    profile.layers[1].weight_bytes = 3 << 20;  // the first layer needs 3 MiB, the second 7, both 9
    Experiment experiment = make_cluster(3, 8000);
    add_source(experiment, 0, 1);
    for (const size_t d : {0, 1, 2}) experiment.devices[d].memory_mb = 3;
    const auto refused = capacity_bound(experiment, profile, {0});
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().message == "no device has the model and memory for layer 1");
    profile.layers[1].time *= 2;
    experiment.devices[2].memory_mb = 8;  // the second layer only: it takes longer
    const CapacityBound bound = capacity_bound(experiment, profile, {0}).value();
    CHECK(bound.theta == doctest::Approx(50));
    CHECK(bound.operation.busy_fraction[2] == doctest::Approx(1));
    std::swap(experiment.devices[2].memory_mb, experiment.devices[0].memory_mb);
    // A frame comes home from the last device, which cannot finish it.
    CHECK(capacity_bound(experiment, profile, {0}).value().theta == doctest::Approx(50));
    add_source(experiment, 1, 1);  // after home comes device 1, whose frames meet the second layer last
    CHECK(capacity_bound(experiment, profile, {0}).value().theta == doctest::Approx(25));
    experiment.links = ExperimentLinks::direct;
    const auto direct = capacity_bound(experiment, profile, {0});
    REQUIRE_FALSE(direct.ok());
    CHECK(direct.error().message ==
          "frames of device device 0 meet no devices with memory for all layers in their order");
}

TEST_CASE("results' bytes count, on their way straight back") {
    Experiment experiment = make_cluster(3, 1000);
    add_source(experiment, 0, 1);
    experiment.devices[0].has_model = false;
    experiment.devices[2].has_model = false;
    experiment.links_between.push_back({1, 0, {0.008, 0}});  // not a link of the ring
    CHECK(theta(experiment, make_profile({{1, 1}}), 100) == doctest::Approx(10));
    CHECK(theta(experiment, make_profile({{1, 1}}), 0) == doctest::Approx(1000));
}

TEST_CASE("direct links are worth what all that a device sends allows") {
    Experiment experiment = make_cluster(4, 8);
    add_source(experiment, 0, 1);
    experiment.devices[0].has_model = false;
    const ModelProfile profile = make_profile({{1, 100}});
    CHECK(theta(experiment, profile, 0) == doctest::Approx(10));
    experiment.links = ExperimentLinks::direct;
    const CapacityBound bound = capacity_bound(experiment, profile, {0}).value();
    CHECK(bound.theta == doctest::Approx(10));
    CHECK(use_of(bound, ResourceUse::Kind::egress, 0, 0).binding);
    add_source(experiment, 1, 1);
    experiment.devices[1].has_model = false;
    CHECK(theta(experiment, profile, 0) == doctest::Approx(10));  // a device each
    experiment.links = ExperimentLinks::ring;
    CHECK(theta(experiment, profile, 0) == doctest::Approx(5));  // both through device 1's link
}

TEST_CASE("θ is the arc program's, on small clusters of every kind") {
    CHECK(rc::check("brute force", [] {
        const Case made = case_of_seed();
        const double expected = ArcProgram(made.experiment, made.profile, 300).theta();
        RC_ASSERT(std::abs(theta(made) - expected) <= 1e-6 * expected);
    }));
}

TEST_CASE("θ is the arc program's, on a few larger clusters") {
    for (uint64_t seed = 1; seed <= 12; ++seed) {
        CAPTURE(seed);
        const Case made = random_case(seed, 9, 7);
        const double expected = ArcProgram(made.experiment, made.profile, 300).theta();
        CHECK(theta(made) == doctest::Approx(expected).epsilon(1e-6));
    }
}

TEST_CASE("what is told of the optimum adds up") {
    CHECK(rc::check("sums", [] {
        const Case made = case_of_seed();
        const CapacityBound bound = capacity_bound(made.experiment, made.profile).value();
        const auto& sources = made.experiment.sources;
        double price = 0;
        for (const ResourceUse& use : bound.operation.resources) {
            RC_ASSERT(use.utilisation <= 1 + 1e-7);
            RC_ASSERT(use.price <= 1e-9 || use.binding);
            price += use.price;
        }
        RC_ASSERT(std::abs(price - 1) < 1e-6);
        std::vector<double> work(made.experiment.devices.size(), 0);
        std::map<std::pair<size_t, size_t>, double> frames;  // by source and layer
        for (const RunFlow& run : bound.operation.runs)
            for (size_t l = run.first_layer; l <= run.last_layer; ++l) {
                work[run.device] += run.frames_per_s * to_seconds(made.profile.layers[l].time);
                frames[{run.source, l}] += run.frames_per_s;
            }
        for (size_t d = 0; d < work.size(); ++d) {
            const double cores = made.experiment.devices[d].speed * made.experiment.devices[d].lanes;
            RC_ASSERT(std::abs(work[d] - bound.operation.busy_fraction[d] * cores) < 1e-5 * cores);
        }
        for (size_t j = 0; j < sources.size(); ++j) {
            const double served = bound.operation.throughput_per_s[j];
            RC_ASSERT(std::abs(served - bound.theta * sources[j].rate_per_s) < 1e-9 * served);
            for (size_t l = 0; l < made.profile.layers.size(); ++l)
                RC_ASSERT(std::abs(frames[{j, l}] - served) < 1e-5 * served);
            for (const CutFlow& flow : bound.operation.cuts)
                RC_ASSERT(flow.source != j ||
                          (flow.to == sources[j].device) == (flow.cut == made.profile.layers.size()));
        }
    }));
}

TEST_CASE("prices prove θ on clusters of any size: no way costs a frame less than what all resources are worth to it") {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        Case made = random_case(seed, 32, 20);
        for (size_t d = 0; d < made.experiment.devices.size(); d += 3) add_source(made.experiment, d, 10);
        const CapacityBound bound = capacity_bound(made.experiment, made.profile).value();
        const LayeredGraph graph = layered_graph(made.experiment, made.profile, 300).value();
        std::vector<double> prices(graph.resources.size(), 0);
        double worth = 0;
        for (const ResourceUse& use : bound.operation.resources)
            for (size_t r = 0; r < prices.size(); ++r) {
                const Resource& resource = graph.resources[r];
                const auto kind = static_cast<ResourceUse::Kind>(resource.kind);
                const size_t from = resource.from == nowhere ? resource.to : resource.from;
                const size_t to = resource.to == nowhere ? resource.from : resource.to;
                if (kind != use.kind || from != use.from || to != use.to) continue;
                prices[r] = use.price / graph.capacity[r];
                worth += use.price;
            }
        double cost = 0;  // of what is offered a second
        for (const ExperimentSource& source : made.experiment.sources) {
            const auto home = std::lower_bound(graph.homes.begin(), graph.homes.end(), source.device);
            const auto index = static_cast<size_t>(home - graph.homes.begin());
            cost += source.rate_per_s * cheapest_way(graph, charges_of(graph, prices), index).cost;
        }
        CHECK(worth / cost == doctest::Approx(bound.theta).epsilon(1e-6));
    }
}

TEST_CASE("more speed, width or devices never lower θ, and all scaled alike scale it") {
    CHECK(rc::check("monotone", [] {
        const Case made = case_of_seed();
        const double before = theta(made);
        const auto grows = [&](auto change) {
            Case other = made;
            change(other.experiment);
            RC_ASSERT(theta(other) >= before * (1 - 1e-7));
        };
        const size_t at = *rc::gen::inRange<size_t>(0, made.experiment.devices.size());
        grows([&](Experiment& e) { e.devices[at].speed *= 1.7; });
        grows([&](Experiment& e) { e.devices[at].lanes += 1; });
        grows([&](Experiment& e) { e.devices[at].has_model = true; });
        grows([&](Experiment& e) { e.link.mbit_per_s *= 1.5; });
        grows([&](Experiment& e) {
            for (auto& between : e.links_between) between.link.mbit_per_s *= 2;
        });
        // A new device on the ring parts a link in two, so its own must not be narrower.
        grows([&](Experiment& e) {
            for (auto& between : e.links_between)
                e.link.mbit_per_s = std::max(e.link.mbit_per_s, between.link.mbit_per_s);
            e.devices.push_back(e.devices[at]);
            e.devices.back().id.bytes[19] = 1;
        });
        Case scaled = made;
        for (auto& device : scaled.experiment.devices) device.speed *= 3;
        scaled.experiment.link.mbit_per_s *= 3;
        for (auto& between : scaled.experiment.links_between) between.link.mbit_per_s *= 3;
        RC_ASSERT(std::abs(theta(scaled) - 3 * before) < 1e-6 * before);
        Case faster = made;
        for (auto& source : faster.experiment.sources) source.rate_per_s *= 4;
        RC_ASSERT(std::abs(theta(faster) * 4 - before) < 1e-6 * before);
    }));
}

TEST_CASE("a planner that has found other bounds finds the same as a new one") {
    CHECK(rc::check("warm", [] {
        Case made = case_of_seed();
        made.experiment.devices[0].has_model = true;
        CapacityPlanner planner;
        for (int step = 0; step < 8; ++step) {
            const size_t at = *rc::gen::inRange<size_t>(0, made.experiment.devices.size());
            const double factor = *rc::gen::inRange(1, 40) / 10.0;
            switch (*rc::gen::inRange(0, 5)) {
                case 0: made.experiment.devices[at].speed *= factor; break;
                case 1: made.experiment.sources[0].rate_per_s *= factor; break;
                case 2: made.experiment.link.mbit_per_s *= factor; break;
                case 3:
                    made.experiment.devices[at].has_model = at == 0 || !made.experiment.devices[at].has_model;
                    break;
                default: made.profile.layers[0].time += Usec(100);
            }
            const double warm = planner.capacity(made.experiment, made.profile).value().theta;
            RC_ASSERT(std::abs(warm - theta(made)) < 1e-6 * warm);
        }
    }));
}

TEST_CASE("a planner notices that devices have changed places on the ring") {
    Experiment experiment = make_cluster(3, 80);
    for (size_t d = 0; d < 3; ++d) add_source(experiment, d, d == 0 ? 100 : 1);  // so each pair has a link, for results
    experiment.links_between = {{0, 2, {0.8, 0}}};
    const ModelProfile profile = make_profile({{10, 100}});
    CapacityPlanner planner;
    const double before = planner.capacity(experiment, profile).value().theta;
    std::swap(experiment.devices[1].id, experiment.devices[2].id);
    const double after = planner.capacity(experiment, profile).value().theta;
    CHECK(after < 0.6 * before);
    CHECK(after == doctest::Approx(theta(experiment, profile)));
}
