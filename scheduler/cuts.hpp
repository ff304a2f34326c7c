// Which frontiers a node offers to the layered policy: a few cuts of the chain, well placed, for each is one more queue
// per source. Pure; no state. Both steps below are exact.
//
// Let t be the work that is done at a cut, b its transfer time, T the whole model's time.
//
// *First, what capacity needs.* Look at the lower convex hull of all points (t, b), from the frame to the result. Any
// way of a frame through a cluster may be replaced by a mixture of ways that change devices at the hull's corners only:
// each device does the same work, each link carries no more (but for result messages, which may start elsewhere). So
// the corners carry all that all cuts could carry, whatever the links; and if some are left out, so that the line
// through the others lies above the hull by a factor of at most 1.02 everywhere, at least 1 / 1.02 of it. The fewest
// such corners are taken, or, of as many as may be, those that keep the factor smallest.
//
// *Then, what else helps*, if there is room: cuts that make the least of
//
//   J  =  Σ run² / T  +  Σ run · (b before it + b behind it) / 2 / T  +  T / 100 · (cuts − 1)
//
// over the runs between neighbouring cuts. The first term is the mean length of a run that is under way at a random
// instant of computing: how long a lane is held before the policy can choose again. The second is the mean transfer
// time of a frame that moves after a random share of its work, at one of the two cuts next to it. The third is what
// a queue more costs until it holds enough for a gradient; it leaves out cuts that gain hardly anything.
//
// A cut is never offered if its frontier is larger than the frame and takes longer to move than the rest of the model
// takes to compute: whoever holds it does better to go on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "eddy/messages.hpp"

namespace eddy::scheduler {

inline constexpr size_t cuts_default = 5;
inline constexpr size_t cuts_max = remaining_max - 1;
/// How far above the hull the line through the chosen cuts may lie.
inline constexpr double hull_excess = 1.02;

/// What the choice depends on. Times that are negative or not finite count as 0.
struct CutCosts {
    std::vector<double> layer_s;
    std::vector<uint64_t> frontier_bytes;  ///< before each layer, the last one behind all: the result. layers + 1
    double bytes_per_s = 0;                ///< of the link to the successor; not above 0: unknown, or there is none
};

/// Strictly rising, at most `count_max` (1 to cuts_max); the first is 0, the 8-bit frame, and it is the only one if
/// nothing is known of the link or no layer takes time.
[[nodiscard]] std::vector<uint16_t> choose_cuts(const CutCosts& costs, size_t count_max = cuts_default);

/// `current`, chosen earlier for this chain, or the choice of now if it is worth the change: each one costs compilations
/// and disorders queues, while measurements vary for ever. It is worth it if with `current` the line of above lies further
/// above the hull, or J is more, by these factors.
inline constexpr double worth_of_excess = 1.03;
inline constexpr double worth_of_j = 1.15;
[[nodiscard]] std::vector<uint16_t> rechoose_cuts(const std::vector<uint16_t>& current, const CutCosts& now,
                                                  size_t count_max = cuts_default);

}  // namespace eddy::scheduler
