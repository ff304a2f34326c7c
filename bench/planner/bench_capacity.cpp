// What the bounds of a cluster cost: from nothing (cold), and after rates, speeds and widths have changed a
// little (warm).
// 32 devices × 20 layers × 8 sources: at most 250 ms cold, 20 ms warm.
#include <benchmark/benchmark.h>

#include "eddy/random.hpp"
#include "planner/capacity.hpp"

namespace eddy::bench {
namespace {

struct Cluster {
    Experiment experiment;
    ModelProfile profile;
};

/// As MobileNetV2: 10 ms, frames of 150 kB, wide early frontiers, narrow late ones. Speeds, links and places are all
/// different, so that many processors and links bind at once; more is offered than can be served.
Cluster make_cluster(size_t devices, size_t layers, size_t sources, double mbit_per_s, ExperimentLinks links) {
    Cluster cluster;
    Random random(7);
    cluster.experiment.links = links;
    cluster.experiment.link.mbit_per_s = mbit_per_s;
    for (size_t d = 0; d < devices; ++d) {
        ExperimentDevice device;
        device.id.bytes[0] = static_cast<uint8_t>(d * 256 / devices);
        device.speed = random.uniform(0.2, 2);
        cluster.experiment.devices.push_back(device);
        for (size_t to = 0; to < devices; ++to)
            if (to != d)
                cluster.experiment.links_between.push_back({d, to, {mbit_per_s * random.uniform(0.3, 3), 0.5}});
    }
    for (size_t j = 0; j < sources; ++j) {
        ExperimentSource source;
        source.device = random.below(devices);
        source.rate_per_s = random.uniform(100, 800);
        source.weight = source.rate_per_s;
        source.frames = 600;
        cluster.experiment.sources.push_back(source);
    }
    for (size_t l = 0; l < layers; ++l) {
        LayerProfile layer;
        const double at = static_cast<double>(l) / static_cast<double>(layers);
        layer.time = from_ms(10.0 / static_cast<double>(layers) * (l % 2 == 0 ? 1.3 : 0.7));
        const double kb = l == 0 ? 150 : l == 1 ? 602 : 1204 * (1 - at) * (1 - at) * (l % 3 == 0 ? 0.25 : 1) + 20;
        layer.frontier_bytes = static_cast<uint64_t>(kb * 1000);
        cluster.profile.layers.push_back(layer);
    }
    return cluster;
}

Cluster make_cluster(const benchmark::State& state) {
    return make_cluster(static_cast<size_t>(state.range(0)), static_cast<size_t>(state.range(1)),
                        static_cast<size_t>(state.range(2)), static_cast<double>(state.range(3)),
                        state.range(4) == 0 ? ExperimentLinks::ring : ExperimentLinks::direct);
}

/// Every rate, speed and width by up to 5 %.
void change_a_little(Cluster& cluster, const Cluster& original, Random& random) {
    for (size_t d = 0; d < cluster.experiment.devices.size(); ++d)
        cluster.experiment.devices[d].speed = original.experiment.devices[d].speed * random.uniform(0.95, 1.05);
    for (size_t j = 0; j < cluster.experiment.sources.size(); ++j)
        cluster.experiment.sources[j].rate_per_s =
            original.experiment.sources[j].rate_per_s * random.uniform(0.95, 1.05);
    for (size_t k = 0; k < cluster.experiment.links_between.size(); ++k)
        cluster.experiment.links_between[k].link.mbit_per_s =
            original.experiment.links_between[k].link.mbit_per_s * random.uniform(0.95, 1.05);
}

void capacity_cold(benchmark::State& state) {
    const Cluster cluster = make_cluster(state);
    double theta = 0;
    for (auto _ : state) theta = planner::capacity_bound(cluster.experiment, cluster.profile).value().theta;
    state.counters["theta"] = theta;
}

void capacity_warm(benchmark::State& state) {
    const Cluster original = make_cluster(state);
    Cluster cluster = original;
    Random random(1);
    planner::CapacityPlanner planner;
    (void)planner.capacity(cluster.experiment, cluster.profile).value();
    for (auto _ : state) {
        state.PauseTiming();
        change_a_little(cluster, original, random);
        state.ResumeTiming();
        benchmark::DoNotOptimize(planner.capacity(cluster.experiment, cluster.profile).value().theta);
    }
}

void utility_cold(benchmark::State& state) {
    const Cluster cluster = make_cluster(state);
    for (auto _ : state)
        benchmark::DoNotOptimize(planner::utility_optimum(cluster.experiment, cluster.profile).value().utility);
}

void utility_warm(benchmark::State& state) {
    const Cluster original = make_cluster(state);
    Cluster cluster = original;
    Random random(1);
    planner::CapacityPlanner planner;
    (void)planner.utility(cluster.experiment, cluster.profile).value();
    for (auto _ : state) {
        state.PauseTiming();
        change_a_little(cluster, original, random);
        state.ResumeTiming();
        benchmark::DoNotOptimize(planner.utility(cluster.experiment, cluster.profile).value().utility);
    }
}

void makespan(benchmark::State& state) {
    const Cluster cluster = make_cluster(state);
    for (auto _ : state)
        benchmark::DoNotOptimize(planner::makespan_bound(cluster.experiment, cluster.profile).value().makespan_s);
}

void sizes(benchmark::internal::Benchmark* benchmark) {
    benchmark->ArgNames({"devices", "layers", "sources", "mbit", "direct"})->Unit(benchmark::kMillisecond);
    for (const int64_t direct : {0, 1})
        for (const int64_t mbit : {20, 100, 1000}) benchmark->Args({32, 20, 8, mbit, direct});
    benchmark->Args({5, 20, 2, 20, 0});
}

BENCHMARK(capacity_cold)->Apply(sizes);
BENCHMARK(capacity_warm)->Apply(sizes);
BENCHMARK(utility_cold)->Apply(sizes);
BENCHMARK(utility_warm)->Apply(sizes);
BENCHMARK(makespan)->Apply(sizes);

}  // namespace
}  // namespace eddy::bench

BENCHMARK_MAIN();
