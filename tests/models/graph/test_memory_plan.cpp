// Goal: a plan never promises more memory than there is, gives the most valuable run of layers that fits, and says in
// words what does not. Method: against all runs, on made-up chains; chains whose plan can be told beforehand.
#include <algorithm>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "models/graph/memory_plan.hpp"

using namespace eddy;
using namespace eddy::graph;

namespace {

constexpr uint64_t mib = uint64_t{1} << 20;

LayerProfile layer(double ms, uint64_t weight_bytes, uint64_t frontier_bytes) {
    LayerProfile made;
    made.time = from_ms(ms);
    made.weight_bytes = weight_bytes;
    made.frontier_bytes = frontier_bytes;
    return made;
}

/// Weights of 10, 20, 30 and 40 MiB, hardly anything else.
ModelProfile four_layers() {
    ModelProfile profile;
    for (uint64_t i = 1; i <= 4; ++i) profile.layers.push_back(layer(10, 10 * i * mib, 1));
    return profile;
}

MemoryNeeds needs_of(uint64_t memory_bytes) {
    MemoryNeeds needs;
    needs.memory_bytes = memory_bytes;
    needs.custody_bytes = 0;
    return needs;
}

LayerRange layers_in(const ModelProfile& profile, uint64_t memory_mb) {
    return plan_memory(profile, needs_of(memory_mb * mib)).layers;
}

ModelProfile random_profile() {
    ModelProfile profile;
    const auto up_to = [](uint64_t bound) { return *rc::gen::inRange<uint64_t>(0, bound); };
    const size_t layers = *rc::gen::inRange<size_t>(1, 9);
    for (size_t l = 0; l < layers; ++l)
        profile.layers.push_back(layer(static_cast<double>(up_to(50)), up_to(30 * mib), 1 + up_to(2 * mib)));
    return profile;
}

MemoryNeeds random_needs() {
    MemoryNeeds needs;
    needs.memory_bytes = *rc::gen::inRange<uint64_t>(0, 400 * mib);
    needs.lanes = *rc::gen::inRange<uint32_t>(1, 4);
    needs.own_frames = *rc::gen::inRange<uint32_t>(0, 20);
    if (*rc::gen::arbitrary<bool>()) needs.custody_bytes = *rc::gen::inRange<uint64_t>(0, 60 * mib);
    return needs;
}

Usec time_of(const ModelProfile& profile, LayerRange layers) {
    Usec time{0};
    for (uint16_t l = layers.first; l < layers.last; ++l) time += profile.layers[l].time;
    return time;
}

uint64_t largest(const ModelProfile& profile) {
    uint64_t bytes = 0;
    for (const auto& each : profile.layers) bytes = std::max(bytes, each.frontier_bytes);
    return bytes;
}

/// What a run takes, written down once more: weights twice and an eighth, and around a layer all tensors twice a lane.
uint64_t bytes_of(const ModelProfile& profile, LayerRange layers, uint32_t lanes) {
    uint64_t weights = 0;
    uint64_t around = 0;
    for (size_t l = layers.first; l < layers.last; ++l) {
        weights += profile.layers[l].weight_bytes;
        const uint64_t after = l + 1 < profile.layers.size() ? profile.layers[l + 1].frontier_bytes : 0;
        around = std::max(around, profile.layers[l].frontier_bytes + after);
    }
    return 2 * weights + weights / 8 + 2 * lanes * around;
}

}  // namespace

TEST_CASE("with memory enough the whole model is run, and custody and queues have their usual parts") {
    const MemoryPlan plan = plan_memory(four_layers(), {1024 * mib, std::nullopt, 1, 10});
    CHECK(plan.whole(four_layers()));
    CHECK(plan.custody == 128 * mib);
    CHECK(plan.queues == 256 * mib);
    CHECK(plan.weights == 100 * mib);
    CHECK(plan.compiled == 112 * mib + mib / 2);
    CHECK(plan.total() == 1024 * mib);
}

TEST_CASE("custody and queues shrink before a layer goes, but not custody that was stated") {
    MemoryNeeds needs = needs_of(214 * mib);
    needs.custody_bytes.reset();
    const MemoryPlan plan = plan_memory(four_layers(), needs);
    CHECK(plan.whole(four_layers()));
    CHECK(plan.custody < 2 * mib);
    CHECK(plan.queues < 2 * mib);
    CHECK(plan.all_layers < 213 * mib);
    needs.custody_bytes = 26 * mib;
    const MemoryPlan stated = plan_memory(four_layers(), needs);
    CHECK(stated.custody == 26 * mib);
    CHECK_FALSE(stated.whole(four_layers()));
}

TEST_CASE("of runs that take the same time, the one with more layers, then the earlier one is chosen") {
    CHECK(layers_in(four_layers(), 10) == LayerRange{0, 0});
    CHECK(layers_in(four_layers(), 22) == LayerRange{0, 1});
    CHECK(layers_in(four_layers(), 64) == LayerRange{0, 2});
    CHECK(layers_in(four_layers(), 128) == LayerRange{0, 3});
    CHECK(layers_in(four_layers(), 213) == LayerRange{0, 4});
    ModelProfile profile = four_layers();
    profile.layers[0].time = profile.layers[1].time = Usec{0};
    CHECK(layers_in(profile, 64) == LayerRange{2, 3});
    CHECK(layers_in(profile, 86) == LayerRange{2, 3});
    CHECK(layers_in(profile, 108) == LayerRange{1, 3});
    profile.layers[3].time = from_ms(11);
    CHECK(layers_in(profile, 86) == LayerRange{3, 4});
}

TEST_CASE("a lane's workspace, the frames of own sources and messages on their way count") {
    ModelProfile profile;
    for (int i = 0; i < 2; ++i) profile.layers.push_back(layer(1, 0, 10 * mib));
    // One lane: 2 · (10 + 10) and 5 · 10 MiB; two: 4 · 20 and 6 · 10; then 3 frames of 10 MiB.
    MemoryNeeds needs = needs_of(90 * mib);
    CHECK(plan_memory(profile, needs).whole(profile));
    needs.memory_bytes -= 1;
    CHECK(plan_memory(profile, needs).layers == LayerRange{1, 2});  // nothing follows the last layer
    needs.lanes = 2;
    needs.memory_bytes = 140 * mib;
    CHECK(plan_memory(profile, needs).whole(profile));
    needs.own_frames = 3;
    CHECK_FALSE(plan_memory(profile, needs).whole(profile));
    needs.memory_bytes = 170 * mib;
    CHECK(plan_memory(profile, needs).whole(profile));
    CHECK(plan_memory(profile, needs).all_layers == 170 * mib);
}

TEST_CASE("a relay keeps memory for what passes, and takes the least that needs whatever is stated") {
    const MemoryPlan plan = plan_memory({}, {80 * mib, std::nullopt, 1, 0});
    CHECK(plan.none());
    CHECK(plan.custody == 10 * mib);
    CHECK(plan.queues == 20 * mib);
    ModelProfile profile;
    profile.layers.push_back(layer(1, mib, 10 * mib));
    const MemoryPlan small = plan_memory(profile, needs_of(16 * mib));
    CHECK(small.none());
    CHECK(small.queues == 50 * mib);
    CHECK(small.spare == 0);
}

TEST_CASE("a plan stays within the memory, and is the most valuable of all runs that fit") {
    CHECK(rc::check("any chain, any memory", [] {
        const ModelProfile profile = random_profile();
        const MemoryNeeds needs = random_needs();
        const MemoryPlan plan = plan_memory(profile, needs);
        const uint64_t frame = profile.layers.front().frontier_bytes;
        const uint64_t queues = needs.own_frames * frame + (needs.lanes + 4) * largest(profile);
        const uint64_t custody = needs.custody_bytes.value_or(2 * largest(profile));
        const uint64_t most = std::max(needs.memory_bytes, queues + custody);
        RC_ASSERT(plan.total() <= most);
        RC_ASSERT(plan.spare <= most && plan.queues <= most && plan.custody <= most);
        RC_ASSERT(plan.layers.first <= plan.layers.last && plan.layers.last <= profile.layers.size());
        RC_ASSERT(plan.queues >= queues && plan.custody >= custody);
        RC_ASSERT(!needs.custody_bytes || plan.custody == *needs.custody_bytes);
        RC_ASSERT(plan.weights + plan.compiled + plan.workspace == bytes_of(profile, plan.layers, needs.lanes));
        const uint64_t room = needs.memory_bytes - std::min(needs.memory_bytes, queues + custody);
        const auto count = static_cast<uint16_t>(profile.layers.size());
        for (uint16_t first = 0; first < count; ++first)
            for (uint16_t last = first + 1; last <= count; ++last) {
                if (bytes_of(profile, {first, last}, needs.lanes) > room) continue;
                RC_ASSERT(time_of(profile, {first, last}) <= time_of(profile, plan.layers));
                RC_ASSERT(!plan.none());
            }
        RC_ASSERT(plan.whole(profile) == (needs.memory_bytes >= plan.all_layers));
    }));
}

TEST_CASE("more memory never means less of the model's time, and where layers take the same never fewer of them") {
    CHECK(rc::check("two memories", [] {
        ModelProfile profile = random_profile();
        MemoryNeeds needs = random_needs();
        const bool equal = *rc::gen::arbitrary<bool>();
        if (equal)
            for (auto& each : profile.layers) each.time = from_ms(1);
        const MemoryPlan less = plan_memory(profile, needs);
        needs.memory_bytes += *rc::gen::inRange<uint64_t>(0, 100 * mib);
        const MemoryPlan more = plan_memory(profile, needs);
        RC_ASSERT(time_of(profile, less.layers) <= time_of(profile, more.layers));
        if (equal) RC_ASSERT(less.layers.last - less.layers.first <= more.layers.last - more.layers.first);
    }));
}

TEST_CASE("no recorded profile makes sums overflow") {
    ModelProfile profile;
    for (int i = 0; i < 3; ++i) profile.layers.push_back(layer(1, UINT64_MAX / 2, UINT64_MAX / 2));
    CHECK(layers_in(profile, uint64_t{1} << 20).last == 0);
}

TEST_CASE("needs are those of the configuration and of the experiment's device") {
    NodeConfig config;
    config.memory_mb = 300;
    config.lanes = 3;
    config.sources.resize(2);
    config.sources[0].when_full = WhenFull::block;
    config.sources[1].when_full = WhenFull::drop_oldest;
    config.sources[1].reservoir_frames = 20;
    const MemoryNeeds needs = memory_needs(config);
    CHECK(needs.memory_bytes == 300 * mib);
    CHECK_FALSE(needs.custody_bytes.has_value());
    CHECK(needs.lanes == 3);
    CHECK(needs.own_frames == 8 + 2 + 20 + 2 + 4);
    config.custody_mb = 7;
    CHECK(memory_needs(config).custody_bytes == 7 * mib);

    Experiment experiment;
    experiment.devices.resize(2);
    experiment.devices[1].memory_mb = 300;
    experiment.devices[1].lanes = 3;
    experiment.sources.resize(3);
    experiment.sources[1].device = experiment.sources[2].device = 1;
    experiment.sources[2].when_full = WhenFull::drop_newest;
    experiment.sources[2].reservoir_frames = 20;
    CHECK(memory_needs(experiment, 1).own_frames == needs.own_frames);
    CHECK(memory_needs(experiment, 1).memory_bytes == needs.memory_bytes);
    CHECK(memory_needs(experiment, 1).lanes == 3);
    CHECK(memory_needs(experiment, 0).own_frames == 10);
}

TEST_CASE("the log says what fits, what does not and what would help") {
    const auto text = [](const ModelProfile& profile, uint64_t memory_mb) {
        return to_text(plan_memory(profile, needs_of(memory_mb * mib)), profile);
    };
    const auto says = [](const std::string& whole, const std::string& part) {
        CAPTURE(whole);
        CHECK(whole.find(part) != std::string::npos);
    };
    says(text(four_layers(), 1024), "memory: 1024 MiB hold all 4 layers (100 weights, 113 compiled, ");
    CHECK(text(four_layers(), 1024).find("helps") == std::string::npos);
    says(text(four_layers(), 70), "70 MiB hold layers 0 to 1 of 4 layers, 50 % of the model's time (30 weights, ");
    says(text(four_layers(), 70), "all need 213 MiB: a larger memory_mb helps");
    says(text(four_layers(), 16), "hold none of the 4 layers, so this node only relays; all need 213 MiB");
    says(text({}, 16), "memory: 16 MiB for what is passed on; the program itself takes about 50 MiB beside");
    for (const uint64_t memory_mb : {16, 70, 1024}) says(text(four_layers(), memory_mb), "takes about 180 MiB beside");
}
