// Ring: stabilisation. Zave's names for the steps: stabilise from the successor (hear_neighbours), from the
// successor's predecessor (consider, adopt_candidate), rectify (ring_messages.cpp: Notify).
#include <algorithm>

#include "ring/interval.hpp"
#include "ring/ring.hpp"

namespace eddy::ring {

namespace {

/// Of the list: called in advance, so that several that died at once do not cost one time-out after the other.
constexpr size_t reached_ahead = 3;
}  // namespace

bool Ring::believable(const msg::Member& member, Instant now) const {
    if (member.id == config_.self.id || member.endpoint.port == 0) return false;
    const auto dead = dead_.find(member.id);
    if (dead != dead_.end() && now < dead->second.until && member.incarnation <= dead->second.incarnation) return false;
    const auto left = left_.find(member.id);
    return left == left_.end() || member.incarnation > left->second.incarnation;
}

bool Ring::better_than_successor(const NodeId& id) const {
    return alone() ? id != config_.self.id : in_open(config_.self.id, id, successors_.head().id);
}

void Ring::stabilise(Instant now, EffectSink& sink) {
    next_stabilise_ = now + config_.stabilise_every;
    wake_at(next_stabilise_);
    if (leaving_) return;
    if (alone()) return stabilise_alone(now, sink);
    // The list is the whole ring, and yet a peer is not in it: there are two rings.
    if (!successors_.full()) {
        std::vector<const Contact*> strangers;
        for (const auto& [id, peer] : contacts_)
            if (!peer->leaving && successors_.find(id) == nullptr) strangers.push_back(peer.get());
        if (!strangers.empty()) join_through(strangers[random_.below(strangers.size())]->member, now, sink);
    }
    auto* head = contact(successors_.head().id);
    if (head == nullptr) {
        if (successor_deadline_ == never) reach_successor(now, sink);
        return;
    }
    stabilise_request_ = next_request_++;
    use(head->member.id, msg::GetNeighbours{stabilise_request_, head->list_incomplete ? 0 : head->known_version}, now,
        sink);
}

/// Any peer will do, but better one that was heard lately: what is asked of a dead one costs two time-outs.
void Ring::stabilise_alone(Instant now, EffectSink& sink) {
    std::vector<const Contact*> staying;
    std::vector<const Contact*> heard;
    for (const auto& [id, peer] : contacts_) {
        if (peer->leaving) continue;
        staying.push_back(peer.get());
        if (now - peer->heartbeat.heard() <= 2 * config_.stabilise_every) heard.push_back(peer.get());
        sink.send(id, msg::Ping{peer->heartbeat.ping(now)}, {});
    }
    const auto& some = heard.empty() ? staying : heard;
    if (!some.empty()) join_through(some[random_.below(some.size())]->member, now, sink);
}

void Ring::hear_neighbours(Contact& head, const msg::Neighbours& neighbours, Instant now, EffectSink& sink) {
    const bool asked = neighbours.request != 0 && neighbours.request == stabilise_request_;
    if (!asked && (neighbours.unchanged || neighbours.version <= head.known_version)) return;  // late, or repeated
    if (asked) stabilise_request_ = 0;
    if (!neighbours.unchanged && neighbours.version < head.known_version) return;  // overtaken by newer news
    if (!neighbours.unchanged) {
        head.known_version = neighbours.version;
        told_predecessor_ = neighbours.predecessor;
        if (!neighbours.successors.empty())
            take_list(head, neighbours.successors, now, sink);
        else if (successors_.members().size() > 1)  // it was restarted, and knows nobody yet
            use(head.member.id, msg::Introduce{successors_.members()[1]}, now, sink);
    }
    consider_skipped(neighbours.successors, now, sink);
    const auto& between = told_predecessor_;
    if (between && between->id == config_.self.id) return;
    if (between && better_than_successor(between->id) && believable(*between, now))
        consider(*between, now, sink);
    else
        use(head.member.id, msg::Notify{}, now, sink);
}

void Ring::take_list(Contact& head, const std::vector<msg::Member>& followers, Instant now, EffectSink& sink) {
    std::vector<msg::Member> believed;
    believed.reserve(followers.size());
    head.list_incomplete = false;
    for (const auto& member : followers) {
        if (member.id == config_.self.id) break;  // once round
        if (auto* known = contact(member.id); known != nullptr && !known->leaving) {
            believed.push_back(known->member);  // its own word
            if (member.incarnation <= known->member.incarnation) continue;
            // Is it a later life, and only this end has not heard that the connection to the earlier one is gone?
            head.list_incomplete = true;
            if (now - known->heartbeat.pinged() >= config_.heartbeat_every)
                sink.send(member.id, msg::Ping{known->heartbeat.ping(now)}, {});
        } else if (believable(member, now)) {
            believed.push_back(member);
        } else {
            head.list_incomplete = true;
        }
    }
    const auto change = successors_.adopt(head.member, believed);
    if (!change.changed) return;
    fingers_.drop_up_to(successors_.members().back().id);
    for (const auto& member : change.missing) remember_lost(member.id);
    rebuild_members("is not in the ring any more", now, sink);
    for (const auto& member : change.missing)
        if (believable(member, now) && !contacts_.contains(member.id)) {
            dials_.add(member.endpoint, DialBook::Why::missed, now);
            wake_at(dials_.next());
        }
    after_change(now);
}

/// Nodes that the successor puts behind itself, though they lie before it: the way along the successors goes round the
/// circle more than once (a "loopy" ring, which stabilisation alone would keep for ever).
void Ring::consider_skipped(const std::vector<msg::Member>& followers, Instant now, EffectSink& sink) {
    const msg::Member* nearest = nullptr;
    for (const auto& member : followers)
        if (better_than_successor(member.id) && believable(member, now) &&
            (nearest == nullptr || in_open(config_.self.id, member.id, nearest->id)))
            nearest = &member;
    if (nearest != nullptr) consider(*nearest, now, sink);
}

void Ring::consider(const msg::Member& better, Instant now, EffectSink& sink) {
    if (leaving_ || !believable(better, now) || !better_than_successor(better.id)) return;
    if (candidate_ &&
        (candidate_->member.id == better.id || in_open(config_.self.id, candidate_->member.id, better.id)))
        return;  // that one is asked already, or a nearer one is
    candidate_ = Candidate{better, 0, now, now + config_.request_timeout};
    wake_at(candidate_->deadline);
    if (contact(better.id) == nullptr) return sink.connect(better.endpoint);
    candidate_->request = next_request_++;
    use(better.id, msg::GetNeighbours{candidate_->request, 0}, now, sink);
}

void Ring::adopt_candidate(Contact& from, const msg::Neighbours& neighbours, Instant now, EffectSink& sink) {
    const bool lone = std::exchange(candidate_, std::nullopt)->lone;
    from.owes_answer = false;
    if (!better_than_successor(from.member.id)) return;
    if (neighbours.successors.empty() && !(alone() && lone)) {
        // It has no list yet that could be relied on, perhaps since it was restarted. Once it has, it will be the
        // successor's predecessor.
        if (!alone()) use(from.member.id, msg::Introduce{successors_.head()}, now, sink);
        if (alone()) ++in_vain_.second;
        return;
    }
    in_vain_.second = 0;
    std::optional<msg::Member> before;
    if (!alone()) before = successors_.head();
    from.known_version = neighbours.version;
    told_predecessor_ = neighbours.predecessor;
    stabilise_request_ = 0;
    successor_deadline_ = never;
    take_list(from, neighbours.successors, now, sink);
    // Two rings meet here: the other one learns who comes next in this one.
    const auto told = [&](const msg::Member& m) { return before && m.id == before->id; };
    if (before && std::none_of(neighbours.successors.begin(), neighbours.successors.end(), told))
        use(from.member.id, msg::Introduce{*before}, now, sink);
    const bool knows_us = told_predecessor_ && told_predecessor_->id == config_.self.id;
    if (!knows_us) use(from.member.id, msg::Notify{}, now, sink);
    if (told_predecessor_ && !knows_us) consider(*told_predecessor_, now, sink);
    consider_skipped(neighbours.successors, now, sink);
    hurry_heartbeats(now);
}

void Ring::give_up_candidate(Instant now, EffectSink& sink) {
    const msg::Member member = candidate_->member;
    const bool asked = candidate_->request != 0;
    const Instant since = candidate_->asked_at;
    candidate_.reset();
    if (alone()) {
        ++in_vain_.second;
        wake_at(next_stabilise_ = std::min(next_stabilise_, now + push_every));
    }
    Contact* peer = contact(member.id);
    // It lives: the question got lost. But not twice.
    if (asked && peer != nullptr && peer->heartbeat.heard() > since && !std::exchange(peer->owes_answer, true)) return;
    if (asked) drop_if_deaf(member.id, since, now, sink);
    dead_[member.id] = {member.incarnation, now + config_.dead_memory};
    if (dead_.size() > 4 * members_max) dead_.erase(dead_.begin());
    sink.log(LogLevel::debug,
             "ring: " + member.name + " (" + short_name(member.id) + ") would be the successor, but does not answer");
}

void Ring::set_predecessor(const msg::Member& member, Instant now, EffectSink& sink) {
    const auto before = std::exchange(predecessor_, member);
    hurry_heartbeats(now);
    after_change(now);
    if (before && before->id != member.id && contact(before->id) != nullptr) tell_neighbours(before->id, 0, sink);
}

/// The successor is not connected, or has just become it: call it, and those behind it.
void Ring::reach_successor(Instant now, EffectSink& sink) {
    stabilise_request_ = 0;
    told_predecessor_.reset();
    successor_deadline_ = never;
    if (leaving_) return;
    if (alone()) {
        sink.log(LogLevel::info, "ring: this node is alone");
        alone_since_ = now;
        reaching_.clear();
        fingers_.clear();
        dials_.hurry_seeds(now);
        wake_at(dials_.next());
        return stabilise(now, sink);
    }
    hurry_heartbeats(now);
    const auto& list = successors_.members();
    for (size_t i = 0; i < std::min(reached_ahead, list.size()); ++i) {
        if (auto* known = contact(list[i].id)) {
            use(list[i].id, msg::Ping{known->heartbeat.ping(now)}, now, sink);
        } else if (reaching_.emplace(list[i].id, now).second) {
            sink.connect(list[i].endpoint);
        }
    }
    if (auto* head = contact(list.front().id)) {
        head->known_version = 0;  // its whole list is wanted, known from earlier or not
        return stabilise(now, sink);
    }
    successor_deadline_ = reaching_.at(list.front().id) + config_.request_timeout;
    wake_at(successor_deadline_);
}

void Ring::after_change(Instant now) {
    ++version_;
    push_due_ = true;
    wake_at(std::max(now, pushed_ + push_every));
}

void Ring::tell_neighbours(const NodeId& to, uint64_t request, EffectSink& sink) {
    msg::Neighbours neighbours;
    neighbours.request = request;
    neighbours.version = version_;
    neighbours.predecessor = predecessor_;
    neighbours.successors = successors_.members();
    sink.send(to, neighbours, {});
}

}  // namespace eddy::ring
