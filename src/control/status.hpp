// What a node says of itself on its control socket (`eddy.status/1`), and how `eddy status` shows it. Plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "eddy/journal.hpp"
#include "eddy/result.hpp"

namespace eddy::control {

inline constexpr std::string_view status_schema = "eddy.status/1";
/// Bounds of what from_json accepts.
inline constexpr size_t status_bytes_max = size_t{4} << 20;
inline constexpr size_t status_rows_max = 4096;

/// Frames that a member reported waiting at it.
struct MemberBacklog {
    std::string source;  ///< whose frames: as in QueueLength
    uint64_t frames = 0;
    friend bool operator==(const MemberBacklog&, const MemberBacklog&) = default;
};

/// A ring member as this node sees it. What is empty is not known: no message has said it yet.
struct RingMember {
    std::string id;  ///< 40 hexadecimal digits
    std::string name;
    std::string address;               ///< host:port that others dial
    double age_s = 0;                  ///< for how long this node has had it in its ring
    double gamma_s_per_parameter = 0;  ///< 0: unknown, or it cannot compute
    bool self = false;
    bool successor = false;
    bool predecessor = false;
    uint64_t incarnation = 0;
    std::optional<double> heard_ms_ago;   ///< its last sign of life
    std::optional<double> round_trip_ms;  ///< of heartbeats
    std::optional<double> bandwidth_bytes_per_s;
    std::string chain_hash;  ///< of its model's layers; empty: none, or not known
    std::optional<std::vector<MemberBacklog>> backlog;
    friend bool operator==(const RingMember&, const RingMember&) = default;
};

/// An address that this node tried and could not join through; it goes on trying.
struct Unreached {
    std::string address;  ///< as in the configuration, or as told by others
    std::string problem;  ///< a word for programs: "refused", "timeout", "wrong_key", …
    std::string reason;   ///< for people
    double ago_s = 0;     ///< since the last try
    friend bool operator==(const Unreached&, const Unreached&) = default;
};

struct QueueLength {
    std::string source;  ///< whose frames
    std::string queue;   ///< "reservoir", "local", "distributed"
    uint64_t frames = 0;
    uint64_t frames_max = 0;  ///< its bound; 0: not told
    friend bool operator==(const QueueLength&, const QueueLength&) = default;
};

/// Live counts of one of the node's own sources.
struct SourceCounts {
    std::string name;
    std::string state;  ///< "live", "ended", "not configured" (died with unfinished frames under an older file), …
    uint64_t captured = 0;
    uint64_t admitted = 0;
    uint64_t completed = 0;
    uint64_t failed = 0;
    uint64_t dropped = 0;
    uint64_t in_flight = 0;
    double throughput_per_s = 0;
    double completion_p50_ms = 0;                  ///< 0 while nothing has completed
    std::optional<journal::Totals> earlier_lives;  ///< as in eddy.report/1
    friend bool operator==(const SourceCounts&, const SourceCounts&) = default;
};

/// What the node handed over and keeps in case it is lost there.
struct CustodyCounts {
    uint64_t frames = 0;
    uint64_t bytes = 0;
    uint64_t bytes_max = 0;  ///< 0: nothing is kept
    uint64_t returned = 0;   ///< since the start: came back into a queue, for a node was lost
    uint64_t evicted = 0;    ///< since the start: let go too early, for want of room or of news
    friend bool operator==(const CustodyCounts&, const CustodyCounts&) = default;
};

struct NodeStatus {
    std::string name;
    std::string id;  ///< 40 hexadecimal digits
    std::string cluster;
    uint64_t incarnation = 0;
    double uptime_s = 0;
    std::string address;  ///< where it listens
    std::string model;    ///< name of the model; empty: it only relays
    bool stopping = false;
    std::string chain_hash;        ///< 64 hexadecimal digits; empty without a model
    uint64_t ring_epoch = 0;       ///< rises with every change of `ring`
    std::vector<RingMember> ring;  ///< in ring order, this node first
    std::vector<QueueLength> queues;
    std::optional<CustodyCounts> custody;  ///< absent: of a node that is too old to tell
    std::vector<SourceCounts> sources;
    std::vector<Unreached> unreached;
    std::string journal_problem;  ///< why the journal is not being written; empty: it is, or there is no camera
    friend bool operator==(const NodeStatus&, const NodeStatus&) = default;
};

/// One line of JSON, newline included.
std::string to_json(const NodeStatus& status);
/// Error `invalid` for anything that is not a status of this version, with the place in it. Members that came into
/// eddy.status/1 later (from `chain_hash` and `incarnation` on, `unreached`, `journal_problem`, `earlier_lives`,
/// `custody`) may be missing.
Result<NodeStatus> from_json(std::string_view text);

/// For people: a heading line, then ring, sources and queues as tables.
std::string print_tables(const NodeStatus& status);

}  // namespace eddy::control
