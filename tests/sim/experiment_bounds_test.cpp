// Random experiments against the planner's bound. Goal: whatever a policy serves is feasible: the rates it reached, put
// back into the program as offered ones, leave room, and its worst source is not above the bound.
#include <doctest/doctest.h>

#include "sim/experiment_run.hpp"
#include "tests/planner/clusters.hpp"
#include "tests/support/sanitizers.hpp"

using namespace eddy;
using namespace eddy::sim;
using namespace eddy::test;

namespace {

/// Relays, lanes, odd links, layers that cost nothing; offered is 1.5 times what can be carried.
Case overloaded_case(uint64_t seed) {
    Case made = random_case(seed, 5, 6);
    for (const ExperimentSource& source : made.experiment.sources)
        made.experiment.devices[source.device].has_model = true;
    made.profile.chain_hash.bytes[0] = 1;
    if (seed % 4 != 0)
        for (LayerProfile& layer : made.profile.layers) layer.parameters = 1 + layer.frontier_bytes % 1000;
    made.experiment.warm_up_s = 10;
    made.experiment.window_s = 40;
    auto scaled = at_load(made.experiment, made.profile, 1.5);
    REQUIRE(scaled.ok());
    made.experiment = std::move(*scaled);
    return made;
}

}  // namespace

TEST_CASE("what any policy serves of random experiments is within what the planner finds possible") {
    double best = 0;
    for (uint64_t seed = 1; seed <= times(10U, 3U); ++seed) {
        const Case made = overloaded_case(seed);
        for (const PolicyKind policy : runnable_policies()) {
            CAPTURE(seed);
            CAPTURE(static_cast<int>(policy));
            const auto ran = run_experiment(made.experiment, made.profile, policy, seed);
            REQUIRE(ran.ok());
            CHECK(ran->lost == 0);
            CHECK(ran->duplicated == 0);
            const ExperimentLinks links = links_used(made.experiment, policy);
            const auto bounds = experiment_bounds(made.experiment, made.profile, links);
            REQUIRE(bounds.ok());
            // What was under way when the window began ends in it.
            CHECK(fraction_of_bound(*ran, *bounds) <= 1.02);
            if (policy == PolicyKind::layered) best = std::max(best, fraction_of_bound(*ran, *bounds));
            Experiment served = made.experiment;
            served.sources.clear();
            for (size_t j = 0; j < ran->sources.size(); ++j) {
                if (ran->sources[j].throughput_per_s == 0) continue;
                served.sources.push_back(made.experiment.sources[j]);
                served.sources.back().rate_per_s = ran->sources[j].throughput_per_s;
            }
            if (served.sources.empty()) continue;
            const auto possible = experiment_bounds(served, made.profile, links);
            REQUIRE(possible.ok());
            CHECK(possible->theta >= 0.98);
        }
    }
    CHECK(best > 0.95);  // the bound is within reach, or the above would say little
}
