// What the latency of a plan is made of: the chain of units and messages, from the result back to the capture, each of
// which began when the one before it had ended. To make a frame faster, one of these must become faster.
//
// Pure.
#pragma once

#include <vector>

#include "planner/edgeflow/timeline.hpp"
#include "planner/edgeflow/units.hpp"

namespace eddy::planner::edgeflow {

struct PathPiece {
    enum class What : uint8_t {
        computing,     ///< a unit at `from`
        transferring,  ///< a message on the wire, from → to
        handling,      ///< messages taking processor time at `from`, or what comes between the others
    } what = What::handling;
    uint32_t from = 0;
    uint32_t to = 0;     ///< of a message; otherwise the device again
    uint32_t block = 0;  ///< of the unit, or of the unit that a message is for
    double begin_us = 0;
    double end_us = 0;
};

/// Ascending, without gaps, from 0 to the latency.
[[nodiscard]] std::vector<PathPiece> critical_path(const UnitGraph& graph, const Timeline& timeline);

}  // namespace eddy::planner::edgeflow
