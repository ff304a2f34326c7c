// What nodes say to each other once their connection stands, as plain structs. The encoding is the transport's
// business (src/transport/schema/eddy.capnp); the handshake (Hello, Refuse, Bye) never leaves it.
//
// Every list is bounded here; a decoder refuses more before it allocates. Receivers still treat all content as
// hostile: ids may be unknown, counters absurd, numbers not finite.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "eddy/frame_state.hpp"
#include "eddy/ids.hpp"
#include "eddy/inference.hpp"
#include "eddy/node_state.hpp"
#include "eddy/row_messages.hpp"
#include "eddy/tensor.hpp"
#include "eddy/time.hpp"

namespace eddy {

inline constexpr size_t members_max = 64;          ///< of a ring, as the scheduler sees it
inline constexpr size_t found_members_max = 16;    ///< in one Found message
inline constexpr size_t frontier_tensors_max = 8;  ///< in one Work message
inline constexpr size_t name_bytes_max = 64;
inline constexpr size_t text_bytes_max = 1024;  ///< reasons for people
inline constexpr uint64_t work_bytes_max = uint64_t{256} << 20;

/// Where a node listens. `host` is a name or an address.
struct Endpoint {
    std::string host;
    uint16_t port = 0;
    friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

/// Control messages are small and prompt; bulk ones carry tensors. One connection each (design: "two per peer pair").
enum class Lane : uint8_t { control, bulk };

namespace msg {

struct Ping {
    uint64_t sequence = 0;
    friend bool operator==(const Ping&, const Ping&) = default;
};
struct Pong {
    uint64_t sequence = 0;  ///< of the Ping it answers
    friend bool operator==(const Pong&, const Pong&) = default;
};

struct Member {
    NodeId id;
    Incarnation incarnation;
    std::string name;
    Endpoint endpoint;
    friend bool operator==(const Member&, const Member&) = default;
};

/// Who is the successor of `key`? One step of an iterative lookup; the answer is Found.
struct FindSuccessor {
    uint64_t request = 0;  ///< the asker's number; the answer repeats it
    NodeId key;
    friend bool operator==(const FindSuccessor&, const FindSuccessor&) = default;
};

/// `done`: the sender is the key's predecessor.
struct Found {
    uint64_t request = 0;
    bool done = false;
    std::vector<Member> before;  ///< between sender and key, closest to the key first; at most found_members_max
    std::vector<Member> after;   ///< the sender's successors from the key on (itself, if it is alone); as many
    friend bool operator==(const Found&, const Found&) = default;
};

/// Stabilisation: asks a successor for its neighbours.
struct GetNeighbours {
    uint64_t request = 0;        ///< not 0
    uint64_t known_version = 0;  ///< of the last Neighbours that came from there on this connection; 0: none
    friend bool operator==(const GetNeighbours&, const GetNeighbours&) = default;
};

/// The sender's predecessor and successors, in ring order from the sender on, without the sender.
struct Neighbours {
    uint64_t request = 0;    ///< answered by this; 0: told unasked, to the predecessor, because it changed
    uint64_t version = 0;    ///< rises with every change
    bool unchanged = false;  ///< nothing new since `known_version`: the rest is empty
    std::optional<Member> predecessor;
    std::vector<Member> successors;  ///< at most members_max
    friend bool operator==(const Neighbours&, const Neighbours&) = default;
};

/// The sender holds the receiver for its successor.
struct Notify {
    friend bool operator==(const Notify&, const Notify&) = default;
};

/// There is a node the receiver may not know: it is to become someone's successor where the receiver's ring lacks it.
struct Introduce {
    Member member;
    friend bool operator==(const Introduce&, const Introduce&) = default;
};

/// The sender leaves the ring; nothing more is to be sent to it.
struct Leave {
    std::string reason;
    friend bool operator==(const Leave&, const Leave&) = default;
};

/// A frame on its way: everything the next node needs to go on. Tensors travel beside it.
struct Work {
    FrameId frame;
    uint64_t seq = 0;      ///< counts Work messages on this connection, from 1
    uint32_t attempt = 0;  ///< fences stale work
    uint16_t hops = 0;     ///< links travelled so far, this one included
    PlanId plan;
    uint32_t epoch = 0;
    ContentHash chain_hash;           ///< a node that numbers the layers otherwise must not touch it
    uint16_t layer = 0;               ///< the next layer to compute
    uint8_t priority = 0;             ///< of its source
    Usec deadline_left{Usec::max()};  ///< max: none
    Durations so_far;
    uint64_t custody = 0;  ///< under which the sender keeps it until it is released; of its whole life. 0: it does not
    friend bool operator==(const Work&, const Work&) = default;
};

inline constexpr size_t released_max = 256;  ///< in one Ack

/// Receipt of all Work up to `seq`. The two instants are the receiver's: only their difference means anything.
struct Ack {
    uint64_t seq = 0;
    uint64_t bytes = 0;  ///< of the message `seq`
    Usec first_byte{0};
    Usec last_byte{0};
    bool accepted = true;         ///< false: message `seq` was refused (other chain, no room); the sender still owns it
    std::vector<Credit> credits;  ///< at most sources_max
    std::vector<uint64_t> released{};  ///< Work::custody of what the sender of that need not keep; at most released_max
    friend bool operator==(const Ack&, const Ack&) = default;
};

/// The end of a frame's way, straight to its source.
struct Result {
    FrameId frame;
    uint32_t attempt = 0;
    uint16_t hops = 0;
    bool local = false;  ///< every layer ran at the source
    Durations so_far;
    Inference inference;
    std::string failure;   ///< not empty: the frame could not be finished, and why
    bool expired = false;  ///< its deadline passed on the way
    friend bool operator==(const Result&, const Result&) = default;
};

/// The source has the result (or no longer wants it).
struct ResultAck {
    FrameId frame;
    friend bool operator==(const ResultAck&, const ResultAck&) = default;
};

}  // namespace msg

using Message =
    std::variant<msg::Ping, msg::Pong, msg::FindSuccessor, msg::Found, msg::GetNeighbours, msg::Neighbours, msg::Notify,
                 msg::Introduce, msg::Leave, msg::NodeState, msg::Work, msg::Ack, msg::Result, msg::ResultAck,
                 msg::PlanPrepare, msg::PlanAnswer, msg::PlanRetire, msg::Rows, msg::RowsCancel, msg::RowsAck>;

inline bool carries_tensors(const Message& message) {
    return std::holds_alternative<msg::Work>(message) || std::holds_alternative<msg::Rows>(message);
}

/// The lane a message belongs on: tensors go by themselves.
inline Lane lane_of(const Message& message) { return carries_tensors(message) ? Lane::bulk : Lane::control; }

}  // namespace eddy
