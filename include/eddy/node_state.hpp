// What a node tells others of itself, so that they can schedule: the view of a neighbour. As plain structs, part
// of eddy/messages.hpp.
#pragma once

#include <cstdint>
#include <vector>

#include "eddy/ids.hpp"
#include "eddy/profile.hpp"
#include "eddy/time.hpp"

namespace eddy {

inline constexpr size_t sources_max = 256;   ///< known to one node at a time
inline constexpr size_t remaining_max = 16;  ///< cuts a node tells its remaining time and price of
inline constexpr float price_max = 1e6F;     ///< frames
inline constexpr size_t links_told_max = 32;

namespace msg {

/// Frames waiting at the sender for `source` that resume at `layer`.
struct Backlog {
    SourceId source;
    uint16_t layer = 0;
    uint32_t frames = 0;
    friend bool operator==(const Backlog&, const Backlog&) = default;
};

/// The least time in which a frame that resumes at `layer` at the sender is finished, there or further along the ring.
struct Remaining {
    uint16_t layer = 0;
    Usec time{0};
    float price = 0;  ///< in frames, what such a frame counts for at the sender beyond those that wait (layered policy)
    friend bool operator==(const Remaining&, const Remaining&) = default;
};

/// The receiver of this may have sent, over the life of the connection, `limit` Work messages of `source`.
/// Absolute, so a lost or repeated grant changes nothing.
struct Credit {
    SourceId source;
    uint64_t limit = 0;
    friend bool operator==(const Credit&, const Credit&) = default;
};

/// How fast the sender's link to another node is, by what that one saw arrive.
struct LinkSpeed {
    NodeId to;
    float bytes_per_s = 0;  ///< finite, not negative
    friend bool operator==(const LinkSpeed&, const LinkSpeed&) = default;
};

/// What a neighbour must know to schedule. Sent on change, rate-limited.
struct NodeState {
    uint64_t sequence = 0;             ///< rises; older ones are ignored
    uint64_t as_of_seq = 0;            ///< Work messages of the receiver already counted in `backlog`
    double gamma_s_per_parameter = 0;  ///< 0: cannot compute a whole model (there is none, or no memory for it)
    uint64_t memory_bytes = 0;
    double pressure = 0;               ///< largest weight / admitted rate of its sources; 0: it has none, or not yet
    ContentHash chain_hash;            ///< all zero: no model, relays only
    std::vector<Backlog> backlog;      ///< at most 4 * sources_max
    std::vector<Remaining> remaining;  ///< at the cuts it offers, layers rising; at most remaining_max
    LayerRange layers;                 ///< of its chain, those it runs
    std::vector<LinkSpeed> links{};    ///< those that were measured; at most links_told_max
    friend bool operator==(const NodeState&, const NodeState&) = default;
};

}  // namespace msg
}  // namespace eddy
