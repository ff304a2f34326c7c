// NodeCore: frames by rows.
#include "src/node/node_flows.hpp"

#include <algorithm>

#include "src/node/node_core.hpp"

namespace eddy::node {

namespace {
/// Of a link that nothing was sent over yet: like the fastest that is known, so that it is tried, and found out; but no
/// faster than this, as what crosses a link in no time tells little.
constexpr double untried_bytes_per_s = 125e6;
constexpr Usec untried_delay{100};
constexpr Usec consider_every = from_ms(200);
/// A source whose frames waited so lately offers more than gets through.
constexpr Usec held_lately = std::chrono::seconds(1);

RowFlowsConfig config_of(const CoreConfig& config, const std::map<NodeId, Link>& links) {
    RowFlowsConfig rows;
    rows.self = config.self.id;
    if (config.partition != PartitionKind::chain && config.rows) rows.graph = config.graph;
    rows.rows = config.rows;
    rows.chain_hash = config.profile.chain_hash;
    rows.bytes_max = config.row_bytes;
    rows.connected = [&links](const NodeId& node) { return links.count(node) != 0; };
    return rows;
}

double model_us(const RowProfile& rows) {
    double us = rows.unit_us;
    for (const StepTimes& step : rows.steps) us += step.times.back().time_us;
    return us;
}
}  // namespace

NodeFlows::NodeFlows(NodeCore& core)
    : core_(core), rows_(config_of(core.config_, core.links_), core.buffers_), choice_(core.config_.partition) {}

bool NodeFlows::receive(const ev::Received& e) {
    EffectSink& sink = *core_.sink_;
    if (const auto* rows = std::get_if<msg::Rows>(&e.message)) {
        sink.send(e.peer,
                  msg::RowsAck{rows->seq, e.bytes, e.first_byte.time_since_epoch(), e.last_byte.time_since_epoch()},
                  {});
        if (!rows_.on(e.peer, *rows, e.tensors, core_.now_, sink)) ++core_.counters_.protocol_errors;
        return true;
    }
    bool mine = true;
    if (const auto* prepare = std::get_if<msg::PlanPrepare>(&e.message))
        rows_.on(e.peer, *prepare, core_.now_, sink);
    else if (const auto* answer = std::get_if<msg::PlanAnswer>(&e.message))
        rows_.on(e.peer, *answer, core_.now_, sink);
    else if (const auto* retire = std::get_if<msg::PlanRetire>(&e.message))
        rows_.on(e.peer, *retire, sink);
    else if (const auto* cancel = std::get_if<msg::RowsCancel>(&e.message))
        rows_.on(e.peer, *cancel, sink);
    else if (const auto* ack = std::get_if<msg::RowsAck>(&e.message))
        core_.links_.at(e.peer).on_rows_ack(*ack);
    else
        mine = false;
    if (mine) core_.buffers_.release(e.tensors, sink);
    return mine;
}

void NodeFlows::handle(const ev::Compiled& e) { rows_.compiled(e, core_.now_, *core_.sink_); }

void NodeFlows::handle(const ev::PlanMade& e) {
    if (!e.failure.empty()) core_.sink_->log(LogLevel::warning, "no plan over rows: " + e.failure);
    auto plan = choice_.made(e, rows_.current() != nullptr);
    if (!plan || core_.stopping_) return;
    core_.sink_->log(LogLevel::info, choice_.in_words());
    rows_.propose(std::move(*plan), core_.now_, *core_.sink_);
}

bool NodeFlows::handle(const ev::Computed& e) {
    if (!rows_.has_job(e.job)) return false;
    core_.buffers_.adopt(e.outputs);
    core_.counters_.busy += e.busy;
    const auto ended = rows_.computed(e, core_.now_, *core_.sink_);
    if (!ended) return true;
    const FrameRecord* record = core_.ledger_.find(ended->frame);
    EDDY_ASSERT(record != nullptr);  // whoever settles a frame forgets it here
    if (record->deadline < core_.now_) {
        core_.settle(ended->frame, FrameState::dropped, "deadline");
        return true;
    }
    Outcome outcome;
    outcome.parts = ended->so_far;
    outcome.local = ended->alone;
    outcome.hops = ended->alone ? 0 : 1;
    outcome.inference = *e.inference;
    core_.complete(ended->frame, std::move(outcome));
    return true;
}

void NodeFlows::tick() {
    rows_.tick(core_.now_, *core_.sink_);
    if (core_.streams_.empty() || core_.config_.partition == PartitionKind::chain) return;
    if (core_.stopping_ || core_.now_ - considered_ < consider_every) return;
    considered_ = core_.now_;
    const RowFacts now = facts();
    if (!rows_.preparing() && rows_.may_propose())
        if (const auto request = choice_.consider(now, rows_.current(), rows_.failures(), core_.now_))
            core_.sink_->make_plan(*request);
    by_rows_ = choice_.by_rows(now, core_.now_);
}

void NodeFlows::lost(const NodeId& peer) { rows_.lost(peer, core_.now_, *core_.sink_); }

void NodeFlows::forget(const FrameId& frame) { rows_.forget(frame, *core_.sink_); }

void NodeFlows::overdue(const FrameId& frame) {
    core_.sink_->log(LogLevel::warning, "frame " + std::to_string(frame.k) + " by rows takes too long: its plan ends");
    rows_.break_plan_of(frame, *core_.sink_);
}

void NodeFlows::stop() {
    rows_.stop(*core_.sink_);
    settle();
}

void NodeFlows::settle() {
    for (const FrameId& frame : rows_.take_broken()) core_.retry(frame, "its plan over rows came to an end");
    for (RowsOut& out : rows_.take_outbox()) {
        const auto link = core_.links_.find(out.to);
        if (link != core_.links_.end()) {
            if (auto* rows = std::get_if<msg::Rows>(&out.message)) {
                uint64_t bytes = 0;
                for (const TensorRef& tensor : out.tensors) bytes += tensor.bytes;
                rows->seq = link->second.send_rows(bytes);
            }
            core_.sink_->send(out.to, out.message, out.tensors);
        }
        core_.buffers_.release(out.tensors, *core_.sink_);
    }
}

void NodeFlows::begin(const FrameId& frame) {
    const FrameRecord& record = *core_.ledger_.find(frame);
    const bool first = record.attempts == 1;
    const Usec waited = first ? std::max(Usec{0}, core_.now_ - record.captured_at) : Usec{0};
    rows_.begin(frame, record.attempts, record.raw, {waited, Usec{0}}, core_.now_);
    first_stream_ = uint32_t{frame.source.stream.value} + 1;
}

bool NodeFlows::lane_free() const { return core_.lanes_.size() + rows_.jobs() < core_.config_.lanes; }

bool NodeFlows::rather(const std::optional<scheduler::Run>& run) const {
    const double weight = rows_.weight();
    return weight > 0 && (!run || weight >= run->score);
}

bool NodeFlows::start_job() {
    const auto job = rows_.take(JobId{core_.next_job_}, core_.now_);
    if (!job) return false;
    ++core_.next_job_;
    ++core_.counters_.jobs;
    core_.sink_->compute(*job);
    return true;
}

double NodeFlows::bandwidth(const NodeId& from, const NodeId& to) const {
    double bytes_per_s = 0;
    if (from == core_.config_.self.id) {
        if (const Link* link = core_.link(to)) bytes_per_s = link->estimator().bytes_per_s();
    } else if (const Link* link = core_.link(from)) {
        for (const msg::LinkSpeed& told : link->state().links)
            if (told.to == to) bytes_per_s = told.bytes_per_s;
    }
    return bytes_per_s;
}

RowFacts NodeFlows::facts() const {
    RowFacts facts;
    const CoreConfig& config = core_.config_;
    if (!config.graph || !config.rows || !core_.runs_all()) return facts;
    const double profiled = config.profile.gamma_s_per_parameter();
    const auto add = [&](const NodeId& node, uint64_t memory_bytes) {
        const double gamma = core_.gamma_s_per_parameter(node);
        if (gamma > 0 && profiled > 0)
            facts.devices.push_back({node, profiled / gamma, memory_bytes > 0 ? memory_bytes : UINT64_MAX});
    };
    add(config.self.id, config.memory_bytes);
    for (const auto& [peer, link] : core_.links_)
        if (core_.ring_.is_member(peer) && link.state_fresh(core_.now_) && !rows_.unwilling(peer, core_.now_) &&
            link.state().chain_hash == config.profile.chain_hash && facts.devices.size() < plan_devices_max)
            add(peer, link.state().memory_bytes);
    double speeds = 0;
    for (const auto& from : facts.devices) {
        speeds += from.speed;
        for (const auto& to : facts.devices) {
            const Usec round_trip = from.node == config.self.id ? core_.ring_.round_trip(to.node) : Usec{0};
            facts.links.push_back({bandwidth(from.node, to.node), std::max(round_trip / 2, untried_delay)});
        }
    }
    for (uint16_t i = 0; i < core_.streams_.size(); ++i) {
        facts.offered_per_s += core_.streams_[i].offered.per_s(core_.now_);
        facts.held_back |= core_.now_ - core_.streams_[i].held < held_lately;
    }
    double fastest = 0;
    for (const PlanRequest::Link& link : facts.links) fastest = std::max(fastest, link.bytes_per_s);
    const double untried = fastest > 0 ? std::min(fastest, untried_bytes_per_s) : untried_bytes_per_s;
    for (PlanRequest::Link& link : facts.links)
        if (link.bytes_per_s <= 0) link.bytes_per_s = untried;
    facts.chain_per_s = speeds * 1e6 / model_us(*config.rows);
    return facts;
}

}  // namespace eddy::node
