#include "src/cli/load_experiment.hpp"

#include <memory>

#include "models/engine/torch_engine.hpp"
#include "src/app/folders.hpp"
#include "src/app/recorded_profile.hpp"
#include "src/cli/commands.hpp"
#include "src/cli/logging.hpp"
#include "src/config/experiment.hpp"

namespace eddy::cli {

namespace {

Result<ModelProfile> measured_profile(const std::string& model_path) {
    const auto model = engine::load_model(model_path);
    if (!model) return model.error();
    constexpr uint64_t compiled_bytes_max = uint64_t{1} << 30;
    engine::ProfileOptions measure;
    measure.cache_dir = app::profile_dir();
    measure.log = stderr_log("eddy", "info");
    return (*model)->units(compiled_bytes_max)->load_or_measure_profile(measure);
}

}  // namespace

Result<LoadedExperiment> load_experiment_with_profile(const std::filesystem::path& path) {
    auto experiment = config::load_experiment(path);
    if (!experiment) return experiment.error();
    auto profile =
        experiment->profile.empty() ? measured_profile(experiment->model) : app::recorded_profile(experiment->profile);
    if (!profile) return Error{profile.error().code, path.string() + ": " + profile.error().message};
    return LoadedExperiment{std::move(*experiment), std::move(*profile)};
}

int complain_of(const Error& error) {
    const bool usage = error.code == ErrorCode::invalid || error.code == ErrorCode::unsupported;
    return complain(error.message, usage ? exit_usage : exit_failed);
}

}  // namespace eddy::cli
