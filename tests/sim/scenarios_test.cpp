// Plays every story of tests/scenarios. One line of output a file; a file that fails says what was found, and
// `eddy sim scenario FILE --log` shows how it came to it.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include <doctest/doctest.h>

#include "sim/scenario_parser.hpp"
#include "sim/scenario_runner.hpp"

using namespace eddy;
using namespace eddy::sim;

namespace {

std::vector<std::filesystem::path> stories() {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(EDDY_SOURCE_DIR "/tests/scenarios"))
        files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    return files;
}

std::string text_of(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

}  // namespace

TEST_CASE("every story comes true") {
    const auto files = stories();
    CHECK(files.size() >= 20);
    for (const auto& path : files) {
        const std::string name = path.filename().string();
        CAPTURE(name);
        CHECK(path.extension() == ".txt");
        const auto scenario = parse_scenario(text_of(path), name);
        REQUIRE_MESSAGE(scenario.ok(), (scenario.ok() ? "" : scenario.error().message));
        CHECK_MESSAGE(!scenario->story.empty(), "a story has a title");
        const auto result = run_scenario(*scenario);
        std::cout << (result.finding ? "FAILED " : "ok     ") << name << ": " << scenario->story << std::endl;
        CHECK_MESSAGE(!result.finding, (result.finding ? to_text(*result.finding) : ""));
        CHECK_MESSAGE(result.left_out.empty(), "a step of a story would leave the assumptions and was left out");
    }
}
