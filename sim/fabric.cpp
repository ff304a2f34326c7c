#include "sim/fabric.hpp"

#include <algorithm>

#include "eddy/assert.hpp"

namespace eddy::sim {

namespace {
constexpr const char* reset_reason = "the connection was reset";
constexpr uint32_t backoffs_max = 5;  // doublings of a wait before a message is sent again
}  // namespace

Fabric::Fabric(uint64_t seed, NetworkFaults network, Host& host) : network_(network), host_(host), random_(seed) {}

// -- machines and processes
// --------------------------------------------------------------------------------------------

size_t Fabric::add() {
    EDDY_ASSERT(machines_.size() < nodes_max);
    machines_.emplace_back();
    return machines_.size() - 1;
}

Endpoint Fabric::endpoint(size_t node) { return {"sim", static_cast<uint16_t>(port_base + node)}; }

void Fabric::start(size_t node) {
    Machine& machine = machines_[node];
    EDDY_ASSERT(!machine.running);
    machine.running = true;
    machine.silent = false;
}

void Fabric::end_process(size_t node) {
    Machine& machine = machines_[node];
    while (!machine.links.empty()) erase(node, machine.links.back().first);
    for (const auto& event : machine.backlog) discard(event);
    machine.backlog.clear();
    machine.timers = {};
    machine.running = machine.paused = machine.serving = false;
    ++machine.life;
}

void Fabric::crash(size_t node) {
    Machine& machine = machines_[node];
    if (!machine.running) return;
    for (const auto& [peer, slot] : machine.links) flush_control(links_[slot]);
    for (const auto& [peer, slot] : machine.links)
        if (reaches(node, peer))
            tell_closed(peer, node, links_[slot].connection, reset_reason, true,
                        std::max(now_ + transit(node, peer), links_[slot].last_arrival[0]));
    end_process(node);
}

void Fabric::vanish(size_t node) {
    if (machines_[node].running) end_process(node);
    machines_[node].silent = true;
}

void Fabric::pause(size_t node) { machines_[node].paused = machines_[node].running; }

void Fabric::resume(size_t node) {
    Machine& machine = machines_[node];
    if (!machine.paused) return;
    machine.paused = false;
    if (machine.serving || machine.backlog.empty()) return;
    machine.serving = true;
    push(now_, Kind::serve, node, machine.life);
}

void Fabric::slow(size_t node, Usec per_event) { machines_[node].per_event = per_event; }

// -- the network
// -------------------------------------------------------------------------------------------------------

void Fabric::partition(const std::vector<std::vector<size_t>>& groups) {
    for (auto& machine : machines_) machine.group = 0;
    for (size_t g = 0; g < groups.size(); ++g)
        for (const size_t node : groups[g]) machines_[node].group = static_cast<uint32_t>(g + 1);
    partitioned_ = !groups.empty();
}

void Fabric::cut_one_way(size_t from, size_t to) {
    cuts_.emplace(static_cast<uint32_t>(from), static_cast<uint32_t>(to));
}

void Fabric::heal() {
    partitioned_ = false;
    cuts_.clear();
}

bool Fabric::reaches(size_t from, size_t to) const {
    if (partitioned_ && machines_[from].group != machines_[to].group) return false;
    return cuts_.empty() || cuts_.count({static_cast<uint32_t>(from), static_cast<uint32_t>(to)}) == 0;
}

void Fabric::set_bandwidth(size_t from, size_t to, double bytes_per_s) {
    wires_.change_width(static_cast<uint32_t>(from), static_cast<uint32_t>(to), bytes_per_s, now_);
    watch_wire();
}

void Fabric::set_network_card(size_t node, double out_bytes_per_s, double in_bytes_per_s) {
    wires_.set_card(static_cast<uint32_t>(node), out_bytes_per_s, in_bytes_per_s);
}

void Fabric::set_delay(size_t from, size_t to, Usec delay) {
    delays_[{static_cast<uint32_t>(from), static_cast<uint32_t>(to)}] = delay;
}

Usec Fabric::one_way(size_t from, size_t to) {
    Usec mean = network_.delay_mean;
    if (!delays_.empty()) {
        const auto own = delays_.find({static_cast<uint32_t>(from), static_cast<uint32_t>(to)});
        if (own != delays_.end()) mean = own->second;
    }
    if (network_.delay_spread == Usec{0}) return mean;
    const auto spread = static_cast<double>(network_.delay_spread.count());
    const Usec delay = mean + Usec(static_cast<int64_t>(random_.uniform(-spread, spread)));
    return std::max(delay, Usec{0});
}

/// One way through a connection that repairs losses.
Usec Fabric::transit(size_t from, size_t to) {
    Usec delay = one_way(from, to);
    if (network_.loss <= 0) return delay;
    Usec wait = network_.retransmit;
    for (uint32_t i = 0; i < 2 * backoffs_max && random_.chance(network_.loss); ++i) {
        ++counters_.retransmitted;
        delay += wait;
        if (i < backoffs_max) wait *= 2;
    }
    return delay;
}

namespace {
auto place_of(auto& links, size_t peer) {
    return std::lower_bound(links.begin(), links.end(), peer,
                            [](const auto& link, size_t sought) { return link.first < sought; });
}
}  // namespace

const Link* Fabric::find(size_t node, size_t peer) const {
    const auto& links = machines_[node].links;
    const auto at = place_of(links, peer);
    return at == links.end() || at->first != peer ? nullptr : &links_[at->second];
}

Link* Fabric::find(size_t node, size_t peer, uint64_t connection) {
    Link* link = find(node, peer);
    return link != nullptr && link->connection == connection ? link : nullptr;
}

/// Without a search: most events of a simulation come through here.
Link* Fabric::receiver_of(const Delivery& delivery) {
    Link& link = links_[delivery.end];
    return link.connection == delivery.connection ? &link : nullptr;
}

uint32_t Fabric::insert(size_t node, size_t peer, uint64_t connection) {
    const uint32_t slot = links_.take();
    links_[slot] = Link{};
    links_[slot].connection = connection;
    auto& links = machines_[node].links;
    links.emplace(place_of(links, peer), static_cast<uint32_t>(peer), slot);
    return slot;
}

void Fabric::erase(size_t node, size_t peer) {
    auto& links = machines_[node].links;
    const auto at = place_of(links, peer);
    drop_held(links_[at->second]);
    for (size_t lane = 0; lane < 2; ++lane) drop_line(links_[at->second], lane);
    links_[at->second].connection = 0;
    links_.give_back(at->second);
    links.erase(at);
}

void Fabric::drop_held(Link& link) {
    for (uint32_t index = link.held_first; index != no_index;) {
        const uint32_t next = deliveries_[index].next;
        give_back(index);
        index = next;
    }
    link.held_first = link.held_last = no_index;
}

bool Fabric::connected(size_t node, size_t peer) const {
    const Link* link = find(node, peer);
    return link != nullptr && link->told;
}

// -- what processes do
// -------------------------------------------------------------------------------------------------

void Fabric::dial(size_t from, const Endpoint& endpoint) {
    const size_t to = endpoint.host == "sim" && endpoint.port >= port_base ? endpoint.port - port_base : nodes_max;
    if (to < machines_.size() && connected(from, to)) return;
    ++counters_.dials;
    const uint32_t index = notes_.take();
    Note& note = notes_[index];
    note.node = static_cast<uint32_t>(from);
    note.life = machines_[from].life;
    note.since = now_;
    note.endpoint = endpoint;
    if (to >= machines_.size() || to == from) {
        note.reason = to == from ? "that is this node itself" : "no such host";
        push(now_ + 2 * network_.delay_mean, Kind::refused, from, index);
        return;
    }
    note.node = static_cast<uint32_t>(to);
    note.peer = static_cast<uint32_t>(from);
    // Connecting takes a round trip, then each side says who it is; the dialled one knows first.
    const Usec there = transit(from, to);
    const Usec back = transit(to, from);
    push(now_ + there + back + transit(from, to), Kind::dial, to, index);
}

void Fabric::close(size_t node, size_t peer, const std::string& reason) {
    Link* link = find(node, peer);
    if (link == nullptr || !link->told) return;
    flush_control(*link);
    const uint64_t connection = link->connection;
    const Instant after = link->last_arrival[0];
    erase(node, peer);
    tell_closed(node, peer, connection, reason, false, now_);
    if (reaches(node, peer))
        tell_closed(peer, node, connection, reason, true, std::max(now_ + transit(node, peer), after));
}

void Fabric::tell_closed(size_t node, size_t peer, uint64_t connection, const std::string& reason, bool from_peer,
                         Instant at) {
    const uint32_t index = notes_.take();
    Note& note = notes_[index];
    note.node = static_cast<uint32_t>(node);
    note.peer = static_cast<uint32_t>(peer);
    note.life = machines_[node].life;
    note.connection = connection;
    note.from_peer = from_peer;
    note.reason = reason;
    push(at, Kind::closed, node, index);
}

void Fabric::send(size_t from, size_t to, const Message& message, std::span<const TensorRef> tensors, uint64_t bytes) {
    Link* link = find(from, to);
    if (link == nullptr || !link->told) return;
    ++counters_.sent;
    ++counters_.sent_by_type[message.index()];
    const uint32_t index = deliveries_.take();
    Delivery& delivery = deliveries_[index];
    delivery.from = static_cast<uint32_t>(from);
    delivery.to = static_cast<uint32_t>(to);
    delivery.connection = link->connection;
    delivery.end = link->other_end;
    delivery.bytes = bytes;
    delivery.message = message;
    delivery.tensors.assign(tensors.begin(), tensors.end());
    delivery.next = no_index;
    if (network_.datagrams) return send_datagram(index, link->last_arrival[0]);
    const size_t lane = lane_of(message) == Lane::bulk ? 1 : 0;
    delivery.way = transit(from, to);
    const uint32_t line = link->line[lane];
    if (bytes == 0 && (line == no_index || lines_[line].first == no_index)) return set_off(index, *link, lane);
    join_line(index, place_of(machines_[from].links, to)->second, lane);
}

/// Nothing holds it up any more but the way; nothing of its lane overtakes it.
void Fabric::set_off(uint32_t index, Link& link, size_t lane) {
    Delivery& delivery = deliveries_[index];
    Instant& last = link.last_arrival[lane];
    last = std::max(last, now_ + delivery.way);
    delivery.last_byte = last;
    if (delivery.bytes == 0) delivery.first_byte = last;
    push(last, Kind::message, delivery.to, index);
}

/// Nothing overtakes the handshake of the connection, which ends at `earliest`.
void Fabric::send_datagram(uint32_t index, Instant earliest) {
    const Delivery& original = deliveries_[index];
    if (!reaches(original.from, original.to) || random_.chance(network_.loss)) {
        ++counters_.lost;
        give_back(index);
        return;
    }
    const size_t original_from = original.from;
    const size_t original_to = original.to;
    uint32_t copies[2] = {index, no_index};
    if (random_.chance(network_.duplicate)) {
        ++counters_.duplicated;
        copies[1] = deliveries_.take();
        deliveries_[copies[1]] = original;
    }
    for (const uint32_t copy : copies) {
        if (copy == no_index) continue;
        Usec delay = one_way(original_from, original_to);
        if (random_.chance(network_.reorder))
            delay += from_seconds(random_.uniform() * to_seconds(network_.reorder_by));
        Delivery& delivery = deliveries_[copy];
        delivery.first_byte = delivery.last_byte = std::max(now_ + delay, earliest);
        push(delivery.last_byte, Kind::message, delivery.to, copy);
    }
}

void Fabric::set_timer(size_t node, uint32_t timer, Instant when) {
    TimerState& state = machines_[node].timers[timer];
    state.due = when;
    if (when >= state.event_at) return;
    state.event_at = std::max(when, now_);
    state.event = push(state.event_at, Kind::timer, node, 0, static_cast<uint8_t>(timer));
}

void Fabric::at_process(size_t node, Instant when, std::function<void()> action) {
    const uint32_t index = actions_.take();
    actions_[index] = {machines_[node].life, std::move(action)};
    push(std::max(when, now_), Kind::process, node, index);
}

void Fabric::at(Instant when, std::function<void()> action) {
    const uint32_t index = actions_.take();
    actions_[index] = {0, std::move(action)};
    push(std::max(when, now_), Kind::world, 0, index);
}

void Fabric::give_back(uint32_t delivery) {
    deliveries_[delivery].connection = 0;
    deliveries_.give_back(delivery);
}

void Fabric::each_in_flight(const std::function<void(const Delivery&)>& visit) const {
    for (uint32_t i = 0; i < deliveries_.slots(); ++i)
        if (deliveries_[i].connection != 0) visit(deliveries_[i]);
}

}  // namespace eddy::sim
