// eddy sim scenario, eddy sim ring-faults
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <sstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "eddy/real_clock.hpp"
#include "sim/ring_faults.hpp"
#include "sim/scenario_parser.hpp"
#include "src/cli/commands.hpp"
#include "src/cli/seed_workers.hpp"

namespace eddy::cli {

namespace {

constexpr size_t findings_listed = 100;
constexpr size_t shrink_runs_max = 2000;
constexpr uint64_t progress_every = 1000;

sim::ScenarioLog story_log(bool wanted) {
    if (!wanted) return {};
    return [](Usec at, const std::string& text) { std::cerr << fmt::format("{:10.4f} {}\n", to_seconds(at), text); };
}

// -- eddy sim scenario ------------------------------------------------------------------------------------------------

struct ScenarioOptions {
    std::vector<std::string> files;
    bool log = false;
};

int run_files(const ScenarioOptions& options) {
    int code = exit_done;
    for (const auto& path : options.files) {
        std::ifstream file(path, std::ios::binary);
        if (!file) return complain(path + ": cannot be read", exit_usage);
        std::string text(sim::scenario_bytes_max + 1, '\0');
        file.read(text.data(), static_cast<std::streamsize>(text.size()));
        text.resize(static_cast<size_t>(file.gcount()));
        const auto scenario = sim::parse_scenario(text, path);
        if (!scenario) return complain(scenario.error().message, exit_usage);
        const auto result = sim::run_scenario(*scenario, story_log(options.log));
        if (result.finding) code = exit_failed;
        std::cout << (result.finding ? "FAILED " : "ok ") << path << ": "
                  << (result.finding ? to_text(*result.finding) : scenario->story) << "\n";
    }
    return code;
}

// -- eddy sim ring-faults ---------------------------------------------------------------------------------------------

struct FaultOptions {
    std::string seeds = "1..2000";
    std::string as_scenario;
    bool shrink = false;
    bool log = false;
    bool json = false;
};

struct Tally {
    uint64_t first = 0, last = 0, found = 0, faults = 0, faults_min = UINT64_MAX, lookups = 0, checks = 0, events = 0;
    double simulated_s = 0, wall_s = 0;
    std::vector<std::pair<uint64_t, sim::Finding>> findings;  ///< the first ones
    [[nodiscard]] double seeds() const { return static_cast<double>(last - first + 1); }
};

/// A Ring that finds its own state broken aborts; then people want to know by which seed.
char aborting_seed[64];
void tell_seed(int) { static_cast<void>(!::write(STDERR_FILENO, aborting_seed, std::strlen(aborting_seed))); }

Tally run_seeds(uint64_t first, uint64_t last) {
    std::signal(SIGABRT, tell_seed);
    Tally tally;
    tally.first = first;
    tally.last = last;
    const Instant begun = real_now();
    for (uint64_t i = 0; i <= last - first; ++i) {
        std::snprintf(aborting_seed, sizeof aborting_seed, "eddy: that was seed %" PRIu64 "\n", first + i);
        const auto result = sim::run_scenario(sim::fault_scenario(first + i));
        tally.faults += result.faults;
        tally.lookups += result.lookups;
        tally.checks += result.invariant_checks;
        tally.events += result.events;
        tally.simulated_s += to_seconds(result.ended);
        if (result.finding) {
            if (++tally.found <= findings_listed) tally.findings.emplace_back(first + i, *result.finding);
            std::cerr << "seed " << first + i << ": " << to_text(*result.finding) << "\n";
        } else {
            tally.faults_min = std::min(tally.faults_min, result.faults);
        }
        if ((i + 1) % progress_every == 0) std::cerr << i + 1 << " seeds, " << tally.found << " findings\n";
    }
    tally.wall_s = to_seconds(real_now() - begun);
    return tally;
}

void print(const Tally& tally, bool json) {
    const uint64_t faults_min = tally.faults_min == UINT64_MAX ? 0 : tally.faults_min;
    if (!json) {
        std::cout << fmt::format(
            "seeds {}..{}: {} findings\nsimulated_s {:.0f}, faults {} (mean {:.1f}, fewest {}), lookups {}, "
            "invariant_checks {}, events {}\nwall_s {:.1f}, ms_per_seed {:.2f}\n",
            tally.first, tally.last, tally.found, tally.simulated_s, tally.faults,
            static_cast<double>(tally.faults) / tally.seeds(), faults_min, tally.lookups, tally.checks, tally.events,
            tally.wall_s, tally.wall_s * 1e3 / tally.seeds());
        return;
    }
    nlohmann::ordered_json out;
    out["first_seed"] = tally.first;
    out["last_seed"] = tally.last;
    out["found"] = tally.found;
    out["findings"] = nlohmann::ordered_json::array();
    for (const auto& [seed, finding] : tally.findings)
        out["findings"].push_back(
            {{"seed", seed}, {"rule", finding.rule}, {"at_s", to_seconds(finding.at)}, {"text", finding.text}});
    out["simulated_s"] = tally.simulated_s;
    out["faults_mean"] = static_cast<double>(tally.faults) / tally.seeds();
    out["faults_fewest"] = faults_min;
    out["lookups"] = tally.lookups;
    out["invariant_checks"] = tally.checks;
    out["events"] = tally.events;
    out["wall_s"] = tally.wall_s;
    out["ms_per_seed"] = tally.wall_s * 1e3 / tally.seeds();
    std::cout << out.dump(2) << "\n";
}

/// One seed, told as a story.
int tell(const FaultOptions& options, uint64_t seed) {
    auto scenario = sim::fault_scenario(seed);
    auto result = sim::run_scenario(scenario, story_log(options.log));
    if (options.shrink) {
        if (!result.finding) return complain("seed " + std::to_string(seed) + " has no finding that could be shrunk");
        auto shrunk = sim::shrink(scenario, shrink_runs_max);
        scenario = std::move(shrunk->scenario);
        scenario.story += ", without what had no part in its finding";
        result.finding = shrunk->finding;
    }
    std::string text = to_text(scenario);
    if (result.finding) text = "# Found: " + to_text(*result.finding) + "\n" + text;
    std::ofstream file(options.as_scenario, std::ios::trunc | std::ios::binary);
    file << text;
    file.close();
    if (!file) return complain("cannot write " + options.as_scenario);
    std::cerr << "seed " << seed << ": " << (result.finding ? to_text(*result.finding) : "no finding") << "; "
              << scenario.steps.size() << " steps in " << options.as_scenario << "\n";
    return result.finding ? exit_failed : exit_done;
}

int run_faults(const FaultOptions& options) {
    const auto range = seed_range(options.seeds);
    if (!range) return complain("--seeds " + options.seeds + ": allowed: one seed, or A..B with A <= B", exit_usage);
    if (!options.as_scenario.empty()) return tell(options, range->first);
    if (options.log) {
        const auto result = sim::run_scenario(sim::fault_scenario(range->first), story_log(true));
        std::cout << (result.finding ? to_text(*result.finding) : "no finding") << "\n";
        return result.finding ? exit_failed : exit_done;
    }
    const Tally tally = run_seeds(range->first, range->second);
    print(tally, options.json);
    return tally.found == 0 ? exit_done : exit_failed;
}

}  // namespace

void add_sim_scenario_commands(CLI::App& program, Chosen& chosen) {
    auto* sim = program.get_subcommand("sim");
    auto* scenario = sim->add_subcommand("scenario", "Play stories of the ring: what happens, and what must be seen");
    auto files = std::make_shared<ScenarioOptions>();
    scenario->add_option("FILE", files->files, "Stories; sim/scenario_parser.hpp says how they are written")
        ->required();
    scenario->add_flag("--log", files->log, "Every step and what the rings say, on standard error");
    scenario->footer(
        "Exits with 1 if something was not as the story expects.\n"
        "Example:\n  eddy sim scenario tests/scenarios/*.txt");
    scenario->callback([files, &chosen] { chosen = [files] { return run_files(*files); }; });

    auto* faults = sim->add_subcommand("ring-faults", "Random faults on rings of 1 to 32 nodes, a run a seed");
    auto options = std::make_shared<FaultOptions>();
    faults->add_option("--seeds,--seed", options->seeds, "A..B, or one seed (default 1..2000)");
    auto* as_scenario =
        faults->add_option("--as-scenario", options->as_scenario, "Write the run of the (first) seed as a story");
    faults->add_flag("--shrink", options->shrink, "Leave out of it what has no part in its finding")
        ->needs(as_scenario);
    faults->add_flag("--log", options->log, "Only the first seed: every step and what the rings say");
    faults->add_flag("--json", options->json, "JSON on standard output");
    faults->footer(
        "Even seeds stay within the assumptions of Zave's invariant and check it, odd ones are wild.\n"
        "Exits with 1 if something was found.\n"
        "Examples:\n  eddy sim ring-faults --seeds 1..20000\n"
        "  eddy sim ring-faults --seed 17 --as-scenario story.txt --shrink");
    faults->callback([options, &chosen] { chosen = [options] { return run_faults(*options); }; });
}

}  // namespace eddy::cli
