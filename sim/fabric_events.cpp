// The fabric's events: what happens when the time of each has come.
#include <algorithm>

#include "eddy/assert.hpp"
#include "sim/fabric.hpp"

namespace eddy::sim {

uint64_t Fabric::push(Instant at, Kind kind, size_t node, uint32_t index, uint8_t extra) {
    QueuedEvent event;
    event.at = at;
    event.node = static_cast<uint32_t>(node);
    event.index = index;
    event.kind = static_cast<uint8_t>(kind);
    event.extra = extra;
    return queue_.push(event);
}

void Fabric::step() {
    const QueuedEvent event = queue_.pop();
    EDDY_ASSERT(event.at >= now_);
    now_ = event.at;
    ++counters_.events;
    hear(static_cast<uint64_t>(now_.time_since_epoch().count()));
    hear(uint64_t{event.node} << 16 | uint64_t{event.kind} << 8 | event.extra);
    if (static_cast<Kind>(event.kind) == Kind::message) {
        const Delivery& delivery = deliveries_[event.index];
        hear(uint64_t{delivery.from} << 8 | delivery.message.index());
    }
    dispatch(event);
}

void Fabric::run_until(Instant end) {
    while (!queue_.empty() && queue_.top().at <= end) step();
    now_ = std::max(now_, end);
}

bool Fabric::is_for_process(Kind kind) {
    return kind != Kind::world && kind != Kind::serve && kind != Kind::resend && kind != Kind::wire;
}

/// To the process at once, or behind what it has not come to yet.
void Fabric::dispatch(const QueuedEvent& event) {
    const auto kind = static_cast<Kind>(event.kind);
    if (!is_for_process(kind)) return handle(event);
    Machine& machine = machines_[event.node];
    if (kind == Kind::timer && machine.timers[event.extra].event != event.sequence) return;  // replaced
    if (machine.running && (machine.paused || machine.serving)) {
        machine.backlog.push_back(event);
        return;
    }
    if (machine.running && machine.per_event > Usec{0}) {
        machine.serving = true;
        push(now_ + machine.per_event, Kind::serve, event.node, machine.life);
    }
    handle(event);
}

void Fabric::serve(const QueuedEvent& event) {
    Machine& machine = machines_[event.node];
    if (machine.life != event.index) return;
    if (machine.paused || machine.backlog.empty()) {
        machine.serving = false;
        return;
    }
    const QueuedEvent next = machine.backlog.front();
    machine.backlog.pop_front();
    push(now_ + machine.per_event, Kind::serve, event.node, machine.life);
    handle(next);
}

void Fabric::handle(const QueuedEvent& event) {
    switch (static_cast<Kind>(event.kind)) {
        case Kind::message: return arrive(event.index);
        case Kind::resend: return resend(event.index);
        case Kind::dial: return answer_dial(event.index);
        case Kind::refused: return refused(event.index);
        case Kind::established: return establish(event.index);
        case Kind::closed: return closed(event.index);
        case Kind::timer: return fire(event);
        case Kind::serve: return serve(event);
        case Kind::wire: return run_wire(event);
        case Kind::process:
        case Kind::world: {
            const Action action = std::move(actions_[event.index]);
            discard(event);
            if (static_cast<Kind>(event.kind) == Kind::process && machines_[event.node].life != action.life) return;
            return action.run();
        }
    }
}

/// Gives back what an event refers to, and tells nobody.
void Fabric::discard(const QueuedEvent& event) {
    switch (static_cast<Kind>(event.kind)) {
        case Kind::message: return give_back(event.index);
        case Kind::resend:
        case Kind::dial:
        case Kind::refused:
        case Kind::established:
        case Kind::closed: return notes_.give_back(event.index);
        case Kind::process:
        case Kind::world: actions_[event.index].run = nullptr; return actions_.give_back(event.index);
        case Kind::timer:
        case Kind::serve:
        case Kind::wire: return;
    }
}

void Fabric::arrive(uint32_t index) {
    Delivery& delivery = deliveries_[index];
    const size_t from = delivery.from;
    const size_t to = delivery.to;
    Link* link = receiver_of(delivery);
    const bool cut = !reaches(from, to);
    if (link != nullptr && !network_.datagrams && (cut || link->held_first != no_index)) return hold_up(*link, index);
    if (cut || (link != nullptr && !link->told)) {
        ++counters_.lost;
    } else if (link != nullptr) {
        ++counters_.delivered;
        host_.on_message(to, delivery);
    } else if (!machines_[to].silent && reaches(to, from)) {
        // The machine does not know this connection (any more).
        tell_closed(from, to, delivery.connection, "the connection was reset", true, now_ + transit(to, from));
    }
    give_back(index);
}

/// TCP across a cut: the sender tries again until it gets through or the connection is closed.
void Fabric::hold_up(Link& link, uint32_t index) {
    Delivery& delivery = deliveries_[index];
    delivery.next = no_index;
    if (link.held_last != no_index) {
        deliveries_[link.held_last].next = index;
        link.held_last = index;
        return;
    }
    link.held_first = link.held_last = index;
    link.resends = 0;
    const uint32_t note_index = notes_.take();
    Note& note = notes_[note_index];
    note.node = delivery.to;
    note.peer = delivery.from;
    note.connection = delivery.connection;
    push(now_ + network_.retransmit, Kind::resend, note.node, note_index);
}

void Fabric::resend(uint32_t index) {
    const Note& note = notes_[index];
    Link* link = find(note.node, note.peer, note.connection);
    if (link == nullptr || link->held_first == no_index) return notes_.give_back(index);
    ++counters_.retransmitted;
    if (!reaches(note.peer, note.node)) {
        constexpr uint32_t doublings_max = 5;
        link->resends = std::min(link->resends + 1, doublings_max);
        push(now_ + network_.retransmit * (int64_t{1} << link->resends), Kind::resend, note.node, index);
        return;
    }
    uint32_t held = link->held_first;
    link->held_first = link->held_last = no_index;
    const uint32_t node = note.node;
    notes_.give_back(index);
    // At once, so that nothing sent later can come before them.
    while (held != no_index) {
        const uint32_t next = deliveries_[held].next;
        QueuedEvent event;
        event.at = now_;
        event.node = node;
        event.index = held;
        event.kind = static_cast<uint8_t>(Kind::message);
        deliveries_[held].last_byte = now_;
        dispatch(event);
        held = next;
    }
}

/// What the dialled machine does: nothing, refuse, or let its process accept.
void Fabric::answer_dial(uint32_t index) {
    Note& note = notes_[index];
    const bool in_vain = machines_[note.node].silent || machines_[note.peer].life != note.life ||
                         !reaches(note.peer, note.node) || !reaches(note.node, note.peer) ||
                         now_ > note.since + network_.dial_limit;
    if (in_vain) return notes_.give_back(index);
    if (machines_[note.node].running) return accept(note, index);
    note.reason = "connection refused";
    std::swap(note.node, note.peer);
    push(now_ + transit(note.peer, note.node), Kind::refused, note.node, index);
}

void Fabric::accept(const Note& note, uint32_t index) {
    const uint32_t node = note.node;
    const uint32_t dialler = note.peer;
    const Link* here = find(node, dialler);
    const Link* there = find(dialler, node);
    if (here != nullptr && there != nullptr && here->connection == there->connection)
        return notes_.give_back(index);  // the other one's dial was faster
    const char* replaced = "replaced by a newer connection";
    if (there != nullptr) {
        const uint64_t old = there->connection;
        const bool told = there->told;
        erase(dialler, node);
        if (told) tell_closed(dialler, node, old, replaced, false, now_);
    }
    uint64_t old = 0;
    if (here != nullptr) {
        if (here->told) old = here->connection;
        erase(node, dialler);
    }
    const uint64_t connection = next_connection_++;
    ++counters_.connections;
    const Instant known_there = now_ + transit(node, dialler);
    const uint32_t here_slot = insert(node, dialler, connection);
    const uint32_t there_slot = insert(dialler, node, connection);
    links_[here_slot].told = true;
    links_[here_slot].last_arrival = {known_there, known_there};
    links_[here_slot].other_end = there_slot;
    links_[there_slot].other_end = here_slot;
    Note& told = notes_[index];
    std::swap(told.node, told.peer);
    told.connection = connection;
    told.peer_life = life(node);
    push(known_there, Kind::established, dialler, index);
    if (old != 0) host_.on_peer_down(node, dialler, old, replaced);
    host_.on_peer_up(node, dialler, connection, life(dialler));
}

void Fabric::establish(uint32_t index) {
    const Note& note = notes_[index];
    const size_t node = note.node;
    const size_t peer = note.peer;
    const uint32_t peer_life = note.peer_life;
    Link* link = find(node, peer, note.connection);
    notes_.give_back(index);
    if (link == nullptr) return;
    link->told = true;
    host_.on_peer_up(node, peer, link->connection, peer_life);
}

void Fabric::refused(uint32_t index) {
    const Note note = notes_[index];
    notes_.give_back(index);
    if (machines_[note.node].life == note.life) host_.on_dial_failed(note.node, note.endpoint, note.reason);
}

void Fabric::closed(uint32_t index) {
    const Note note = notes_[index];
    notes_.give_back(index);
    if (machines_[note.node].life != note.life) return;
    if (note.from_peer) {
        // Never before this end was told that it is up: nothing overtakes that.
        const Link* link = find(note.node, note.peer, note.connection);
        if (link == nullptr) return;
        EDDY_ASSERT(link->told);
        erase(note.node, note.peer);
    } else if (const Link* newer = find(note.node, note.peer); newer != nullptr && newer->told) {
        return;  // this end closed it and has been told of a newer one since: that one stands
    }
    host_.on_peer_down(note.node, note.peer, note.connection, note.reason);
}

void Fabric::fire(const QueuedEvent& event) {
    TimerState& timer = machines_[event.node].timers[event.extra];
    if (timer.event != event.sequence) return;
    timer.event_at = never;
    if (timer.due > now_) {
        if (timer.due != never) set_timer(event.node, event.extra, timer.due);
        return;
    }
    timer.due = never;
    host_.on_timer(event.node, event.extra);
}

}  // namespace eddy::sim
