// What a node did and what waits in it, for metrics and people.
#pragma once

#include <cstdint>

#include "eddy/ids.hpp"
#include "eddy/time.hpp"

namespace eddy::node {

struct CoreCounters {
    uint64_t jobs = 0;
    uint64_t work_received = 0;
    uint64_t work_relayed = 0;      ///< passed on without computing
    uint64_t work_stale = 0;        ///< duplicates and overtaken attempts, not computed
    uint64_t work_refused = 0;      ///< by a neighbour; came back here
    uint64_t custody_evicted = 0;   ///< let go before the receiver said so: no room, or too old
    uint64_t custody_returned = 0;  ///< queued here again, because the node that had them was lost
    uint64_t stalls = 0;            ///< a neighbour did not get on and was routed around (progress.hpp)
    uint64_t stall_returned = 0;    ///< queued here again, because the node that had them did not get on
    uint64_t results_sent = 0;
    uint64_t protocol_errors = 0;
    Usec busy{0};
};

struct QueueLengths {
    SourceId source;
    uint32_t reservoir = 0;
    uint32_t local = 0;
    uint32_t distributed = 0;      ///< to be worked on, at whatever cut
    uint32_t distributed_max = 0;  ///< while no neighbour is lost: what it held comes back beyond that
    uint32_t outbox = 0;
};

}  // namespace eddy::node
