// Experiments and profiles for tests of the bounds, by hand and at random.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "eddy/random.hpp"
#include "planner/capacity.hpp"

namespace eddy::test {

/// A layer: milliseconds on a full core, kilobytes before it.
struct LayerSize {
    double ms = 0;
    double kb = 0;
};

inline ModelProfile make_profile(const std::vector<LayerSize>& layers) {
    ModelProfile profile;
    profile.model = "made.pt";
    for (const LayerSize& size : layers) {
        LayerProfile layer;
        layer.name = "layer " + std::to_string(profile.layers.size());
        layer.time = from_ms(size.ms);
        layer.frontier_bytes = static_cast<uint64_t>(size.kb * 1000);
        layer.weight_bytes = 1 << 20;
        profile.layers.push_back(std::move(layer));
    }
    return profile;
}

/// As MobileNetV2: about 10 ms, frames of 150 kB, wide early frontiers, narrow late ones.
inline ModelProfile mobilenet_like(size_t layers) {
    std::vector<LayerSize> sizes;
    for (size_t l = 0; l < layers; ++l) {
        const double at = static_cast<double>(l) / static_cast<double>(layers);
        const double kb = l == 0 ? 150 : l == 1 ? 602 : 1204 * (1 - at) * (1 - at) * (l % 3 == 0 ? 0.25 : 1) + 20;
        sizes.push_back({10.0 / static_cast<double>(layers) * (l % 2 == 0 ? 1.3 : 0.7), kb});
    }
    return make_profile(sizes);
}

/// Equal devices in the order of their ids.
inline Experiment make_cluster(size_t devices, double mbit_per_s, ExperimentLinks links = ExperimentLinks::ring) {
    Experiment experiment;
    experiment.link = {mbit_per_s, 0};
    experiment.links = links;
    for (size_t d = 0; d < devices; ++d) {
        ExperimentDevice device;
        device.name = "device " + std::to_string(d);
        device.memory_mb = 1 << 20;  // enough, whatever layers a test makes up
        device.id.bytes[0] = static_cast<uint8_t>(d * 256 / devices);
        experiment.devices.push_back(std::move(device));
    }
    return experiment;
}

inline void add_source(Experiment& experiment, size_t device, double rate_per_s) {
    ExperimentSource source;
    source.name = "source " + std::to_string(experiment.sources.size());
    source.device = device;
    source.rate_per_s = rate_per_s;
    source.weight = rate_per_s;
    experiment.sources.push_back(std::move(source));
}

struct Case {
    Experiment experiment;
    ModelProfile profile;
};

/// Small enough for brute force, and with everything that can be odd: order of ids, relays, lanes, narrow links, layers
/// without cost.
inline Case random_case(uint64_t seed, size_t devices_max = 4, size_t layers_max = 4) {
    Random random(seed);
    const size_t devices = 1 + random.below(devices_max);
    Case made;
    made.experiment = make_cluster(devices, random.uniform(5, 200),
                                   random.chance(0.4) ? ExperimentLinks::direct : ExperimentLinks::ring);
    for (ExperimentDevice& device : made.experiment.devices) {
        device.id.bytes[1] = static_cast<uint8_t>(random.below(256));
        device.speed = random.uniform(0.2, 3);
        device.lanes = 1 + static_cast<uint32_t>(random.below(2));
        device.has_model = random.chance(0.8);
    }
    if (devices > 1) std::swap(made.experiment.devices[0].id, made.experiment.devices[random.below(devices)].id);
    made.experiment.devices[random.below(devices)].has_model = true;
    for (size_t i = random.below(4); i-- > 0;) {
        const size_t from = random.below(devices);
        const size_t to = random.below(devices);
        if (from != to) made.experiment.links_between.push_back({from, to, {random.uniform(1, 300), 0}});
    }
    for (size_t i = 1 + random.below(3); i-- > 0;)
        add_source(made.experiment, random.below(devices), random.uniform(1, 30));
    std::vector<LayerSize> layers(1 + random.below(layers_max));
    for (LayerSize& layer : layers) layer = {random.chance(0.15) ? 0 : random.uniform(1, 20), random.uniform(0, 300)};
    layers[0].ms += 1;
    made.profile = make_profile(layers);
    return made;
}

}  // namespace eddy::test
