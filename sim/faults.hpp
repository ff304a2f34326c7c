// Everything the simulated network and machines can do to a cluster, in one place. The first part holds all the time;
// the rates of the second are played by sim/fault_player.hpp. All of it follows from one seed.
#pragma once

#include "eddy/time.hpp"

namespace eddy::sim {

/// What happens to every single message. Probabilities are of one message, in [0, 1].
struct NetworkFaults {
    Usec delay_mean = from_ms(0.5);  ///< one way
    Usec delay_spread{0};            ///< a delay is uniform in mean ± spread, never below zero

    /// False: connections behave as TCP does. A lost message is sent again, so it is late and everything behind it
    /// waits; during a partition messages wait until it ends or the connection is closed. Doubling and reordering
    /// cannot be seen. True: what is lost or cut off is gone, and order is not kept, but for the
    /// handshake of a connection, which comes first.
    bool datagrams = false;
    double loss = 0;
    double duplicate = 0;  ///< datagrams only
    double reorder = 0;    ///< datagrams only: delayed by up to `reorder_by` more
    Usec reorder_by = from_ms(50);
    Usec retransmit = from_ms(200);     ///< TCP only: the first wait before a lost message is sent again; it doubles
    Usec dial_limit = from_seconds(5);  ///< a dial that was not answered by then never will be
};

/// How often something happens to one of the nodes, and how long it lasts on average (exponentially distributed). Two
/// that meet end with the first of their ends: healing ends a partition and all cuts.
struct ProcessFaults {
    double crash_per_s = 0;            ///< the process dies, its connections are reset
    double vanish_per_s = 0;           ///< the machine is gone without a word
    double leave_per_s = 0;            ///< it says goodbye
    Usec down_mean = from_seconds(5);  ///< then it starts again: same id, higher incarnation
    double pause_per_s = 0;            ///< SIGSTOP
    Usec pause_mean = from_seconds(1);
    double slow_per_s = 0;  ///< every event takes the process `slow_by`
    Usec slow_by = from_ms(20);
    Usec slow_mean = from_seconds(5);
    double partition_per_s = 0;  ///< the nodes fall into two groups
    Usec partition_mean = from_seconds(5);
    double one_way_per_s = 0;  ///< one node does not reach another, though the other does
    Usec one_way_mean = from_seconds(5);
};

struct Faults {
    NetworkFaults network;
    ProcessFaults processes;
};

}  // namespace eddy::sim
