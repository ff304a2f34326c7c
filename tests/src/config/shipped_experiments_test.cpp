// Goal: every experiment in configs/experiments is read and is what its name and its first lines say.
// Method: the real files; processing capacity is summed from the recorded profile, links left aside.
#include <fstream>
#include <map>
#include <numeric>
#include <regex>
#include <set>
#include <sstream>

#include <doctest/doctest.h>

#include "src/config/experiment.hpp"

using namespace eddy;
namespace fs = std::filesystem;

namespace {

const fs::path folder = fs::path(EDDY_SOURCE_DIR) / "configs/experiments";

std::string text_of(const fs::path& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

const std::map<std::string, Experiment>& shipped() {
    static const auto all = [] {
        std::map<std::string, Experiment> made;
        for (const auto& entry : fs::directory_iterator(folder)) {
            if (entry.path().extension() != ".toml") continue;
            auto read = config::load_experiment(entry.path());
            INFO((read ? std::string() : read.error().message));
            REQUIRE(read);
            made.emplace(read->name, *read);
        }
        return made;
    }();
    return all;
}

const std::string mobilenet = (folder / "mobilenet_v2_224.profile.json").string();
const std::string resnet = (folder / "resnet50.profile.json").string();

double frames_per_s_at_speed_1(const std::string& profile) {
    static std::map<std::string, double> known;
    double& rate = known[profile];
    if (rate > 0) return rate;
    const std::string text = text_of(profile);
    const std::regex time("\"time_us\": ([0-9]+)");
    double sum_us = 0;
    for (auto it = std::sregex_iterator(text.begin(), text.end(), time); it != std::sregex_iterator(); ++it)
        sum_us += std::stod((*it)[1]);
    return rate = 1e6 / sum_us;
}

double capacity(const Experiment& experiment) {
    const double rate = frames_per_s_at_speed_1(experiment.profile);
    double sum = 0;
    for (const auto& device : experiment.devices) sum += device.speed * device.lanes * rate;
    return sum;
}

double offered(const Experiment& experiment) {
    return std::accumulate(experiment.sources.begin(), experiment.sources.end(), 0.0,
                           [](double sum, const auto& source) { return sum + source.rate_per_s; });
}

/// Offered load as a share of what all devices can process.
double load(const Experiment& experiment) { return offered(experiment) / capacity(experiment); }

bool about(double a, double b) { return a > 0.98 * b && a < 1.02 * b; }

const std::map<std::string, size_t> counts = {{"two", 2}, {"three", 3}, {"four", 4}, {"five", 5}};

}  // namespace

TEST_CASE("the experiments are those that the table in their folder names") {
    const std::set<std::string> expected = {
        "fig3-two",         "fig3-two-half",   "fig3-two-one",     "fig3-two-twice", "fig3-three",
        "fig3-three-half",  "fig3-three-one",  "fig3-three-twice", "fig3-four",      "fig3-five",
        "fig3-five-half",   "fig3-five-one",   "fig3-five-twice",  "fig3-two-1000",  "fig3-three-1000",
        "fig3-five-1000",   "links-20",        "links-20-two",     "links-20-three", "links-100",
        "links-100-two",    "links-100-three", "links-1000",       "links-1000-two", "links-1000-three",
        "slow-one-of-five", "speed-halves",    "sixteen-devices",  "low-load",       "low-load-unequal",
        "defer-one",        "defer-two",       "defer-four",       "defer-eight",    "cluster-1",
        "cluster-2",        "cluster-4",       "cluster-8",        "cluster-12",     "cluster-16",
        "cluster-20",       "edgeflow-four-unequal"};
    std::set<std::string> found;
    for (const auto& [name, experiment] : shipped()) found.insert(name);
    CHECK(found == expected);
    const std::string readme = text_of(folder / "README.md");
    for (const char* name :
         {"fig3-two", "links-20", "slow-one-of-five", "speed-halves", "sixteen-devices", "low-load", "low-load-unequal",
          "defer-one", "cluster-20", "edgeflow-four-unequal", "mobilenet_v2_224.profile.json", "resnet50.profile.json"})
        CHECK_MESSAGE(readme.find(std::string("`") + name + "`") != std::string::npos, name);
}

TEST_CASE("each begins with what it shows, has a title of its own, and uses a recorded profile") {
    std::set<std::string> titles;
    for (const auto& [name, experiment] : shipped()) {
        INFO(name);
        CHECK(text_of(folder / (name + ".toml")).rfind("# ", 0) == 0);
        CHECK(titles.insert(experiment.title).second);
        const bool large = name.rfind("defer-", 0) == 0 || name.rfind("edgeflow-", 0) == 0;
        CHECK(experiment.profile == (large ? resnet : mobilenet));
        CHECK(experiment.window_s >= 60);
        CHECK(experiment.links == ExperimentLinks::ring);
        CHECK(experiment.link.delay_ms > 0);
    }
}

TEST_CASE("the recorded profile is that of a MobileNetV2, and a usual device does 25 frames a second") {
    const std::string text = text_of(mobilenet);
    CHECK(text.find("\"schema\": \"eddy.profile/1\"") != std::string::npos);
    CHECK(text.find("\"frontier_bytes\": 150528") != std::string::npos);  // the 8-bit frame
    CHECK(frames_per_s_at_speed_1(mobilenet) > 70);
    CHECK(frames_per_s_at_speed_1(mobilenet) < 130);
    CHECK(about(capacity(shipped().at("fig3-two")), 50));
}

TEST_CASE("Figure 3 has so many equal workers, and two sources with 1 : 3 frames on the first two") {
    for (const auto& [name, experiment] : shipped()) {
        if (name.rfind("fig3-", 0) != 0) continue;
        INFO(name);
        const std::string word = name.substr(5, name.find('-', 5) - 5);
        REQUIRE(experiment.devices.size() == counts.at(word));
        for (const auto& device : experiment.devices) CHECK(device.speed == experiment.devices[0].speed);
        REQUIRE(experiment.sources.size() == 2);
        CHECK(experiment.sources[0].device == 0);
        CHECK(experiment.sources[1].device == 1);
        CHECK(*experiment.sources[1].frames == 3 * *experiment.sources[0].frames);
        CHECK(experiment.link.mbit_per_s == (name.ends_with("-1000") ? 1000 : 100));
    }
}

TEST_CASE("Figure 3's main files differ from those for 1000 Mbit/s in nothing else") {
    for (const char* word : {"two", "three", "five"}) {
        Experiment fast = shipped().at(std::string("fig3-") + word + "-1000");
        const Experiment& usual = shipped().at(std::string("fig3-") + word);
        fast.link.mbit_per_s = 100;
        fast.name = usual.name;
        fast.title = usual.title;
        CHECK(fast == usual);
    }
}

TEST_CASE("Figure 3's main files offer twice what all can do, at the ratio of the frames, until the window has ended") {
    for (const auto& [word, count] : counts) {
        const Experiment& experiment = shipped().at("fig3-" + word);
        INFO(word);
        CHECK(about(load(experiment), 2));
        CHECK(experiment.sources[1].rate_per_s == 3 * experiment.sources[0].rate_per_s);
        const double frames =
            static_cast<double>(*experiment.sources[0].frames) + static_cast<double>(*experiment.sources[1].frames);
        CHECK(frames / capacity(experiment) > experiment.warm_up_s + experiment.window_s);
    }
}

TEST_CASE("half, one and twice say what the larger source offers of what its device can do, at 1 : 2") {
    const std::map<std::string, double> shares = {{"half", 0.5}, {"one", 1}, {"twice", 2}};
    for (const char* word : {"two", "three", "five"})
        for (const auto& [key, share] : shares) {
            const Experiment& experiment = shipped().at(std::string("fig3-") + word + "-" + key);
            const double device = capacity(experiment) / static_cast<double>(experiment.devices.size());
            CHECK(about(experiment.sources[1].rate_per_s, share * device));
            CHECK(experiment.sources[1].rate_per_s == 2 * experiment.sources[0].rate_per_s);
        }
}

TEST_CASE("links of 20, 100 and 1000 Mbit/s differ in nothing else") {
    for (const char* rest : {"", "-two", "-three"}) {
        Experiment slow = shipped().at(std::string("links-20") + rest);
        CHECK(slow.link.mbit_per_s == 20);
        CHECK(about(load(slow), 2));
        CHECK_FALSE(slow.sources[0].frames);
        for (const int speed : {100, 1000}) {
            Experiment fast = shipped().at("links-" + std::to_string(speed) + rest);
            CHECK(fast.link.mbit_per_s == speed);
            fast.link.mbit_per_s = 20;
            fast.name = slow.name;
            fast.title = slow.title;
            CHECK(slow == fast);
        }
    }
}

TEST_CASE("one of five devices is slow, has no source, and lies on the frames' way") {
    const Experiment& experiment = shipped().at("slow-one-of-five");
    REQUIRE(experiment.devices.size() == 5);
    for (size_t d = 0; d < 5; ++d) CHECK(about(experiment.devices[d].speed, d == 2 ? 0.223 / 4 : 0.223));
    CHECK(experiment.sources[1].device == 1);
    CHECK(about(load(experiment), 2));
}

TEST_CASE("a speed halves half-way, and the window begins 10 s later") {
    const Experiment& experiment = shipped().at("speed-halves");
    REQUIRE(experiment.changes.size() == 1);
    const ExperimentChange& change = experiment.changes[0];
    CHECK(change.speed == experiment.devices[change.device].speed / 2);
    CHECK(change.at_s + 10 == experiment.warm_up_s);
    CHECK(change.at_s > 0.4 * (experiment.warm_up_s + experiment.window_s));
    CHECK(change.at_s < 0.6 * (experiment.warm_up_s + experiment.window_s));
    CHECK(about(load(experiment), 2));
}

TEST_CASE("eight sources sit on every other one of sixteen devices, small and large in turns") {
    const Experiment& experiment = shipped().at("sixteen-devices");
    CHECK(experiment.devices.size() == 16);
    REQUIRE(experiment.sources.size() == 8);
    std::map<size_t, double> rates;
    for (const auto& source : experiment.sources) rates[source.device] = source.rate_per_s;
    REQUIRE(rates.size() == 8);
    for (const auto& [device, rate] : rates) {
        CHECK(device % 2 == 0);
        CHECK(rate == (device % 4 == 0 ? 50 : 150));
    }
    CHECK(about(load(experiment), 2));
}

TEST_CASE("low load is 30 % with random arrivals") {
    for (const char* name : {"low-load", "low-load-unequal"}) {
        const Experiment& experiment = shipped().at(name);
        CHECK(about(load(experiment), 0.3));
        for (const auto& source : experiment.sources) CHECK(source.arrivals == Arrivals::poisson);
        CHECK(about(experiment.sources[1].rate_per_s, 3 * experiment.sources[0].rate_per_s));
    }
    CHECK(shipped().at("low-load").devices[0].speed == shipped().at("low-load").devices[2].speed);
    CHECK(shipped().at("low-load-unequal").devices[0].speed < shipped().at("low-load-unequal").devices[2].speed);
}

TEST_CASE("DEFER's are a ResNet-50 on equal nodes of 2.5 frames a second that two cores could be, with one source") {
    CHECK(text_of(resnet).find("\"schema\": \"eddy.profile/1\"") != std::string::npos);
    CHECK(text_of(resnet).find("\"model\": \"resnet50") != std::string::npos);
    const std::map<std::string, size_t> nodes = {{"one", 1}, {"two", 2}, {"four", 4}, {"eight", 8}};
    for (const auto& [word, count] : nodes) {
        INFO(word);
        const Experiment& experiment = shipped().at("defer-" + word);
        REQUIRE(experiment.devices.size() == count);
        for (const auto& device : experiment.devices) CHECK(device.speed == shipped().at("defer-one").devices[0].speed);
        CHECK(experiment.devices[0].speed * static_cast<double>(count) <= 2);
        REQUIRE(experiment.sources.size() == 1);
        CHECK(experiment.sources[0].device == 0);
        CHECK(experiment.link.mbit_per_s == 100);
        CHECK(about(capacity(experiment), 2.5 * static_cast<double>(count)));
        CHECK(about(load(experiment), 2));
    }
}

TEST_CASE("clusters grow to twenty equal devices, with a source on every fourth, at twice what all can do") {
    for (const size_t count : {1U, 2U, 4U, 8U, 12U, 16U, 20U}) {
        INFO(count);
        const Experiment& experiment = shipped().at("cluster-" + std::to_string(count));
        REQUIRE(experiment.devices.size() == count);
        for (const auto& device : experiment.devices) CHECK(device.speed == shipped().at("cluster-1").devices[0].speed);
        REQUIRE(experiment.sources.size() == (count + 3) / 4);
        for (size_t j = 0; j < experiment.sources.size(); ++j) CHECK(experiment.sources[j].device == 4 * j);
        CHECK(experiment.link.mbit_per_s == 100);
        CHECK(about(capacity(experiment), 10 * static_cast<double>(count)));
        CHECK(about(load(experiment), 2));
    }
}
