// Runs of whole experiments. Goal: their figures are what the definitions say, sums balance, nothing exceeds its bound,
// and all follows from the seed. Method: small clusters whose figures can be told beforehand.
#include "sim/experiment_run.hpp"

#include <numeric>

#include <doctest/doctest.h>

#include "sim/simulation.hpp"
#include "tests/planner/clusters.hpp"

using namespace eddy;
using namespace eddy::sim;
using namespace eddy::test;
using namespace std::chrono_literals;

namespace {

/// Ten frames a second on a device of speed 1.
const ModelProfile& ten_a_second() {
    static const ModelProfile profile = even_profile(20, 100ms, 20'000);
    return profile;
}

Experiment short_experiment(size_t devices, std::vector<double> rates, double mbit_per_s = 100) {
    Experiment experiment = make_cluster(devices, mbit_per_s);
    for (size_t j = 0; j < rates.size(); ++j) add_source(experiment, j % devices, rates[j]);
    experiment.warm_up_s = 3;
    experiment.window_s = 12;
    return experiment;
}

ExperimentRun run(const Experiment& experiment, PolicyKind policy, uint64_t seed = 1) {
    ExperimentRunOptions options;
    options.check_every = 1;
    auto made = run_experiment(experiment, ten_a_second(), policy, seed, options);
    REQUIRE(made.ok());
    return std::move(*made);
}

ExperimentBounds bounds_of(const Experiment& experiment, PolicyKind policy = PolicyKind::layered) {
    auto bounds = experiment_bounds(experiment, ten_a_second(), links_used(experiment, policy));
    REQUIRE(bounds.ok());
    return std::move(*bounds);
}

}  // namespace

TEST_CASE("a device alone serves just what it can do, and its bound says so") {
    const Experiment experiment = short_experiment(1, {15, 5});
    const ExperimentRun made = run(experiment, PolicyKind::local);
    const ExperimentBounds bounds = bounds_of(experiment);
    CHECK(bounds.theta == doctest::Approx(0.5));
    CHECK(bounds.total_per_s() == doctest::Approx(10));
    CHECK(made.throughput_per_s() == doctest::Approx(10).epsilon(0.02));
    CHECK(made.busy_fraction.size() == 1);
    CHECK(made.busy_fraction[0] == doctest::Approx(1).epsilon(0.001));
    CHECK(fraction_of_bound(made, bounds) <= 1.02);
    // Every second ten more are due than are served.
    CHECK(made.backlog_slope_per_s == doctest::Approx(10).epsilon(0.05));
    CHECK(made.backlog_last_third - made.backlog_first_third == doctest::Approx(10 * 12 * 2 / 3.0).epsilon(0.2));
}

TEST_CASE("the sums of a run balance, whatever sources do when they are full") {
    for (const PolicyKind policy : runnable_policies())
        for (const WhenFull when_full : {WhenFull::block, WhenFull::drop_oldest, WhenFull::drop_newest}) {
            Experiment experiment = short_experiment(3, {11, 25});
            experiment.sources[0].arrivals = Arrivals::poisson;
            experiment.sources[1].when_full = when_full;
            experiment.sources[1].deadline_ms = 900;
            const ExperimentRun made = run(experiment, policy);
            CHECK(made.lost == 0);
            CHECK(made.duplicated == 0);
            CHECK_FALSE(made.makespan_s.has_value());
            for (const SourceFigures& source : made.sources) {
                CHECK(source.captured == source.completed + source.failed + source.dropped);
                uint64_t reasons = 0;
                for (const auto& [reason, count] : source.dropped_by_reason) reasons += count;
                CHECK(reasons == source.dropped);
                CHECK(source.completion_ms.count <= source.completed);
                CHECK(source.throughput_per_s * 12 == doctest::Approx(source.completion_ms.count));
            }
            // Offered: 15 s and a frame at once.
            CHECK(made.sources[1].captured <= 25 * 15 + 1);
            if (when_full != WhenFull::block) CHECK(made.sources[1].captured == 25 * 15 + 1);
            CHECK(made.sources[1].dropped > 0);
        }
}

TEST_CASE("each second's completions are those of the run, and its backlog is what is due without an outcome") {
    const Experiment experiment = short_experiment(2, {8, 16});
    const ExperimentRun made = run(experiment, PolicyKind::ms_mdi);
    REQUIRE(made.samples.size() >= 15);
    double in_window = 0;
    uint64_t completed = 0;
    for (const ExperimentSample& sample : made.samples) {
        REQUIRE(sample.completed.size() == 2);
        completed += sample.completed[0] + sample.completed[1];
        if (sample.at_s > 3 && sample.at_s <= 15)
            in_window += static_cast<double>(sample.completed[0] + sample.completed[1]);
        CHECK(sample.backlog >= sample.at_cameras + sample.in_reservoirs);
        const uint64_t due = 2 + static_cast<uint64_t>(24 * sample.at_s);
        if (sample.at_s < 15) CHECK(sample.backlog == due - completed);
    }
    CHECK(in_window / 12 == doctest::Approx(made.throughput_per_s()));
    CHECK(made.samples.back().backlog < 24);
}

TEST_CASE("no policy exceeds the bound, on links that bind or not, ring or direct") {
    for (const PolicyKind policy : runnable_policies())
        for (const double mbit_per_s : {1.0, 4.0, 100.0})
            for (const ExperimentLinks links : {ExperimentLinks::ring, ExperimentLinks::direct}) {
                Experiment experiment = short_experiment(3, {15, 45}, mbit_per_s);
                experiment.links = links;
                experiment.window_s = 60;
                const ExperimentRun made = run(experiment, policy);
                // What was begun before the window ends in it: what waited at later cuts.
                const double before = 8;
                CHECK(fraction_of_bound(made, bounds_of(experiment, policy)) <= 1 + before / (60 * 10.0));
                CHECK(made.lost == 0);
            }
}

TEST_CASE("a finite batch runs to its end, which is never before its bound") {
    Experiment experiment = short_experiment(2, {20, 20});
    experiment.sources[0].frames = 60;
    experiment.sources[1].frames = 300;
    for (const PolicyKind policy : runnable_policies()) {
        const ExperimentRun made = run(experiment, policy);
        REQUIRE(made.makespan_s.has_value());
        CHECK(*made.makespan_s >= *bounds_of(experiment, policy).makespan_s - 1e-6);
        CHECK(made.sources[0].completed == 60);
        CHECK(made.sources[1].completed == 300);
        // Alone, the larger source takes 30 s.
        if (policy == PolicyKind::local) CHECK(*made.makespan_s == doctest::Approx(30).epsilon(0.01));
    }
    experiment.sources[0].frames.reset();
    CHECK_FALSE(run(experiment, PolicyKind::local).makespan_s.has_value());
    CHECK_FALSE(bounds_of(experiment).makespan_s.has_value());
}

TEST_CASE("when a device's speed changes within the window, the window begins anew and so does the bound") {
    Experiment experiment = short_experiment(1, {30});
    experiment.changes = {{1, 0, 1.5}, {8, 0, 0.5}, {40, 0, 4}};
    CHECK(window_from_s(experiment) == 8);
    const ExperimentBounds bounds = bounds_of(experiment);
    CHECK(bounds.total_per_s() == doctest::Approx(5));
    CHECK_FALSE(bounds.makespan_s.has_value());
    const ExperimentRun made = run(experiment, PolicyKind::local);
    CHECK(made.window_from_s == 8);
    CHECK(made.throughput_per_s() == doctest::Approx(5).epsilon(0.03));
    CHECK(made.samples[0].completed[0] == doctest::Approx(9).epsilon(0.12));
    CHECK(made.samples[5].completed[0] == doctest::Approx(15).epsilon(0.07));
    CHECK(made.samples[15].completed[0] == doctest::Approx(5).epsilon(0.2));
    experiment.changes = {{2, 0, 1.5}, {15, 0, 0.5}};
    CHECK(window_from_s(experiment) == 3);
}

TEST_CASE("rates scaled to a load are that part of the bound, in the same proportion") {
    const Experiment experiment = short_experiment(3, {10, 30}, 4);
    const auto scaled = at_load(experiment, ten_a_second(), 0.8);
    REQUIRE(scaled.ok());
    CHECK(bounds_of(*scaled).theta == doctest::Approx(1 / 0.8));
    CHECK(scaled->sources[1].rate_per_s == doctest::Approx(3 * scaled->sources[0].rate_per_s));
    const Experiment alone = short_experiment(1, {30});
    const ExperimentRun made = run(*at_load(alone, ten_a_second(), 0.8), PolicyKind::local);
    CHECK(made.throughput_per_s() == doctest::Approx(8).epsilon(0.02));
    CHECK(std::abs(made.backlog_slope_per_s) < 0.02);
    CHECK(made.sources[0].completion_ms.p99 == doctest::Approx(100).epsilon(0.01));
}

TEST_CASE("completion times are ranked by the nearest rank, and count from the instant a frame was due") {
    Experiment experiment = short_experiment(1, {20});
    experiment.warm_up_s = 0;
    experiment.window_s = 1.0;
    const ExperimentRun made = run(experiment, PolicyKind::local);
    // Frame k is due after 50 k ms and done after 100 (k + 1) ms.
    const CompletionFigures& times = made.sources[0].completion_ms;
    CHECK(times.count == 10);
    CHECK(times.mean == doctest::Approx(325));
    CHECK(times.p50 == doctest::Approx(300));
    CHECK(times.p95 == doctest::Approx(550));
    CHECK(times.max == doctest::Approx(550));
}

TEST_CASE("the same seed gives the same run, and arrivals do not depend on the policy") {
    Experiment experiment = short_experiment(3, {4, 8});
    for (ExperimentSource& source : experiment.sources) source.arrivals = Arrivals::poisson;
    const auto print = [](const ExperimentRun& made) {
        std::vector<double> figures{made.busy_fraction};
        for (const SourceFigures& source : made.sources)
            figures.insert(figures.end(),
                           {source.throughput_per_s, source.completion_ms.mean, static_cast<double>(source.captured)});
        return figures;
    };
    const auto first = run(experiment, PolicyKind::ms_mdi, 3);
    CHECK(print(first) == print(run(experiment, PolicyKind::ms_mdi, 3)));
    CHECK(print(first) != print(run(experiment, PolicyKind::ms_mdi, 4)));
    // What had been captured by the window's end, in a cluster that keeps up.
    const auto other = run(experiment, PolicyKind::local, 3);
    for (size_t j = 0; j < 2; ++j) CHECK(first.sources[j].captured == other.sources[j].captured);
}

TEST_CASE("all that a device sends goes through its one network card") {
    // Of 20 kB each: 6.25 a second on a link of 1 Mbit/s, and on two of them together.
    Experiment experiment = short_experiment(3, {60}, 1);
    experiment.links = ExperimentLinks::direct;
    experiment.window_s = 30;
    const ExperimentRun made = run(experiment, PolicyKind::ddi);
    CHECK(made.throughput_per_s() <= 16.25 + 2 / 30.0);
    CHECK(bounds_of(experiment, PolicyKind::ddi).total_per_s() == doctest::Approx(16.25).epsilon(0.001));
    // A wide link makes a fast card, of which a narrow one has its own share only.
    experiment.links_between = {{0, 1, {100, 0}}};
    CHECK(run(experiment, PolicyKind::ddi).throughput_per_s() > 25);
}

TEST_CASE("delays count in their own direction") {
    Experiment experiment = short_experiment(3, {1});
    // Frames go 0, 1, 2 and home; only receipts and views go the other way.
    for (const auto& [from, to] : {std::pair<size_t, size_t>{1, 0}, {2, 1}, {0, 2}})
        experiment.links_between.push_back({from, to, {100, 150}});
    CHECK(run(experiment, PolicyKind::ar_mdi).sources[0].completion_ms.p99 < 120);
    for (ExperimentLinkBetween& between : experiment.links_between) std::swap(between.from, between.to);
    CHECK(run(experiment, PolicyKind::ar_mdi).sources[0].completion_ms.p50 > 500);
}

TEST_CASE("a device runs the layers it has memory for, and may have a source whether there are any or not") {
    Experiment experiment = short_experiment(2, {30});
    for (auto& device : experiment.devices) device.memory_mb = 1024;
    experiment.warm_up_s = 10;  // frames that are half done when the window begins count as done in it
    experiment.window_s = 30;
    ModelProfile profile = ten_a_second();
    profile.layers[3].weight_bytes = uint64_t{100} << 20;
    experiment.devices[1].memory_mb = 200;  // not for layer 3, but for the 16 behind it
    const auto made = run_experiment(experiment, profile, PolicyKind::layered, 1);
    REQUIRE(made.ok());
    CHECK(made->busy_fraction[1] > 0.9);
    CHECK(made->throughput_per_s() > 18);
    CHECK(fraction_of_bound(*made, *experiment_bounds(experiment, profile, ExperimentLinks::ring)) <= 1.02);
    for (auto& each : profile.layers) each.weight_bytes = uint64_t{100} << 20;
    experiment.devices[0].memory_mb = 1 << 13;
    experiment.sources[0].device = 1;
    const auto relayed = run_experiment(experiment, profile, PolicyKind::layered, 1);
    REQUIRE(relayed.ok());
    CHECK(relayed->busy_fraction[1] == 0);
    CHECK(relayed->throughput_per_s() == doctest::Approx(10).epsilon(0.05));
    experiment.devices[1].has_model = false;
    const auto refused = run_experiment(experiment, profile, PolicyKind::layered, 1);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == ErrorCode::unsupported);
    CHECK(refused.error().message.find("device 1") != std::string::npos);
}

TEST_CASE("a ring that cannot form is an error, and so is what the planner refuses") {
    Experiment experiment = short_experiment(3, {1});
    experiment.link.delay_ms = 60'000;
    CHECK_FALSE(run_experiment(experiment, ten_a_second(), PolicyKind::local, 1).ok());
    experiment.sources[0].rate_per_s = 0;
    CHECK_FALSE(experiment_bounds(experiment, ten_a_second(), ExperimentLinks::ring).ok());
    CHECK_FALSE(at_load(experiment, ten_a_second(), 0.9).ok());
}
