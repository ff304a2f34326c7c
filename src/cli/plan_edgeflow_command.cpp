// eddy plan edgeflow
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>

#include <fmt/format.h>

#include "eddy/real_clock.hpp"
#include "models/engine/graph_json.hpp"
#include "models/engine/torch_engine.hpp"
#include "planner/edgeflow/from_experiment.hpp"
#include "src/app/row_model.hpp"
#include "src/cli/commands.hpp"
#include "src/cli/edgeflow_output.hpp"
#include "src/cli/load_experiment.hpp"
#include "src/cli/logging.hpp"
#include "src/config/experiment.hpp"

namespace eddy::cli {

namespace {

using namespace planner::edgeflow;

struct EdgeflowCommand {
    std::string model;
    std::string cluster;
    std::string planner = "fused-blocks";
    std::string source;
    std::string row_profile;
    std::string record;
    uint64_t seed = 1;
    bool json = false;
    bool explain = false;
};

std::vector<std::string> planner_names() {
    std::vector<std::string> names;
    names.reserve(planners.size());
    for (const Planner planner : planners) names.emplace_back(name_of(planner));
    return names;
}

/// Of the device that is named, or else of the experiment's first source.
Result<size_t> source_of(const Experiment& experiment, const std::string& name) {
    if (name.empty()) return experiment.sources.empty() ? 0 : experiment.sources.front().device;
    for (size_t i = 0; i < experiment.devices.size(); ++i)
        if (experiment.devices[i].name == name) return i;
    std::string known;
    for (const ExperimentDevice& device : experiment.devices) known += (known.empty() ? "" : ", ") + device.name;
    return invalid(fmt::format("--source: found \"{}\", the experiment's devices are {}", name, known));
}

Result<RowProfile> row_profile_of(const engine::Model& model, const std::string& recorded) {
    if (!recorded.empty()) return app::recorded_row_profile_of(model, recorded);
    std::cerr << "measuring rows of each step on this device; --record keeps what is found\n";
    constexpr uint64_t compiled_bytes_max = uint64_t{1} << 30;
    engine::ProfileOptions measure;
    measure.log = stderr_log("eddy", "info");
    return model.units(compiled_bytes_max)->measure_row_profile(measure);
}

Status cannot_record(const std::string& path) {
    return unavailable("cannot write " + path + " (--record): " + std::strerror(errno));
}

Status write_profile(const engine::Model& model, const RowProfile& profile, const std::string& path) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << engine::row_model_to_json({model.chain_hash(), model.graph(), profile});
    return file.flush() ? success() : cannot_record(path);
}

/// What can be known before rows are measured, which takes a while.
Status check_before(const EdgeflowCommand& command, const engine::Model& model, size_t devices, size_t source) {
    if (const auto any = Problem::of_structure(model.graph(), 1, 0); !any)
        return invalid(command.model + ": " + any.error().message);
    if (const auto problem = Problem::of_structure(model.graph(), devices, source); !problem)
        return invalid(command.cluster + ": " + problem.error().message);
    if (command.record.empty()) return success();
    const bool is_there = std::filesystem::exists(command.record);
    if (!std::ofstream(command.record, std::ios::app)) return cannot_record(command.record);
    if (!is_there) std::filesystem::remove(command.record);  // an empty one would be no profile
    return success();
}

/// All planners side by side; the time that each takes is told too.
std::vector<EdgeflowOutcome> plan_all(const Problem& problem, uint64_t seed) {
    std::vector<EdgeflowOutcome> outcomes;
    for (const Planner planner : planners) {
        EdgeflowOutcome outcome;
        outcome.by = planner;
        const Instant begin = real_now();
        outcome.planned = plan_with(planner, problem, {.seed = seed});
        outcome.planning_ms = to_seconds(real_now() - begin) * 1000;
        if (outcome.planned) {
            Blocks blocks(problem);
            outcome.units = units_of(blocks, outcome.planned->plan);
            outcome.timeline = simulate(problem, outcome.units);
        }
        outcomes.push_back(std::move(outcome));
    }
    return outcomes;
}

int run_edgeflow(const EdgeflowCommand& command) {
    const auto experiment = config::load_experiment(command.cluster);
    if (!experiment) return complain_of(experiment.error());
    const auto source = source_of(*experiment, command.source);
    if (!source) return complain_of(source.error());
    const auto model = engine::load_model(command.model);
    if (!model) return complain_of(model.error());
    if (const auto ready = check_before(command, **model, experiment->devices.size(), *source); !ready)
        return complain_of(ready.error());
    const auto profile = row_profile_of(**model, command.row_profile);
    if (!profile) return complain_of(profile.error());
    if (!command.record.empty())
        if (const auto written = write_profile(**model, *profile, command.record); !written)
            return complain_of(written.error());
    const auto problem = problem_from(*experiment, (*model)->graph(), *profile, *source);
    if (!problem) return complain(command.cluster + ": " + problem.error().message, exit_usage);

    EdgeflowAnswer answer{*experiment, *problem, (*model)->file_name(), profile->device, {}, 0, command.explain};
    answer.outcomes = plan_all(*problem, command.seed);
    const Planner wanted = planner_named(command.planner).value_or(Planner::fused_blocks);
    answer.shown =
        static_cast<size_t>(std::find_if(answer.outcomes.begin(), answer.outcomes.end(),
                                         [&](const EdgeflowOutcome& outcome) { return outcome.by == wanted; }) -
                            answer.outcomes.begin());
    if (const auto& shown = answer.outcomes[answer.shown].planned; !shown)
        return complain(fmt::format("{}: {}: {}", command.cluster, command.planner, shown.error().message));
    if (command.json)
        std::cout << edgeflow_json(answer).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
    else
        std::cout << edgeflow_text(answer);
    return exit_done;
}

}  // namespace

void add_plan_edgeflow_command(CLI::App& program, Chosen& chosen) {
    auto* command = program.get_subcommand("plan")->add_subcommand(
        "edgeflow", "Divide a model's rows over devices, so that a single frame is done sooner");
    auto options = std::make_shared<EdgeflowCommand>();
    command->add_option("MODEL", options->model, "TorchScript file")->required();
    command->add_option("CLUSTER", options->cluster, "TOML file with devices and links, as in configs/experiments")
        ->required();
    command->add_option("--planner", options->planner, "Whose plan is shown block by block; all are compared")
        ->check(CLI::IsMember(planner_names()));
    command->add_option("--source", options->source, "Device that has the frames (default: that of the first source)");
    command->add_option("--row-profile", options->row_profile,
                        "Recorded eddy.row_profile/1; without, the model is measured on this device");
    command->add_option("--record", options->record, "Write the row profile that was used to this file");
    command->add_option("--seed", options->seed, "Of the search of fused-blocks: the same seed finds the same plan");
    command->add_flag("--explain", options->explain, "What the latency is made of: the critical path");
    command->add_flag("--json", options->json, "One eddy.edgeflow_plan/1 JSON object on standard output");
    command->footer(
        "Example:\n  eddy plan edgeflow build/models/resnet50_imagenet.pt "
        "configs/experiments/edgeflow-four-unequal.toml "
        "--explain\n"
        "Latencies are those of an event simulation of one frame: devices compute one unit at a time, send one "
        "message\n"
        "at a time and receive one at a time, and messages cost processor time. one-device is what all are compared\n"
        "with: the device that alone is soonest. progressive-lp is our reconstruction of the paper's planner.\n"
        "Exit codes: 0 done, 1 it ran and failed, 2 bad usage or configuration.");
    command->callback([options, &chosen] { chosen = [options] { return run_edgeflow(*options); }; });
}

}  // namespace eddy::cli
