// Everything that can happen to NodeCore. The composition root turns the outside world into these; the simulator
// makes them up. Order of delivery is the order of time.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "eddy/messages.hpp"
#include "eddy/row_order.hpp"

namespace eddy {

/// A run of consecutive execution units of one plan; in the chain, which is plan 0, unit = layer. Other plans are
/// numbered by the node itself.
struct UnitRange {
    PlanId plan;
    uint32_t first = 0;
    uint32_t last = 0;  ///< one past the end
    friend bool operator==(const UnitRange&, const UnitRange&) = default;
};

enum class TimerId : uint8_t { ring, state, frames, stop, link };

namespace ev {

/// A camera has frame k. `captured_at` is the scheduled instant for paced sources.
struct Captured {
    StreamId stream;
    uint64_t k = 0;
    Instant captured_at{};
    TensorRef frame;      ///< 8-bit RGB, [height, width, 3]
    uint64_t missed = 0;  ///< frames captured since the last event that found no room on the way here
};

/// The stream has given its last frame. Never follows a Captured of the same stream out of order.
struct SourceEnded {
    StreamId stream;
    std::string reason;  ///< empty: it simply ended
    uint64_t missed = 0;
};

/// Both connections to the peer stand, and it has proved who it is.
struct PeerUp {
    msg::Member peer;
    uint64_t connection = 0;                         ///< rises; tells apart two lives of one peering
    std::optional<Endpoint> dialled = std::nullopt;  ///< by a connect() to here; the peer may tell another name of it
};

struct PeerDown {
    NodeId peer;
    uint64_t connection = 0;
    std::string reason;
};

/// A connect() came to nothing; `reason` is for people.
struct DialFailed {
    Endpoint endpoint;
    std::string reason;
    bool somebody_there = false;  ///< it was answered, and refused
};

/// A whole, well-formed message; `tensors` are in the order of the wire and owned by the core from now on.
struct Received {
    NodeId peer;
    uint64_t connection = 0;
    Message message;
    std::vector<TensorRef> tensors;
    Instant first_byte{};
    Instant last_byte{};
    uint64_t bytes = 0;
};

/// Some bytes of a bulk message arrived: the peer lives, though its heartbeat may be queued.
struct Progress {
    NodeId peer;
};

/// The transport has room again for bulk messages to this peer.
struct Drained {
    NodeId peer;
};

/// A compute lane finished a job. Exactly one of outputs, inference and failure is meaningful.
struct Computed {
    JobId job;
    std::vector<TensorRef> outputs;      ///< the frontier after the run, if the model goes on
    std::optional<Inference> inference;  ///< if the run ended the model
    std::string failure;
    Usec busy{0};                   ///< time the lane was taken, duty-cycle pauses included
    std::vector<Usec> layer_times;  ///< one per unit of the run; empty if not measured
};

/// All runs that were to be prepared are fast now, or cannot be made so.
struct Prepared {};

/// The units of a plan over rows are compiled, or why they cannot be.
struct Compiled {
    PlanId plan;
    std::string failure;
};

/// What came of a PlanRequest; exactly one of proposal and failure is meaningful.
struct PlanMade {
    uint64_t request = 0;
    std::optional<PlanProposal> proposal;
    std::string failure;
};

struct Timer {
    TimerId timer;
};

/// Stop taking frames, finish what is admitted until `deadline`, then report the rest failed.
struct Stop {
    Instant deadline{};
};

}  // namespace ev

using Event = std::variant<ev::Captured, ev::SourceEnded, ev::PeerUp, ev::PeerDown, ev::DialFailed, ev::Received,
                           ev::Progress, ev::Drained, ev::Computed, ev::Prepared, ev::Compiled, ev::PlanMade,
                           ev::Timer, ev::Stop>;

}  // namespace eddy
