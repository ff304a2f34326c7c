// Ring: iterative lookups, the fingers they fill and use, and the introductions that make one ring of two.
#include <algorithm>

#include "ring/interval.hpp"
#include "ring/ring.hpp"

namespace eddy::ring {

namespace {
constexpr size_t memories_max = 4 * members_max;
/// A node is not introduced again so soon.
constexpr Usec introduce_every = from_ms(500);
constexpr size_t introductions_max = 16;  ///< at the same time
}  // namespace

std::vector<msg::Member> Ring::closest_before(const NodeId& key, size_t at_most) const {
    std::vector<const msg::Member*> before;
    const auto add = [&](const msg::Member& member) {
        if (in_open(config_.self.id, member.id, key) && avoided_.count(member.id) == 0) before.push_back(&member);
    };
    // Both run clockwise: the last ones before the key are the closest.
    const auto& list = successors_.members();
    for (auto member = list.rbegin(); member != list.rend() && before.size() < at_most; ++member) add(*member);
    const size_t enough = before.size() + at_most;
    const auto& fingers = fingers_.fingers();
    for (auto finger = fingers.rbegin(); finger != fingers.rend() && before.size() < enough; ++finger)
        add(finger->second);
    std::sort(before.begin(), before.end(), [&](const auto* a, const auto* b) { return in_open(b->id, a->id, key); });
    std::vector<msg::Member> closest;
    for (const auto* member : before) {
        if (closest.size() == at_most) break;
        if (closest.empty() || closest.back().id != member->id) closest.push_back(*member);
    }
    return closest;
}

std::vector<msg::Member> Ring::successors_from(const NodeId& key) const {
    std::vector<msg::Member> from;
    for (const auto& member : successors_.members())
        if (from.size() < found_members_max && !in_open(config_.self.id, member.id, key)) from.push_back(member);
    return from;
}

uint64_t Ring::lookup(const NodeId& key, Instant now, EffectSink& sink) {
    return begin_lookup(key, Lookup::Why::asked, nullptr, now, sink);
}

uint64_t Ring::begin_lookup(const NodeId& key, Lookup::Why why, const msg::Member* via, Instant now, EffectSink& sink) {
    const uint64_t number = next_request_++;
    if (lookups_.size() >= lookups_max) {
        if (why == Lookup::Why::asked) finished_lookups_.push_back({number, key, false, {}, 0, 0, Usec{0}});
        return number;
    }
    Lookup& lookup = lookups_.try_emplace(number, number, config_.self.id, key, why, now).first->second;
    if (via != nullptr) {
        lookup.offer(*via);
    } else {
        // Many, for a lookup that shall succeed though half of the ring has died.
        const size_t at_most = why == Lookup::Why::asked ? Lookup::candidates_max : found_members_max / 4;
        for (const auto& member : closest_before(key, at_most)) lookup.offer(member);
        if (alone() || key == config_.self.id)
            lookup.conclude(config_.self, {config_.self});
        else if (in_open_closed(config_.self.id, key, successors_.head().id))
            lookup.conclude(config_.self, successors_.members());
        else if (why == Lookup::Why::asked)
            lookup.reckon(config_.self, successors_from(key));
    }
    advance(number, now, sink);
    return number;
}

void Ring::advance(uint64_t number, Instant now, EffectSink& sink) {
    const auto it = lookups_.find(number);
    if (it == lookups_.end()) return;
    if (const auto whom = it->second.next(now)) return ask(it->second, *whom, now, sink);
    const Lookup ended = std::move(it->second);
    lookups_.erase(it);
    finish(ended, now, sink);
}

void Ring::ask(Lookup& lookup, const msg::Member& whom, Instant now, EffectSink& sink) {
    wake_at(now + config_.request_timeout);
    if (contact(whom.id) == nullptr) {
        lookup.set_question(0);
        return sink.connect(whom.endpoint);
    }
    lookup.set_question(next_request_++);
    use(whom.id, msg::FindSuccessor{lookup.question(), lookup.key()}, now, sink);
}

void Ring::finish(const Lookup& lookup, Instant now, EffectSink& sink) {
    const LookupResult result = lookup.result(now);
    switch (lookup.why()) {
        case Lookup::Why::asked: finished_lookups_.push_back(result); return;
        case Lookup::Why::finger: return set_finger(result, now);
        case Lookup::Why::join:
            sink.log(LogLevel::debug, result.found ? "ring: its place is between " + lookup.predecessor().name +
                                                         " and " + lookup.successors().front().name
                                                   : "ring: found no place in that ring");
            if (result.found) join_at(lookup, now, sink);
            return;
        case Lookup::Why::introduce: {
            const auto known = introduced_.find(lookup.key());
            if (!result.found || known == introduced_.end() || lookup.successors().front().id == lookup.key()) return;
            if (lookup.predecessor().id == config_.self.id) return consider(known->second.member, now, sink);
            use(lookup.predecessor().id, msg::Introduce{known->second.member}, now, sink);
            return;
        }
    }
}

/// The place as the node before it sees it, which may still know this node's earlier life.
void Ring::join_at(const Lookup& lookup, Instant now, EffectSink& sink) {
    const auto& before = lookup.predecessor();
    const auto& after = lookup.successors().front();
    const bool that_one_is_alone = after.id == before.id;
    if (!that_one_is_alone) ring_seen_ = now;
    Instant patient_until = alone_since_ + config_.lone_patience;
    if (ring_seen_) patient_until = std::max(patient_until, *ring_seen_ + config_.dead_memory);
    if (alone() && that_one_is_alone && !config_.seeds.empty() && now < patient_until) {
        next_stabilise_ = std::min(next_stabilise_, patient_until);
        return wake_at(next_stabilise_);
    }
    if (after.id == config_.self.id) {
        if (alone()) consider(next_to_try(lookup, now, sink), now, sink);
        return;
    }
    consider(alone() && !that_one_is_alone ? next_to_try(lookup, now, sink) : after, now, sink);
    if (candidate_ && candidate_->member.id == after.id) candidate_->lone = that_one_is_alone;
    if (contact(before.id) != nullptr) use(before.id, msg::Introduce{config_.self}, now, sink);
}

/// Those that come next, one by one: they may have died, or have no list and all be waiting for one another. After a
/// few the first that is known to live; at last the one before, which has a list for sure.
msg::Member Ring::next_to_try(const Lookup& lookup, Instant now, EffectSink& sink) {
    constexpr size_t tried_unseen_max = 3;
    const NodeId& first = lookup.successors().front().id;
    if (in_vain_.first != first) in_vain_ = {first, 0};  // the ring has mended
    size_t beyond = in_vain_.second;
    const bool seen_only = beyond >= tried_unseen_max;
    const msg::Member* next = nullptr;
    for (const auto& member : lookup.successors()) {
        if (member.id == config_.self.id) continue;
        if (beyond > 0) {
            --beyond;
            continue;
        }
        const Contact* peer = contact(member.id);
        if (peer == nullptr && in_vain_.second > 0)
            sink.connect(member.endpoint);  // so that it is known soon who lives
        const bool seen = peer != nullptr && !peer->leaving;
        if (next == nullptr && believable(member, now) && (seen || !seen_only)) next = &member;
    }
    return next == nullptr ? lookup.predecessor() : *next;
}

/// Whoever was asked there is silent, or (`unconnected_only`) could not be called.
void Ring::question_failed(const Endpoint& whom, bool unconnected_only, Instant now, EffectSink& sink) {
    std::vector<uint64_t> failed;
    for (auto& [number, lookup] : lookups_) {
        if (!lookup.asked() || lookup.asked()->endpoint != whom) continue;
        if (unconnected_only && lookup.question() != 0) continue;
        if (!unconnected_only && lookup.question() != 0 && lookup.may_ask_again()) {
            lookup.set_question(0);
            sink.connect(whom);
            continue;
        }
        fingers_.remove(lookup.asked()->id);
        lookup.on_failed();
        failed.push_back(number);
    }
    for (const uint64_t number : failed) advance(number, now, sink);
}

void Ring::sweep_lookups(Instant now, EffectSink& sink) {
    std::vector<uint64_t> overdue;
    for (auto& [number, lookup] : lookups_) {
        if (!lookup.asked()) continue;
        const Instant deadline = lookup.asked_at() + config_.request_timeout;
        if (now < deadline) {
            wake_at(deadline);
            continue;
        }
        // A live owner passed by would be a wrong answer: a question that got lost is asked once more.
        if (lookup.checking() && lookup.may_ask_again()) {
            lookup.wait_again(now);
            ask(lookup, *lookup.asked(), now, sink);
            continue;
        }
        const NodeId silent = lookup.asked()->id;
        fingers_.remove(silent);
        finger_pace_ = config_.finger_min;
        if (lookup.question() != 0) drop_if_deaf(silent, lookup.asked_at(), now, sink);
        if (avoided_.size() < memories_max) avoided_[silent] = now + config_.dead_memory;
        lookup.on_failed();
        overdue.push_back(number);
    }
    for (const uint64_t number : overdue) advance(number, now, sink);
}

/// A question over a standing connection was not answered, and nothing else came since: it may stand at this end only.
/// Neighbours are left to their heartbeats.
void Ring::drop_if_deaf(NodeId id, Instant since, Instant now, EffectSink& sink) {
    const Contact* peer = contact(id);
    if (peer == nullptr || peer->heartbeat.heard() > since || id == successor() || id == predecessor()) return;
    const std::string reason = "a question was not answered";
    call_stranger_again(*peer, now);
    contacts_.erase(id);
    sink.disconnect(id, reason);
    if (config_.connect_view && is_member(id))
        if (const auto* member = successors_.find(id)) dials_.add(member->endpoint, DialBook::Why::member, now);
}

bool Ring::looking(Lookup::Why why) const {
    return std::any_of(lookups_.begin(), lookups_.end(), [&](const auto& entry) { return entry.second.why() == why; });
}

/// Where does this node belong in the ring of `contact`? Its answer may be this very ring.
void Ring::join_through(const msg::Member& contact, Instant now, EffectSink& sink) {
    if (leaving_ || looking(Lookup::Why::join) || (alone() && candidate_)) return;
    sink.log(LogLevel::debug, "ring: looks for its place through " + contact.name);
    begin_lookup(config_.self.id, Lookup::Why::join, &contact, now, sink);
}

void Ring::introduce(const msg::Member& member, Instant now, EffectSink& sink) {
    const auto known = introduced_.find(member.id);
    if (known != introduced_.end() && now - known->second.at < introduce_every) return;
    size_t under_way = 0;
    for (const auto& [number, lookup] : lookups_) under_way += lookup.why() == Lookup::Why::introduce ? 1 : 0;
    if (under_way >= introductions_max) return;
    if (known == introduced_.end() && introduced_.size() >= memories_max) introduced_.erase(introduced_.begin());
    introduced_[member.id] = {member, now};
    begin_lookup(member.id, Lookup::Why::introduce, nullptr, now, sink);
}

void Ring::find_next_finger(Instant now, EffectSink& sink) {
    next_finger_at_ = now + from_seconds(to_seconds(finger_pace_) * random_.uniform(0.75, 1.25));
    wake_at(next_finger_at_);
    if (leaving_ || looking(Lookup::Why::finger)) return;
    // A list with room left is the whole ring: no finger leads further.
    if (!successors_.full()) {
        fingers_.clear();
        next_finger_ = 0;
        fingers_known_ = false;
        finger_pace_ = config_.finger_min;
        return;
    }
    current_finger_ = fingers_.next(next_finger_, successors_.members().back().id);
    if (current_finger_ < id_bits)
        begin_lookup(fingers_.start(current_finger_), Lookup::Why::finger, nullptr, now, sink);
    else
        end_finger_round();
}

void Ring::end_finger_round() {
    next_finger_ = 0;
    fingers_known_ = true;
}

void Ring::set_finger(const LookupResult& result, Instant now) {
    unsigned next = current_finger_ + 1;
    const auto known = fingers_.fingers().find(current_finger_);
    const bool changed = !result.found || known == fingers_.fingers().end() || known->second.id != result.owner.id;
    finger_pace_ = changed ? config_.finger_min : std::min(finger_pace_ * 2, config_.finger_max);
    if (result.found) {
        // The fingers that start before its place are the same node.
        next = fingers_.next(next, result.owner.id);
        fingers_.drop(current_finger_, next);
        fingers_.set(current_finger_, result.owner);
    } else {
        fingers_.drop(current_finger_, next);
    }
    next_finger_ = next;
    const bool round_over = next >= id_bits || (result.found && result.owner.id == config_.self.id);
    if (round_over) end_finger_round();
    // The first round goes at full speed: until then lookups walk along the successor lists.
    if (!fingers_known_) next_finger_at_ = now;
    wake_at(next_finger_at_);
}

}  // namespace eddy::ring
