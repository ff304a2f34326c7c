// What a running node says of itself: control socket and report.
#include <algorithm>
#include <fstream>

#include <fmt/format.h>
#include <unistd.h>

#include "eddy/real_clock.hpp"
#include "src/app/node_runtime.hpp"
#include "src/config/node_config.hpp"

namespace eddy::app {

namespace {

uint64_t resident_bytes() {
    std::ifstream statm("/proc/self/statm");
    uint64_t size = 0;
    uint64_t resident = 0;
    statm >> size >> resident;
    return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

/// Empty: no model.
std::string shown_hash(const ContentHash& hash) { return hash == ContentHash{} ? "" : to_string(hash); }

}  // namespace

std::string NodeRuntime::answer(const std::string& line) {
    const auto request = control::parse_request(line);
    if (!request) return control::error_reply(request.error().message);
    switch (request->word) {
        case control::Request::status: return control::to_json(status());
        case control::Request::report: return metrics::to_json_line(report());
        case control::Request::stop: stop("asked on the control socket"); return control::ok_reply("stopping");
        case control::Request::stop_cameras: stop_cameras(); return control::ok_reply("its cameras end");
        case control::Request::replay_speed: return set_replay_speed(request->speed);
    }
    return control::error_reply("not understood");
}

std::string NodeRuntime::set_replay_speed(double speed) {
    if (!parts_.replay) return control::error_reply("it does not replay: its configuration has no [compute] replay");
    parts_.replay->set_speed(speed);
    const std::string told = fmt::format("it replays at speed {} from the next run on", speed);
    parts_.log(LogLevel::info, told);
    return control::ok_reply(told);
}

std::string NodeRuntime::source_name(const SourceId& source) const {
    const uint16_t stream = source.stream.value;
    if (source.node == parts_.identity.id && stream < parts_.config.sources.size())
        return parts_.config.sources[stream].name;
    const auto& members = core_->ring().members();
    const auto member =
        std::find_if(members.begin(), members.end(), [&](const auto& each) { return each.id == source.node; });
    return (member == members.end() ? short_name(source.node) : member->name) + "#" + std::to_string(stream);
}

control::RingMember NodeRuntime::ring_row(const msg::Member& member, Instant now) const {
    const auto& ring = core_->ring();
    control::RingMember row;
    row.id = to_string(member.id);
    row.name = member.name;
    row.address = config::to_string(member.endpoint);
    row.age_s = to_seconds(now - ring.member_since(member.id).value_or(started_at_));
    row.gamma_s_per_parameter = core_->gamma_s_per_parameter(member.id);
    row.self = member.id == parts_.identity.id;
    row.successor = member.id == ring.successor();
    row.predecessor = member.id == ring.predecessor();
    row.incarnation = member.incarnation.value;
    if (row.self) {
        row.chain_hash = shown_hash(parts_.profile.chain_hash);
        row.backlog.emplace();
        for (const auto& length : core_->queue_lengths())
            if (length.distributed > 0) row.backlog->push_back({source_name(length.source), length.distributed});
        return row;
    }
    if (const auto heard = ring.last_heard(member.id)) row.heard_ms_ago = to_seconds(now - *heard) * 1e3;
    if (const Usec round_trip = ring.round_trip(member.id); round_trip > Usec{0})
        row.round_trip_ms = to_seconds(round_trip) * 1e3;
    const node::Link* link = core_->link(member.id);
    if (link == nullptr) return row;
    if (const double bytes_per_s = link->estimator().bytes_per_s(); bytes_per_s > 0)
        row.bandwidth_bytes_per_s = bytes_per_s;
    if (link->state_at() == Instant{}) return row;  // it has not reported yet
    row.chain_hash = shown_hash(link->state().chain_hash);
    std::map<SourceId, uint64_t> waiting;
    for (const auto& backlog : link->state().backlog) waiting[backlog.source] += backlog.frames;
    row.backlog.emplace();
    for (const auto& [source, frames] : waiting) row.backlog->push_back({source_name(source), frames});
    return row;
}

control::NodeStatus NodeRuntime::status() const {
    const Instant now = real_now();
    control::NodeStatus status;
    status.name = parts_.config.name;
    status.id = to_string(parts_.identity.id);
    status.cluster = parts_.config.cluster;
    status.incarnation = parts_.identity.incarnation.value;
    status.uptime_s = to_seconds(now - started_at_);
    status.address = config::to_string(endpoint_);
    status.model = parts_.card.name;
    status.stopping = stopping_;
    status.chain_hash = shown_hash(parts_.profile.chain_hash);
    status.ring_epoch = core_->ring().epoch();
    for (const auto& member : core_->ring().members()) status.ring.push_back(ring_row(member, now));
    status.unreached = unreached_.rows(now);
    for (const auto& length : core_->queue_lengths()) {
        const bool own = length.source.node == parts_.identity.id;
        const uint16_t stream = length.source.stream.value;
        const std::string source = source_name(length.source);
        const uint64_t bound = parts_.config.queue_frames;
        if (own)
            status.queues.push_back(
                {source, "reservoir", length.reservoir, parts_.config.sources.at(stream).reservoir_frames});
        if (own) status.queues.push_back({source, "local", length.local, bound});
        status.queues.push_back({source, "distributed", length.distributed, length.distributed_max});
    }
    const node::Custody& custody = core_->custody();
    status.custody = control::CustodyCounts{custody.frames(), custody.bytes(), custody.bytes_max(),
                                            core_->counters().custody_returned, core_->counters().custody_evicted};
    status.journal_problem = journal_->problem();
    for (const auto& stats : collector_.sources(now)) {
        const size_t stream = status.sources.size();
        control::SourceCounts row;
        row.name = stats.name;
        row.state = stream >= ended_.size() ? "not configured" : ended_[stream] ? "ended" : "live";
        row.captured = stats.captured;
        row.admitted = stats.admitted;
        if (stream < ended_.size())
            row.admitted = core_->ledger().counts(StreamId{static_cast<uint16_t>(stream)}).admitted;
        row.earlier_lives = earlier_lives(stream);
        row.completed = stats.completed;
        row.failed = stats.failed_total();
        row.dropped = stats.dropped_total();
        row.in_flight = stats.in_flight;
        row.throughput_per_s = stats.throughput_per_s;
        if (stats.completion_ms) row.completion_p50_ms = stats.completion_ms->p50;
        status.sources.push_back(row);
    }
    return status;
}

/// Of a row of the report: the configured sources, then those that are not configured any more.
std::optional<journal::Totals> NodeRuntime::earlier_lives(size_t row) const {
    if (row < ended_.size()) return journal_->earlier(row);
    return journal_->retired().at(row - ended_.size()).earlier;
}

metrics::NodeStats NodeRuntime::node_stats() {
    metrics::NodeStats stats;
    stats.name = parts_.config.name;
    stats.id = to_string(parts_.identity.id);
    stats.gamma_s_per_parameter = core_->gamma_s_per_parameter(parts_.identity.id);
    const double lane_seconds =
        to_seconds(real_now() - started_at_) * static_cast<double>(std::max<size_t>(1, lanes_.size()));
    stats.busy_fraction = lane_seconds > 0 ? to_seconds(core_->counters().busy) / lane_seconds : 0;
    stats.busy_s = to_seconds(computed_);
    stats.rss_bytes = resident_bytes();
    stats.tx_bytes = network_->traffic().tx_bytes;
    stats.rx_bytes = network_->traffic().rx_bytes;
    stats.runs = core_->counters().jobs;
    for (const auto& queue : status().queues) stats.queue_lengths[queue.source + "/" + queue.queue] = queue.frames;
    return stats;
}

metrics::Report NodeRuntime::report() {
    auto report = collector_.report(real_now(), node_stats());
    // The core counts admissions; the collector sees captures and outcomes, so that the two can disagree.
    for (size_t i = 0; i < ended_.size(); ++i)
        report.sources[i].admitted = core_->ledger().counts(StreamId{static_cast<uint16_t>(i)}).admitted;
    for (size_t i = 0; i < report.sources.size(); ++i) report.sources[i].earlier_lives = earlier_lives(i);
    return report;
}

}  // namespace eddy::app
