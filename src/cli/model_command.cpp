// eddy model inspect
#include <filesystem>
#include <iostream>

#include "models/engine/torch_engine.hpp"
#include "src/app/folders.hpp"
#include "src/cli/commands.hpp"
#include "src/cli/logging.hpp"

namespace eddy::cli {

namespace {

struct InspectOptions {
    std::string path;
    bool profile = false;
    bool fresh = false;
    bool json = false;
    uint32_t threads = 1;
    uint64_t memory_mb = 1024;
};

int inspect(const InspectOptions& options) {
    const auto model = engine::load_model(options.path);
    if (!model) return complain(model.error().message);
    ModelProfile profile;
    if (options.profile) {
        engine::ProfileOptions measure;
        measure.cache_dir = options.fresh ? "" : app::profile_dir();
        measure.threads = options.threads;
        measure.log = stderr_log("eddy", "info");
        auto measured = (*model)->units(options.memory_mb << 20)->load_or_measure_profile(measure);
        if (!measured) return complain(measured.error().message);
        profile = std::move(*measured);
    }
    const ModelProfile* shown = options.profile ? &profile : nullptr;
    std::cout << (options.json ? (*model)->inspect_json(shown) : (*model)->inspect_text(shown));
    return exit_done;
}

}  // namespace

void add_model_commands(CLI::App& program, Chosen& chosen) {
    auto* model = program.add_subcommand("model", "Look at a model");
    model->require_subcommand(1);
    auto* command = model->add_subcommand("inspect", "Show a model's layers, and with --profile what they cost here");
    auto options = std::make_shared<InspectOptions>();
    command->add_option("MODEL", options->path, "TorchScript file")->required();
    command->add_flag("--profile", options->profile, "Time every layer on this device (kept for the next time)");
    command->add_flag("--fresh", options->fresh, "With --profile: measure again, and keep nothing");
    command->add_option("--threads", options->threads, "Threads of a compute lane")->check(CLI::Range(1, 256));
    command->add_option("--memory-mb", options->memory_mb, "Bound of compiled layers")->check(CLI::Range(16, 1 << 20));
    command->add_flag("--json", options->json, "JSON on standard output");
    command->footer("Example:\n  eddy model inspect build/models/ssdlite_mobilenet_v2_coco.pt --profile");
    command->callback([options, &chosen] { chosen = [options] { return inspect(*options); }; });
}

}  // namespace eddy::cli
