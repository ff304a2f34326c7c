#include <nlohmann/json.hpp>

#include "eddy/journal_json.hpp"
#include "src/metrics/report.hpp"

namespace eddy::metrics {
namespace {

// Members keep the order in which they are written, so that reports can be compared by eye.
using Json = nlohmann::ordered_json;
using Fields = JsonFields<Json>;
using Counts = std::map<std::string, uint64_t>;

constexpr size_t reasons_max = 1024;

uint64_t total(const Counts& counts) {
    uint64_t sum = 0;
    for (const auto& [reason, count] : counts) sum += count;
    return sum;
}

Json to_value(const Counts& counts) {
    Json value = Json::object();
    for (const auto& [name, count] : counts) value[name] = count;
    return value;
}

Json to_value(const SourceStats& source) {
    Json completion = nullptr;
    if (const auto& ms = source.completion_ms)
        completion = {{"mean", ms->mean}, {"p50", ms->p50}, {"p90", ms->p90}, {"p99", ms->p99}, {"max", ms->max}};
    Json parts = nullptr;
    if (const auto& ms = source.parts_ms)
        parts = {{"waiting", ms->waiting}, {"computing", ms->computing}, {"transferring", ms->transferring}};
    return {{"name", source.name},
            {"node", source.node},
            {"captured", source.captured},
            {"admitted", source.admitted},
            {"completed", source.completed},
            {"failed", source.failed_total()},
            {"failed_reasons", to_value(source.failed)},
            {"dropped", to_value(source.dropped)},
            {"in_flight", source.in_flight},
            {"throughput_per_s", source.throughput_per_s},
            {"completion_ms", completion},
            {"parts_ms", parts},
            {"path", {{"local", source.path_local}, {"distributed", source.path_distributed}}},
            {"attempts", source.attempts},
            {"earlier_lives", journal::to_value<Json>(source.earlier_lives)}};
}

Json to_value(const NodeStats& node) {
    return {{"name", node.name},
            {"id", node.id},
            {"gamma_s_per_parameter", node.gamma_s_per_parameter},
            {"busy_fraction", node.busy_fraction},
            {"busy_s", node.busy_s},
            {"rss_bytes", node.rss_bytes},
            {"tx_bytes", node.tx_bytes},
            {"rx_bytes", node.rx_bytes},
            {"runs", node.runs},
            {"queue_lengths", to_value(node.queue_lengths)}};
}

Json to_value(const Report& report) {
    Json value = {{"schema", report_schema},
                  {"duration_s", report.duration_s},
                  {"sources", Json::array()},
                  {"nodes", Json::array()}};
    for (const auto& source : report.sources) value["sources"].push_back(to_value(source));
    for (const auto& node : report.nodes) value["nodes"].push_back(to_value(node));
    return value;
}

Counts read_counts(const Fields& fields) {
    Counts counts;
    fields.names(reasons_max, [&](const std::string& name) { counts[name] = fields.count(name); });
    return counts;
}

SourceStats read_source(const Json& value, const Fields& fields) {
    SourceStats source;
    source.name = fields.text("name");
    source.node = fields.text("node");
    source.captured = fields.count("captured");
    source.admitted = fields.count("admitted");
    source.completed = fields.count("completed");
    source.failed = read_counts(fields.object("failed_reasons"));
    if (fields.count("failed") != source.failed_total()) fields.fail("failed", "the sum of failed_reasons");
    source.dropped = read_counts(fields.object("dropped"));
    source.in_flight = fields.count("in_flight");
    source.throughput_per_s = fields.number("throughput_per_s");
    if (!fields.is_null("completion_ms")) {
        const Fields ms = fields.object("completion_ms");
        source.completion_ms =
            CompletionMs{ms.number("mean"), ms.number("p50"), ms.number("p90"), ms.number("p99"), ms.number("max")};
    }
    if (!fields.is_null("parts_ms")) {
        const Fields ms = fields.object("parts_ms");
        source.parts_ms = PartsMs{ms.number("waiting"), ms.number("computing"), ms.number("transferring")};
    }
    const Fields path = fields.object("path");
    source.path_local = path.count("local");
    source.path_distributed = path.count("distributed");
    source.attempts = fields.count("attempts");
    source.earlier_lives = journal::read_totals(value, fields, "earlier_lives");
    return source;
}

NodeStats read_node(const Json& value, const Fields& fields) {
    NodeStats node;
    node.name = fields.text("name");
    node.id = fields.text("id");
    node.gamma_s_per_parameter = fields.number("gamma_s_per_parameter");
    node.busy_fraction = fields.number("busy_fraction");
    if (value.contains("busy_s")) node.busy_s = fields.number("busy_s");
    node.rss_bytes = fields.count("rss_bytes");
    node.tx_bytes = fields.count("tx_bytes");
    node.rx_bytes = fields.count("rx_bytes");
    node.runs = fields.count("runs");
    node.queue_lengths = read_counts(fields.object("queue_lengths"));
    return node;
}

/// Names may hold anything a peer sent; what is not UTF-8 is replaced rather than thrown over.
std::string dump(const Json& value, int indent) {
    return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

uint64_t SourceStats::failed_total() const { return total(failed); }
uint64_t SourceStats::dropped_total() const { return total(dropped); }

bool SourceStats::balanced() const {
    const auto& lives = earlier_lives;
    return captured == completed + failed_total() + dropped_total() + in_flight &&
           (!lives || lives->captured == lives->completed + lives->failed + lives->dropped);
}

bool Report::balanced() const {
    for (const auto& source : sources)
        if (!source.balanced()) return false;
    return true;
}

std::string to_json(const Report& report) { return dump(to_value(report), 2) + "\n"; }
std::string to_json_line(const Report& report) { return dump(to_value(report), -1) + "\n"; }

Result<Report> from_json(std::string_view text) {
    if (text.size() > report_bytes_max)
        return invalid("report: longer than " + std::to_string(report_bytes_max) + " bytes");
    const Json value = Json::parse(text, nullptr, false);
    if (value.is_discarded()) return invalid("report: not JSON");
    std::string problem;
    const Fields fields(value, "report", problem);
    if (problem.empty() && fields.text("schema") != report_schema)
        fields.fail("schema", "\"" + std::string(report_schema) + "\"");
    Report report;
    report.duration_s = fields.number("duration_s");
    fields.list("sources", report_rows_max, [&](const Json& item, const std::string& place) {
        report.sources.push_back(read_source(item, Fields(item, place, problem)));
    });
    fields.list("nodes", report_rows_max, [&](const Json& item, const std::string& place) {
        report.nodes.push_back(read_node(item, Fields(item, place, problem)));
    });
    if (!problem.empty()) return invalid(problem);
    return report;
}

Report merge(const std::vector<Report>& reports) {
    Report all;
    for (const Report& report : reports) {
        all.duration_s = std::max(all.duration_s, report.duration_s);
        all.sources.insert(all.sources.end(), report.sources.begin(), report.sources.end());
        all.nodes.insert(all.nodes.end(), report.nodes.begin(), report.nodes.end());
    }
    return all;
}

}  // namespace eddy::metrics
