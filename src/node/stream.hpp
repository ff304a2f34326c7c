// What NodeCore keeps of each of its own streams, beside the ledger's books.
#pragma once

#include <cstdint>
#include <deque>

#include "eddy/time.hpp"
#include "scheduler/admission.hpp"

namespace eddy::node {

struct Stream {
    static constexpr Usec rate_memory = std::chrono::seconds(4);
    std::deque<uint64_t> reservoir;  ///< μ: frame numbers
    std::deque<uint64_t> again;      ///< to be sent another time; bounded by the frames in flight
    bool ended = false;
    Instant held{-scheduler::held_memory};  ///< when frames last waited in the reservoir
    scheduler::RateMeter offered{rate_memory};
    scheduler::RateMeter admitted{rate_memory};
};

}  // namespace eddy::node
