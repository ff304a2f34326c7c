// eddy sim run
#include <charconv>
#include <iostream>

#include <fmt/format.h>
#include <unistd.h>

#include "eddy/real_clock.hpp"
#include "sim/experiment_run.hpp"
#include "src/cli/commands.hpp"
#include "src/cli/experiment_options.hpp"
#include "src/cli/experiment_output.hpp"
#include "src/cli/load_experiment.hpp"

namespace eddy::cli {

namespace {

constexpr uint64_t seeds_max = 1000;  // of one call

struct RunOptions : ExperimentOptions {
    std::string seeds = "1";
    bool trace = false;
    bool json = false;
};

std::optional<uint64_t> whole_number(std::string_view text) {
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

/// "7", or "1..5" for all from 1 to 5.
Result<std::vector<uint64_t>> seeds_of(const std::string& text) {
    const std::string_view view = text;
    const size_t dots = view.find("..");
    const auto first = whole_number(view.substr(0, dots));
    const auto last = dots == std::string_view::npos ? first : whole_number(view.substr(dots + 2));
    if (!first || !last || *last < *first || *last - *first >= seeds_max)
        return invalid(fmt::format(
            "--seed: found \"{}\", allowed: a whole number, or two as in 1..5, at most {} of them", text, seeds_max));
    std::vector<uint64_t> seeds;
    for (uint64_t i = 0; i <= *last - *first; ++i) seeds.push_back(*first + i);
    return seeds;
}

/// One line on a terminal, once a run takes long enough for people to wonder.
class Progress {
public:
    void told(const std::string& policy, uint64_t seed, double simulated_s) {
        const Instant now = real_now();
        if (!terminal_ || now - shown_ < from_seconds(1)) return;
        shown_ = now;
        any_ = true;
        std::cerr << fmt::format("\r{}, seed {}: {:.0f} simulated seconds ", policy, seed, simulated_s) << std::flush;
    }
    void end() {
        if (any_) std::cerr << "\r\x1b[K" << std::flush;
    }

private:
    bool terminal_ = ::isatty(STDERR_FILENO) == 1;
    bool any_ = false;
    Instant shown_ = real_now();
};

int run_experiments(const RunOptions& options) {
    const auto policies = options.chosen_policies();
    if (!policies) return complain_of(policies.error());
    const auto seeds = seeds_of(options.seeds);
    if (!seeds) return complain_of(seeds.error());
    auto loaded = load_experiment_with_profile(options.file);
    if (!loaded) return complain_of(loaded.error());
    auto& [experiment, profile] = *loaded;
    if (const Status changed = options.change(experiment, profile); !changed) return complain_of(changed.error());
    std::vector<MeasuredRun> runs;
    Progress progress;
    bool whole = true;
    for (const PolicyKind policy : *policies) {
        const ExperimentLinks links = sim::links_used(experiment, policy);
        const auto bounds = sim::experiment_bounds(experiment, profile, links);
        if (!bounds) return complain_of(Error{bounds.error().code, options.file + ": " + bounds.error().message});
        for (const uint64_t seed : *seeds) {
            sim::ExperimentRunOptions run_options;
            run_options.shares = options.chosen_shares();
            run_options.progress = [&, policy, seed](double s) { progress.told(name_of(policy), seed, s); };
            auto run = sim::run_experiment(experiment, profile, policy, seed, run_options);
            if (!run) {
                progress.end();
                return complain_of(Error{run.error().code, options.file + ": " + run.error().message});
            }
            whole = whole && run->lost == 0 && run->duplicated == 0;
            runs.push_back({policy, seed, std::move(*run), links, *bounds, std::nullopt});
        }
    }
    progress.end();
    if (options.json) {
        auto list = nlohmann::ordered_json::array();
        for (const MeasuredRun& run : runs) list.push_back(to_json(experiment, run, options.trace));
        std::cout << list.dump(2) << "\n";
    } else {
        const ExperimentRun& first = runs.front().run;
        std::cout << fmt::format("{}{}{}\n", experiment.name, experiment.title.empty() ? "" : ": ", experiment.title)
                  << fmt::format("figures are of {} s from {} s on\n\n", first.window_s, first.window_from_s)
                  << tables_of(experiment, runs);
    }
    return whole ? exit_done : exit_failed;
}

}  // namespace

void add_sim_run_command(CLI::App& program, Chosen& chosen) {
    auto* command = program.get_subcommand("sim")->add_subcommand(
        "run", "An experiment on production nodes in a simulated world, next to what no policy can exceed");
    auto options = std::make_shared<RunOptions>();
    options->add_to(*command);
    command->add_option("--seed", options->seeds, "One, or several as in 1..5 (default 1)");
    command->add_flag("--trace", options->trace,
                      "With --json: completions, backlog and queues of every second, percentiles");
    command->add_flag("--json", options->json, "JSON on standard output: a list, one object per policy and seed");
    command->footer(
        "Figures are of the window after the warm-up, but for captured, completed, failed, dropped, lost and\n"
        "duplicated frames, which are of the whole run. `of bound` is the worst source's throughput as a part of its\n"
        "bound (eddy plan capacity): 1 is the most while more is offered than can be served. `bound/s` is for rates "
        "in\n"
        "the offered mix; who favours cheap sources may complete more in all. `share error` is how far a source is\n"
        "from the weighted optimum at most, `backlog/s` by how many frames what waits grows in a second. Only layered\n"
        "regards weight and priority. ddi sends to any device, so its bound is that of --links direct.\n"
        "The same seed gives the same figures.\n"
        "Exits with 1 if a frame was lost or had two outcomes.\n"
        "Examples:\n"
        "  eddy sim run configs/experiments/fig3-five.toml --policy local,ms-mdi --seed 1..5\n"
        "  eddy sim run configs/experiments/links-20.toml --policy layered --load 0.85 --json");
    command->callback([options, &chosen] { chosen = [options] { return run_experiments(*options); }; });
}

}  // namespace eddy::cli
