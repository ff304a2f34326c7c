// NodeCore: what peers say. Everything here is hostile until checked.
#include <algorithm>

#include "src/node/node_core.hpp"

namespace eddy::node {

namespace {
constexpr double state_every_part = 1;           // on change, at most once while a frame is computed …
constexpr Usec state_every_least = from_ms(10);  // … and at most 100/s,
constexpr Usec state_every_most = from_ms(100);  // but not so rarely that a lane runs dry
constexpr Usec state_every_max = from_ms(400);   // unasked, well before a view expires
Usec clamp(Usec d) { return std::clamp(d, Usec{0}, std::chrono::duration_cast<Usec>(std::chrono::hours(24))); }
}  // namespace

std::optional<std::string> NodeCore::objection(const ev::Received& e, const msg::Work& work) const {
    if (e.tensors.empty() || e.tensors.size() > frontier_tensors_max) return "no tensors, or too many";
    if (work.hops == 0 || work.hops > 2 * members_max) return "an impossible number of hops";
    if (work.chain_hash == config_.profile.chain_hash && costs_.layers() > 0) {
        if (work.layer >= costs_.layers()) return "a layer the model does not have";
        uint64_t bytes = 0;
        for (const auto& tensor : e.tensors) bytes += tensor.bytes;
        if (bytes != costs_.frontier_bytes(work.layer)) return "a frontier of the wrong size";
    }
    return std::nullopt;
}

bool NodeCore::stale(const msg::Work& work) {
    if (ledger_.mine(work.frame)) {
        const auto* record = ledger_.find(work.frame);
        if (record == nullptr || work.attempt < record->attempts) return true;
    } else if (work.frame.source.node == config_.self.id) {
        return true;  // of an earlier life of this node
    }
    return !taken_.take(work, [&](bool may_be_back) { return frames_here(!may_be_back).count(work.frame) != 0; });
}

void NodeCore::receive(const ev::Received& e, const msg::Work& work) {
    Link& link = links_.at(e.peer);
    if (!link.accepts(work)) {
        ++counters_.protocol_errors;
        buffers_.release(e.tensors, *sink_);
        return sink_->disconnect(e.peer, "it sent work out of sequence or beyond its credit");
    }
    link.on_work(work);
    link.fed(now_);
    ++counters_.work_received;
    state_dirty_ = true;
    msg::Ack ack{work.seq, e.bytes, e.first_byte.time_since_epoch(), e.last_byte.time_since_epoch(), true, {}};
    const auto why_not = objection(e, work);
    const bool room = queues_.find(work.frame.source).has_value() || !queues_.full();
    if (why_not || !room || left_) {
        if (why_not) {
            ++counters_.protocol_errors;
            sink_->log(LogLevel::warning, "work from " + short_name(e.peer) + " refused: " + *why_not);
        }
        ack.accepted = false;
        buffers_.release(e.tensors, *sink_);
        return link.owe(ack);
    }
    if (stale(work)) {
        ++counters_.work_stale;
        // A keeper that had lost sight of this node took the frame back, and keeps it for this node anew now.
        scheduler::Keeper let_go_of{e.peer, work.custody};
        auto* taken = taken_.find(work.frame);
        if (taken != nullptr && kept_by(e.peer, work.frame)) std::swap(taken->again, let_go_of);
        releases_.owe(let_go_of);
        buffers_.release(e.tensors, *sink_);
        return link.owe(ack);
    }
    Item item;
    item.frame = work.frame;
    item.attempt = work.attempt;
    item.layer = work.layer;
    item.hops = work.hops;
    item.plan = work.plan;
    item.epoch = work.epoch;
    item.chain_hash = work.chain_hash;
    item.tensors = e.tensors;
    item.so_far = {clamp(work.so_far.waiting), clamp(work.so_far.computing)};
    item.since = e.last_byte;
    work_bytes_ = std::max(work_bytes_, e.bytes);
    item.keeper = {e.peer, work.custody};
    if (work.deadline_left != Usec::max()) item.deadline = now_ + clamp(work.deadline_left);
    const size_t row = open_row(work.frame.source);
    if (!queues_.board().rows[row].own) queues_.board().rows[row].priority = work.priority;
    const size_t queue = queue_of(item);
    queues_.push_back(row, queue, std::move(item), now_);
    link.owe(ack);
}

void NodeCore::receive(const ev::Received& e, const msg::Ack& ack) {
    buffers_.release(e.tensors, *sink_);
    Link& link = links_.at(e.peer);
    const auto pace = link.progress().pace();
    const Usec span = std::max(Usec{0}, ack.last_byte - ack.first_byte);
    if (!policy_->uses_workers()) link.progress().on_receipt(ack.seq, span, now_);
    auto receipt = link.on_ack(ack);
    for (const auto& credit : ack.credits)
        if (const auto row = queues_.find(credit.source); row && way_ && next_for(credit.source.node) == e.peer)
            queues_.board().rows[*row].credit = link.has_credit(credit.source);
    for (auto& item : receipt.accepted) hand_over(e.peer, std::move(item));
    for (const uint64_t number : ack.released) {
        link.progress().on_released(now_ - custody_.since(e.peer, number).value_or(now_), now_);
        if (const auto item = custody_.release(e.peer, number)) buffers_.release(item->tensors, *sink_);
    }
    turned(e.peer, link, pace);
    if (!receipt.refused) return;
    ++counters_.work_refused;
    Item item = std::move(*receipt.refused);
    if (++item.refusals >= 8) {
        const Item lost = item;
        give_up(lost, "refused", false);
        return buffers_.release(lost.tensors, *sink_);
    }
    requeue(std::move(item));
}

void NodeCore::receive(const ev::Received& e, const msg::NodeState& state) {
    buffers_.release(e.tensors, *sink_);
    Link& link = links_.at(e.peer);
    const bool first = !link.state_known();
    const bool other = first || link.state().layers != state.layers || link.state().chain_hash != state.chain_hash;
    if (!link.on_state(state, now_)) return;
    if (other) queues_.look_again();  // what others can run decides how far frames may go from here
    if (&link != next_link()) return;
    view_dirty_ = true;
    if (first) refresh_costs();
}

void NodeCore::receive(const ev::Received& e, const msg::Result& result) {
    buffers_.release(e.tensors, *sink_);
    if (result.frame.source.node != config_.self.id) {
        ++counters_.protocol_errors;
        return;
    }
    sink_->send(e.peer, msg::ResultAck{result.frame}, {});
    FrameRecord* record = ledger_.find(result.frame);
    if (record == nullptr || record->attempts == 0) {
        if (ledger_.mine(result.frame)) ++ledger_.counts(result.frame.source.stream).late_results;
        return;
    }
    if (result.expired || record->deadline < now_) return settle(result.frame, FrameState::dropped, "deadline");
    if (!result.failure.empty()) {
        if (result.attempt == record->attempts) retry(result.frame, result.failure);
        return;
    }
    Outcome outcome;
    outcome.parts = result.so_far;
    outcome.hops = result.hops;
    outcome.inference = result.inference;
    complete(result.frame, std::move(outcome));
}

void NodeCore::receive(const ev::Received& e, const msg::ResultAck& ack) {
    buffers_.release(e.tensors, *sink_);
    const auto finished = unacknowledged_results_.find(ack.frame);
    if (ack.frame.source.node != e.peer || finished == unacknowledged_results_.end()) return;
    release(ack.frame, finished->second.keeper);
    unacknowledged_results_.erase(finished);
}

/// What neighbours may make this node hold of a source. Its queues at several cuts may each be full; which of them
/// fills, the neighbour cannot know.
uint32_t NodeCore::taken_frames_max() const {
    return config_.queue_frames * (policy_->uses_cuts() ? static_cast<uint32_t>(scheduler::cuts_default) : 1);
}

/// Frames of a source in queues here that took a credit: of an own one, those that came home to be finished. What is
/// on its way out must not keep them out, for it may be waiting for their room elsewhere.
uint64_t NodeCore::came_here(size_t row) const {
    const auto& r = queues_.board().rows[row];
    if (!r.own || policy_->uses_workers()) return queues_.frames(row) - r.here[scheduler::queue_local];
    uint64_t home = 0;
    for (size_t queue = 0; queue < queues_.board().queues; ++queue)
        for (const auto& item : queues_.queue(row, queue)) home += item.hops > 0 ? 1 : 0;
    return home;
}

bool NodeCore::roomy(uint64_t more_bytes) const {
    return buffers_.bytes() + more_bytes <= config_.queue_bytes + config_.custody_bytes;
}

// A source's free slots are granted to whoever feeds it now, the predecessor first, then who routes around it (half as
// much at a time); what is granted is taken, so that the queue's bound holds whatever the neighbour does with it. Who
// sent nothing lately keeps what it was given, at most credit_window, and it does not count if others go around it: a
// former predecessor, or one that stands still, would otherwise hold them back for ever.
void NodeCore::grant_credits() {
    const uint64_t source_frames = taken_frames_max();
    // Who is to stop and waits for no frame of its own takes no more of others'; until then it passes them on.
    const bool grants = !left_ && !(stopping_ && ledger_.open_frames() == 0);
    uint64_t granted = 0;  // and not come yet, of all sources
    for (const auto& [peer, link] : links_) granted += link.outstanding();
    for (size_t row = 0; grants && row < queues_.board().rows.size(); ++row) {
        const SourceId source = queues_.board().rows[row].source;
        std::vector<std::pair<Link*, uint64_t>> feeders;  // and what each may have
        uint64_t taken = came_here(row);
        const bool anyone = policy_->uses_workers();
        const bool gone_around = std::any_of(links_.begin(), links_.end(), [&](const auto& entry) {
            return ring_.predecessor() != entry.first && entry.second.feeds(source) && entry.second.fed_lately(now_);
        });
        for (auto& [peer, link] : links_) {
            if (!link.feeds(source)) continue;
            const bool before = ring_.predecessor() == peer;
            if (!before && !anyone && !link.fed_lately(now_)) continue;
            if (anyone || !gone_around || link.fed_lately(now_)) taken += link.outstanding(source);
            feeders.emplace(before && !anyone ? feeders.begin() : feeders.end(), &link,
                            before || anyone ? credit_window : credit_window / 2);
        }
        if (feeders.empty()) continue;
        for (const auto& [job, running] : lanes_)  // what has layers left comes back to a queue
            if (running.item.frame.source == source && running.units.last < costs_.layers()) ++taken;
        for (const auto& [link, most] : feeders)
            for (; taken < source_frames && link->outstanding(source) < most; ++taken) {
                if (taken > 0 && !roomy((granted + 1) * work_bytes_)) break;
                link->grant(source, 1);
                ++granted;
            }
    }
    // What need not be kept goes with a receipt, and does not wait long for one.
    const bool at_once = releases_due_ || stopping_;
    releases_due_ = false;
    for (auto& [peer, link] : links_) {
        auto ack = link.take_ack(at_once ? releases_.any(peer) : releases_.full(peer));
        if (!ack) continue;
        ack->released = releases_.take(peer);
        sink_->send(peer, *ack, {});
    }
}

msg::NodeState NodeCore::state_for(const Link& link) {
    msg::NodeState state;
    state.sequence = ++state_sequence_;
    state.as_of_seq = link.received_seq();
    state.gamma_s_per_parameter = costs_.layers() > 0 && runs_all() ? gamma_s_per_parameter(config_.self.id) : 0;
    state.memory_bytes = config_.memory_bytes;
    state.chain_hash = config_.profile.chain_hash;
    state.pressure = own_pressure();
    state.layers = layers_;
    state.remaining = remaining();
    for (const auto& [peer, other] : links_)
        if (const double bytes_per_s = other.estimator().bytes_per_s();
            config_.partition != PartitionKind::chain && bytes_per_s > 0 && state.links.size() < links_told_max)
            state.links.push_back({peer, static_cast<float>(bytes_per_s)});
    const auto& rows = queues_.board().rows;
    for (size_t row = 0; row < rows.size(); ++row) {
        std::map<uint16_t, uint32_t> by_layer;
        for (size_t queue = 0; queue < (policy_->uses_cuts() ? cuts_.size() : 1); ++queue)
            for (const auto& item : queues_.queue(row, queue)) ++by_layer[item.layer];
        for (const auto& [layer, frames] : by_layer)
            if (state.backlog.size() < 4 * sources_max) state.backlog.push_back({rows[row].source, layer, frames});
    }
    return state;
}

void NodeCore::send_states() {
    const Usec age = now_ - states_sent_;
    const double part_s = state_every_part * clock_.seconds(0, costs_.layers());
    const Usec state_every_min = std::clamp(from_seconds(part_s), state_every_least, state_every_most);
    if (age < state_every_min || (!state_dirty_ && age < state_every_max)) {
        sink_->arm(TimerId::state, states_sent_ + (state_dirty_ ? state_every_min : state_every_max));
        return;
    }
    states_sent_ = now_;
    state_dirty_ = false;
    const bool far = now_ - far_states_sent_ >= state_every_max;
    if (far) far_states_sent_ = now_;
    // Backlogs matter to those that send frames here; to the others speed and pressure do, which change slowly. In a
    // big ring there are connections that have nothing to do with frames.
    for (const auto& [peer, link] : links_) {
        const bool near = link.received_seq() > 0 || ring_.predecessor() == peer;
        if (near || (far && ring_.is_member(peer))) sink_->send(peer, state_for(link), {});
    }
    sink_->arm(TimerId::state, now_ + state_every_max);
}

}  // namespace eddy::node
