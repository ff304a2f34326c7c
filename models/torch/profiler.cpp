#include "models/torch/profiler.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <unistd.h>

#include "eddy/real_clock.hpp"
#include "models/engine/profile_json.hpp"
#include "models/torch/archive.hpp"
#include "models/torch/measuring.hpp"

namespace eddy::torch_exec {

namespace {

void say(const ProfileOptions& options, LogLevel level, const std::string& text) {
    if (options.log) options.log(level, text);
}

struct Samples {
    std::vector<std::vector<Usec>> layers;
    std::vector<Usec> whole;
};

Result<Samples> take_samples(Executor& executor, const ProfileOptions& options) {
    const auto layers = static_cast<uint32_t>(executor.model().chain().layers().size());
    const std::vector<HostTensor> frame{noise_frame(executor.model())};
    Samples samples;
    samples.layers.resize(layers);
    const Instant until = real_now() + from_seconds(options.seconds_max);
    const uint32_t rounds = options.warm_up + std::max(options.repeats, 1U);
    for (uint32_t round = 0; round < rounds; ++round) {
        // Single layers and whole model in turns, so that a change of the processor's speed meets both.
        auto pieces = executor.run(0, layers, frame, /*measure=*/true);
        if (!pieces) return pieces.error();
        const Instant start = real_now();
        auto whole = executor.run(0, layers, frame);
        if (!whole) return whole.error();
        const Usec whole_time = real_now() - start;
        const bool late = real_now() > until;
        if (round < options.warm_up && !late) continue;
        for (uint32_t l = 0; l < layers; ++l) samples.layers[l].push_back(pieces->layer_times[l]);
        samples.whole.push_back(whole_time);
        if (late) break;
    }
    return samples;
}

std::string key_of(const ModelProfile& profile) {
    const std::string text = to_string(profile.model_hash) + to_string(profile.chain_hash) + profile.device;
    return to_string(hash_text(text)).substr(0, 32) + ".json";
}

ModelProfile unmeasured(const Model& model, const ProfileOptions& options) {
    ModelProfile profile = model.costs();
    profile.device = measured_device(options.threads);
    return profile;
}

bool fits(const ModelProfile& found, const ModelProfile& wanted) {
    return found.model_hash == wanted.model_hash && found.chain_hash == wanted.chain_hash &&
           found.device == wanted.device && found.layers.size() == wanted.layers.size();
}

void keep(const std::filesystem::path& path, const ModelProfile& profile, const ProfileOptions& options) {
    // Written beside and renamed: another node on this machine never reads half a file.
    const std::filesystem::path temporary = path.string() + "." + std::to_string(getpid());
    std::error_code error;
    std::filesystem::create_directories(path.parent_path(), error);
    {
        std::ofstream file(temporary, std::ios::binary);
        file << engine::profile_to_json(profile);
        file.close();
        if (!file) error = std::make_error_code(std::errc::io_error);
    }
    if (!error) std::filesystem::rename(temporary, path, error);
    if (error) {
        say(options, LogLevel::warning, "profile: cannot be kept in " + path.string() + ": " + error.message());
        std::filesystem::remove(temporary, error);
    }
}

}  // namespace

Result<ModelProfile> measure_profile(const std::shared_ptr<UnitCache>& cache, const ProfileOptions& options) {
    Executor executor(cache, {.threads = options.threads});
    const auto layers = static_cast<uint32_t>(executor.model().chain().layers().size());
    if (auto prepared = executor.prepare_layers(); !prepared) return prepared.error();
    if (auto prepared = executor.prepare(0, layers); !prepared) return prepared.error();
    auto samples = take_samples(executor, options);
    if (!samples) return samples.error();
    ModelProfile profile = unmeasured(executor.model(), options);
    double sum_s = 0;
    for (const auto& times : samples->layers) sum_s += to_seconds(median(times));
    const double scale = sum_s > 0 ? to_seconds(median(samples->whole)) / sum_s : 1;
    for (uint32_t l = 0; l < layers; ++l)
        profile.layers[l].time = from_seconds(to_seconds(median(samples->layers[l])) * scale);
    return profile;
}

Result<ModelProfile> load_or_measure_profile(const std::shared_ptr<UnitCache>& cache, const ProfileOptions& options) {
    if (options.cache_dir.empty()) return measure_profile(cache, options);
    const ModelProfile wanted = unmeasured(*cache->model(), options);
    const std::filesystem::path path = std::filesystem::path(options.cache_dir) / key_of(wanted);
    if (std::ifstream file(path, std::ios::binary); file) {
        std::ostringstream text;
        text << file.rdbuf();
        auto kept = engine::profile_from_json(text.str());
        if (kept && fits(*kept, wanted)) return kept;
        say(options, LogLevel::warning,
            "profile: " + path.string() + " is ignored: " + (kept ? "it is for something else" : kept.error().message));
    }
    say(options, LogLevel::info, "profile: measuring " + wanted.model + " on this device");
    auto measured = measure_profile(cache, options);
    if (measured) keep(path, *measured, options);
    return measured;
}

}  // namespace eddy::torch_exec
