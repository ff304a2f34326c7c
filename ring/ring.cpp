#include "ring/ring.hpp"

#include <algorithm>

#include "eddy/assert.hpp"

namespace eddy::ring {

namespace {
std::string where(const Endpoint& endpoint) { return endpoint.host + ":" + std::to_string(endpoint.port); }
}  // namespace

Ring::Ring(RingConfig config, uint64_t seed) : config_(std::move(config)), random_(seed) { rebuild_members(); }

void Ring::start(Instant now, EffectSink& sink) {
    for (const auto& seed : config_.seeds) consider(seed, true, now);
    last_tick_ = now;
    tick(now, sink);
}

void Ring::on_peer_up(const msg::Member& peer, Instant now, EffectSink& sink) {
    if (peer.id == config_.self.id) return;
    if (peers_.size() + 1 >= members_max && peers_.count(peer.id) == 0) {
        sink.disconnect(peer.id, "the ring is full: " + std::to_string(members_max) + " members");
        return;
    }
    Peer entry;
    entry.member = peer;
    entry.since = entry.heard = now;
    peers_[peer.id] = entry;
    left_.erase(peer.id);
    dials_.erase(peer.endpoint);
    rebuild_members();
    sink.log(LogLevel::info, "ring: " + peer.name + " (" + short_name(peer.id) + ") at " + where(peer.endpoint) +
                                 " joined; " + std::to_string(members_.size()) + " members");
    send_neighbours(sink);
    next_wakeup_ = std::min(next_wakeup_, now);
}

void Ring::on_peer_down(const NodeId& peer, const std::string& reason, Instant now, EffectSink& sink) {
    const auto it = peers_.find(peer);
    if (it == peers_.end()) return;
    const msg::Member member = it->second.member;
    const bool left = it->second.leaving;
    peers_.erase(it);
    rebuild_members();
    sink.log(left ? LogLevel::info : LogLevel::warning, "ring: " + member.name + " (" + short_name(peer) +
                                                            ") is gone: " + reason + "; " +
                                                            std::to_string(members_.size()) + " members");
    // Whoever vanished without a word may come back at the same address.
    if (!left) consider(member.endpoint, false, now);
    for (const auto& seed : config_.seeds) consider(seed, true, now);
    send_neighbours(sink);
}

void Ring::on_life(const NodeId& peer, Instant now) {
    const auto it = peers_.find(peer);
    if (it != peers_.end()) it->second.heard = now;
}

void Ring::on_message(const NodeId& from, const msg::Ping& ping, EffectSink& sink) {
    sink.send(from, msg::Pong{ping.sequence}, {});
}

void Ring::on_message(const NodeId& from, const msg::Pong& pong, Instant now) {
    const auto it = peers_.find(from);
    if (it == peers_.end() || pong.sequence != it->second.ping_sequence) return;
    const Usec sample = now - it->second.pinged;
    it->second.round_trip = it->second.round_trip == Usec{0} ? sample : (it->second.round_trip * 7 + sample) / 8;
}

void Ring::on_message(const NodeId& from, const msg::Neighbours& neighbours, Instant now, EffectSink& sink) {
    if (peers_.count(from) == 0 || leaving_) return;
    for (const auto& member : neighbours.successors) {
        if (member.id == config_.self.id || member.endpoint.port == 0 || peers_.count(member.id) != 0) continue;
        const auto left = left_.find(member.id);
        if (left != left_.end() && left->second >= member.incarnation) continue;
        consider(member.endpoint, false, now);
    }
    dial_due(now, sink);
}

void Ring::on_message(const NodeId& from, const msg::Leave& leave, Instant now, EffectSink& sink) {
    const auto it = peers_.find(from);
    if (it == peers_.end() || it->second.leaving) return;
    it->second.leaving = true;
    if (left_.size() >= members_max) left_.erase(left_.begin());
    left_[from] = it->second.member.incarnation;
    rebuild_members();
    sink.log(LogLevel::info, "ring: " + it->second.member.name + " (" + short_name(from) + ") leaves: " + leave.reason);
    send_neighbours(sink);
    next_wakeup_ = std::min(next_wakeup_, now);
}

void Ring::leave(const std::string& reason, EffectSink& sink) {
    if (leaving_) return;
    leaving_ = true;
    dials_.clear();
    for (const auto& [id, peer] : peers_) sink.send(id, msg::Leave{reason}, {});
}

void Ring::tick(Instant now, EffectSink& sink) {
    // If this process itself stood still, silence says nothing about the others: give them another chance.
    if (now - last_tick_ > config_.silent_max / 2)
        for (auto& [id, peer] : peers_) peer.heard = now;
    last_tick_ = now;
    heartbeat_due(now, sink);
    dial_due(now, sink);
    if (now >= next_neighbours_) {
        send_neighbours(sink);
        next_neighbours_ = now + config_.neighbours_every;
    }
    next_wakeup_ = now + config_.heartbeat_every;
    for (const auto& [endpoint, dial] : dials_) next_wakeup_ = std::min(next_wakeup_, dial.next);
    next_wakeup_ = std::max(next_wakeup_, now + from_ms(1));
}

void Ring::heartbeat_due(Instant now, EffectSink& sink) {
    std::vector<NodeId> silent;
    for (auto& [id, peer] : peers_) {
        if (now - peer.heard > config_.silent_max) {
            silent.push_back(id);
            continue;
        }
        if (now - peer.pinged < config_.heartbeat_every) continue;
        peer.pinged = now;
        sink.send(id, msg::Ping{++peer.ping_sequence}, {});
    }
    for (const auto& id : silent) {
        const std::string reason =
            "no sign of life for " + std::to_string(static_cast<int>(to_ms(config_.silent_max))) + " ms";
        sink.disconnect(id, reason);
        on_peer_down(id, reason, now, sink);
    }
}

void Ring::dial_due(Instant now, EffectSink& sink) {
    for (auto it = dials_.begin(); it != dials_.end();) {
        auto& [endpoint, dial] = *it;
        if (connected_to(endpoint) || (!dial.seed && dial.tries >= 20)) {
            it = dials_.erase(it);
            continue;
        }
        if (now >= dial.next) {
            if (dial.tries++ == 0) dial.first_try = now;
            sink.connect(endpoint);
            dial.every = std::min(config_.dial_every_max, dial.every * 2);
            // Jitter, so that nodes started by one power switch do not dial in step for ever.
            dial.next = now + from_seconds(to_seconds(dial.every) * random_.uniform(0.5, 1.0));
            if (dial.seed && dial.tries > 3 && now - dial.complained > config_.complain_every) {
                dial.complained = now;
                sink.log(LogLevel::warning, "ring: seed " + where(endpoint) + " not reached after " +
                                                std::to_string(dial.tries) + " tries; trying on");
            }
        }
        ++it;
    }
}

void Ring::consider(const Endpoint& endpoint, bool seed, Instant now) {
    if (leaving_ || endpoint == config_.self.endpoint || connected_to(endpoint)) return;
    const auto it = dials_.find(endpoint);
    if (it != dials_.end()) {
        it->second.seed |= seed;
        return;
    }
    if (!seed && dials_.size() >= config_.seeds.size() + members_max) return;
    Dial dial;
    dial.next = now;
    dial.every = config_.dial_every_min;
    dial.seed = seed;
    dial.complained = now - config_.complain_every;
    dials_.emplace(endpoint, dial);
    next_wakeup_ = std::min(next_wakeup_, now);
}

bool Ring::connected_to(const Endpoint& endpoint) const {
    return std::any_of(peers_.begin(), peers_.end(),
                       [&](const auto& entry) { return entry.second.member.endpoint == endpoint; });
}

void Ring::rebuild_members() {
    std::vector<msg::Member> members{config_.self};
    for (const auto& [id, peer] : peers_)
        if (!peer.leaving) members.push_back(peer.member);
    std::sort(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
    const auto self =
        std::find_if(members.begin(), members.end(), [&](const auto& m) { return m.id == config_.self.id; });
    std::rotate(members.begin(), self, members.end());
    if (members == members_) return;
    members_ = std::move(members);
    ++epoch_;
}

msg::Neighbours Ring::neighbours() const {
    msg::Neighbours neighbours;
    neighbours.successors = members_;
    return neighbours;
}

void Ring::send_neighbours(EffectSink& sink) const {
    if (leaving_) return;
    const auto message = neighbours();
    for (const auto& [id, peer] : peers_) sink.send(id, message, {});
}

std::optional<NodeId> Ring::successor() const {
    if (members_.size() < 2) return std::nullopt;
    return members_[1].id;
}

std::optional<NodeId> Ring::predecessor() const {
    if (members_.size() < 2) return std::nullopt;
    return members_.back().id;
}

bool Ring::is_member(const NodeId& id) const {
    return std::any_of(members_.begin(), members_.end(), [&](const auto& m) { return m.id == id; });
}

Usec Ring::round_trip(const NodeId& peer) const {
    const auto it = peers_.find(peer);
    return it == peers_.end() ? Usec{0} : it->second.round_trip;
}

std::optional<Instant> Ring::member_since(const NodeId& peer) const {
    const auto it = peers_.find(peer);
    if (it == peers_.end()) return std::nullopt;
    return it->second.since;
}

void Ring::check_invariants() const {
    EDDY_ASSERT(!members_.empty() && members_.size() <= members_max);
    EDDY_ASSERT(members_.front().id == config_.self.id);
    EDDY_ASSERT(dials_.size() <= config_.seeds.size() + members_max);
    EDDY_ASSERT(left_.size() <= members_max);
    size_t wraps = 0;
    for (size_t i = 0; i < members_.size(); ++i)
        if (!(members_[i].id < members_[(i + 1) % members_.size()].id)) ++wraps;
    EDDY_ASSERT(wraps == 1);  // strictly rising but for the one place where the circle closes
}

}  // namespace eddy::ring
