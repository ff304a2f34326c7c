// What the fabric (sim/fabric.hpp) keeps about machines, their connections, and things on their way. Plain data; only
// Delivery and FabricCounters are of interest to others.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "eddy/messages.hpp"
#include "sim/event_queue.hpp"

namespace eddy::sim {

inline constexpr size_t timers_max = 5;  ///< of a process
inline constexpr uint32_t no_index = UINT32_MAX;

/// A message that arrived, with what it carried. The host may move from it.
struct Delivery {
    uint32_t from = 0;
    uint32_t to = 0;
    uint64_t connection = 0;  ///< zero: this slot is free
    Instant first_byte{};
    Instant last_byte{};
    uint64_t bytes = 0;
    Message message;
    std::vector<TensorRef> tensors;  ///< as the sender named them
    uint32_t end = 0;                ///< the fabric's own: the receiver's Link
    uint32_t next = 0;               ///< the fabric's own: behind it, on its line or where a cut holds it up
    Usec way{0};                     ///< the fabric's own: from the end of the line to the receiver
};

struct FabricCounters {
    uint64_t events = 0;
    uint64_t sent = 0;       ///< messages given to the network on a standing connection
    uint64_t delivered = 0;  ///< told to a process
    uint64_t lost = 0;       ///< datagrams that the network lost or a cut swallowed
    uint64_t duplicated = 0;
    uint64_t retransmitted = 0;
    uint64_t dials = 0;
    uint64_t connections = 0;
    std::array<uint64_t, std::variant_size_v<Message>> sent_by_type{};
};

/// What one end of a connection has still to transmit on one lane: the first is on the wire.
struct Line {
    uint32_t first = no_index;
    uint32_t last = no_index;
    uint32_t end = 0;  ///< its Link
    uint8_t lane = 0;
};

/// One end of a connection.
struct Link {
    uint64_t connection = 0;                           ///< zero: this slot is free
    uint32_t other_end = no_index;                     ///< its slot, if that still has the same connection
    bool told = false;                                 ///< its process knows that it is up
    std::array<Instant, 2> last_arrival{};             ///< at the other end, per lane: order is kept
    std::array<uint32_t, 2> line{no_index, no_index};  ///< per lane, once something took its time there
    uint32_t held_first = no_index;                    ///< arriving messages that a cut holds up, in order
    uint32_t held_last = no_index;
    uint32_t resends = 0;
};

/// Events are never taken out of the queue: one that came too early looks here when it should have come.
struct TimerState {
    Instant due = never;
    Instant event_at = never;
    uint64_t event = 0;  ///< sequence of the one that counts
};

struct Machine {
    bool running = false;  ///< has a process
    bool silent = false;
    bool paused = false;
    bool serving = false;  ///< an event that takes from the backlog is queued
    uint32_t life = 0;     ///< of the process; rises when one ends
    uint32_t group = 0;
    Usec per_event{0};
    std::vector<std::pair<uint32_t, uint32_t>> links;  ///< peer, slot of this machine's end; by peer
    std::array<TimerState, timers_max> timers;
    std::deque<QueuedEvent> backlog;  ///< paused or slow: what the process has not come to yet
};

/// All about an event of the network that is not a message.
struct Note {
    uint32_t node = 0;  ///< whom it is for
    uint32_t peer = 0;
    uint32_t life = 0;  ///< of the process that caused it or is to hear of it
    uint32_t peer_life = 0;
    uint64_t connection = 0;
    Instant since{};
    bool from_peer = false;  ///< the other end closed, or was reset
    Endpoint endpoint;
    std::string reason;
};

struct Action {
    uint32_t life = 0;
    std::function<void()> run;
};

}  // namespace eddy::sim
