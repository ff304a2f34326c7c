#include "src/cli/load_experiment.hpp"

#include <fstream>
#include <memory>

#include "models/torch/profiler.hpp"
#include "src/app/folders.hpp"
#include "src/cli/commands.hpp"
#include "src/cli/logging.hpp"
#include "src/config/experiment.hpp"

namespace eddy::cli {

namespace {

constexpr size_t profile_bytes_max = size_t{1} << 20;

Result<ModelProfile> recorded_profile(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::string text(profile_bytes_max + 1, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (file.bad() || (file.fail() && !file.eof())) return invalid(path + ": cannot be read");
    text.resize(static_cast<size_t>(file.gcount()));
    auto profile = torch_exec::profile_from_json(text);
    if (!profile)
        return Error{profile.error().code,
                     path + ": " + profile.error().message + " (`eddy model inspect MODEL.pt --profile` records one)"};
    return profile;
}

Result<ModelProfile> measured_profile(const std::string& model_path) {
    const auto model = torch_exec::Model::load(model_path);
    if (!model) return model.error();
    constexpr uint64_t compiled_bytes_max = uint64_t{1} << 30;
    const auto cache = std::make_shared<torch_exec::UnitCache>(*model, compiled_bytes_max);
    torch_exec::ProfileOptions measure;
    measure.cache_dir = app::profile_dir();
    measure.log = stderr_log("eddy", "info");
    return torch_exec::load_or_measure_profile(cache, measure);
}

}  // namespace

Result<LoadedExperiment> load_experiment_with_profile(const std::filesystem::path& path) {
    auto experiment = config::load_experiment(path);
    if (!experiment) return experiment.error();
    auto profile =
        experiment->profile.empty() ? measured_profile(experiment->model) : recorded_profile(experiment->profile);
    if (!profile) return Error{profile.error().code, path.string() + ": " + profile.error().message};
    return LoadedExperiment{std::move(*experiment), std::move(*profile)};
}

int complain_of(const Error& error) {
    const bool usage = error.code == ErrorCode::invalid || error.code == ErrorCode::unsupported;
    return complain(error.message, usage ? exit_usage : exit_failed);
}

}  // namespace eddy::cli
