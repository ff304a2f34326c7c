// Which frontiers a node offers to the layered policy: a few cuts of the chain, so that queues are few and each well
// placed. Pure; no state.
//
// For a chosen set of cuts, let t be the work that is done at a cut, b its transfer time, T the whole model's time. The
// cost of the set is a sum over the runs between neighbouring cuts, in seconds:
//
//   J  =  Σ run² / T  +  Σ run · (b before it + b behind it) / 2 / T  +  T / 100 · (cuts − 1)
//
//   * The first term is the mean length of the run that is found under way at a random instant of computing: how long a
//     lane is held before the policy can choose again.
//   * The second is the area under the line through the chosen points (t, b), divided by T: the mean transfer time if a
//     frame is to move after some share of its work, mixing the two cuts on either side of that share. If nothing but
//     links counted, the best cuts would be the corners of the lower convex hull of all (t, b), and those are all that
//     a fluid system needs: any way of a frame through the cluster may be replaced by a mixture of ways that change
//     devices at corners only, with the same work everywhere and no more bytes. So capacity is not what few cuts cost.
//   * The third is what one more queue per source costs until it holds enough for a gradient. It leaves out cuts that
//     gain hardly anything, as those between layers that take no time.
//
// The minimum over all sets of at most so many cuts is found exactly, by dynamic programming.
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

/// What the choice depends on. Times that are negative or not finite count as 0.
struct CutCosts {
    std::vector<double> layer_s;
    std::vector<uint64_t> frontier_bytes;  ///< before each layer, the last one behind all: the result. layers + 1
    double bytes_per_s = 0;                ///< of the link to the successor; not above 0: unknown, or there is none
};

/// Strictly rising, at most `count_max` (1 to cuts_max); the first is 0, the 8-bit frame, and it is the only one if
/// nothing is known of the link, for then no frame can move, or if no layer takes time. Among equally good sets the
/// smallest is taken.
[[nodiscard]] std::vector<uint16_t> choose_cuts(const CutCosts& costs, size_t count_max = cuts_default);

/// J, of cuts as choose_cuts() gives them; for tests and people.
[[nodiscard]] double cost_of_cuts(const CutCosts& costs, const std::vector<uint16_t>& cuts);

/// Whether to choose again: `then` is what the last choice was made with. The choice depends on the layers' shares of
/// the whole time and on the ratio of computing to transfer times, and on nothing else: a device and a link that both
/// become half as fast leave it as it is. So it is true if the ratio rose or fell by more than `margin` (0.2: to more
/// than 1.2 times, or less than 1 / 1.2), or the share of a layer did that has, or had, more than a twentieth of the
/// time; and if the chain is another one, or a link became known or unknown.
[[nodiscard]] bool moved(const CutCosts& then, const CutCosts& now, double margin = 0.2);

}  // namespace eddy::scheduler
