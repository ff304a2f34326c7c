// Ring: what peers say. Everything here is from outside: checked, bounded, complained of once.
#include <algorithm>

#include "ring/interval.hpp"
#include "ring/ring.hpp"

namespace eddy::ring {

namespace {
constexpr size_t complaints_max = 256;
}

bool Ring::on_message(const NodeId& from, const Message& message, Instant now, EffectSink& sink) {
    return std::visit(
        [&](const auto& m) {
            // What is the node's business and not the ring's, it has no function for.
            if constexpr (requires(Contact & sender) { receive(sender, m, now, sink); }) {
                Contact* sender = contact(from);
                if (sender == nullptr) return true;
                sender->heartbeat.on_life(now);
                receive(*sender, m, now, sink);
                return true;
            } else {
                return false;
            }
        },
        message);
}

void Ring::complain_once(const Contact& about, const std::string& what, EffectSink& sink) {
    if (complained_.size() >= complaints_max || !complained_.emplace(about.member.id, what).second) return;
    sink.log(LogLevel::warning, "ring: " + about.member.name + " (" + short_name(about.member.id) + ") " + what);
}

void Ring::receive(Contact& from, const msg::Ping& ping, Instant, EffectSink& sink) {
    sink.send(from.member.id, msg::Pong{ping.sequence}, {});
}

void Ring::receive(Contact& from, const msg::Pong& pong, Instant now, EffectSink&) {
    from.heartbeat.on_pong(pong.sequence, now);
}

void Ring::receive(Contact& from, const msg::FindSuccessor& question, Instant now, EffectSink& sink) {
    msg::Found found;
    found.request = question.request;
    if (alone()) {
        found.done = true;
        found.after = {config_.self};
    } else {
        found.done = in_open_closed(config_.self.id, question.key, successors_.head().id);
        if (!found.done) found.before = closest_before(question.key, found_members_max / 2);
        found.after = successors_from(question.key);
    }
    use(from.member.id, found, now, sink);
}

void Ring::receive(Contact& from, const msg::Found& found, Instant now, EffectSink& sink) {
    from.used = now;
    const auto it = std::find_if(lookups_.begin(), lookups_.end(), [&](const auto& entry) {
        return entry.second.question() == found.request && entry.second.asked() &&
               entry.second.asked()->id == from.member.id;
    });
    if (it == lookups_.end()) return;  // late, or never asked
    it->second.on_found(found);
    advance(it->first, now, sink);
}

void Ring::receive(Contact& from, const msg::GetNeighbours& question, Instant now, EffectSink& sink) {
    from.used = now;
    if (leaving_) return sink.send(from.member.id, msg::Leave{}, {});
    if (question.known_version == version_) {
        msg::Neighbours same;
        same.request = question.request;
        same.version = version_;
        same.unchanged = true;
        return sink.send(from.member.id, same, {});
    }
    tell_neighbours(from.member.id, question.request, sink);
}

void Ring::receive(Contact& from, const msg::Neighbours& neighbours, Instant now, EffectSink& sink) {
    if (leaving_ || from.leaving) return;
    const bool answers_candidate = candidate_ && candidate_->request != 0 &&
                                   neighbours.request == candidate_->request && candidate_->member.id == from.member.id;
    const bool is_successor = !alone() && successors_.head().id == from.member.id;
    if (!answers_candidate && !is_successor) return;
    if (!successors_.orderly(from.member.id, neighbours.successors))
        complain_once(from, "tells of successors out of order, which are left out", sink);
    const auto later = [&](const msg::Member& m) {
        return m.id == config_.self.id && m.incarnation > config_.self.incarnation;
    };
    if ((neighbours.predecessor && later(*neighbours.predecessor)) ||
        std::any_of(neighbours.successors.begin(), neighbours.successors.end(), later))
        complain_once(from, "tells of a later life of this very node: its id may be used by another device", sink);
    if (answers_candidate)
        adopt_candidate(from, neighbours, now, sink);
    else
        hear_neighbours(from, neighbours, now, sink);
}

/// Zave's rectify. That a predecessor lives is seen from its heartbeats.
void Ring::receive(Contact& from, const msg::Notify&, Instant now, EffectSink& sink) {
    from.used = now;
    if (leaving_) return sink.send(from.member.id, msg::Leave{}, {});
    if (from.leaving) return;
    const bool nearer = !predecessor_ || in_open(predecessor_->id, from.member.id, config_.self.id);
    if (nearer || contact(predecessor_->id) == nullptr) {
        set_predecessor(from.member, now, sink);
    } else if (predecessor_->id != from.member.id) {
        tell_neighbours(from.member.id, 0, sink);  // so that it learns of the nearer one
    }
    // It may know this node from an earlier life: not it, but the one after it may be the successor.
    if (alone()) join_through(from.member, now, sink);
}

void Ring::receive(Contact& from, const msg::Introduce& introduced, Instant now, EffectSink& sink) {
    from.used = now;
    const msg::Member& member = introduced.member;
    if (leaving_ || !believable(member, now)) return;
    // Zave's join: only a lookup tells where a node that is alone belongs. It begins once the connection stands.
    if (alone()) {
        if (contact(member.id) != nullptr) return join_through(member, now, sink);
        dials_.add(member.endpoint, DialBook::Why::member, now);
        return wake_at(now);
    }
    if (better_than_successor(member.id))
        consider(member, now, sink);
    else if (successors_.find(member.id) == nullptr)
        introduce(member, now, sink);
}

}  // namespace eddy::ring
