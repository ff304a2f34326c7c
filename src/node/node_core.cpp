// NodeCore: construction, events, invariants.
#include "src/node/node_core.hpp"

#include <algorithm>
#include <utility>

namespace eddy::node {

namespace {
ring::RingConfig ring_config(const CoreConfig& config) {
    ring::RingConfig ring;
    ring.self = config.self;
    ring.seeds = config.seeds;
    return ring;
}
constexpr Usec frames_every = from_ms(50);

LayerRange within(LayerRange layers, uint16_t chain) {
    const uint16_t last = std::min(layers.last, chain);
    return {std::min(layers.first, last), last};
}
}  // namespace

NodeCore::NodeCore(CoreConfig config, uint64_t seed)
    : config_(std::move(config)),
      policy_(scheduler::make_policy(config_.policy)),
      costs_(config_.profile),
      layers_(within(config_.layers, costs_.layers())),
      ring_(ring_config(config_), seed),
      ledger_(config_.self.id, config_.self.incarnation, config_.streams),
      clock_(config_.profile, config_.time_scale),
      streams_(config_.streams.size()),
      queues_(policy_->uses_cuts() ? with_own_cuts({0}).size() : 2,
              [this](const Item& item) { return facts_of(item); }),
      cuts_(policy_->uses_cuts() ? with_own_cuts({0}) : std::vector<uint16_t>{0}),
      custody_(config_.self.incarnation, config_.custody_bytes) {
    EDDY_ASSERT(config_.lanes > 0 && config_.queue_frames > 0 && config_.attempts_max > 0);
    EDDY_ASSERT(config_.streams.size() < sources_max);
    EDDY_ASSERT(config_.streams.empty() || costs_.layers() > 0);
    queues_.board().queue_frames = config_.queue_frames;
    if (costs_.layers() > 0) work_bytes_ = costs_.frontier_bytes(0);
    for (uint16_t i = 0; i < streams_.size(); ++i) {
        auto& row = queues_.board().rows[queues_.open({config_.self.id, StreamId{i}})];
        row.own = true;
        row.whole = runs_all();
        row.priority = config_.streams[i].priority;
    }
    refresh_costs();
}

void NodeCore::start(Instant now, EffectSink& sink) {
    sink_ = &sink;
    for (uint16_t i = 0; i < streams_.size(); ++i)
        ledger_.recover(StreamId{i}, std::exchange(config_.streams[i].unfinished, {}), now, sink);
    const bool all_here = config_.policy == PolicyKind::local;
    if (!streams_.empty() && !runs_all() && (all_here || policy_->uses_workers()))
        sink.log(LogLevel::warning, std::string("policy ") + policy_->name() +
                                        " runs whole frames, and this node has no memory for all layers: " +
                                        (all_here ? "its own frames will fail" : "its own frames need another node"));
    ring_.start(now, sink);
    arm_ring();
    sink_ = nullptr;
    sink.arm(TimerId::frames, now + frames_every);
    sink.arm(TimerId::state, now);
}

void NodeCore::on(const Event& event, Instant now, EffectSink& sink) {
    const bool late = now - now_ > frames_every + Progress::held_up_least;  // frames_every: there is always a timer
    now_ = now;
    sink_ = &sink;
    if (late) stood_still();
    std::visit(
        [&](const auto& e) {
            if constexpr (requires { handle(e); })
                handle(e);
            else if constexpr (requires { flows_.handle(e); })
                flows_.handle(e);
            // Drained: pump() looks at the links anyway.
        },
        event);
    if (ring_.epoch() != ring_epoch_) members_changed();
    flows_.settle();
    choose_way();
    pump();
    grant_credits();
    send_states();
    update_stop();
    arm_ring();
    sink_ = nullptr;
}

void NodeCore::arm_ring() {
    if (ring_.next_wakeup() == ring_armed_) return;
    ring_armed_ = ring_.next_wakeup();
    sink_->arm(TimerId::ring, ring_armed_);
}

/// What a member had taken over is lost with it, unless it said goodbye and finished its work. A member that came back
/// in a later life has lost it as well.
void NodeCore::members_changed() {
    ring_epoch_ = ring_.epoch();
    state_dirty_ = view_dirty_ = true;  // another successor has other credits
    std::map<NodeId, Incarnation> members;
    for (const auto& member : ring_.members()) members[member.id] = member.incarnation;
    members.swap(members_);
    const auto died = ring_.take_lost();
    bool lost = false;
    for (const auto& [id, incarnation] : members) {
        const auto now_there = members_.find(id);
        if (now_there != members_.end() && now_there->second == incarnation) continue;
        const bool restarted = now_there != members_.end();
        const bool left = !restarted && ring_.has_left(id);
        const auto link = links_.find(id);
        flows_.lost(id);
        // Who is out of view, or left and finishes what it has, goes on working while its connection stands.
        if (link != links_.end() && !restarted && (left || died.count(id) == 0)) continue;
        if (link != links_.end()) take_back(link->second);
        releases_.forget(id);
        recall(id);
        lost |= restarted || died.count(id) != 0;
    }
    if (lost) suspect_all_away();
    queues_.look_again();  // where a way ends depends on who is there
    refresh_costs();
}

void NodeCore::take_back(Link& link) {
    auto items = link.take_unacknowledged();
    for (auto item = items.rbegin(); item != items.rend(); ++item) requeue(std::move(*item));
}

/// What this node had accepted before `than` goes on from here, the oldest first.
void NodeCore::recall(const NodeId& holder, Instant than) {
    auto items = custody_.take(holder, than);
    for (auto item = items.rbegin(); item != items.rend(); ++item) {
        if (queues_.full() && !queues_.find(item->frame.source)) {
            let_go(*item);
            continue;
        }
        ++counters_.custody_returned;
        requeue(std::move(*item));
    }
}

/// The receiver answers for it from now on; whoever keeps it for this node need not, for this node keeps it.
void NodeCore::hand_over(const NodeId& to, Item item) {
    release(item.frame, std::exchange(item.keeper, {}));
    if (dead(item)) item.custody = 0;
    const uint64_t number = item.custody;
    for (const auto& other : custody_.keep(to, std::move(item), now_)) {
        counters_.custody_evicted += number != 0 ? 1 : 0;
        buffers_.release(other.tensors, *sink_);
    }
}

/// Whoever keeps the frame for this node need not any more.
void NodeCore::release(const FrameId& frame, const scheduler::Keeper& keeper) {
    releases_.owe(keeper);
    auto* taken = keeper.number == 0 ? nullptr : taken_.find(frame);
    if (taken != nullptr && taken->again.node == keeper.node) releases_.owe(std::exchange(taken->again, {}));
}

void NodeCore::let_go(const Item& item) {
    ++counters_.custody_evicted;
    buffers_.release(item.tensors, *sink_);
}

void NodeCore::handle(const ev::Captured& e) {
    EDDY_ASSERT(e.stream.value < streams_.size());
    buffers_.adopt(e.frame);
    Stream& stream = streams_[e.stream.value];
    const StreamConfig& config = config_.streams[e.stream.value];
    if (e.missed > 0) ledger_.miss(e.stream, e.missed, "capture_queue_full", now_, *sink_);
    FrameRecord record;
    record.captured_at = e.captured_at;
    record.raw = e.frame;
    if (config.deadline != Usec::max()) record.deadline = e.captured_at + config.deadline;
    if (!ledger_.capture(e.stream, e.k, record, *sink_)) {
        sink_->log(LogLevel::error,
                   "source " + config.name + ": frame " + std::to_string(e.k) + " came out of order and is ignored");
        buffers_.release(e.frame, *sink_);
        sink_->allow_capture({e.stream, 1});
        return;
    }
    if (stopping_) {
        sink_->allow_capture({e.stream, 1});
        return settle(ledger_.id(e.stream, e.k), FrameState::dropped, "stopping");
    }
    stream.offered.count(now_, 1.0 + static_cast<double>(e.missed));
    stream.reservoir.push_back(e.k);
    if (stream.reservoir.size() <= config.reservoir_frames) return;
    const bool newest = config.when_full == WhenFull::drop_newest;
    const uint64_t victim = newest ? stream.reservoir.back() : stream.reservoir.front();
    settle(ledger_.id(e.stream, victim), FrameState::dropped, "reservoir_full");
}

void NodeCore::handle(const ev::SourceEnded& e) {
    EDDY_ASSERT(e.stream.value < streams_.size());
    if (e.missed > 0) ledger_.miss(e.stream, e.missed, "capture_queue_full", now_, *sink_);
    streams_[e.stream.value].ended = true;
    sink_->log(e.reason.empty() ? LogLevel::info : LogLevel::warning,
               "source " + config_.streams[e.stream.value].name + " ended" + (e.reason.empty() ? "" : ": " + e.reason));
}

void NodeCore::handle(const ev::PeerUp& e) {
    if (e.peer.id == config_.self.id) return;
    link_lost(e.peer.id);
    links_.emplace(e.peer.id, Link(e.connection));
    ring_.on_peer_up(e.peer, now_, *sink_, e.dialled ? &*e.dialled : nullptr);
    state_dirty_ = view_dirty_ = true;
    for (const auto& [frame, result] : unacknowledged_results_)
        if (frame.source.node == e.peer.id) sink_->send(e.peer.id, result.result, {});
}

void NodeCore::handle(const ev::PeerDown& e) {
    const auto it = links_.find(e.peer);
    if (it != links_.end() && it->second.connection() != e.connection) return;  // an older life of the peering
    link_lost(e.peer);
    ring_.on_peer_down(e.peer, e.reason, now_, *sink_);
}

void NodeCore::handle(const ev::DialFailed& e) { ring_.on_dial_failed(e.endpoint, e.somebody_there, now_, *sink_); }

/// What it has no receipt for is queued again here. Whether the node itself is lost, and what it had taken over with
/// it, the ring decides; but it does not watch one that is no member.
void NodeCore::link_lost(const NodeId& peer) {
    const auto it = links_.find(peer);
    if (it == links_.end()) return;
    Link link = std::move(it->second);
    links_.erase(it);
    view_dirty_ = true;
    flows_.lost(peer);
    take_back(link);
    if (!ring_.is_member(peer)) {
        releases_.forget(peer);
        recall(peer);
    }
}

void NodeCore::handle(const ev::Received& e) {
    const auto it = links_.find(e.peer);
    if (it == links_.end() || it->second.connection() != e.connection) {
        buffers_.adopt(e.tensors);
        buffers_.release(e.tensors, *sink_);
        return;
    }
    ring_.on_life(e.peer, now_);
    buffers_.adopt(e.tensors);
    if (ring_.on_message(e.peer, e.message, now_, *sink_)) return buffers_.release(e.tensors, *sink_);
    if (flows_.receive(e)) return;
    std::visit(
        [&](const auto& message) {
            if constexpr (requires { receive(e, message); }) receive(e, message);
        },
        e.message);
}

void NodeCore::handle(const ev::Progress& e) { ring_.on_life(e.peer, now_); }

void NodeCore::handle(const ev::Computed& e) {
    if (flows_.handle(e)) return;
    const auto it = lanes_.find(e.job);
    EDDY_ASSERT(it != lanes_.end());
    Running running = std::move(it->second);
    lanes_.erase(it);
    buffers_.adopt(e.outputs);
    counters_.busy += e.busy;
    Item& item = running.item;
    item.so_far.computing += e.busy;
    buffers_.release(item.tensors, *sink_);
    item.tensors.clear();
    if (!e.failure.empty()) {
        sink_->log(LogLevel::error, "frame " + std::to_string(item.frame.k) + " of " +
                                        short_name(item.frame.source.node) + ": layers " +
                                        std::to_string(running.units.first) + " to " +
                                        std::to_string(running.units.last) + " failed: " + e.failure);
        buffers_.release(e.outputs, *sink_);
        return give_up(item, "compute_failed", false);
    }
    last_stretch_ = stretch_of(running);
    clock_.on_run(static_cast<uint16_t>(running.units.first), static_cast<uint16_t>(running.units.last), e.busy,
                  e.layer_times);
    if (running.units.last == costs_.layers()) {
        EDDY_ASSERT(e.inference.has_value());
        buffers_.release(e.outputs, *sink_);
        return finish(item, *e.inference);
    }
    item.layer = static_cast<uint16_t>(running.units.last);
    item.tensors = e.outputs;
    item.since = now_;
    const size_t row = open_row(item.frame.source);
    const size_t queue = policy_->uses_cuts() ? queue_of(item) : scheduler::queue_outbox;
    queues_.push_back(row, queue, std::move(item), now_);
    state_dirty_ = true;
}

void NodeCore::handle(const ev::Prepared&) {
    if (next_cuts_.empty()) return;
    cuts_ = std::exchange(next_cuts_, {});
    refresh_costs();
    queues_.regroup(cuts_.size(), [this](const Item& item) { return queue_of(item); });
    view_dirty_ = state_dirty_ = true;
}

void NodeCore::handle(const ev::Timer& e) {
    switch (e.timer) {
        case TimerId::ring:
            ring_armed_ = never;
            ring_.tick(now_, *sink_);
            break;
        case TimerId::frames:
            check_deadlines();
            discard_dead_heads();
            releases_due_ = true;
            for (const auto& item : custody_.take_older(now_ - config_.frame_timeout)) let_go(item);
            queues_.mark_starving(now_, policy_->uses_cuts());
            close_idle_rows();
            watch_neighbours();
            watch_lanes();
            refresh_costs();
            refresh_pressure();
            refresh_held_back(frames_every);
            // The price of an idle lane falls with time, which its predecessor must hear of to send it something.
            state_dirty_ |= flows_.lane_free() && queues_.board().price_here[0] > 0;
            choose_cuts();
            flows_.tick();
            view_dirty_ = true;  // a report may have grown too old
            sink_->arm(TimerId::frames, now_ + frames_every);
            break;
        case TimerId::link: link_armed_ = never; break;
        case TimerId::state:
        case TimerId::stop: break;  // send_states() and update_stop() follow every event
    }
}

void NodeCore::handle(const ev::Stop& e) {
    if (stopping_) {
        stop_deadline_ = std::min(stop_deadline_, e.deadline);
        return;
    }
    stopping_ = true;
    stop_deadline_ = e.deadline;
    sink_->arm(TimerId::stop, e.deadline);
    for (uint16_t i = 0; i < streams_.size(); ++i) {
        const auto waiting = streams_[i].reservoir;  // a copy: settling takes them out
        for (const uint64_t k : waiting) settle(ledger_.id(StreamId{i}, k), FrameState::dropped, "stopping");
    }
}

double NodeCore::gamma_s_per_parameter(const NodeId& member) const {
    if (member == config_.self.id && flows_.rows().pace())
        return config_.profile.gamma_s_per_parameter() * *flows_.rows().pace();
    if (member == config_.self.id) return config_.profile.gamma_s_per_parameter() * clock_.scale() * stretch_;
    const auto it = links_.find(member);
    return it == links_.end() ? 0 : it->second.state().gamma_s_per_parameter;
}

const Link* NodeCore::link(const NodeId& peer) const {
    const auto it = links_.find(peer);
    return it == links_.end() ? nullptr : &it->second;
}

std::vector<QueueLengths> NodeCore::queue_lengths() const {
    std::vector<QueueLengths> lengths;
    const bool outbox = !policy_->uses_cuts();
    for (size_t i = 0; i < queues_.board().rows.size(); ++i) {
        const auto& row = queues_.board().rows[i];
        QueueLengths length;
        length.source = row.source;
        if (row.own) length.reservoir = static_cast<uint32_t>(streams_[row.source.stream.value].reservoir.size());
        length.local = row.here[scheduler::queue_local];
        length.outbox = outbox ? row.here[scheduler::queue_outbox] : 0;
        length.distributed = queues_.frames(i) - length.local - length.outbox;
        // Each neighbour may send credit_initial unasked; own frames come from here as well, and from lanes.
        length.distributed_max = taken_frames_max() + static_cast<uint32_t>(credit_initial * links_.size()) +
                                 (row.own ? config_.queue_frames + config_.lanes : 0);
        lengths.push_back(length);
    }
    return lengths;
}

void NodeCore::check_invariants() const {
    ring_.check_invariants();
    ledger_.check_invariants();
    EDDY_ASSERT(lanes_.size() + flows_.rows().jobs() <= config_.lanes);
    queues_.check_invariants();
    uint64_t held = ledger_.open_frames();
    queues_.each([&](size_t row, size_t queue, const Item& item) {
        const auto& r = queues_.board().rows[row];
        EDDY_ASSERT(r.own == (item.frame.source.node == config_.self.id));
        EDDY_ASSERT(queue != scheduler::queue_local || (r.own && r.here[queue] <= config_.queue_frames));
        EDDY_ASSERT(policy_->uses_cuts() == false || queue == queue_of(item));
        held += item.tensors.size();
    });
    for (const auto& [job, running] : lanes_) {
        EDDY_ASSERT(running.units.first >= layers_.first && running.units.last <= layers_.last);
        held += running.item.tensors.size();
    }
    for (const auto& [peer, link] : links_)
        for (const auto& [seq, item] : link.unacknowledged()) held += item.tensors.size();
    flows_.check_invariants();
    held += flows_.rows().held_tensors();
    custody_.check_invariants();
    custody_.each([&](const NodeId&, const Item& item) { held += item.tensors.size(); });
    EDDY_ASSERT(held == buffers_.holders());  // no buffer leaks, none is released while needed
    for (uint16_t i = 0; i < streams_.size(); ++i) {
        EDDY_ASSERT(streams_[i].reservoir.size() <= config_.streams[i].reservoir_frames);
        for (const uint64_t k : streams_[i].reservoir) EDDY_ASSERT(ledger_.open(StreamId{i}).count(k) == 1);
    }
}

}  // namespace eddy::node
