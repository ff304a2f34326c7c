// eddy sim run
#include <charconv>
#include <iostream>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "eddy/real_clock.hpp"
#include "eddy/text_table.hpp"
#include "sim/experiment_run.hpp"
#include "src/cli/commands.hpp"
#include "src/cli/load_experiment.hpp"

namespace eddy::cli {

namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t seeds_max = 1000;  // of one call
constexpr double span_s_max = 86400;

struct PolicyName {
    const char* name;
    PolicyKind kind;
};
constexpr PolicyName policy_names[] = {{"local", PolicyKind::local},
                                       {"ddi", PolicyKind::ddi},
                                       {"ar-mdi", PolicyKind::ar_mdi},
                                       {"ms-mdi", PolicyKind::ms_mdi},
                                       {"layered", PolicyKind::layered}};

struct RunOptions {
    std::string file;
    std::vector<std::string> policies;
    std::string seeds = "1";
    std::string links;
    std::string shares;
    std::optional<double> load;
    std::optional<double> warm_up_s;
    std::optional<double> window_s;
    bool trace = false;
    bool json = false;
};

struct Measured {
    std::string policy;
    uint64_t seed = 0;
    sim::ExperimentRun run;
    ExperimentLinks links = ExperimentLinks::ring;
    sim::ExperimentBounds bounds;
};

const char* name_of(PolicyKind kind) {
    for (const auto& [name, named] : policy_names)
        if (named == kind) return name;
    return "";
}

Result<std::vector<PolicyKind>> policies_of(const std::vector<std::string>& names) {
    const std::vector<PolicyKind> runnable = sim::runnable_policies();
    if (names.empty()) return runnable;
    std::vector<PolicyKind> chosen;
    for (const std::string& name : names) {
        const auto kind =
            std::find_if(runnable.begin(), runnable.end(), [&](PolicyKind known) { return name == name_of(known); });
        if (kind == runnable.end()) {
            std::vector<std::string> allowed;
            for (const PolicyKind known : runnable) allowed.emplace_back(name_of(known));
            return invalid(fmt::format("--policy: found \"{}\", allowed: {}", name, fmt::join(allowed, ", ")));
        }
        if (std::find(chosen.begin(), chosen.end(), *kind) == chosen.end()) chosen.push_back(*kind);
    }
    return chosen;
}

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

Status change(Experiment& experiment, const ModelProfile& profile, const RunOptions& options) {
    if (options.links == "ring") experiment.links = ExperimentLinks::ring;
    if (options.links == "direct") experiment.links = ExperimentLinks::direct;
    // Written so that what is no number is refused as well.
    if (options.warm_up_s && !(*options.warm_up_s >= 0 && *options.warm_up_s <= span_s_max))
        return invalid(fmt::format("--warm-up-s: found {}, allowed: from 0 to {}", *options.warm_up_s, span_s_max));
    if (options.window_s && !(*options.window_s >= 1e-3 && *options.window_s <= span_s_max))
        return invalid(fmt::format("--window-s: found {}, allowed: from 0.001 to {}", *options.window_s, span_s_max));
    experiment.warm_up_s = options.warm_up_s.value_or(experiment.warm_up_s);
    experiment.window_s = options.window_s.value_or(experiment.window_s);
    if (!options.load) return success();
    if (!(*options.load >= 1e-3 && *options.load <= 100))
        return invalid(fmt::format("--load: found {}, allowed: from 0.001 to 100", *options.load));
    auto scaled = sim::at_load(experiment, profile, *options.load);
    if (!scaled) return scaled.error();
    experiment = std::move(*scaled);
    return success();
}

Json optional_number(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Json to_json(const sim::CompletionFigures& figures) {
    Json json;
    json["count"] = figures.count;
    const auto put = [&](const char* key, double value) {
        json[key] = figures.count > 0 ? Json(value) : Json(nullptr);
    };
    put("mean", figures.mean);
    put("p50", figures.p50);
    put("p95", figures.p95);
    put("p99", figures.p99);
    put("max", figures.max);
    return json;
}

Json sources_json(const Experiment& experiment, const sim::ExperimentBounds& bounds, const sim::ExperimentRun& run) {
    Json list = Json::array();
    for (size_t j = 0; j < run.sources.size(); ++j) {
        const sim::SourceFigures& figures = run.sources[j];
        Json json;
        json["name"] = experiment.sources[j].name;
        json["device"] = experiment.devices[experiment.sources[j].device].name;
        json["offered_per_s"] = bounds.offered_per_s[j];
        json["throughput_per_s"] = figures.throughput_per_s;
        json["bound_per_s"] = bounds.bound_per_s[j];
        json["weighted_optimum_per_s"] = bounds.optimum_per_s[j];
        json["completion_ms"] = to_json(figures.completion_ms);
        json["captured"] = figures.captured;
        json["completed"] = figures.completed;
        json["failed"] = figures.failed;
        json["failed_by_reason"] = figures.failed_by_reason;
        json["dropped"] = figures.dropped;
        json["dropped_by_reason"] = figures.dropped_by_reason;
        list.push_back(std::move(json));
    }
    return list;
}

Json per_second_json(const sim::ExperimentRun& run) {
    Json list = Json::array();
    for (const sim::ExperimentSample& sample : run.samples)
        list.push_back({{"at_s", sample.at_s},
                        {"completed", sample.completed},
                        {"backlog", sample.backlog},
                        {"at_cameras", sample.at_cameras},
                        {"in_reservoirs", sample.in_reservoirs},
                        {"in_queues", sample.in_queues}});
    return list;
}

Json to_json(const Experiment& experiment, const Measured& measured, bool trace) {
    const sim::ExperimentRun& run = measured.run;
    const sim::ExperimentBounds& bounds = measured.bounds;
    Json json;
    json["experiment"] = experiment.name;
    json["policy"] = measured.policy;
    json["seed"] = measured.seed;
    json["links"] = measured.links == ExperimentLinks::ring ? "ring" : "direct";
    json["window_from_s"] = run.window_from_s;
    json["window_s"] = run.window_s;
    json["makespan_s"] = optional_number(run.makespan_s);
    json["makespan_bound_s"] = optional_number(bounds.makespan_s);
    double offered_per_s = 0;
    for (const double rate : bounds.offered_per_s) offered_per_s += rate;
    json["offered_per_s"] = offered_per_s;
    json["throughput_per_s"] = run.throughput_per_s();
    json["bound_per_s"] = bounds.total_per_s();
    json["theta"] = bounds.theta;
    json["fraction_of_bound"] = sim::fraction_of_bound(run, bounds);
    json["share_error"] = sim::share_error(run, bounds);
    json["backlog_slope_per_s"] = run.backlog_slope_per_s;
    json["backlog_first_third"] = run.backlog_first_third;
    json["backlog_last_third"] = run.backlog_last_third;
    json["sources"] = sources_json(experiment, bounds, run);
    json["nodes"] = Json::array();
    for (size_t d = 0; d < experiment.devices.size(); ++d)
        json["nodes"].push_back({{"name", experiment.devices[d].name}, {"busy_fraction", run.busy_fraction[d]}});
    json["lost"] = run.lost;
    json["duplicated"] = run.duplicated;
    if (trace) json["per_second"] = per_second_json(run);
    return json;
}

std::string seconds_text(const std::optional<double>& seconds) {
    return seconds ? fmt::format("{:.1f}", *seconds) : "";
}

std::string runs_table(const std::vector<Measured>& runs) {
    TextTable table({{"policy", TextTable::Align::left},
                     {"seed"},
                     {"frames/s"},
                     {"bound/s"},
                     {"of bound"},
                     {"share error"},
                     {"makespan s"},
                     {"its bound s"},
                     {"backlog/s"},
                     {"lost"},
                     {"duplicated"}});
    for (const auto& [policy, seed, run, links, bounds] : runs)
        table.add_row({policy, std::to_string(seed), fmt::format("{:.2f}", run.throughput_per_s()),
                       fmt::format("{:.2f}", bounds.total_per_s()),
                       fmt::format("{:.3f}", sim::fraction_of_bound(run, bounds)),
                       fmt::format("{:.3f}", sim::share_error(run, bounds)), seconds_text(run.makespan_s),
                       seconds_text(bounds.makespan_s), fmt::format("{:.2f}", run.backlog_slope_per_s),
                       std::to_string(run.lost), std::to_string(run.duplicated)});
    return table.str();
}

std::string sources_table(const Experiment& experiment, const std::vector<Measured>& runs) {
    TextTable table({{"policy", TextTable::Align::left},
                     {"seed"},
                     {"source", TextTable::Align::left},
                     {"offered/s"},
                     {"frames/s"},
                     {"bound/s"},
                     {"optimum/s"},
                     {"mean ms"},
                     {"p50 ms"},
                     {"p95 ms"},
                     {"p99 ms"},
                     {"dropped"},
                     {"failed"}});
    const auto ms = [](const sim::CompletionFigures& figures, double value) {
        return figures.count > 0 ? fmt::format("{:.1f}", value) : std::string();
    };
    for (const auto& [policy, seed, run, links, bounds] : runs)
        for (size_t j = 0; j < run.sources.size(); ++j) {
            const sim::SourceFigures& source = run.sources[j];
            const sim::CompletionFigures& times = source.completion_ms;
            table.add_row({policy, std::to_string(seed), experiment.sources[j].name,
                           fmt::format("{:.2f}", bounds.offered_per_s[j]),
                           fmt::format("{:.2f}", source.throughput_per_s), fmt::format("{:.2f}", bounds.bound_per_s[j]),
                           fmt::format("{:.2f}", bounds.optimum_per_s[j]), ms(times, times.mean), ms(times, times.p50),
                           ms(times, times.p95), ms(times, times.p99), std::to_string(source.dropped),
                           std::to_string(source.failed)});
        }
    return table.str();
}

std::string nodes_table(const Experiment& experiment, const std::vector<Measured>& runs) {
    std::vector<TextTable::Column> columns{{"busy", TextTable::Align::left}};
    for (const auto& measured : runs) columns.push_back({fmt::format("{} {}", measured.policy, measured.seed)});
    TextTable table(std::move(columns));
    for (size_t d = 0; d < experiment.devices.size(); ++d) {
        std::vector<std::string> row{experiment.devices[d].name};
        for (const auto& measured : runs) row.push_back(fmt::format("{:.2f}", measured.run.busy_fraction[d]));
        table.add_row(std::move(row));
    }
    return table.str();
}

void print_tables(const Experiment& experiment, const std::vector<Measured>& runs) {
    constexpr size_t columns_max = 6;
    const sim::ExperimentRun& first = runs.front().run;
    std::cout << fmt::format("{}{}{}\n", experiment.name, experiment.title.empty() ? "" : ": ", experiment.title)
              << fmt::format("figures are of {} s from {} s on\n\n", first.window_s, first.window_from_s)
              << runs_table(runs) << "\n"
              << sources_table(experiment, runs);
    if (runs.size() <= columns_max) std::cout << "\n" << nodes_table(experiment, runs);
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
    const auto policies = policies_of(options.policies);
    if (!policies) return complain_of(policies.error());
    const auto seeds = seeds_of(options.seeds);
    if (!seeds) return complain_of(seeds.error());
    auto loaded = load_experiment_with_profile(options.file);
    if (!loaded) return complain_of(loaded.error());
    auto& [experiment, profile] = *loaded;
    if (const Status changed = change(experiment, profile, options); !changed) return complain_of(changed.error());
    std::vector<Measured> runs;
    Progress progress;
    bool whole = true;
    for (const PolicyKind policy : *policies) {
        const ExperimentLinks links = sim::links_used(experiment, policy);
        const auto bounds = sim::experiment_bounds(experiment, profile, links);
        if (!bounds) return complain_of(Error{bounds.error().code, options.file + ": " + bounds.error().message});
        for (const uint64_t seed : *seeds) {
            sim::ExperimentRunOptions run_options;
            if (!options.shares.empty())
                run_options.shares = options.shares == "measured" ? SharesKind::measured : SharesKind::parameters;
            run_options.progress = [&, policy, seed](double s) { progress.told(name_of(policy), seed, s); };
            auto run = sim::run_experiment(experiment, profile, policy, seed, run_options);
            if (!run) {
                progress.end();
                return complain_of(Error{run.error().code, options.file + ": " + run.error().message});
            }
            whole = whole && run->lost == 0 && run->duplicated == 0;
            runs.push_back({name_of(policy), seed, std::move(*run), links, *bounds});
        }
    }
    progress.end();
    if (options.json) {
        Json list = Json::array();
        for (const Measured& run : runs) list.push_back(to_json(experiment, run, options.trace));
        std::cout << list.dump(2) << "\n";
    } else {
        print_tables(experiment, runs);
    }
    return whole ? exit_done : exit_failed;
}

}  // namespace

void add_sim_run_command(CLI::App& program, Chosen& chosen) {
    auto* command = program.get_subcommand("sim")->add_subcommand(
        "run", "An experiment on production nodes in a simulated world, next to what no policy can exceed");
    auto options = std::make_shared<RunOptions>();
    command->add_option("EXPERIMENT", options->file, "TOML file, as in configs/experiments")->required();
    command
        ->add_option("--policy", options->policies,
                     "Which to run, one after the other: local, ddi, ar-mdi, ms-mdi, layered (default: all)")
        ->delimiter(',');
    command->add_option("--seed", options->seeds, "One, or several as in 1..5 (default 1)");
    command->add_option("--load", options->load,
                        "Scale all sources' rates to this part of what the cluster can carry, for example 0.9");
    command->add_option("--links", options->links, "Which pairs carry frames, instead of what the file says")
        ->check(CLI::IsMember({"ring", "direct"}));
    command->add_option("--shares", options->shares, "By what ar-mdi and ms-mdi share out a model (default parameters)")
        ->check(CLI::IsMember({"parameters", "measured"}));
    command->add_option("--warm-up-s", options->warm_up_s, "Instead of the file's");
    command->add_option("--window-s", options->window_s, "Instead of the file's");
    command->add_flag("--trace", options->trace, "With --json: completions, backlog and queues of every second");
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
