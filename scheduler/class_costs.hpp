// What it costs this node to take a frame from one offered cut to another, or to hand it to its successor, and how far
// each is from the shortest way: the constants of `layered`'s two scores, computed when a measurement changed and not
// when a decision is due.
//
//   D_n(l) = min( min over l' of t_n(l, l') + D_n(l'),  x_n(l) + D_{n+1}(l) ),   D(end) = 0
//
// t_n: compute time (with run_overhead), x_n: transfer time to the successor; D needs no global view, as every node
// tells its own to its predecessor. Runs of layers that this node has no memory for are none of its ways. (EDCNC's
// bias: Feng, Llorca, Tulino, Molisch, arXiv 1708.09561.)
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "eddy/messages.hpp"
#include "eddy/profile.hpp"

namespace eddy::scheduler {

inline constexpr size_t classes_max = remaining_max;

/// How many frames a frame's whole model time weighs: V = bias_frames / T. Backlogs are in frames, D in seconds.
inline constexpr double bias_frames = 2;

/// What a run costs beyond its layers, as a part of the whole model's time: handing over between threads, tensors made
/// dense, caches gone cold. Without it a frame was divided into as many runs as there are cuts, since all ways to its
/// end looked equally good; real devices lost a fifth of their time by it.
inline constexpr double run_overhead = 0.02;

/// What the constants are computed from. Times in seconds.
struct ClassInputs {
    std::vector<uint16_t> cuts;        ///< offered; rising, the first is 0; at most classes_max
    std::vector<double> before_s;      ///< sum of the times of layers before each cut; one more: of the whole model
    std::vector<double> transfer_s;    ///< of a frame at each cut to the successor; empty: no successor
    std::vector<msg::Remaining> next;  ///< the successor's D; empty: not known
    bool computes = true;              ///< this node has the model
    LayerRange layers;                 ///< of it, this node runs these; cuts may lie outside
};

struct ClassCosts {
    /// A run between two cuts or a hop: score = (difference of backlogs + bias) * per_s.
    struct Action {
        float bias = 0;   ///< V · (time to finish before − time it takes − time to finish after); at most 0
        float per_s = 0;  ///< 1 / time it takes; 0: it cannot be done
    };
    size_t classes = 1;
    std::array<uint16_t, classes_max + 1> cut{};                         ///< cut[classes] is the number of layers
    std::array<std::array<Action, classes_max + 1>, classes_max> run{};  ///< [from][to]
    std::array<float, classes_max> fastest_run{};                        ///< the highest per_s of all runs from there
    std::array<Action, classes_max> hop{};
    double model_s = 0;                             ///< the whole model in one run; infinite: it is not here
    bool whole = false;                             ///< and it can be run here
    std::array<double, classes_max> remaining_s{};  ///< D; infinite: not from here

    /// The class of a frame that resumes at this layer: the last cut at or before it.
    [[nodiscard]] size_t class_of(uint16_t layer) const {
        size_t c = classes;
        while (c > 1 && cut[c - 1] > layer) --c;
        return c - 1;
    }
};

/// `layers`: of the model; 0 where it is not here.
[[nodiscard]] ClassCosts class_costs(const ClassInputs& inputs, uint16_t layers);

/// The time to finish from `layer` by a list of msg::NodeState: that of the last entry at or before it; infinite if
/// there is none.
[[nodiscard]] double remaining_at(std::span<const msg::Remaining> list, uint16_t layer);

}  // namespace eddy::scheduler
