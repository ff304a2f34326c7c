#include "lab/plan.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "eddy/tensor.hpp"

namespace eddy::lab {

namespace {

/// One factor for all, so that the experiment keeps its proportions: no lane gets more than a core, and all devices
/// together not more than the machine has to give.
double quota_factor_of(const Experiment& experiment, double cores) {
    double asked = 0;
    double fastest = 0;
    const auto add = [&](const ExperimentDevice& device, double speed) {
        fastest = std::max(fastest, speed);
        return speed * device.lanes;
    };
    std::vector<double> most(experiment.devices.size());
    for (size_t d = 0; d < most.size(); ++d) most[d] = add(experiment.devices[d], experiment.devices[d].speed);
    for (const ExperimentChange& change : experiment.changes)
        most[change.device] = std::max(most[change.device], add(experiment.devices[change.device], change.speed));
    for (const double each : most) asked += each;
    return std::min({1.0, cores * promised_share / asked, 1.0 / fastest});
}

SourceConfig source_of(const ExperimentSource& source, const PlanOptions& options) {
    SourceConfig made;
    made.name = source.name;
    made.input = fmt::format("lavfi:testsrc2=size={}x{}:rate=30", options.frame_width, options.frame_height);
    made.rate_per_s = source.rate_per_s;
    made.arrivals = source.arrivals;
    made.frames = source.frames;
    made.when_full = source.when_full;
    made.deadline_ms = source.deadline_ms;
    made.reservoir_frames = source.reservoir_frames;
    made.weight = source.weight;
    made.priority = source.priority;
    return made;
}

NodeConfig node_of(const Experiment& experiment, size_t d, double quota_factor, const PlanOptions& options) {
    const ExperimentDevice& device = experiment.devices[d];
    NodeConfig node;
    node.name = device.name;
    node.id = device.id;
    node.data_dir = fmt::format("{}/{}", options.folder, d + 1);
    node.control_socket = node.data_dir + "/control.sock";
    node.start_members = static_cast<uint32_t>(experiment.devices.size());
    node.cluster = "lab";
    node.lanes = device.lanes;
    node.memory_mb = device.memory_mb;
    node.policy = options.policy;
    node.shares = options.shares;
    node.partition = options.partition;
    node.row_planner = options.row_planner;
    if (device.has_model && options.partition != PartitionKind::chain) node.row_profile = options.row_profile;
    if (device.has_model && experiment.compute == ExperimentCompute::real) {
        node.model_path = options.model;
        if (!options.isolated) node.limit = device.speed * quota_factor;
    } else if (device.has_model) {
        node.replay = options.profile;
        node.replay_speed = device.speed;
    }
    for (const ExperimentSource& source : experiment.sources)
        if (source.device == d) node.sources.push_back(source_of(source, options));
    return node;
}

std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\')
            out += fmt::format("\\{}", c);
        else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
            out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
        else
            out += c;
    }
    return out + "\"";
}

std::string number(double value) {
    // TOML tells 1.0 from 1, and knows no exponent without digits after the point; fmt's shortest form needs its help.
    std::string text = fmt::format("{}", value);
    if (text.find_first_of(".e") == std::string::npos) text += ".0";
    return text;
}

const char* word_of(WhenFull when_full) {
    switch (when_full) {
        case WhenFull::block: return "block";
        case WhenFull::drop_oldest: return "drop-oldest";
        case WhenFull::drop_newest: return "drop-newest";
    }
    return "";
}

std::string source_text(const SourceConfig& source) {
    std::string text = "\n[[source]]\n";
    text += fmt::format("name = {}\ninput = {}\n", quoted(source.name), quoted(source.input));
    if (source.rate_per_s) text += fmt::format("rate_per_s = {}\n", number(*source.rate_per_s));
    text += fmt::format("arrivals = \"{}\"\n", source.arrivals == Arrivals::poisson ? "poisson" : "paced");
    if (source.frames) text += fmt::format("frames = {}\n", *source.frames);
    text += fmt::format("when_full = \"{}\"\n", word_of(source.when_full));
    if (source.deadline_ms) text += fmt::format("deadline_ms = {}\n", number(*source.deadline_ms));
    if (source.weight) text += fmt::format("weight = {}\n", number(*source.weight));
    text += fmt::format("priority = {}\nreservoir_frames = {}\n", source.priority, source.reservoir_frames);
    return text;
}

std::string endpoint_text(const Endpoint& endpoint) {
    return quoted(fmt::format("{}:{}", endpoint.host, endpoint.port));
}

}  // namespace

double quota_of(const ExperimentDevice& device, double speed, double quota_factor) {
    return speed * device.lanes * quota_factor;
}

Result<std::pair<uint32_t, uint32_t>> picture_of(uint64_t bytes) {
    const uint64_t pixels = bytes / 3;
    if (bytes == 0 || bytes % 3 != 0 || bytes > tensor_bytes_max)
        return unsupported(fmt::format("no 8-bit RGB picture has {} bytes: is layer 0 the frame?", bytes));
    auto height = static_cast<uint64_t>(std::sqrt(static_cast<double>(pixels)));
    while (pixels % height != 0) --height;
    return std::pair{static_cast<uint32_t>(pixels / height), static_cast<uint32_t>(height)};
}

Result<LabPlan> make_plan(const Experiment& experiment, const PlanOptions& options) {
    const bool real = experiment.compute == ExperimentCompute::real;
    if (real && !options.isolated && !experiment.changes.empty())
        return unsupported(
            "a [[change]] of a device's speed needs a processor quota, and so root; or compute = \"replayed\"");
    for (const ExperimentSource& source : experiment.sources)
        if (const ExperimentDevice& device = experiment.devices[source.device]; !device.has_model)
            return unsupported(fmt::format("source {} is on {}, which only relays: attach it to another device",
                                           source.name, device.name));
    LabPlan plan;
    if (real) plan.quota_factor = quota_factor_of(experiment, options.cores);
    for (size_t d = 0; d < experiment.devices.size(); ++d) {
        const ExperimentDevice& device = experiment.devices[d];
        DevicePlan made;
        made.node = node_of(experiment, d, plan.quota_factor, options);
        made.node.cluster_key = options.cluster_key;
        if (options.isolated) {
            if (real) made.quota_cores = quota_of(device, device.speed, plan.quota_factor);
            made.memory_mb = device.memory_mb + program_memory_mb;
        }
        plan.devices.push_back(std::move(made));
    }
    return plan;
}

std::string node_file(const NodeConfig& config) {
    std::string text = fmt::format("[node]\nname = {}\n", quoted(config.name));
    if (config.id) text += fmt::format("id = \"{}\"\n", to_string(*config.id));
    text += fmt::format("listen = {}\ndata_dir = {}\ncontrol_socket = {}\nstart_members = {}\n",
                        endpoint_text(config.listen), quoted(config.data_dir), quoted(config.control_socket),
                        config.start_members);
    text += fmt::format("\n[cluster]\nname = {}\n", quoted(config.cluster));
    if (!config.cluster_key.empty()) text += fmt::format("key = {}\n", quoted(config.cluster_key));
    text += "seeds = [";
    for (size_t i = 0; i < config.seeds.size(); ++i)
        text += fmt::format("{}{}", i == 0 ? "" : ", ", endpoint_text(config.seeds[i]));
    text += "]\n";
    if (!config.model_path.empty()) text += fmt::format("\n[model]\npath = {}\n", quoted(config.model_path));
    text += fmt::format("\n[compute]\nlanes = {}\nthreads_per_lane = {}\nlimit = {}\nmemory_mb = {}\n", config.lanes,
                        config.threads_per_lane, number(config.limit), config.memory_mb);
    if (!config.replay.empty())
        text += fmt::format("replay = {}\nreplay_speed = {}\n", quoted(config.replay), number(config.replay_speed));
    if (!config.row_profile.empty()) text += fmt::format("row_profile = {}\n", quoted(config.row_profile));
    text += fmt::format("\n[scheduler]\npolicy = \"{}\"\nshares = \"{}\"\npartition = \"{}\"\n", name_of(config.policy),
                        config.shares == SharesKind::measured ? "measured" : "parameters", name_of(config.partition));
    text += fmt::format("row_planner = \"{}\"\n", name_of(config.row_planner));
    text += fmt::format("queue_frames = {}\nattempts_max = {}\n", config.queue_frames, config.attempts_max);
    text += fmt::format("stop_timeout_s = {}\nframe_timeout_s = {}\n", number(config.stop_timeout_s),
                        number(config.frame_timeout_s));
    for (const SourceConfig& source : config.sources) text += source_text(source);
    return text;
}

}  // namespace eddy::lab
