// Ring: what time brings: heartbeats, deadlines, calls, and the end of connections that nobody needs.
#include <algorithm>

#include "ring/ring.hpp"

namespace eddy::ring {

namespace {
std::string silence(const Heartbeat& heartbeat, Instant now) {
    return "no sign of life for " + std::to_string(static_cast<int64_t>(to_ms(now - heartbeat.heard()))) + " ms";
}
}  // namespace

void Ring::tick(Instant now, EffectSink& sink) {
    // If this process itself stood still, the others' silence means nothing: they get another chance.
    const Usec late = now - std::max(next_wakeup_, last_tick_);
    if (late > config_.silent_min / 2) {
        for (const auto& [id, entry] : contacts_) entry->heartbeat.forgive(now);
        const Instant anew = now + config_.request_timeout;
        if (successor_deadline_ != never) successor_deadline_ = std::max(successor_deadline_, anew);
        if (candidate_) candidate_->deadline = std::max(candidate_->deadline, anew);
        for (auto& [id, since] : reaching_) since = now;
        for (auto& [number, lookup] : lookups_) lookup.wait_again(now);
    }
    last_tick_ = now;
    next_wakeup_ = never;
    if (now >= next_heartbeats_) heartbeats_due(now, sink);
    deadlines_due(now, sink);
    dials_due(now, sink);
    if (now >= next_stabilise_) stabilise(now, sink);
    if (now >= next_finger_at_) find_next_finger(now, sink);
    if (now >= next_sweep_) {
        next_sweep_ = now + config_.stabilise_every;
        sweep_contacts(now, sink);
        sweep_memories(now);
    }
    if (push_due_ && now >= pushed_ + push_every) {
        push_due_ = false;
        pushed_ = now;
        if (predecessor_ && !leaving_ && contact(predecessor_->id) != nullptr)
            tell_neighbours(predecessor_->id, 0, sink);
    }
    if (push_due_) wake_at(pushed_ + push_every);
    for (const Instant at : {next_heartbeats_, next_stabilise_, next_finger_at_, next_sweep_}) wake_at(at);
    if (!leaving_) wake_at(dials_.next());
    next_wakeup_ = std::max(next_wakeup_, now + from_ms(1));
}

/// The two neighbours. The predecessor is heard through its own pings, and asked only when it falls silent.
void Ring::heartbeats_due(Instant now, EffectSink& sink) {
    next_heartbeats_ = now + config_.heartbeat_every;
    const auto beat = [&](const NodeId& id, Usec quiet) {
        Contact* peer = contact(id);
        if (peer == nullptr) return;
        Heartbeat& heartbeat = peer->heartbeat;
        if (now >= heartbeat.deadline(config_.silent_min, config_.silent_max))
            return gone(id, silence(heartbeat, now), now, sink);
        Instant due = std::max(heartbeat.pinged() + config_.heartbeat_every, heartbeat.heard() + quiet);
        if (now >= due) {
            sink.send(id, msg::Ping{heartbeat.ping(now)}, {});
            due = now + config_.heartbeat_every;
        }
        next_heartbeats_ =
            std::min({next_heartbeats_, due, heartbeat.deadline(config_.silent_min, config_.silent_max)});
    };
    // What it said on other matters a moment ago is as good as a pong.
    if (!alone()) beat(successors_.head().id, config_.heartbeat_every * 3 / 4);
    if (predecessor_ && predecessor() != successor()) beat(predecessor_->id, 2 * config_.heartbeat_every);
}

/// All others: whether they live is for their own neighbours to say; here a connection is found useless.
void Ring::sweep_contacts(Instant now, EffectSink& sink) {
    std::vector<NodeId> idle;
    std::vector<NodeId> silent;
    for (const auto& [id, entry] : contacts_) {
        Heartbeat& heartbeat = entry->heartbeat;
        if (now - std::max(entry->used, heartbeat.heard()) > config_.idle_close && !alone() && !needed(id))
            idle.push_back(id);
        else if (now >= heartbeat.deadline(config_.silent_max, config_.silent_max) && id != successor())
            silent.push_back(id);
        else if (now >= heartbeat.heard() + config_.silent_far)
            sink.send(id, msg::Ping{heartbeat.ping(now)}, {});
    }
    for (const auto& id : idle) {
        contacts_.erase(id);
        sink.disconnect(id, "no longer needed");
    }
    for (const auto& id : silent) {
        const std::string reason = silence(contact(id)->heartbeat, now);
        call_stranger_again(*contact(id), now);
        sink.disconnect(id, reason);
        on_peer_down(id, reason, now, sink);
    }
}

void Ring::deadlines_due(Instant now, EffectSink& sink) {
    if (candidate_ && now >= candidate_->deadline) give_up_candidate(now, sink);
    if (candidate_) wake_at(candidate_->deadline);
    while (!alone() && now >= successor_deadline_) gone(successors_.head().id, "it cannot be reached", now, sink);
    if (successor_deadline_ != never) wake_at(successor_deadline_);
    sweep_lookups(now, sink);
}

void Ring::dials_due(Instant now, EffectSink& sink) {
    if (leaving_) return;
    for (const auto& due : dials_.take_due(now, alone())) {
        const auto up = std::find_if(contacts_.begin(), contacts_.end(),
                                     [&](const auto& entry) { return entry.second->member.endpoint == due.endpoint; });
        if (up == contacts_.end()) {
            sink.connect(due.endpoint);
        } else if (!up->second->leaving) {
            // Of one that leaves only its next life counts, which is called once this connection has ended.
            dials_.on_reached(due.endpoint, alone(), now);
            const msg::Member peer = up->second->member;
            if (successors_.find(peer.id) == nullptr)
                join_through(peer, now, sink);
            else
                dials_.on_joined(due.endpoint);
        }
        if (due.complain)
            sink.log(LogLevel::warning, "ring: seed " + due.endpoint.host + ":" + std::to_string(due.endpoint.port) +
                                            " not reached after " + std::to_string(due.tries) + " tries; trying on");
    }
}

void Ring::sweep_memories(Instant now) {
    std::erase_if(dead_, [&](const auto& entry) { return now >= entry.second.until; });
    std::erase_if(left_, [&](const auto& entry) { return now >= entry.second.until; });
    std::erase_if(avoided_, [&](const auto& entry) { return now >= entry.second; });
    std::erase_if(introduced_, [&](const auto& entry) { return now - entry.second.at > config_.dead_memory; });
    // Only the next few are called in advance.
    std::erase_if(reaching_, [&](const auto& entry) { return now - entry.second > config_.dead_memory; });
}

}  // namespace eddy::ring
