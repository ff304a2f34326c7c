// Do chaos runs find bugs? Linked against a node with one planted (plant.py), named on the command line: it must be
// found within a thousand seeds, and the seed is printed. A core may also notice by itself that its state is broken,
// and abort; that is a finding too, so each seed is tried in a process of its own. Without a name, linked against the
// sound node: the seeds that found the bugs must have no finding there.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <string>

#include <sys/wait.h>
#include <unistd.h>

#include "sim/chaos.hpp"

using namespace eddy::sim;

namespace {

constexpr uint64_t seeds_max = 1000;

/// In words; nothing: no finding.
std::optional<std::string> try_seed(uint64_t seed) {
    int ends[2];
    if (::pipe(ends) != 0) std::abort();
    std::cout.flush();
    const pid_t child = ::fork();
    if (child == 0) {
        ::close(ends[0]);
        ::dup2(ends[1], STDERR_FILENO);
        const auto result = run_chaos(chaos_plan(seed));
        if (result.findings.empty()) ::_exit(0);
        const std::string text = to_text(result.findings.front());
        ::_exit(::write(ends[1], text.data(), text.size()) > 0 ? 1 : 2);
    }
    ::close(ends[1]);
    std::string words;
    std::array<char, 4096> piece{};
    for (ssize_t count = 0; (count = ::read(ends[0], piece.data(), piece.size())) > 0;)
        words.append(piece.data(), static_cast<size_t>(count));
    ::close(ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return std::nullopt;
    return words.empty() ? "it died" : words;
}

int failed(const std::string& why) {
    std::cout << "FAILED: " << why << std::endl;
    return 1;
}

int find_bug(const std::string& bug) {
    for (uint64_t seed = 1; seed <= seeds_max; ++seed) {
        const auto found = try_seed(seed);
        if (!found) continue;
        std::cout << bug << " found by seed " << seed << ": " << *found << std::endl;
        if (try_seed(seed) != found) return failed("the seed does not show the same finding again");
        std::ofstream(std::filesystem::path(SEED_DIR) / bug, std::ios::trunc) << seed << "\n";
        return 0;
    }
    return failed("not found within " + std::to_string(seeds_max) + " seeds");
}

int try_sound() {
    size_t tried = 0;
    for (const auto& entry : std::filesystem::directory_iterator(SEED_DIR)) {
        uint64_t seed = 0;
        if (!(std::ifstream(entry.path()) >> seed)) return failed(entry.path().string() + " has no seed");
        if (const auto found = try_seed(seed)) return failed("seed " + std::to_string(seed) + ": " + *found);
        ++tried;
    }
    std::cout << tried << " seeds that found planted bugs find nothing without them" << std::endl;
    return tried > 0 ? 0 : failed("no seeds in " SEED_DIR);
}

}  // namespace

int main(int argc, char** argv) { return argc > 1 ? find_bug(argv[1]) : try_sound(); }
