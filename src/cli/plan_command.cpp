// eddy plan capacity
#include <algorithm>
#include <iostream>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "eddy/text_table.hpp"
#include "planner/capacity.hpp"
#include "src/cli/commands.hpp"
#include "src/cli/load_experiment.hpp"
#include "src/config/experiment.hpp"

namespace eddy::cli {

namespace {

using planner::ResourceUse;
using Json = nlohmann::ordered_json;
using Align = TextTable::Align;

struct CapacityCommand {
    std::string path;
    std::optional<double> at_s;
    std::string links;
    bool json = false;
    bool help_experiment = false;
};

/// Everything that is told of one experiment.
struct Bounds {
    Experiment experiment;  ///< as it is at `at_s`
    ModelProfile profile;
    double at_s = 0;
    double offered_per_s = 0;
    planner::CapacityBound capacity;
    planner::UtilityOptimum weighted;
    std::optional<planner::MakespanBound> makespan;  ///< if every source ends

    [[nodiscard]] const std::string& device(size_t index) const { return experiment.devices[index].name; }
};

Result<Bounds> bounds_of(const CapacityCommand& command) {
    auto loaded = load_experiment_with_profile(command.path);
    if (!loaded) return loaded.error();
    Bounds bounds;
    bounds.profile = std::move(loaded->profile);
    Experiment& experiment = loaded->experiment;
    if (!command.links.empty())
        experiment.links = command.links == "direct" ? ExperimentLinks::direct : ExperimentLinks::ring;
    bounds.at_s = command.at_s.value_or(experiment.warm_up_s);
    bounds.experiment = planner::experiment_at(experiment, bounds.at_s);
    for (const ExperimentSource& source : experiment.sources) bounds.offered_per_s += source.rate_per_s;

    const auto placed = [&](const Error& error) { return Error{error.code, command.path + ": " + error.message}; };
    auto capacity = planner::capacity_bound(bounds.experiment, bounds.profile);
    if (!capacity) return placed(capacity.error());
    bounds.capacity = std::move(*capacity);
    auto weighted = planner::utility_optimum(bounds.experiment, bounds.profile);
    if (!weighted) return placed(weighted.error());
    bounds.weighted = std::move(*weighted);
    const auto ends = [](const ExperimentSource& source) { return source.frames.has_value(); };
    if (!std::all_of(experiment.sources.begin(), experiment.sources.end(), ends)) return bounds;
    const auto makespan = planner::makespan_bound(experiment, bounds.profile);
    if (!makespan) return placed(makespan.error());
    bounds.makespan = *makespan;
    return bounds;
}

// -- JSON -------------------------------------------------------------------------------------------------------------

void put_use(Json& into, const ResourceUse& use) {
    into["utilisation"] = use.utilisation;
    into["binding"] = use.binding;
    into["price"] = use.price;
}

/// Lists of what is used: processors, links, and with direct links what each device sends and receives altogether.
void put_resources(Json& json, const Bounds& bounds) {
    for (const char* list : {"processors", "links", "interfaces"}) json[list] = Json::array();
    for (const ResourceUse& use : bounds.capacity.operation.resources) {
        Json item;
        const char* list = "interfaces";
        switch (use.kind) {
            case ResourceUse::Kind::processor:
                list = "processors";
                item["device"] = bounds.device(use.from);
                break;
            case ResourceUse::Kind::link:
                list = "links";
                item["from"] = bounds.device(use.from);
                item["to"] = bounds.device(use.to);
                break;
            case ResourceUse::Kind::egress:
            case ResourceUse::Kind::ingress:
                item["device"] = bounds.device(use.from);
                item["direction"] = use.kind == ResourceUse::Kind::egress ? "egress" : "ingress";
        }
        put_use(item, use);
        json[list].push_back(std::move(item));
    }
}

Json to_json(const Bounds& bounds) {
    const Experiment& experiment = bounds.experiment;
    Json json;
    json["schema"] = "eddy.capacity/1";
    json["experiment"] = experiment.name;
    json["title"] = experiment.title;
    json["model"] = bounds.profile.model;
    json["topology"] = experiment.links == ExperimentLinks::ring ? "ring" : "direct";
    json["at_s"] = bounds.at_s;
    json["theta"] = bounds.capacity.theta;
    json["offered_per_s"] = bounds.offered_per_s;
    json["bound_per_s"] = bounds.capacity.theta * bounds.offered_per_s;
    json["makespan_bound_s"] = bounds.makespan ? Json(bounds.makespan->makespan_s) : Json(nullptr);
    json["sources"] = Json::array();
    for (size_t j = 0; j < experiment.sources.size(); ++j) {
        const ExperimentSource& source = experiment.sources[j];
        json["sources"].push_back({{"name", source.name},
                                   {"device", bounds.device(source.device)},
                                   {"weight", source.weight},
                                   {"offered_per_s", source.rate_per_s},
                                   {"throughput_per_s", bounds.capacity.operation.throughput_per_s[j]},
                                   {"weighted_optimum_per_s", bounds.weighted.operation.throughput_per_s[j]}});
    }
    put_resources(json, bounds);
    json["flows"] = Json::array();
    for (const planner::CutFlow& flow : bounds.capacity.operation.cuts)
        json["flows"].push_back({{"source", experiment.sources[flow.source].name},
                                 {"cut", flow.cut},
                                 {"from", bounds.device(flow.from)},
                                 {"to", bounds.device(flow.to)},
                                 {"frames_per_s", flow.frames_per_s}});
    json["runs"] = Json::array();
    for (const planner::RunFlow& run : bounds.capacity.operation.runs)
        json["runs"].push_back({{"source", experiment.sources[run.source].name},
                                {"device", bounds.device(run.device)},
                                {"first_layer", run.first_layer},
                                {"last_layer", run.last_layer},
                                {"frames_per_s", run.frames_per_s}});
    return json;
}

// -- tables -----------------------------------------------------------------------------------------------------------

constexpr size_t rows_max = 40;

/// Shows the largest of many rows; says how many are left out.
class LongTable {
public:
    explicit LongTable(std::vector<TextTable::Column> columns) : table_(std::move(columns)) {}

    /// Of rows with a size, the largest are kept, in the order in which they came.
    void add_row(double size, std::vector<std::string> cells) { rows_.push_back({size, std::move(cells)}); }

    [[nodiscard]] std::string str(const std::string& what) {
        std::vector<double> sizes;
        for (const Row& row : rows_) sizes.push_back(row.size);
        std::sort(sizes.rbegin(), sizes.rend());
        const double least = sizes.size() > rows_max ? sizes[rows_max] : -1;  // itself left out
        size_t left_out = 0;
        for (Row& row : rows_) {
            if (row.size > least)
                table_.add_row(std::move(row.cells));
            else
                ++left_out;
        }
        return table_.str() + (left_out == 0 ? "" : fmt::format("… and {} {}; --json has all\n", left_out, what));
    }

private:
    struct Row {
        double size = 0;
        std::vector<std::string> cells;
    };
    TextTable table_;
    std::vector<Row> rows_;
};

std::string head_text(const Bounds& bounds) {
    const Experiment& experiment = bounds.experiment;
    std::string text = experiment.title.empty() ? "" : experiment.title + "\n";
    text += fmt::format("{}: {} {}, frames go {}, {}, speeds as at {:g} s\n\n", experiment.name,
                        experiment.devices.size(), experiment.devices.size() == 1 ? "device" : "devices",
                        experiment.links == ExperimentLinks::ring ? "along the ring" : "straight to any device",
                        bounds.profile.model, bounds.at_s);
    text += fmt::format("offered      {:.1f} frames/s\nbound        {:.1f} frames/s, θ = {:.4f}{}\n",
                        bounds.offered_per_s, bounds.capacity.theta * bounds.offered_per_s, bounds.capacity.theta,
                        bounds.capacity.theta < 1 ? "" : ": all that is offered can be served");
    if (bounds.makespan) text += fmt::format("makespan     at least {:.1f} s\n", bounds.makespan->makespan_s);
    return text + "\n";
}

std::string sources_text(const Bounds& bounds) {
    LongTable table({{"source", Align::left},
                     {"device", Align::left},
                     {"offered/s"},
                     {"at the bound/s"},
                     {"weight"},
                     {"weighted optimum/s"}});
    for (size_t j = 0; j < bounds.experiment.sources.size(); ++j) {
        const ExperimentSource& source = bounds.experiment.sources[j];
        table.add_row(
            source.rate_per_s,
            {source.name, bounds.device(source.device), fmt::format("{:.2f}", source.rate_per_s),
             fmt::format("{:.2f}", bounds.capacity.operation.throughput_per_s[j]), fmt::format("{:g}", source.weight),
             fmt::format("{:.2f}", bounds.weighted.operation.throughput_per_s[j])});
    }
    return table.str("sources that offer no more") + "\n";
}

std::string resource_name(const Bounds& bounds, const ResourceUse& use) {
    switch (use.kind) {
        case ResourceUse::Kind::processor: return "processor " + bounds.device(use.from);
        case ResourceUse::Kind::link: return "link " + bounds.device(use.from) + " → " + bounds.device(use.to);
        case ResourceUse::Kind::egress: return "all that " + bounds.device(use.from) + " sends";
        case ResourceUse::Kind::ingress: return "all that " + bounds.device(use.from) + " receives";
    }
    return "";
}

std::string resources_text(const Bounds& bounds) {
    LongTable table({{"processor or link", Align::left}, {"used %"}, {"binding"}, {"price"}});
    for (const ResourceUse& use : bounds.capacity.operation.resources)
        table.add_row(use.utilisation + use.price,
                      {resource_name(bounds, use), fmt::format("{:.1f}", 100 * use.utilisation),
                       use.binding ? "yes" : "", use.price < 5e-5 ? "" : fmt::format("{:.4f}", use.price)});
    return table.str("that are used less") + "price: by how many per cent the bound rises with one per cent more\n\n";
}

std::string flows_text(const Bounds& bounds) {
    const auto& layers = bounds.profile.layers;
    LongTable cuts({{"source", Align::left},
                    {"cut"},
                    {"before", Align::left},
                    {"from", Align::left},
                    {"to", Align::left},
                    {"frames/s"}});
    for (const planner::CutFlow& flow : bounds.capacity.operation.cuts)
        cuts.add_row(flow.frames_per_s,
                     {bounds.experiment.sources[flow.source].name, std::to_string(flow.cut),
                      flow.cut == layers.size() ? "the result" : layers[flow.cut].name, bounds.device(flow.from),
                      bounds.device(flow.to), fmt::format("{:.2f}", flow.frames_per_s)});
    LongTable runs({{"source", Align::left}, {"device", Align::left}, {"layers", Align::left}, {"frames/s"}});
    for (const planner::RunFlow& run : bounds.capacity.operation.runs)
        runs.add_row(run.frames_per_s, {bounds.experiment.sources[run.source].name, bounds.device(run.device),
                                        fmt::format("{} to {}", run.first_layer, run.last_layer),
                                        fmt::format("{:.2f}", run.frames_per_s)});
    return runs.str("smaller flows") + "\n" +
           (bounds.capacity.operation.cuts.empty() ? "" : cuts.str("smaller flows") + "\n") +
           "One way to reach the bound; there may be others.\n";
}

int run_capacity(const CapacityCommand& command) {
    if (command.help_experiment) {
        std::cout << config::experiment_reference();
        return exit_done;
    }
    if (command.path.empty())
        return complain("EXPERIMENT is missing: a TOML file, as in configs/experiments; try --help", exit_usage);
    if (command.at_s && !(*command.at_s >= 0))
        return complain(fmt::format("--at: found {}, allowed: 0 or more", *command.at_s), exit_usage);
    const auto bounds = bounds_of(command);
    if (!bounds) return complain_of(bounds.error());
    if (command.json)
        std::cout << to_json(*bounds).dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
    else
        std::cout << head_text(*bounds) << sources_text(*bounds) << resources_text(*bounds) << flows_text(*bounds);
    return exit_done;
}

}  // namespace

void add_plan_commands(CLI::App& program, Chosen& chosen) {
    auto* plan = program.add_subcommand("plan", "What a cluster can carry");
    plan->require_subcommand(1);
    auto* command = plan->add_subcommand(
        "capacity", "The most that any policy can get through a cluster, and what stands in the way of more");
    auto options = std::make_shared<CapacityCommand>();
    command->add_option("EXPERIMENT", options->path, "TOML file, as in configs/experiments");
    command->add_option("--at", options->at_s,
                        "Speeds as so many seconds after the start (default: when the warm-up is over)");
    command->add_option("--links", options->links, "ring or direct, whatever the experiment says")
        ->check(CLI::IsMember({"ring", "direct"}));
    command->add_flag("--json", options->json, "One eddy.capacity/1 JSON object on standard output");
    command->add_flag("--help-experiment", options->help_experiment, "Print every key an experiment may have, and end");
    command->footer(
        "Example:\n  eddy plan capacity configs/experiments/links-20.toml --links direct\n"
        "θ is the largest part of what all sources offer that can be served of each: 0.5 is half of every source's\n"
        "frames, above 1 there is room for more. The weighted optimum are the rates that policies aim at when not all\n"
        "can be served: the largest sum of weight · log rate, none above what is offered; priorities are not "
        "regarded.\n"
        "What is binding is used to the full; what has a price as well is worth enlarging. Runs are the layers that a\n"
        "device computes, cuts where frames leave it. No policy gets more through: compare with eddy sim run.\n"
        "Exit codes: 0 done, 1 it ran and failed, 2 bad usage or configuration.");
    command->callback([options, &chosen] { chosen = [options] { return run_capacity(*options); }; });
}

}  // namespace eddy::cli
