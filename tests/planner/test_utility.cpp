// Goal: the weighted optimum is where no source can gain without others losing as much, weighted; and rates it gives
// can be served.
#include <cmath>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "clusters.hpp"

using namespace eddy;
using namespace eddy::planner;
using namespace eddy::test;

namespace {

const std::vector<double>& rates(const UtilityOptimum& optimum) { return optimum.operation.throughput_per_s; }

double utility_of(const Experiment& experiment, const std::vector<double>& served) {
    double utility = 0;
    for (size_t j = 0; j < served.size(); ++j) utility += experiment.sources[j].weight * std::log(served[j]);
    return utility;
}

/// θ when exactly these rates are asked for: at least 1 if they can be served.
double room_for(Case made, const std::vector<double>& wanted) {
    for (size_t j = 0; j < wanted.size(); ++j) made.experiment.sources[j].rate_per_s = wanted[j];
    return capacity_bound(made.experiment, made.profile).value().theta;
}

}  // namespace

TEST_CASE("sources that share everything get what their weights say") {
    Experiment experiment = make_cluster(1, 100);
    for (const double weight : {1.0, 2.0, 5.0}) {
        add_source(experiment, 0, 1000);
        experiment.sources.back().weight = weight;
    }
    const UtilityOptimum optimum = utility_optimum(experiment, make_profile({{10, 10}})).value();
    CHECK(rates(optimum)[0] == doctest::Approx(12.5).epsilon(1e-4));
    CHECK(rates(optimum)[1] == doctest::Approx(25).epsilon(1e-4));
    CHECK(rates(optimum)[2] == doctest::Approx(62.5).epsilon(1e-4));
    CHECK(optimum.operation.busy_fraction[0] == doctest::Approx(1));
    CHECK(optimum.gap <= utility_tolerance * 8);
}

TEST_CASE("no source gets more than it offers, and what it leaves is for the others") {
    Experiment experiment = make_cluster(1, 100);
    add_source(experiment, 0, 10);
    add_source(experiment, 0, 1000);
    experiment.sources[0].weight = experiment.sources[1].weight = 1;
    const UtilityOptimum optimum = utility_optimum(experiment, make_profile({{10, 10}})).value();
    CHECK(rates(optimum)[0] == doctest::Approx(10));
    CHECK(rates(optimum)[1] == doctest::Approx(90).epsilon(1e-4));
}

TEST_CASE("with rates as weights and one bottleneck for all, the optimum is the offered mix") {
    Experiment experiment = make_cluster(4, 100'000);
    for (size_t d = 0; d < 4; ++d) add_source(experiment, d, 200 + 100 * static_cast<double>(d));
    const ModelProfile profile = mobilenet_like(8);
    const double theta = capacity_bound(experiment, profile).value().theta;
    REQUIRE(theta < 1);
    const UtilityOptimum optimum = utility_optimum(experiment, profile).value();
    for (size_t j = 0; j < 4; ++j)
        CHECK(rates(optimum)[j] == doctest::Approx(theta * experiment.sources[j].rate_per_s).epsilon(2e-4));
}

TEST_CASE("everything offered is served when there is room for it") {
    Experiment experiment = make_cluster(3, 100);
    add_source(experiment, 0, 20);
    add_source(experiment, 1, 30);
    const UtilityOptimum optimum = utility_optimum(experiment, mobilenet_like(5)).value();
    CHECK(rates(optimum)[0] == doctest::Approx(20));
    CHECK(rates(optimum)[1] == doctest::Approx(30));
    CHECK(optimum.utility == doctest::Approx(20 * std::log(20) + 30 * std::log(30)));
}

TEST_CASE("rates of the optimum can be served, and no others near them are better") {
    CHECK(rc::check("optimum", [] {
        Case made = random_case(*rc::gen::arbitrary<uint64_t>());
        for (auto& source : made.experiment.sources) {
            source.rate_per_s *= 20;
            source.weight = *rc::gen::inRange(1, 20);
        }
        const UtilityOptimum optimum = utility_optimum(made.experiment, made.profile).value();
        RC_ASSERT(std::abs(utility_of(made.experiment, rates(optimum)) - optimum.utility) < 1e-9 * 60 * 10);
        RC_ASSERT(room_for(made, rates(optimum)) > 1 - 1e-6);
        for (size_t j = 0; j < rates(optimum).size(); ++j) {
            std::vector<double> other = rates(optimum);
            other[j] *= *rc::gen::element(0.8, 0.97, 1.03, 1.3);
            const double room = room_for(made, other);
            for (size_t k = 0; k < other.size(); ++k)
                other[k] = std::min(other[k] * room, made.experiment.sources[k].rate_per_s);
            RC_ASSERT(utility_of(made.experiment, other) <= optimum.utility + optimum.gap + 1e-6);
        }
    }));
}

TEST_CASE("weights, rates, speeds and widths of very different sizes have an optimum, whose gap is told") {
    for (uint64_t seed = 1; seed <= 500; ++seed) {
        CAPTURE(seed);
        Case made = random_case(seed);
        Random random(seed);
        for (auto& device : made.experiment.devices) device.speed = std::pow(10, random.uniform(-3, 3));
        made.experiment.link.mbit_per_s = std::pow(10, random.uniform(-3, 3));
        double weights = 0;
        for (auto& source : made.experiment.sources) {
            source.rate_per_s = std::pow(10, random.uniform(-3, 3));
            source.weight = std::pow(10, random.uniform(-3, 3));
            weights += source.weight;
        }
        const auto optimum = utility_optimum(made.experiment, made.profile);
        REQUIRE(optimum);
        CHECK(optimum->gap <= utility_gap_max * weights);
        CHECK(room_for(made, rates(*optimum)) > 1 - 1e-6);
    }
}

TEST_CASE("a planner finds the same optimum after changes as a new one") {
    Case made = random_case(11);
    CapacityPlanner planner;
    Random random(3);
    for (int step = 0; step < 120; ++step) {  // more than tangents are kept for
        made.experiment.devices[0].speed = random.uniform(0.3, 3);
        for (auto& source : made.experiment.sources) {
            source.rate_per_s = random.uniform(1, 300);
            source.weight = random.uniform(1, 9);
        }
        const double warm = planner.utility(made.experiment, made.profile).value().utility;
        CHECK(warm == doctest::Approx(utility_optimum(made.experiment, made.profile).value().utility).epsilon(1e-6));
    }
}
