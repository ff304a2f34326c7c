// What a ring node remembers of others, one by one. Plain values of Ring's; see there.
#pragma once

#include "eddy/messages.hpp"
#include "ring/heartbeat.hpp"

namespace eddy::ring {

/// A peer with a standing connection.
struct Contact {
    msg::Member member;
    Heartbeat heartbeat;
    Instant since{};
    Instant used{};                ///< last message of substance, either way
    uint64_t known_version = 0;    ///< of the last Neighbours from there
    bool list_incomplete = false;  ///< parts of what it told could not be believed; all of it is asked for again
    bool leaving = false;
    bool owes_answer = false;  ///< lives, but did not answer as a candidate
};
struct Candidate {  ///< a better successor that has not answered yet (Zave's newSucc)
    msg::Member member;
    uint64_t request = 0;  ///< 0: not connected yet
    Instant asked_at{};
    Instant deadline{};
    bool lone = false;  ///< it said itself that it is a ring of one
};
/// Somebody this node was asked to introduce to its place in the ring.
struct Introduction {
    msg::Member member;
    Instant at{};
};
/// Somebody not to be believed in on hearsay, in that life, until then.
struct Absence {
    Incarnation incarnation;
    Instant until{};
};

}  // namespace eddy::ring
