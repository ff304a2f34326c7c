#include "src/app/row_model.hpp"

#include <filesystem>
#include <fstream>

#include <unistd.h>

#include "models/engine/row_profile_json.hpp"
#include "models/engine/torch_engine.hpp"
#include "src/app/folders.hpp"
#include "src/app/recorded_profile.hpp"

namespace eddy::app {

namespace {

engine::RowModel with_graph(const engine::Model& model, RowProfile profile) {
    return {model.chain_hash(), model.graph(), std::move(profile)};
}

/// Written beside and moved there, so that nobody reads half of it, not even what two nodes write at a time. That it
/// cannot be kept is no error.
void keep(const RowProfile& profile, const std::string& path, const LogFn& log) {
    std::error_code error;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
    const std::string beside = path + "." + std::to_string(::getpid());
    std::ofstream file(beside, std::ios::binary | std::ios::trunc);
    file << engine::row_profile_to_json(profile);
    file.close();
    if (file) std::filesystem::rename(beside, path, error);
    if (!file || error) log(LogLevel::warning, "the costs of rows cannot be kept in " + path);
}

}  // namespace

Result<RowProfile> recorded_row_profile_of(const engine::Model& model, const std::string& recorded) {
    auto profile = recorded_row_profile(recorded);
    if (!profile) return profile;
    if (profile->model_hash != model.model_hash())
        return invalid(recorded + ": it was recorded of another model than " + model.file_name());
    if (auto checked = engine::check_steps(model.graph(), *profile); !checked)
        return invalid(recorded + ": " + checked.error().message);
    return profile;
}

Result<engine::RowModel> row_model_of(const engine::Model& model, const std::string& recorded, uint32_t threads,
                                      const LogFn& log) {
    if (!recorded.empty()) {
        auto profile = recorded_row_profile_of(model, recorded);
        if (!profile) return profile.error();
        return with_graph(model, *std::move(profile));
    }
    const auto engine = engine::torch_engine();
    if (!engine) return engine.error();
    const std::string device = (*engine)->device_description() + ", " + std::to_string(threads) + " per lane";
    const std::string path = profile_dir() + "/rows-" + to_string(model.model_hash()).substr(0, 16) + "-" +
                             std::to_string(threads) + ".json";
    if (std::filesystem::exists(path))
        if (auto kept = recorded_row_profile(path); kept && kept->model_hash == model.model_hash() &&
                                                    kept->device == device && engine::check_steps(model.graph(), *kept))
            return with_graph(model, *std::move(kept));
    log(LogLevel::info, "measuring what rows of each step of " + model.file_name() + " cost on this device");
    engine::ProfileOptions options;
    options.threads = threads;
    options.log = log;
    auto profile = model.units(UINT64_MAX)->measure_row_profile(options);
    if (!profile) return profile.error();
    keep(*profile, path, log);
    return with_graph(model, *std::move(profile));
}

}  // namespace eddy::app
