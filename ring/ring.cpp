// Ring: connections, membership, invariants.
#include "ring/ring.hpp"

#include <algorithm>

#include "eddy/assert.hpp"
#include "ring/interval.hpp"

namespace eddy::ring {

namespace {
size_t list_bound(const RingConfig& config) {
    EDDY_ASSERT(config.list_max > 0 && config.view_max > 0 && config.view_max <= members_max);
    return std::max(config.list_max, config.view_max - 1);
}
constexpr size_t left_max = 4 * members_max;
constexpr Usec left_memory = std::chrono::minutes(1);
}  // namespace

Ring::Ring(RingConfig config, uint64_t seed)
    : config_(std::move(config)),
      random_(seed),
      successors_(config_.self.id, list_bound(config_)),
      fingers_(config_.self.id),
      dials_(config_.dial, random_.next()),
      members_{config_.self} {
    EDDY_ASSERT(list_bound(config_) <= members_max);
    since_[config_.self.id] = Instant{};
}

void Ring::start(Instant now, EffectSink& sink) {
    for (const auto& seed : config_.seeds)
        if (seed != config_.self.endpoint) dials_.add(seed, DialBook::Why::seed, now);
    since_[config_.self.id] = now;
    alone_since_ = now;
    finger_pace_ = config_.finger_min;
    last_tick_ = now;
    next_stabilise_ = now;
    next_sweep_ = now + config_.stabilise_every;
    next_wakeup_ = now;
    tick(now, sink);
}

void Ring::on_peer_up(const msg::Member& peer, Instant now, EffectSink& sink, const Endpoint* dialled) {
    if (peer.id == config_.self.id) return;
    if (!contacts_.contains(peer.id) && contacts_.size() >= config_.peers_max && !make_room_for_peer(sink)) {
        sink.disconnect(peer.id, "this node has no room for more than " + std::to_string(config_.peers_max) + " peers");
        return;
    }
    contacts_.insert_or_assign(peer.id,
                               Contact{.member = peer, .heartbeat = Heartbeat(now), .since = now, .used = now});
    // Lost, or never met: it may belong to another ring.
    const bool foreign = dials_.contains(peer.endpoint) || (dialled != nullptr && dials_.contains(*dialled));
    dials_.on_reached(peer.endpoint, alone(), now);
    if (dialled != nullptr) dials_.on_reached(*dialled, alone(), now);
    // Its own word counts for more than anybody's hearsay. Only in another life has it not left.
    if (const auto left = left_.find(peer.id); left != left_.end() && left->second.incarnation != peer.incarnation)
        left_.erase(left);
    dead_.erase(peer.id);
    avoided_.erase(peer.id);
    reaching_.erase(peer.id);
    if (predecessor_ && predecessor_->id == peer.id) predecessor_ = peer;
    if (successors_.refresh(peer)) {
        rebuild_members("", now, sink);
        after_change(now);
    }
    if (leaving_) return sink.send(peer.id, msg::Leave{}, {});
    if (!alone() && successors_.head().id == peer.id) {
        successor_deadline_ = never;
        stabilise(now, sink);
    }
    if (candidate_ && candidate_->member.id == peer.id) {
        candidate_->request = next_request_++;
        candidate_->asked_at = now;
        use(peer.id, msg::GetNeighbours{candidate_->request, 0}, now, sink);
    }
    for (auto& [number, lookup] : lookups_)
        if (lookup.asked() && lookup.asked()->id == peer.id && lookup.question() == 0) ask(lookup, peer, now, sink);
    if (alone() || (foreign && successors_.find(peer.id) == nullptr)) join_through(peer, now, sink);
    next_heartbeats_ = std::min(next_heartbeats_, now + config_.heartbeat_every);
    wake_at(next_heartbeats_);
}

void Ring::on_peer_down(const NodeId& peer, const std::string& reason, Instant now, EffectSink& sink) {
    const Contact* entry = contacts_.find(peer);
    if (entry == nullptr) return;
    const msg::Member member = entry->member;
    if (now - entry->used < config_.idle_close / 2) call_stranger_again(*entry, now);
    contacts_.erase(peer);
    question_failed(member.endpoint, false, now, sink);
    if (leaving_) {
        // Nobody is called any more: whoever comes next and is connected takes what is left to do.
        if (successors_.remove(peer)) rebuild_members("is lost: " + reason, now, sink);
        return;
    }
    if (candidate_ && candidate_->member.id == peer) give_up_candidate(now, sink);
    if (predecessor_ && predecessor_->id == peer) {
        predecessor_.reset();
        after_change(now);
    }
    // A broken connection is no death: the successor has a moment to be reached anew.
    if (!alone() && successors_.head().id == peer) {
        sink.log(LogLevel::info, "ring: the connection to the successor " + member.name + " broke: " + reason);
        reach_successor(now, sink);
    } else if (config_.connect_view && is_member(peer)) {
        dials_.add(member.endpoint, DialBook::Why::member, now);
        wake_at(now);
    }
    // A part of the successor's list that could not be believed may be now.
    const Contact* head = alone() ? nullptr : contact(successors_.head().id);
    if (head != nullptr && head->list_incomplete && is_member(peer)) {
        next_stabilise_ = std::min(next_stabilise_, now + push_every);
        wake_at(next_stabilise_);
    }
}

void Ring::on_dial_failed(const Endpoint& endpoint, bool somebody_there, Instant now, EffectSink& sink) {
    for (const auto& [id, entry] : contacts_)
        if (entry->member.endpoint == endpoint) return;  // it called us in the meantime
    dials_.on_failed(endpoint, now);
    std::erase_if(reaching_, [&](const auto& entry) {
        const auto* listed = successors_.find(entry.first);
        return listed != nullptr && listed->endpoint == endpoint;
    });
    wake_at(dials_.next());
    if (somebody_there) return;  // whoever waits for the connection has a deadline
    question_failed(endpoint, true, now, sink);
    if (candidate_ && candidate_->member.endpoint == endpoint) give_up_candidate(now, sink);
    if (!alone() && successors_.head().endpoint == endpoint)
        gone(successors_.head().id, "it cannot be reached", now, sink);
}

void Ring::on_life(const NodeId& peer, Instant now) {
    if (auto* entry = contact(peer)) entry->heartbeat.on_life(now);
}

void Ring::leave(const std::string& reason, Instant now, EffectSink& sink) {
    if (leaving_) return;
    leaving_ = true;
    candidate_.reset();
    lookups_.clear();
    reaching_.clear();
    successor_deadline_ = never;
    for (const auto& [id, entry] : contacts_) sink.send(id, msg::Leave{reason}, {});
    wake_at(now);
}

/// The connection to it did not end for want of use. It may belong to another ring, or to none.
void Ring::call_stranger_again(const Contact& peer, Instant now) {
    const NodeId& id = peer.member.id;
    const Endpoint& endpoint = peer.member.endpoint;
    if (leaving_ || successors_.find(id) != nullptr || has_left(id)) return;
    const bool stood_long = now - peer.since > config_.idle_close;
    if (successors_.full() && !stood_long) return;  // a seed of a big ring has no room for everybody
    if (!successors_.full() && !dials_.contains(endpoint)) dials_.add(endpoint, DialBook::Why::missed, now);
    dials_.on_broke(endpoint, stood_long, now);
    wake_at(dials_.next());
}

/// The node is dead, as far as can be told from here.
void Ring::gone(NodeId id, const std::string& reason, Instant now, EffectSink& sink) {
    msg::Member member;
    if (const auto* listed = successors_.find(id))
        member = *listed;
    else if (const auto* entry = contact(id))
        member = entry->member;
    else
        return;
    const bool was_successor = !alone() && successors_.head().id == id;
    if (contacts_.erase(id)) sink.disconnect(id, reason);
    if (dead_.size() >= left_max) dead_.erase(dead_.begin());
    dead_[id] = {member.incarnation, now + config_.dead_memory};
    reaching_.erase(id);
    fingers_.remove(id);
    finger_pace_ = config_.finger_min;
    if (predecessor_ && predecessor_->id == id) predecessor_.reset();
    if (candidate_ && candidate_->member.id == id) candidate_.reset();
    remove_from_list(id);
    remember_lost(id);
    rebuild_members("is lost: " + reason, now, sink);
    dials_.add(member.endpoint, DialBook::Why::lost, now);
    wake_at(dials_.next());
    question_failed(member.endpoint, false, now, sink);
    after_change(now);
    if (was_successor) reach_successor(now, sink);
}

void Ring::receive(Contact& from, const msg::Leave& leave, Instant now, EffectSink& sink) {
    if (from.leaving) return;
    from.leaving = true;
    const NodeId id = from.member.id;
    if (left_.size() >= left_max) left_.erase(left_.begin());
    left_[id] = {from.member.incarnation, now + left_memory};
    const bool was_successor = !alone() && successors_.head().id == id;
    fingers_.remove(id);
    dials_.on_left(from.member.endpoint, now);
    if (predecessor_ && predecessor_->id == id) predecessor_.reset();
    if (candidate_ && candidate_->member.id == id) candidate_.reset();
    remove_from_list(id);
    rebuild_members("leaves" + (leave.reason.empty() ? "" : ": " + leave.reason), now, sink);
    after_change(now);
    if (was_successor && !leaving_) reach_successor(now, sink);
}

/// The successor may go on listing it, rightly or not: its list must be looked at again, though it has not changed.
void Ring::remove_from_list(const NodeId& id) {
    if (!successors_.remove(id) || alone()) return;
    if (auto* head = contact(successors_.head().id)) head->list_incomplete = true;
}

void Ring::remember_lost(const NodeId& id) {
    if (lost_.size() >= left_max) lost_.clear();  // nobody asks for them
    lost_.insert(id);
}

void Ring::rebuild_members(const std::string& reason, Instant now, EffectSink& sink) {
    std::vector<msg::Member> members{config_.self};
    const auto& after = successors_.members();
    members.insert(members.end(), after.begin(),
                   after.begin() + static_cast<ptrdiff_t>(std::min(after.size(), config_.view_max - 1)));
    if (members == members_) return;
    members_.swap(members);
    ++epoch_;
    const auto told = [&](const msg::Member& member, const std::string& what, LogLevel level) {
        sink.log(level, "ring: " + member.name + " (" + short_name(member.id) + ") at " + member.endpoint.host + ":" +
                            std::to_string(member.endpoint.port) + " " + what + "; " + std::to_string(members_.size()) +
                            " members");
    };
    std::map<NodeId, Instant> since;
    for (const auto& member : members_) {
        const auto known = since_.find(member.id);
        since[member.id] = known == since_.end() ? now : known->second;
        if (known != since_.end()) continue;
        told(member, "joined", LogLevel::info);
        if (config_.connect_view && !contacts_.contains(member.id)) {
            dials_.add(member.endpoint, DialBook::Why::member, now);
            wake_at(now);
        }
    }
    since_.swap(since);
    for (const auto& member : members) {
        if (is_member(member.id)) continue;
        dials_.forget_member(member.endpoint);
        if (has_left(member.id) || lost_.count(member.id) == 0)
            told(member, has_left(member.id) ? reason : "is out of view", LogLevel::info);
        else
            told(member, reason, LogLevel::warning);
    }
}

std::optional<NodeId> Ring::successor() const {
    if (alone()) return std::nullopt;
    return successors_.head().id;
}

std::optional<NodeId> Ring::predecessor() const {
    if (!predecessor_) return std::nullopt;
    return predecessor_->id;
}

Usec Ring::round_trip(const NodeId& peer) const {
    const Contact* entry = contacts_.find(peer);
    return entry == nullptr ? Usec{0} : entry->heartbeat.round_trip();
}

std::optional<Instant> Ring::last_heard(const NodeId& peer) const {
    const Contact* entry = contacts_.find(peer);
    if (entry == nullptr) return std::nullopt;
    return entry->heartbeat.heard();
}

std::optional<Instant> Ring::member_since(const NodeId& peer) const {
    const auto it = since_.find(peer);
    if (it == since_.end()) return std::nullopt;
    return it->second;
}

void Ring::use(const NodeId& to, const Message& message, Instant now, EffectSink& sink) {
    if (auto* entry = contact(to)) entry->used = now;
    sink.send(to, message, {});
}

bool Ring::needed(const NodeId& peer) const {
    if (leaving_ || (!alone() && successors_.head().id == peer)) return true;
    if (predecessor_ && predecessor_->id == peer) return true;
    if (candidate_ && candidate_->member.id == peer) return true;
    if (config_.connect_view && is_member(peer)) return true;
    return std::any_of(lookups_.begin(), lookups_.end(),
                       [&](const auto& entry) { return entry.second.asked() && entry.second.asked()->id == peer; });
}

/// False: every peer is needed.
bool Ring::make_room_for_peer(EffectSink& sink) {
    const Contact* idlest = nullptr;
    for (const auto& [id, entry] : contacts_)
        if ((idlest == nullptr || entry->used < idlest->used) && !needed(id)) idlest = entry.get();
    if (idlest == nullptr) return false;
    const NodeId id = idlest->member.id;
    contacts_.erase(id);
    sink.disconnect(id, "no longer needed");
    return true;
}

void Ring::check_invariants() const {
    successors_.check_invariants();
    EDDY_ASSERT(successors_.members().size() <= members_max);
    EDDY_ASSERT(!members_.empty() && members_.size() <= config_.view_max && since_.size() == members_.size());
    EDDY_ASSERT(members_.front().id == config_.self.id);
    EDDY_ASSERT(contacts_.size() <= config_.peers_max && !contacts_.contains(config_.self.id));
    EDDY_ASSERT(dials_.size() <= dials_.seeds() + DialBook::entries_max);
    EDDY_ASSERT(lookups_.size() <= lookups_max);
    EDDY_ASSERT(left_.size() <= left_max && dead_.size() <= left_max);
    EDDY_ASSERT(!predecessor_ || predecessor_->id != config_.self.id);
    EDDY_ASSERT(!candidate_ || candidate_->member.id != config_.self.id);
}

}  // namespace eddy::ring
