#include <nlohmann/json.hpp>

#include "eddy/journal_json.hpp"
#include "src/control/status.hpp"

namespace eddy::control {
namespace {

using Json = nlohmann::ordered_json;
using Fields = JsonFields<Json>;

// Before the template, which finds only what it has seen.
Json to_value(const MemberBacklog& backlog);
Json to_value(const RingMember& member);
Json to_value(const QueueLength& queue);
Json to_value(const SourceCounts& source);
Json to_value(const Unreached& unreached);

template <class Row>
Json list(const std::vector<Row>& rows) {
    Json values = Json::array();
    for (const Row& row : rows) values.push_back(to_value(row));
    return values;
}

Json to_value(const MemberBacklog& backlog) { return {{"source", backlog.source}, {"frames", backlog.frames}}; }

Json to_value(const std::optional<double>& number) { return number ? Json(*number) : Json(nullptr); }

Json to_value(const RingMember& member) {
    return {{"id", member.id},
            {"name", member.name},
            {"address", member.address},
            {"age_s", member.age_s},
            {"gamma_s_per_parameter", member.gamma_s_per_parameter},
            {"self", member.self},
            {"successor", member.successor},
            {"predecessor", member.predecessor},
            {"incarnation", member.incarnation},
            {"heard_ms_ago", to_value(member.heard_ms_ago)},
            {"round_trip_ms", to_value(member.round_trip_ms)},
            {"bandwidth_bytes_per_s", to_value(member.bandwidth_bytes_per_s)},
            {"chain_hash", member.chain_hash},
            {"backlog", member.backlog ? list(*member.backlog) : Json(nullptr)}};
}

Json to_value(const Unreached& unreached) {
    return {{"address", unreached.address},
            {"problem", unreached.problem},
            {"reason", unreached.reason},
            {"ago_s", unreached.ago_s}};
}

Json to_value(const QueueLength& queue) {
    return {
        {"source", queue.source}, {"queue", queue.queue}, {"frames", queue.frames}, {"frames_max", queue.frames_max}};
}

Json to_value(const std::optional<CustodyCounts>& custody) {
    if (!custody) return nullptr;
    return {{"frames", custody->frames},
            {"bytes", custody->bytes},
            {"bytes_max", custody->bytes_max},
            {"returned", custody->returned},
            {"evicted", custody->evicted}};
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
            {"completion_p50_ms", source.completion_p50_ms},
            {"earlier_lives", journal::to_value<Json>(source.earlier_lives)}};
}

/// Whether a member that came into the schema later is there and says something.
bool told(const Json& value, const char* key) {
    if (!value.is_object()) return false;
    const auto member = value.find(key);
    return member != value.end() && !member->is_null();
}

/// Reads members of one JSON object that may be missing.
class Later {
public:
    Later(const Json& value, const Fields& fields) : value_(value), fields_(fields) {}

    void read(const char* key, std::string& into) const {
        if (told(value_, key)) into = fields_.text(key);
    }
    void read(const char* key, uint64_t& into) const {
        if (told(value_, key)) into = fields_.count(key);
    }
    void read(const char* key, std::optional<double>& into) const {
        if (told(value_, key)) into = fields_.number(key);
    }

private:
    const Json& value_;
    const Fields& fields_;
};

MemberBacklog read_backlog(const Fields& fields) {
    MemberBacklog backlog;
    backlog.source = fields.text("source");
    backlog.frames = fields.count("frames");
    return backlog;
}

Unreached read_unreached(const Fields& fields) {
    Unreached unreached;
    unreached.address = fields.text("address");
    unreached.problem = fields.text("problem");
    unreached.reason = fields.text("reason", size_t{2} * 1024);
    unreached.ago_s = fields.number("ago_s");
    return unreached;
}

RingMember read_member(const Json& value, const Fields& fields, std::string& problem) {
    RingMember member;
    member.id = fields.text("id");
    member.name = fields.text("name");
    member.address = fields.text("address");
    member.age_s = fields.number("age_s");
    member.gamma_s_per_parameter = fields.number("gamma_s_per_parameter");
    member.self = fields.flag("self");
    member.successor = fields.flag("successor");
    member.predecessor = fields.flag("predecessor");
    const Later later(value, fields);
    later.read("incarnation", member.incarnation);
    later.read("heard_ms_ago", member.heard_ms_ago);
    later.read("round_trip_ms", member.round_trip_ms);
    later.read("bandwidth_bytes_per_s", member.bandwidth_bytes_per_s);
    later.read("chain_hash", member.chain_hash);
    if (!told(value, "backlog")) return member;
    member.backlog.emplace();
    fields.list("backlog", status_rows_max, [&](const Json& item, const std::string& place) {
        member.backlog->push_back(read_backlog(Fields(item, place, problem)));
    });
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

CustodyCounts read_custody(const Fields& fields) {
    CustodyCounts custody;
    custody.frames = fields.count("frames");
    custody.bytes = fields.count("bytes");
    custody.bytes_max = fields.count("bytes_max");
    custody.returned = fields.count("returned");
    custody.evicted = fields.count("evicted");
    return custody;
}

SourceCounts read_source(const Json& value, const Fields& fields) {
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
    source.earlier_lives = journal::read_totals(value, fields, "earlier_lives");
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
                        {"chain_hash", status.chain_hash},
                        {"ring_epoch", status.ring_epoch},
                        {"ring", list(status.ring)},
                        {"queues", list(status.queues)},
                        {"custody", to_value(status.custody)},
                        {"sources", list(status.sources)},
                        {"unreached", list(status.unreached)},
                        {"journal_problem", status.journal_problem}};
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
    const Later later(value, fields);
    later.read("chain_hash", status.chain_hash);
    later.read("ring_epoch", status.ring_epoch);
    if (told(value, "journal_problem")) status.journal_problem = fields.text("journal_problem", size_t{8} * 1024);
    fields.list("ring", status_rows_max, [&](const Json& item, const std::string& place) {
        status.ring.push_back(read_member(item, Fields(item, place, problem), problem));
    });
    fields.list("queues", status_rows_max, [&](const Json& item, const std::string& place) {
        status.queues.push_back(read_queue(Fields(item, place, problem)));
    });
    if (told(value, "custody")) status.custody = read_custody(fields.object("custody"));
    fields.list("sources", status_rows_max, [&](const Json& item, const std::string& place) {
        status.sources.push_back(read_source(item, Fields(item, place, problem)));
    });
    if (told(value, "unreached"))
        fields.list("unreached", status_rows_max, [&](const Json& item, const std::string& place) {
            status.unreached.push_back(read_unreached(Fields(item, place, problem)));
        });
    if (!problem.empty()) return invalid(problem);
    return status;
}

}  // namespace eddy::control
