// What a plan's units would take: an event simulation of one frame. Devices compute one unit at a time, the first that
// can fire; they send one message at a time and receive one at a time; messages go in the order in which they are ready
// as soon as both ports are free. Handling a message takes processor time at both ends, also from a unit that runs.
//
// Pure; the same every time.
#pragma once

#include <cstdint>
#include <vector>

#include "planner/edgeflow/problem.hpp"
#include "planner/edgeflow/units.hpp"

namespace eddy::planner::edgeflow {

struct Span {
    double begin_us = 0;
    double end_us = 0;
};

struct Timeline {
    double latency_us = 0;           ///< from the capture to the result at the source
    std::vector<Span> units;         ///< as UnitGraph::units
    std::vector<Span> messages;      ///< from the first byte sent to the last received; as UnitGraph::messages
    std::vector<double> sent_us;     ///< by message: when the ports were free again
    std::vector<double> compute_us;  ///< by device, of units
    uint64_t bytes = 0;              ///< of all messages
};

[[nodiscard]] Timeline simulate(const Problem& problem, const UnitGraph& graph);

}  // namespace eddy::planner::edgeflow
