// Do the fault runs find bugs? Linked against a ring with one planted (plant.py), named on the command line: the bug
// must be found within a thousand seeds; the seed is printed, made into a story, and the story shrunk. Both must show
// the same finding again; they are left in STORY_DIR. Without a name, linked against the sound ring: they must come
// true.
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "sim/ring_faults.hpp"
#include "sim/scenario_parser.hpp"

using namespace eddy;
using namespace eddy::sim;

namespace {

constexpr uint64_t seeds_max = 1000;
constexpr size_t shrink_runs_max = 400;

int failed(const std::string& why) {
    std::cout << "FAILED: " << why << std::endl;
    return 1;
}

/// A planted bug may break what a Ring asserts of itself; here it is to be seen from outside.
ScenarioResult play(const Scenario& scenario) { return run_scenario(scenario, {}, false); }

void write(const std::string& name, const std::string& text) {
    std::ofstream(std::filesystem::path(STORY_DIR) / name, std::ios::trunc) << text;
}

std::optional<Finding> found_again(const std::string& text) {
    const auto scenario = parse_scenario(text, "story");
    if (!scenario) {
        std::cout << scenario.error().message << std::endl;
        return std::nullopt;
    }
    return play(*scenario).finding;
}

/// Lines differ: the run of a seed has none.
bool same(const Finding& a, const Finding& b) { return a.rule == b.rule && a.text == b.text && a.at == b.at; }

int find_bug(const std::string& bug) {
    for (uint64_t seed = 1; seed <= seeds_max; ++seed) {
        const auto scenario = fault_scenario(seed);
        const auto finding = play(scenario).finding;
        if (!finding) continue;
        std::cout << bug << " found by seed " << seed << ": " << to_text(*finding) << std::endl;
        const std::string text = to_text(scenario);
        write(bug + ".txt", text);
        const auto again = found_again(text);
        if (!again || !same(*again, *finding)) return failed("the seed's story does not show the same finding");
        const auto shrunk = shrink(scenario, shrink_runs_max, play);
        const std::string small = to_text(shrunk->scenario);
        write(bug + "-shrunk.txt", small);
        std::cout << "shrunk from " << scenario.steps.size() << " to " << shrunk->scenario.steps.size() << " steps in "
                  << shrunk->runs << " runs: " << to_text(shrunk->finding) << std::endl;
        const auto still = found_again(small);
        if (!still || !same(*still, shrunk->finding) || still->rule != finding->rule)
            return failed("the shrunk story does not show the same finding");
        return 0;
    }
    return failed("not found within " + std::to_string(seeds_max) + " seeds");
}

int play_stories() {
    size_t played = 0;
    for (const auto& entry : std::filesystem::directory_iterator(STORY_DIR)) {
        std::ifstream file(entry.path());
        std::ostringstream text;
        text << file.rdbuf();
        const auto scenario = parse_scenario(text.str(), entry.path().filename().string());
        if (!scenario) return failed(scenario.error().message);
        const auto result = run_scenario(*scenario);
        if (result.finding) return failed(entry.path().string() + ": " + to_text(*result.finding));
        ++played;
    }
    std::cout << played << " stories of planted bugs come true without them" << std::endl;
    return played > 0 ? 0 : failed("no stories in " STORY_DIR);
}

}  // namespace

int main(int argc, char** argv) { return argc > 1 ? find_bug(argv[1]) : play_stories(); }
