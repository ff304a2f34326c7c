// Ring: what time brings: heartbeats, deadlines, calls, and the end of connections that nobody needs.
#include <algorithm>

#include "ring/ring.hpp"

namespace eddy::ring {

void Ring::tick(Instant now, EffectSink& sink) {
    // If this process itself stood still, the others' silence means nothing: they get another chance.
    const Usec late = now - std::max(next_wakeup_, last_tick_);
    if (late > config_.silent_min / 2) {
        for (auto& [id, entry] : contacts_) entry.heartbeat.forgive(now);
        if (successor_deadline_ != never) successor_deadline_ += late;
        if (candidate_) candidate_->deadline += late;
    }
    last_tick_ = now;
    next_wakeup_ = never;
    heartbeats_due(now, sink);
    deadlines_due(now, sink);
    dials_due(now, sink);
    if (now >= next_stabilise_) stabilise(now, sink);
    if (now >= next_finger_at_) find_next_finger(now, sink);
    if (now >= next_sweep_) {
        next_sweep_ = now + config_.stabilise_every;
        close_idle(now, sink);
        sweep_memories(now);
    }
    if (push_due_ && now >= pushed_ + push_every) {
        push_due_ = false;
        pushed_ = now;
        if (predecessor_ && !leaving_ && contact(predecessor_->id) != nullptr)
            tell_neighbours(predecessor_->id, 0, sink);
    }
    if (push_due_) wake_at(pushed_ + push_every);
    for (const Instant at : {next_stabilise_, next_finger_at_, next_sweep_, dials_.next()}) wake_at(at);
    next_wakeup_ = std::max(next_wakeup_, now + from_ms(1));
}

void Ring::heartbeats_due(Instant now, EffectSink& sink) {
    std::vector<std::pair<NodeId, bool>> silent;
    for (auto& [id, entry] : contacts_) {
        Heartbeat& heartbeat = entry.heartbeat;
        const bool successor = !alone() && successors_.head().id == id;
        const bool neighbour = successor || (predecessor_ && predecessor_->id == id);
        if (now >= heartbeat.deadline(neighbour ? config_.silent_min : config_.silent_max, config_.silent_max)) {
            silent.emplace_back(id, neighbour);
            continue;
        }
        // The predecessor is heard through its own pings; the others are asked only if they have been silent for long.
        Instant due = heartbeat.pinged() + config_.heartbeat_every;
        if (!successor)
            due = std::max(due, heartbeat.heard() + (neighbour ? 2 * config_.heartbeat_every : config_.silent_far));
        if (now >= due) {
            sink.send(id, msg::Ping{heartbeat.ping(now)}, {});
            due = now + config_.heartbeat_every;
        }
        wake_at(due);
        wake_at(heartbeat.deadline(neighbour ? config_.silent_min : config_.silent_max, config_.silent_max));
    }
    for (const auto& [id, neighbour] : silent) {
        const auto it = contacts_.find(id);
        if (it == contacts_.end()) continue;
        const auto ms = static_cast<int64_t>(to_ms(now - it->second.heartbeat.heard()));
        const std::string reason = "no sign of life for " + std::to_string(ms) + " ms";
        if (neighbour) {
            gone(id, reason, now, sink);
        } else {
            // Its own neighbours decide whether it lives; only this connection is useless.
            sink.disconnect(id, reason);
            on_peer_down(id, reason, now, sink);
        }
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
        sink.connect(due.endpoint);
        if (due.complain)
            sink.log(LogLevel::warning, "ring: seed " + due.endpoint.host + ":" + std::to_string(due.endpoint.port) +
                                            " not reached after " + std::to_string(due.tries) + " tries; trying on");
    }
}

void Ring::close_idle(Instant now, EffectSink& sink) {
    std::vector<NodeId> idle;
    for (const auto& [id, entry] : contacts_) {
        const Instant last = std::max(entry.used, entry.heartbeat.heard());
        if (now - last > config_.idle_close && !needed(id)) idle.push_back(id);
    }
    for (const auto& id : idle) {
        contacts_.erase(id);
        sink.disconnect(id, "no longer needed");
    }
}

void Ring::sweep_memories(Instant now) {
    std::erase_if(dead_, [&](const auto& entry) { return now >= entry.second.until; });
    std::erase_if(avoided_, [&](const auto& entry) { return now >= entry.second; });
    std::erase_if(introduced_, [&](const auto& entry) { return now - entry.second.at > config_.dead_memory; });
    // Only the next few are called in advance.
    std::erase_if(reaching_, [&](const auto& entry) { return now - entry.second > config_.dead_memory; });
}

}  // namespace eddy::ring
