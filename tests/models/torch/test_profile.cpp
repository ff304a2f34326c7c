// Goal: profiles are measured, kept, recognised and mistrusted; what `eddy model inspect` prints is true.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "models/engine/profile_json.hpp"
#include "models/torch/inspect.hpp"
#include "models/torch/profiler.hpp"
#include "support.hpp"

using namespace eddy;
using namespace eddy::test;
using namespace eddy::torch_exec;
namespace fs = std::filesystem;

namespace {

struct Kept {
    explicit Kept(const std::string& folder_name) : folder(fs::path(EDDY_BINARY_DIR) / folder_name) {
        fs::remove_all(folder);
        options.cache_dir = folder.string();
        options.repeats = 2;
        options.warm_up = 1;
        options.log = [this](LogLevel level, const std::string& text) {
            measured += text.find("measuring") != std::string::npos ? 1 : 0;
            warnings += level == LogLevel::warning ? 1 : 0;
        };
    }
    [[nodiscard]] fs::path only_file() const {
        std::vector<fs::path> files;
        for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
        REQUIRE(files.size() == 1);
        return files[0];
    }
    ModelProfile load() {
        auto profile = load_or_measure_profile(cache, options);
        if (!profile) FAIL(profile.error().message);
        return *std::move(profile);
    }

    fs::path folder;
    ProfileOptions options;
    std::shared_ptr<UnitCache> cache =
        std::make_shared<UnitCache>(must_load(made_model("resnet18")), uint64_t{1} << 30);
    int measured = 0;
    int warnings = 0;
};

std::string content_of(const fs::path& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
    const auto at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("a profile is measured once and kept") {
    Kept kept("test-profile-kept");
    const ModelProfile first = kept.load();
    CHECK(kept.measured == 1);
    CHECK(first.layers.size() == kept.cache->model()->chain().layers().size());
    CHECK(first.model == "resnet18.pt");
    CHECK(first.chain_hash == kept.cache->model()->chain_hash());
    CHECK(first.gamma_s_per_parameter() > 0);
    uint64_t parameters = 0;
    for (const LayerProfile& layer : first.layers) parameters += layer.parameters;
    CHECK(parameters == 11227812);  // torchvision's resnet18 with 100 classes
    CHECK(kept.load() == first);
    CHECK(kept.measured == 1);
}

TEST_CASE("times of the layers add up to that of the whole") {
    Kept kept("test-profile-sum");
    kept.options.repeats = 9;
    const ModelProfile profile = kept.load();
    Executor executor(kept.cache, {});
    const HostTensor frame = noise_frame(*kept.cache->model(), 1);
    double sum_ms = 0;
    for (const LayerProfile& layer : profile.layers) sum_ms += to_ms(layer.time);
    CHECK(sum_ms > 0.2);
    CHECK(sum_ms < 2000);
    // The heaviest layer by arithmetic is not among the cheapest by time.
    const auto by_flops = std::max_element(profile.layers.begin(), profile.layers.end(),
                                           [](const auto& a, const auto& b) { return a.flops < b.flops; });
    CHECK(to_ms(by_flops->time) * static_cast<double>(profile.layers.size()) > sum_ms * 0.3);
}

TEST_CASE("another thread count, or a damaged or foreign file, is measured anew") {
    Kept kept("test-profile-damaged");
    const ModelProfile first = kept.load();
    const fs::path path = kept.only_file();
    const std::string good = content_of(path);
    const std::string cases[] = {"",
                                 "{",
                                 good.substr(0, good.size() / 2),
                                 replaced(good, "eddy.profile/1", "eddy.profile/9"),
                                 replaced(good, "resnet18.pt\",", "resnet18.pt\", \"layers\": [],"),
                                 replaced(good, to_string(first.model_hash), std::string(64, '0')),
                                 replaced(good, "\"time_us\": ", "\"time_us\": -")};
    int measured = kept.measured;
    for (const std::string& text : cases) {
        std::ofstream(path, std::ios::binary) << text;
        const int warnings = kept.warnings;
        CHECK(kept.load().layers.size() == first.layers.size());
        // A second "layers" key replaces the first or is replaced by it: either reading is allowed, not a crash.
        if (text.find("\"layers\": [],") != std::string::npos) {
            measured = kept.measured;
            continue;
        }
        CHECK(kept.measured == ++measured);
        CHECK(kept.warnings == warnings + 1);
    }
    kept.options.threads = 2;
    kept.load();
    CHECK(kept.measured == measured + 1);
}

TEST_CASE("a folder that cannot be written costs a warning only") {
    Kept kept("test-profile-unwritable");
    std::ofstream(kept.folder) << "a file where a folder is wanted";
    CHECK(!kept.load().layers.empty());
    CHECK(kept.warnings == 1);
    fs::remove(kept.folder);
}

TEST_CASE("a profile survives its way through JSON") {
    ModelProfile profile = must_load(made_model("Fixed"))->costs();
    profile.device = "a device \"with\" quotes";
    for (LayerProfile& layer : profile.layers) layer.time = Usec(123);
    const auto back = engine::profile_from_json(engine::profile_to_json(profile));
    REQUIRE(back.ok());
    CHECK(*back == profile);
    CHECK_FALSE(engine::profile_from_json(std::string(2 << 20, ' ')).ok());
    CHECK_FALSE(engine::profile_from_json("[]").ok());
}

TEST_CASE("inspect says the same in words and in JSON") {
    const auto model = must_load(made_model("resnet18"));
    const std::string text = inspect_text(*model);
    CHECK(text.find("resnet18.pt") != std::string::npos);
    CHECK(text.find("11227812") != std::string::npos);
    CHECK(text.find("gamma") == std::string::npos);
    const std::string json = inspect_json(*model);
    CHECK(json.find("\"parameters\": 11227812") != std::string::npos);
    CHECK(json.find("\"schema\": \"eddy.inspect/1\"") != std::string::npos);
    ModelProfile profile = model->costs();
    profile.device = "test bench";
    for (LayerProfile& layer : profile.layers) layer.time = Usec(1000);
    CHECK(inspect_text(*model, &profile).find("gamma") != std::string::npos);
    CHECK(inspect_text(*model, &profile).find("test bench") != std::string::npos);
    CHECK(inspect_json(*model, &profile).find("\"time_ms\": 1.0") != std::string::npos);
}
