// From what a probe of another node found to what a person should know: is it in order, what is wrong, what to do.
// Pure: it is told everything, and asks nobody.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "src/control/diagnosis.hpp"
#include "src/control/status.hpp"

namespace eddy::control {

/// How far a probe came, or why not further.
enum class Reach : uint8_t {
    proved,         ///< an Eddy node of this cluster, with the same key
    unresolved,     ///< the name has no address
    refused,        ///< the device answers, nobody listens on the port
    no_route,       ///< no way to the device
    filtered,       ///< no answer at all
    silent,         ///< something accepts the connection and then says nothing
    not_eddy,       ///< something else listens there
    other_version,  ///< of the protocol
    other_cluster,
    wrong_key,
    key_needed,  ///< this device has no key, so it speaks with nodes on the same device only
    claimed,     ///< the peer knows another node by this node's id
    self,        ///< it is this very node
    full,
    closed,  ///< it hung up half-way
};

/// The word for programs: "proved", "refused", "other_version", … As in Unreached::problem.
[[nodiscard]] const char* word(Reach reach);
[[nodiscard]] std::optional<Reach> reach_of(std::string_view word);

/// What the other side said of itself.
struct PeerHello {
    std::string name;
    std::string id;  ///< 40 hexadecimal digits
    uint64_t incarnation = 0;
    std::string cluster;
    std::string address;  ///< where it tells others to dial
    std::string chain_hash;
    std::optional<double> clock_ahead_s;  ///< its wall clock minus this device's
};

struct PeerProbe {
    std::string kind;                    ///< the name of the check: "seed", "member", "advertise"
    std::string address;                 ///< host:port that was probed
    std::vector<std::string> addresses;  ///< what the name resolved to, when it is a name
    Reach reach = Reach::closed;
    std::string reason;  ///< the words of whoever noticed, here or there
    double took_ms = 0;  ///< until the connection stood
    std::optional<uint64_t> version;
    std::optional<PeerHello> hello;
};

/// This node, as far as it matters to others.
struct OwnFacts {
    std::string id;  ///< empty: it has none yet
    std::string cluster;
    uint64_t version = 1;
    std::string chain_hash;            ///< empty: no model
    std::optional<NodeStatus> status;  ///< of the running node, if it runs
};

/// Wall clocks further apart than this are worth a word. Eddy itself never compares them; logs and people do.
inline constexpr double clock_apart_s_max = 5;

/// One check or more: that it is reached, then what is odd about it.
[[nodiscard]] Checks explain(const PeerProbe& probe, const OwnFacts& own);

}  // namespace eddy::control
