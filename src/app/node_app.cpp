#include "src/app/node_app.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "models/engine/torch_engine.hpp"
#include "src/app/folders.hpp"
#include "src/app/identity.hpp"
#include "src/app/model_runner.hpp"
#include "src/app/node_runtime.hpp"
#include "src/app/recorded_profile.hpp"
#include "src/app/row_model.hpp"

namespace eddy::app {

namespace {

struct LoadedModel {
    std::shared_ptr<engine::Units> units;  ///< null: there is memory for no layer
    ModelCard card;
    ModelProfile profile;
    graph::MemoryPlan memory;
    std::optional<engine::RowModel> rows;  ///< if this node takes part in plans over rows
};

graph::MemoryPlan plan_memory(const NodeConfig& config, const ModelProfile& profile, const LogFn& log) {
    const auto plan = graph::plan_memory(profile, graph::memory_needs(config));
    const bool all = profile.layers.empty() || plan.whole(profile);
    log(all ? LogLevel::info : LogLevel::warning, graph::to_text(plan, profile));
    return plan;
}

/// What was loaded for a moment only goes back to the system, not to the heap.
void give_back_memory() {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

Result<LoadedModel> load_model(const NodeConfig& config, const LogFn& log) {
    auto model = engine::load_model(config.model_path);
    if (!model) return model.error();
    LoadedModel loaded;
    loaded.card = (*model)->card();
    engine::ProfileOptions options;
    options.cache_dir = profile_dir();
    options.threads = config.threads_per_lane;
    options.log = log;
    log(LogLevel::info,
        "model " + (*model)->file_name() + ": " + std::to_string((*model)->chain().layers().size()) + " layers");
    // The file is read whole, and if it was never measured here, all of it is compiled once; then only the layers that
    // fit are kept.
    auto profile = (*model)->units(UINT64_MAX)->load_or_measure_profile(options);
    if (!profile) return profile.error();
    loaded.profile = std::move(*profile);
    loaded.memory = plan_memory(config, loaded.profile, log);
    const LayerRange layers = loaded.memory.layers;
    if (config.partition != PartitionKind::chain && loaded.memory.whole(loaded.profile)) {
        auto rows = row_model_of(**model, config.row_profile, config.threads_per_lane, log);
        if (!rows) return rows.error();
        loaded.rows = *std::move(rows);
    }
    if (loaded.memory.none()) {
        model->reset();
        give_back_memory();
        return loaded;
    }
    (*model)->keep_only(layers);
    give_back_memory();
    loaded.units = (*model)->units(loaded.memory.compiled + loaded.memory.spare);
    // Compiled before the first frame comes: what is new to LibTorch is slow the first time.
    const auto executor = loaded.units->executor(config.threads_per_lane);
    if (auto status = executor->prepare_layers(); !status) return status.error();
    if (loaded.memory.spare >= loaded.memory.compiled)
        if (auto status = executor->prepare(layers.first, layers.last); !status) return status.error();
    return loaded;
}

void divide_rows(engine::RowModel rows, RowUnits::Compile compile, RuntimeParts& parts) {
    parts.graph = std::make_shared<const graph::ModelGraph>(std::move(rows.graph));
    parts.rows = std::make_shared<const RowProfile>(std::move(rows.profile));
    parts.row_units = std::make_shared<RowUnits>(parts.graph, parts.rows, std::move(compile));
}

void compute_with(const std::shared_ptr<engine::Units>& units, std::optional<engine::RowModel> rows,
                  RuntimeParts& parts) {
    if (rows)
        divide_rows(
            *std::move(rows),
            [units](const UnitOrder& order) {
                std::vector<graph::ValueRows> wanted;
                for (const RowTensor& each : order.wanted)
                    wanted.push_back({each.value, {int64_t{each.rows.begin}, int64_t{each.rows.end}}});
                return units->row_unit(order.first, order.last, wanted);
            },
            parts);
    parts.make_runner = [units, card = parts.card, threads = parts.config.threads_per_lane, rows = parts.row_units] {
        return make_model_runner(units->executor(threads), card, rows);
    };
    parts.compile = [units](const std::vector<UnitRange>& runs) {
        const auto executor = units->executor(1);
        for (const auto& run : runs) (void)executor->prepare(run.first, run.last);  // if not, single layers serve it
    };
}

Status load_replay(RuntimeParts& parts) {
    const NodeConfig& config = parts.config;
    auto profile = recorded_profile(config.replay);
    if (!profile) return profile.error();
    auto replay = Replay::make(*profile, config.replay_speed);
    if (!replay) return invalid(config.replay + ": " + replay.error().message);
    if (!config.sources.empty()) {
        const auto frame = frame_of(profile->layers.front().frontier_bytes);
        if (!frame) return invalid(config.replay + ": layer 0 takes no camera's frame: " + frame.error().message);
        parts.frame_width = frame->width;
        parts.frame_height = frame->height;
    }
    parts.log(LogLevel::info,
              fmt::format("replays {} at speed {}: {} layers of {}, recorded on {}; computes nothing", config.replay,
                          config.replay_speed, profile->layers.size(), profile->model, profile->device));
    parts.profile = std::move(*profile);
    parts.memory = plan_memory(config, parts.profile, parts.log);
    parts.card.name = parts.profile.model;
    parts.replay = *replay;
    if (config.partition != PartitionKind::chain) {
        auto rows = recorded_row_model(config.row_profile);
        if (!rows) return rows.error();
        if (rows->chain_hash != parts.profile.chain_hash)
            return invalid(config.row_profile + ": it was recorded of another model than " + config.replay);
        divide_rows(*std::move(rows), {}, parts);
    }
    parts.make_runner = [replay = *replay, rows = parts.row_units] { return make_replay_runner(replay, rows); };
    return success();
}

Status cannot_write_report(const std::string& path) {
    return unavailable("cannot write " + path + " (--report): " + std::strerror(errno));
}

/// Found out before the work begins: a run whose report cannot be written is a run for nothing.
Status check_report_path(const std::string& path) {
    const std::ofstream file(path, std::ios::app);
    return file ? success() : cannot_write_report(path);
}

Status write_report(const std::string& path, const std::string& text) {
    std::ofstream file(path, std::ios::trunc);
    file << text;
    file.close();
    return file ? success() : cannot_write_report(path);
}

}  // namespace

Result<metrics::Report> run_node(const NodeConfig& config, const RunOptions& options, const LogFn& log) {
    std::signal(SIGPIPE, SIG_IGN);
    if (!config.sources.empty() && config.model_path.empty() && config.replay.empty())
        return invalid("a node with a [[source]] needs [model] path: frames are captured at the model's input size");
    if (!config.model_path.empty() && !config.replay.empty())
        return invalid("both [model] path and [compute] replay; a node has one of the two");
    if (!config.replay.empty() && config.partition != PartitionKind::chain && config.row_profile.empty())
        return invalid("[scheduler] partition = \"" + std::string(name_of(config.partition)) +
                       "\" with [compute] replay needs [compute] row_profile");
    if (!options.report_path.empty())
        if (auto status = check_report_path(options.report_path); !status) return status.error();
    auto identity = take_identity(config, log);
    if (!identity) return identity.error();

    RuntimeParts parts;
    parts.config = config;
    parts.identity = *identity;
    parts.log = log;
    if (!config.replay.empty()) {
        if (auto status = load_replay(parts); !status) return status.error();
    } else if (!config.model_path.empty()) {
        auto model = load_model(config, log);
        if (!model) return model.error();
        parts.profile = std::move(model->profile);
        parts.memory = model->memory;
        parts.card = model->card;
        parts.frame_height = parts.card.height;
        parts.frame_width = parts.card.width;
        if (model->units) compute_with(model->units, std::move(model->rows), parts);
    } else {
        parts.memory = plan_memory(config, {}, log);
    }
    if (!options.results_path.empty()) {
        auto writer = metrics::ResultWriter::open(options.results_path, log);
        if (!writer) return writer.error();
        parts.results = std::move(*writer);
    }
    NodeRuntime runtime(std::move(parts));
    if (auto status = runtime.start(); !status) return status.error();
    if (auto status = runtime.run(options.seconds); !status) return status.error();
    auto report = runtime.report();
    if (!options.report_path.empty())
        if (auto status = write_report(options.report_path, metrics::to_json(report)); !status) return status.error();
    return report;
}

}  // namespace eddy::app
