#include "models/graph/memory_plan.hpp"

#include <algorithm>

#include "eddy/assert.hpp"

namespace eddy::graph {

namespace {

constexpr uint64_t layout_copies = 2;    ///< of a tensor in a lane's workspace: plain, and as the processor likes it
constexpr uint64_t messages_least = 4;   ///< one coming and one going, and as many at rest
constexpr uint64_t custody_least = 2;    ///< of the largest frontier
constexpr uint32_t under_way_least = 2;  ///< of an own source: one worked on, one ready
constexpr uint32_t capture_slack = 4;    ///< of a source that drops: frames on their way to the core
constexpr uint64_t custody_part = 8;     ///< of the memory, where there is room
constexpr uint64_t queues_part = 4;

uint32_t frames_of(uint32_t reservoir, WhenFull when_full) {
    return reservoir + under_way_least + (when_full == WhenFull::block ? 0 : capture_slack);
}

/// No sum of these overflows, whatever a recorded profile claims.
uint64_t sane(uint64_t bytes) { return std::min(bytes, uint64_t{1} << 40); }

uint64_t compiled_of(uint64_t weights) { return weights + weights / 8; }

/// What a run of layers needs, one layer at a time.
struct Run {
    LayerRange layers;
    uint64_t weights = 0;
    uint64_t workspace = 0;
    Usec time{0};

    void add(const ModelProfile& profile, uint32_t lanes) {
        const LayerProfile& layer = profile.layers[layers.last++];
        const bool ends = layers.last == profile.layers.size();
        const uint64_t after = ends ? 0 : profile.layers[layers.last].frontier_bytes;
        const uint64_t around = sane(layer.frontier_bytes) + sane(after);
        weights += sane(layer.weight_bytes);
        workspace = std::max(workspace, lanes * layout_copies * around);
        time += layer.time;
    }
    [[nodiscard]] uint64_t bytes() const { return weights + compiled_of(weights) + workspace; }
    [[nodiscard]] bool better_than(const Run& other) const {
        if (time != other.time) return time > other.time;
        return layers.last - layers.first > other.layers.last - other.layers.first;
    }
};

Run best_run(const ModelProfile& profile, uint32_t lanes, uint64_t room) {
    Run best{{0, 0}};
    for (uint16_t first = 0; first < profile.layers.size(); ++first) {
        Run run{{first, first}};
        while (run.layers.last < profile.layers.size()) {
            run.add(profile, lanes);
            if (run.bytes() > room) break;
            if (run.better_than(best)) best = run;
        }
    }
    return best;
}

std::string mib(uint64_t bytes) { return std::to_string((bytes + (uint64_t{1} << 20) - 1) >> 20); }

}  // namespace

MemoryNeeds memory_needs(const NodeConfig& config) {
    MemoryNeeds needs;
    needs.memory_bytes = config.memory_mb << 20;
    if (config.custody_mb) needs.custody_bytes = *config.custody_mb << 20;
    needs.lanes = config.lanes;
    for (const auto& source : config.sources) needs.own_frames += frames_of(source.reservoir_frames, source.when_full);
    return needs;
}

MemoryNeeds memory_needs(const Experiment& experiment, size_t device) {
    MemoryNeeds needs;
    needs.memory_bytes = experiment.devices.at(device).memory_mb << 20;
    needs.lanes = experiment.devices[device].lanes;
    for (const auto& source : experiment.sources)
        if (source.device == device) needs.own_frames += frames_of(source.reservoir_frames, source.when_full);
    return needs;
}

MemoryPlan plan_memory(const ModelProfile& profile, const MemoryNeeds& needs) {
    EDDY_ASSERT(profile.layers.size() < UINT16_MAX);
    uint64_t largest = 0;
    for (const auto& layer : profile.layers) largest = std::max(largest, sane(layer.frontier_bytes));
    const uint64_t frame = profile.layers.empty() ? 0 : sane(profile.layers.front().frontier_bytes);
    const uint64_t queues_min = needs.own_frames * frame + (needs.lanes + messages_least) * largest;
    const uint64_t custody_min = needs.custody_bytes.value_or(custody_least * largest);
    const uint64_t buffers_min = queues_min + custody_min;

    MemoryPlan plan;
    plan.memory = needs.memory_bytes;
    Run all{{0, 0}};
    while (all.layers.last < profile.layers.size()) all.add(profile, needs.lanes);
    plan.all_layers = all.bytes() + buffers_min;
    const Run run = best_run(profile, needs.lanes, plan.memory - std::min(plan.memory, buffers_min));
    plan.layers = run.layers;
    plan.weights = run.weights;
    plan.compiled = compiled_of(run.weights);
    plan.workspace = run.workspace;
    // What a relay needs at the very least it takes, whatever is stated.
    const uint64_t rest = std::max(plan.memory - std::min(plan.memory, run.bytes()), buffers_min);
    plan.custody = needs.custody_bytes.value_or(std::clamp(plan.memory / custody_part, custody_min, rest - queues_min));
    plan.queues = std::clamp(plan.memory / queues_part, queues_min, rest - plan.custody);
    plan.spare = rest - plan.custody - plan.queues;
    return plan;
}

std::string to_text(const MemoryPlan& plan, const ModelProfile& profile) {
    const std::string layers = std::to_string(profile.layers.size()) + " layers";
    const uint64_t program = profile.layers.empty() ? relay_program_mb : program_mb;
    const std::string beside = "; the program itself takes about " + std::to_string(program) + " MiB beside";
    const std::string parts = mib(plan.weights) + " weights, " + mib(plan.compiled) + " compiled, " +
                              mib(plan.workspace) + " workspace, " + mib(plan.custody) + " custody, " +
                              mib(plan.queues) + " queues";
    const std::string has = "memory: " + mib(plan.memory) + " MiB ";
    if (profile.layers.empty()) return has + "for what is passed on" + beside;
    if (plan.whole(profile)) return has + "hold all " + layers + " (" + parts + ")" + beside;
    const std::string help = "; all need " + mib(plan.all_layers) +
                             " MiB: a larger memory_mb helps, or a smaller custody_mb, fewer lanes, shorter reservoirs";
    if (plan.none()) return has + "hold none of the " + layers + ", so this node only relays" + help + beside;
    Usec all{0}, here{0};
    for (uint16_t l = 0; l < profile.layers.size(); ++l) {
        all += profile.layers[l].time;
        if (plan.layers.contains(l)) here += profile.layers[l].time;
    }
    const auto percent = all > Usec{0} ? 100 * here.count() / all.count() : 0;
    return has + "hold layers " + std::to_string(plan.layers.first) + " to " + std::to_string(plan.layers.last - 1) +
           " of " + layers + ", " + std::to_string(percent) + " % of the model's time (" + parts +
           "); the others must run elsewhere" + help + beside;
}

}  // namespace eddy::graph
