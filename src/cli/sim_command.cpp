// eddy sim ring
#include <iostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "eddy/real_clock.hpp"
#include "eddy/text_table.hpp"
#include "sim/ring_experiment.hpp"
#include "src/cli/commands.hpp"

namespace eddy::cli {

namespace {

struct RingOptions {
    sim::RingExperimentOptions experiment;
    double delay_ms = to_ms(experiment.delay);
    bool json = false;
};

nlohmann::ordered_json optional_number(const std::optional<double>& value) {
    return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
}

void put_lookups(nlohmann::ordered_json& into, const sim::LookupFigures& figures) {
    into["lookups"] = figures.lookups;
    into["lookup_failures"] = figures.failures;
    into["timeouts"] = figures.timeouts;
    into["hops_mean"] = figures.hops_mean;
    into["hops_p99"] = figures.hops_p99;
    into["lookup_ms_mean"] = figures.took_ms_mean;
}

nlohmann::ordered_json to_json(const sim::RingExperimentOptions& options, const sim::RingExperimentReport& report,
                               double wall_s) {
    nlohmann::ordered_json json;
    json["nodes"] = options.nodes;
    json["seed"] = options.seed;
    json["successors"] = options.successors;
    json["fail"] = options.fail;
    json["churn_per_s"] = options.churn_per_s;
    json["converged_s"] = optional_number(report.converged_s);
    put_lookups(json, report.lookups);
    json["lookups_lost"] = report.lookups_lost;
    json["messages_per_node_per_s"] = report.messages_per_node_per_s;
    json["dials_per_node_per_s"] = report.dials_per_node_per_s;
    json["departures"] = report.departures;
    json["invariant_violations"] = report.invariant_violations;
    json["violations"] = report.violations;
    if (report.before_repair) {
        json["repaired_s"] = optional_number(report.repaired_s);
        put_lookups(json["before_repair"], *report.before_repair);
    }
    json["events"] = report.events;
    json["trace_hash"] = fmt::format("{:016x}", report.trace_hash);
    json["wall_s"] = wall_s;
    return json;
}

std::string seconds_text(const std::optional<double>& seconds) {
    return seconds ? fmt::format("{:.1f}", *seconds) : "never";
}

void print_table(const sim::RingExperimentOptions& options, const sim::RingExperimentReport& report, double wall_s) {
    TextTable table({{"figure", TextTable::Align::left}, {"value"}, {"before repair"}});
    const sim::LookupFigures& usual = report.lookups;
    const auto row = [&](const std::string& name, const auto& value) {
        table.add_row({name, fmt::format("{}", value)});
    };
    const auto lookup_row = [&](const std::string& name, const std::string& format, auto member) {
        const auto text = [&](const sim::LookupFigures& figures) {
            return fmt::format(fmt::runtime(format), figures.*member);
        };
        table.add_row({name, text(usual), report.before_repair ? text(*report.before_repair) : ""});
    };
    row("nodes", options.nodes);
    row("seed", options.seed);
    row("converged_s", seconds_text(report.converged_s));
    if (report.before_repair) row("repaired_s", seconds_text(report.repaired_s));
    lookup_row("lookups", "{}", &sim::LookupFigures::lookups);
    lookup_row("lookup_failures", "{}", &sim::LookupFigures::failures);
    lookup_row("timeouts", "{}", &sim::LookupFigures::timeouts);
    lookup_row("hops_mean", "{:.2f}", &sim::LookupFigures::hops_mean);
    lookup_row("hops_p99", "{:.0f}", &sim::LookupFigures::hops_p99);
    lookup_row("lookup_ms_mean", "{:.1f}", &sim::LookupFigures::took_ms_mean);
    if (options.churn_per_s > 0) row("lookups_lost", report.lookups_lost);
    row("messages_per_node_per_s", fmt::format("{:.2f}", report.messages_per_node_per_s));
    row("invariant_violations", report.invariant_violations);
    row("events", report.events);
    row("wall_s", fmt::format("{:.1f}", wall_s));
    std::cout << table.str();
    for (const auto& violation : report.violations) std::cout << violation << "\n";
}

int run_ring(RingOptions options) {
    if (!(options.delay_ms >= 0 && options.delay_ms <= 1000))  // before it becomes an integer
        return complain("delay-ms: from 0 to 1000 are allowed", exit_usage);
    options.experiment.delay = from_ms(options.delay_ms);
    if (const auto checked = sim::check_options(options.experiment); !checked)
        return complain(checked.error().message, exit_usage);
    options.experiment.progress = [](const std::string& line) { std::cerr << line << "\n"; };
    const Instant begun = real_now();
    const auto report = sim::run_ring_experiment(options.experiment);
    const double wall_s = to_seconds(real_now() - begun);
    if (options.json)
        std::cout << to_json(options.experiment, report, wall_s).dump(2) << "\n";
    else
        print_table(options.experiment, report, wall_s);
    return report.good(options.experiment) ? exit_done : exit_failed;
}

}  // namespace

void add_sim_commands(CLI::App& program, Chosen& chosen) {
    auto* sim = program.add_subcommand("sim", "Try production code in a simulated world");
    sim->require_subcommand(1);
    auto* command = sim->add_subcommand("ring", "A ring of many nodes: forms, heals, and is asked for keys");
    auto options = std::make_shared<RingOptions>();
    auto& experiment = options->experiment;
    command->add_option("--nodes", experiment.nodes, "How many nodes (default 1000)")
        ->check(CLI::Range(size_t{1}, sim::Fabric::nodes_max));
    command->add_option("--seed", experiment.seed, "Everything follows from it (default 1)")
        ->check(CLI::NonNegativeNumber);
    command->add_option("--fail", experiment.fail, "This part of the nodes vanishes at half time, for example 0.5");
    command->add_option("--churn", experiment.churn_per_s, "So many nodes a second depart, and come back later");
    command->add_option("--successors", experiment.successors, "Length of the successor list (default 16)")
        ->check(CLI::Range(size_t{1}, members_max - 1));
    command->add_option("--lookups", experiment.lookups, "Keys to look up (default 10000)")
        ->check(CLI::Range(1, 1'000'000));
    command->add_option("--delay-ms", options->delay_ms, "One-way delay, give or take half of it (default 10)");
    command->add_flag("--json", options->json, "JSON on standard output");
    command->footer(
        "60 simulated seconds. Exits with 1 if the ring did not form or heal, broke an invariant, or (without "
        "--churn)\n"
        "answered a lookup wrongly after the repair.\n"
        "Example:\n  eddy sim ring --nodes 1000 --seed 7 --successors 20 --fail 0.5");
    command->callback([options, &chosen] { chosen = [options] { return run_ring(*options); }; });
}

}  // namespace eddy::cli
