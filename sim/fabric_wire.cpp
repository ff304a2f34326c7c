// The fabric's wires: messages that have bytes queue on their connection's line and share what lies on their way.
#include <algorithm>

#include "eddy/assert.hpp"
#include "sim/fabric.hpp"

namespace eddy::sim {

void Fabric::join_line(uint32_t index, uint32_t end, size_t lane) {
    uint32_t& line_index = links_[end].line[lane];
    if (line_index == no_index) {
        line_index = lines_.take();
        lines_[line_index] = {no_index, no_index, end, static_cast<uint8_t>(lane)};
    }
    Line& line = lines_[line_index];
    deliveries_[index].next = no_index;
    if (line.first != no_index) {
        deliveries_[line.last].next = index;
        line.last = index;
        return;
    }
    line.first = line.last = index;
    put_on_wire(line_index);
    watch_wire();
}

void Fabric::put_on_wire(uint32_t line) {
    Delivery& delivery = deliveries_[lines_[line].first];
    delivery.first_byte = now_ + delivery.way;
    wires_.begin(line, delivery.from, delivery.to, delivery.bytes, now_);
}

/// The first has been transmitted. What comes next goes on the wire, for no time if it has no bytes.
void Fabric::leave_line(uint32_t line_index) {
    Line& line = lines_[line_index];
    const uint32_t index = line.first;
    line.first = deliveries_[index].next;
    set_off(index, links_[line.end], line.lane);
    if (line.first == no_index)
        line.last = no_index;
    else
        put_on_wire(line_index);
}

/// The end of a connection: what is not transmitted by then never will be.
void Fabric::drop_line(Link& link, size_t lane) {
    if (link.line[lane] == no_index) return;
    Line& line = lines_[link.line[lane]];
    if (line.first != no_index) {
        wires_.cancel(link.line[lane], now_);
        watch_wire();
    }
    for (uint32_t index = line.first; index != no_index;) {
        const uint32_t next = deliveries_[index].next;
        give_back(index);
        index = next;
    }
    lines_.give_back(link.line[lane]);
    link.line[lane] = no_index;
}

/// What a process said before it closed a connection, or died, is heard: its machine sends that.
void Fabric::flush_control(Link& link) {
    if (link.line[0] == no_index) return;
    Line& line = lines_[link.line[0]];
    if (line.first == no_index) return;
    wires_.cancel(link.line[0], now_);
    watch_wire();
    for (uint32_t index = line.first; index != no_index;) {
        const uint32_t next = deliveries_[index].next;
        set_off(index, link, 0);
        index = next;
    }
    line.first = line.last = no_index;
}

/// Sees to it that an event comes when the next transmission ends. One that came too early looks again.
void Fabric::watch_wire() {
    if (wires_.next_end() >= wire_event_at_) return;
    wire_event_at_ = wires_.next_end();
    wire_event_ = push(wire_event_at_, Kind::wire, 0, 0);
}

void Fabric::run_wire(const QueuedEvent& event) {
    if (event.sequence != wire_event_) return;
    wire_event_at_ = never;
    while (wires_.next_end() == now_) leave_line(wires_.take_ended(now_));
    watch_wire();
}

}  // namespace eddy::sim
