// Asks an address who is there, step by step, without joining: what `eddy doctor` explains. The node asked proves
// itself and checks the proof of the one who asks, then both hang up; no peer is made, and the id of the one who asks
// claims nothing, so that it may be that of a node which runs at the same time.
//
// Owner: whoever asks. Thread: the loop's. Destroying a Probe gives up. Errors are what it reports.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "eddy/ids.hpp"
#include "eddy/messages.hpp"
#include "eddy/time.hpp"
#include "src/transport/loop.hpp"
#include "src/transport/network.hpp"

namespace eddy::transport {

/// Who asks.
struct ProbeConfig {
    std::string cluster = "eddy";
    std::string cluster_key;                 ///< empty: loopback only
    std::string name;                        ///< the node's; for the log of the one who is asked
    Usec timeout = std::chrono::seconds(5);  ///< for each address, and again for the handshake
};

/// One address of the name, in the order in which they were tried.
struct ProbeAttempt {
    std::string address;  ///< with its port, as numbers
    Usec took{0};
    std::string failure;  ///< empty: TCP connected
};

/// What a node says of itself. Nothing of it is certain before ProbeReport::proved.
struct ProbeFacts {
    std::string cluster;
    msg::Member member;
    bool keyed = false;               ///< it has a cluster key
    ContentHash chain_hash;           ///< all zero: no model
    std::optional<Usec> clock_ahead;  ///< its wall clock less this machine's; wrong by up to half of `round_trip`
    Usec round_trip{0};               ///< from hello to hello
};

/// How far it came. What was not reached is empty.
struct ProbeReport {
    Endpoint endpoint;
    Usec resolved_after{0};              ///< the name to addresses; 0 for an address
    std::vector<ProbeAttempt> attempts;  ///< empty: the name does not resolve
    std::optional<uint16_t> version;     ///< of the protocol, from their preamble
    std::optional<ProbeFacts> facts;
    bool proved = false;                 ///< each knows that the other is of the cluster
    std::optional<DialFailure> failure;  ///< nothing: all is well
    std::string reason;                  ///< of the failure, for people; what the other side said, if it refused
};

class Probe {
public:
    /// `done` is called once, from the loop, unless the probe is destroyed before; it may destroy the probe.
    Probe(Loop& loop, ProbeConfig config, Endpoint endpoint, std::function<void(const ProbeReport&)> done);
    ~Probe();
    Probe(const Probe&) = delete;
    Probe& operator=(const Probe&) = delete;

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace eddy::transport
