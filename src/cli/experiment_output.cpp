#include "src/cli/experiment_output.hpp"

#include <fmt/format.h>

#include "eddy/text_table.hpp"

namespace eddy::cli {

namespace {

using Json = nlohmann::ordered_json;

Json optional_number(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Json to_json(const CompletionFigures& figures) {
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

Json sources_json(const Experiment& experiment, const ExperimentBounds& bounds, const ExperimentRun& run, bool trace) {
    Json list = Json::array();
    for (size_t j = 0; j < run.sources.size(); ++j) {
        const SourceFigures& figures = run.sources[j];
        Json json;
        json["name"] = experiment.sources[j].name;
        json["device"] = experiment.devices[experiment.sources[j].device].name;
        json["offered_per_s"] = bounds.offered_per_s[j];
        json["throughput_per_s"] = figures.throughput_per_s;
        json["bound_per_s"] = bounds.bound_per_s[j];
        json["weighted_optimum_per_s"] = bounds.optimum_per_s[j];
        json["completion_ms"] = to_json(figures.completion_ms);
        const auto& percentiles = figures.completion_ms.percentiles;
        if (trace) json["completion_ms_quantiles"] = percentiles.empty() ? Json(nullptr) : Json(percentiles);
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

Json per_second_json(const ExperimentRun& run) {
    Json list = Json::array();
    for (const ExperimentSample& sample : run.samples)
        list.push_back({{"at_s", sample.at_s},
                        {"completed", sample.completed},
                        {"backlog", sample.backlog},
                        {"at_cameras", sample.at_cameras},
                        {"in_reservoirs", sample.in_reservoirs},
                        {"in_queues", sample.in_queues},
                        {"in_queues_by_node", sample.queues_by_node}});
    return list;
}

std::string seconds_text(const std::optional<double>& seconds) {
    return seconds ? fmt::format("{:.1f}", *seconds) : "";
}

std::string seed_text(const MeasuredRun& run) { return run.seed ? std::to_string(*run.seed) : ""; }

/// "layered 3"; "layered" for one without a seed.
std::string label_of(const MeasuredRun& run) {
    return fmt::format("{}{}", name_of(run.policy), run.seed ? fmt::format(" {}", *run.seed) : "");
}

std::string runs_table(const std::vector<MeasuredRun>& runs) {
    const bool seeds = runs.front().seed.has_value();
    const bool simulated = runs.front().simulated.has_value();
    std::vector<TextTable::Column> columns{{"policy", TextTable::Align::left}};
    if (seeds) columns.push_back({"seed"});
    for (const char* name : {"frames/s", "bound/s", "of bound", "share error", "makespan s", "its bound s", "backlog/s",
                             "runs/frame", "hops/frame", "lost", "duplicated"})
        columns.push_back({name});
    if (simulated)
        for (const char* name : {"simulated/s", "to simulated"}) columns.push_back({name});
    TextTable table(std::move(columns));
    for (const MeasuredRun& each : runs) {
        const auto& [policy, seed, run, links, bounds, prediction] = each;
        std::vector<std::string> row{name_of(policy)};
        if (seeds) row.push_back(seed_text(each));
        for (std::string& text : std::vector<std::string>{
                 fmt::format("{:.2f}", run.throughput_per_s()), fmt::format("{:.2f}", bounds.total_per_s()),
                 fmt::format("{:.3f}", fraction_of_bound(run, bounds)), fmt::format("{:.3f}", share_error(run, bounds)),
                 seconds_text(run.makespan_s), seconds_text(bounds.makespan_s),
                 fmt::format("{:.2f}", run.backlog_slope_per_s), fmt::format("{:.1f}", run.runs_per_frame()),
                 fmt::format("{:.2f}", run.hops_per_frame()), std::to_string(run.lost), std::to_string(run.duplicated)})
            row.push_back(std::move(text));
        if (simulated) {
            const double predicted = prediction ? prediction->throughput_per_s() : 0;
            row.push_back(fmt::format("{:.2f}", predicted));
            row.push_back(predicted > 0 ? fmt::format("{:.3f}", run.throughput_per_s() / predicted) : "");
        }
        table.add_row(std::move(row));
    }
    return table.str();
}

std::string sources_table(const Experiment& experiment, const std::vector<MeasuredRun>& runs) {
    const bool seeds = runs.front().seed.has_value();
    std::vector<TextTable::Column> columns{{"policy", TextTable::Align::left}};
    if (seeds) columns.push_back({"seed"});
    columns.push_back({"source", TextTable::Align::left});
    for (const char* name : {"offered/s", "frames/s", "bound/s", "optimum/s", "mean ms", "p50 ms", "p95 ms", "p99 ms",
                             "dropped", "failed"})
        columns.push_back({name});
    TextTable table(std::move(columns));
    const auto ms = [](const CompletionFigures& figures, double value) {
        return figures.count > 0 ? fmt::format("{:.1f}", value) : std::string();
    };
    for (const MeasuredRun& each : runs)
        for (size_t j = 0; j < each.run.sources.size(); ++j) {
            const SourceFigures& source = each.run.sources[j];
            const CompletionFigures& times = source.completion_ms;
            std::vector<std::string> row{name_of(each.policy)};
            if (seeds) row.push_back(seed_text(each));
            row.push_back(experiment.sources[j].name);
            for (const double rate : {each.bounds.offered_per_s[j], source.throughput_per_s, each.bounds.bound_per_s[j],
                                      each.bounds.optimum_per_s[j]})
                row.push_back(fmt::format("{:.2f}", rate));
            for (const double value : {times.mean, times.p50, times.p95, times.p99}) row.push_back(ms(times, value));
            row.push_back(std::to_string(source.dropped));
            row.push_back(std::to_string(source.failed));
            table.add_row(std::move(row));
        }
    return table.str();
}

std::string nodes_table(const Experiment& experiment, const std::vector<MeasuredRun>& runs) {
    std::vector<TextTable::Column> columns{{"busy", TextTable::Align::left}};
    for (const MeasuredRun& measured : runs) columns.push_back({label_of(measured)});
    TextTable table(std::move(columns));
    for (size_t d = 0; d < experiment.devices.size(); ++d) {
        std::vector<std::string> row{experiment.devices[d].name};
        for (const auto& measured : runs) row.push_back(fmt::format("{:.2f}", measured.run.busy_fraction[d]));
        table.add_row(std::move(row));
    }
    return table.str();
}

}  // namespace

Json to_json(const Experiment& experiment, const MeasuredRun& measured, bool trace) {
    const ExperimentRun& run = measured.run;
    const ExperimentBounds& bounds = measured.bounds;
    Json json;
    json["experiment"] = experiment.name;
    json["policy"] = name_of(measured.policy);
    if (measured.seed) json["seed"] = *measured.seed;
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
    json["fraction_of_bound"] = fraction_of_bound(run, bounds);
    json["share_error"] = share_error(run, bounds);
    json["backlog_slope_per_s"] = run.backlog_slope_per_s;
    json["backlog_first_third"] = run.backlog_first_third;
    json["backlog_last_third"] = run.backlog_last_third;
    json["sources"] = sources_json(experiment, bounds, run, trace);
    json["nodes"] = Json::array();
    for (size_t d = 0; d < experiment.devices.size(); ++d)
        json["nodes"].push_back({{"name", experiment.devices[d].name}, {"busy_fraction", run.busy_fraction[d]}});
    json["runs_per_frame"] = run.runs_per_frame();
    json["hops_per_frame"] = run.hops_per_frame();
    json["lost"] = run.lost;
    json["duplicated"] = run.duplicated;
    if (const auto& predicted = measured.simulated) {
        json["simulated"] = {{"throughput_per_s", predicted->throughput_per_s()},
                             {"fraction_of_bound", fraction_of_bound(*predicted, bounds)},
                             {"makespan_s", optional_number(predicted->makespan_s)}};
        const double per_s = predicted->throughput_per_s();
        json["measured_over_simulated"] = per_s > 0 ? Json(run.throughput_per_s() / per_s) : Json(nullptr);
    }
    if (trace) json["per_second"] = per_second_json(run);
    return json;
}

std::string tables_of(const Experiment& experiment, const std::vector<MeasuredRun>& runs) {
    constexpr size_t columns_max = 6;
    std::string text = runs_table(runs) + "\n" + sources_table(experiment, runs);
    if (runs.size() <= columns_max) text += "\n" + nodes_table(experiment, runs);
    return text;
}

}  // namespace eddy::cli
