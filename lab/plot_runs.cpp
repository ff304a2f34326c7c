#include "lab/plot_runs.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "eddy/json_fields.hpp"

namespace eddy::lab {

namespace {

using Json = nlohmann::json;
using Fields = JsonFields<Json>;

constexpr size_t name_bytes_max = 256;

/// A member that may be missing or null.
bool has(const Json& object, const char* key) {
    if (!object.is_object()) return false;
    const auto member = object.find(key);
    return member != object.end() && !member->is_null();
}

double not_negative(const Fields& fields, const char* key) {
    const double number = fields.number(key);
    if (number < 0) fields.fail(key, "a number of at least 0");
    return number;
}

/// `count` finite numbers of at least 0.
std::vector<double> numbers(const Fields& fields, const char* key, size_t count) {
    std::vector<double> list;
    fields.list(key, count, [&](const Json& item, const std::string&) {
        const double number = item.is_number() ? item.get<double>() : NAN;
        if (!std::isfinite(number) || number < 0)
            fields.fail(fmt::format("{}[{}]", key, list.size()), "a number of at least 0");
        list.push_back(number);
    });
    if (list.size() != count) fields.fail(key, fmt::format("a list of {} numbers", count));
    return list;
}

PlotSource read_source(const Json& value, const std::string& place, std::string& problem) {
    const Fields fields(value, place, problem);
    PlotSource source;
    source.name = fields.text("name", name_bytes_max);
    source.captured = fields.count("captured");
    source.completed = fields.count("completed");
    if (has(value, "completion_ms_quantiles")) {
        source.completion_ms = numbers(fields, "completion_ms_quantiles", quantile_count);
        if (!std::is_sorted(source.completion_ms.begin(), source.completion_ms.end()))
            fields.fail("completion_ms_quantiles", "rising numbers");
    }
    return source;
}

PlotSecond read_second(const Json& value, const std::string& place, const PlotRun& run, std::string& problem) {
    const Fields fields(value, place, problem);
    PlotSecond second;
    second.at_s = not_negative(fields, "at_s");
    if (!run.seconds.empty() && second.at_s <= run.seconds.back().at_s)
        fields.fail("at_s", "later than the one before");
    second.completed = numbers(fields, "completed", run.sources.size());
    if (has(value, "in_queues_by_node")) second.queue_lengths = numbers(fields, "in_queues_by_node", run.nodes.size());
    return second;
}

PlotRun read_run(const Json& value, const std::string& place, std::string& problem) {
    const Fields fields(value, place, problem);
    PlotRun run;
    run.experiment = fields.text("experiment", name_bytes_max);
    run.policy = fields.text("policy", name_bytes_max);
    run.links = fields.text("links", name_bytes_max);
    run.compute = has(value, "compute") ? fields.text("compute", name_bytes_max) : "simulated";
    if (has(value, "seed")) run.seed = fields.count("seed");
    if (has(value, "makespan_s")) run.makespan_s = not_negative(fields, "makespan_s");
    run.throughput_per_s = not_negative(fields, "throughput_per_s");
    run.bound_per_s = not_negative(fields, "bound_per_s");
    run.fraction_of_bound = not_negative(fields, "fraction_of_bound");
    fields.list("sources", plot_sources_max, [&](const Json& item, const std::string& where) {
        run.sources.push_back(read_source(item, where, problem));
    });
    fields.list("nodes", plot_nodes_max, [&](const Json& item, const std::string& where) {
        run.nodes.push_back(Fields(item, where, problem).text("name", name_bytes_max));
    });
    if (has(value, "per_second"))
        fields.list("per_second", plot_seconds_max, [&](const Json& item, const std::string& where) {
            if (problem.empty()) run.seconds.push_back(read_second(item, where, run, problem));
        });
    return run;
}

}  // namespace

Result<std::vector<PlotRun>> read_plot_runs(std::string_view json) {
    if (json.size() > plot_json_bytes_max) return invalid(fmt::format("more than {} bytes", plot_json_bytes_max));
    Json value;
    try {
        value = Json::parse(json);
    } catch (const Json::parse_error& e) {
        return invalid(fmt::format("byte {}: not JSON", e.byte));
    } catch (const Json::exception&) {
        return invalid("a number is out of range");
    }
    if (!value.is_array() || value.size() > plot_runs_max)
        return invalid(fmt::format("allowed: a list of at most {} runs, as eddy lab run --json prints", plot_runs_max));
    std::vector<PlotRun> runs;
    std::string problem;
    for (const Json& item : value) {
        runs.push_back(read_run(item, fmt::format("[{}]", runs.size()), problem));
        if (!problem.empty()) return invalid(problem);
    }
    return runs;
}

}  // namespace eddy::lab
