#include <nlohmann/json.hpp>

#include "eddy/json_fields.hpp"
#include "src/control/status.hpp"

namespace eddy::control {
namespace {

using Json = nlohmann::ordered_json;
using Fields = JsonFields<Json>;

Json to_value(const RingMember& member) {
    return {{"id", member.id},
            {"name", member.name},
            {"address", member.address},
            {"age_s", member.age_s},
            {"gamma_s_per_parameter", member.gamma_s_per_parameter},
            {"self", member.self},
            {"successor", member.successor},
            {"predecessor", member.predecessor}};
}

Json to_value(const QueueLength& queue) {
    return {
        {"source", queue.source}, {"queue", queue.queue}, {"frames", queue.frames}, {"frames_max", queue.frames_max}};
}

Json to_value(const SourceCounts& source) {
    return {{"name", source.name},
            {"state", source.state},
            {"captured", source.captured},
            {"admitted", source.admitted},
            {"completed", source.completed},
            {"failed", source.failed},
            {"dropped", source.dropped},
            {"in_flight", source.in_flight},
            {"throughput_per_s", source.throughput_per_s},
            {"completion_p50_ms", source.completion_p50_ms}};
}

template <class Row>
Json list(const std::vector<Row>& rows) {
    Json values = Json::array();
    for (const Row& row : rows) values.push_back(to_value(row));
    return values;
}

RingMember read_member(const Fields& fields) {
    RingMember member;
    member.id = fields.text("id");
    member.name = fields.text("name");
    member.address = fields.text("address");
    member.age_s = fields.number("age_s");
    member.gamma_s_per_parameter = fields.number("gamma_s_per_parameter");
    member.self = fields.flag("self");
    member.successor = fields.flag("successor");
    member.predecessor = fields.flag("predecessor");
    return member;
}

QueueLength read_queue(const Fields& fields) {
    QueueLength queue;
    queue.source = fields.text("source");
    queue.queue = fields.text("queue");
    queue.frames = fields.count("frames");
    queue.frames_max = fields.count("frames_max");
    return queue;
}

SourceCounts read_source(const Fields& fields) {
    SourceCounts source;
    source.name = fields.text("name");
    source.state = fields.text("state");
    source.captured = fields.count("captured");
    source.admitted = fields.count("admitted");
    source.completed = fields.count("completed");
    source.failed = fields.count("failed");
    source.dropped = fields.count("dropped");
    source.in_flight = fields.count("in_flight");
    source.throughput_per_s = fields.number("throughput_per_s");
    source.completion_p50_ms = fields.number("completion_p50_ms");
    return source;
}

}  // namespace

std::string to_json(const NodeStatus& status) {
    const Json value = {{"schema", status_schema},
                        {"name", status.name},
                        {"id", status.id},
                        {"cluster", status.cluster},
                        {"incarnation", status.incarnation},
                        {"uptime_s", status.uptime_s},
                        {"address", status.address},
                        {"model", status.model},
                        {"stopping", status.stopping},
                        {"ring", list(status.ring)},
                        {"queues", list(status.queues)},
                        {"sources", list(status.sources)}};
    return value.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<NodeStatus> from_json(std::string_view text) {
    if (text.size() > status_bytes_max)
        return invalid("status: longer than " + std::to_string(status_bytes_max) + " bytes");
    const Json value = Json::parse(text, nullptr, false);
    if (value.is_discarded()) return invalid("status: not JSON");
    std::string problem;
    const Fields fields(value, "status", problem);
    if (problem.empty() && fields.text("schema") != status_schema)
        fields.fail("schema", "\"" + std::string(status_schema) + "\"");
    NodeStatus status;
    status.name = fields.text("name");
    status.id = fields.text("id");
    status.cluster = fields.text("cluster");
    status.incarnation = fields.count("incarnation");
    status.uptime_s = fields.number("uptime_s");
    status.address = fields.text("address");
    status.model = fields.text("model");
    status.stopping = fields.flag("stopping");
    fields.list("ring", status_rows_max, [&](const Json& item, const std::string& place) {
        status.ring.push_back(read_member(Fields(item, place, problem)));
    });
    fields.list("queues", status_rows_max, [&](const Json& item, const std::string& place) {
        status.queues.push_back(read_queue(Fields(item, place, problem)));
    });
    fields.list("sources", status_rows_max, [&](const Json& item, const std::string& place) {
        status.sources.push_back(read_source(Fields(item, place, problem)));
    });
    if (!problem.empty()) return invalid(problem);
    return status;
}

}  // namespace eddy::control
