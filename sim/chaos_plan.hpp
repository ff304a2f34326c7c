// What a chaos run is to be, made up from its seed: a cluster of 5 to 16 uneven nodes, one to four of them with
// cameras, and a story of faults that strikes it while it works. Faults are the steps of scenarios (sim/scenario.hpp)
// on connections that behave as TCP does: processes crash, restart, vanish, leave, pause and slow down; the network
// splits, is cut one way, and loses and delays. In every plan a process with cameras crashes.
//
// Times are simulated, since the beginning. Pure.
#pragma once

#include <string>
#include <vector>

#include "sim/scenario.hpp"
#include "sim/simulation.hpp"

namespace eddy::sim {

struct ChaosLink {
    size_t from = 0, to = 0;
    double bytes_per_s = 0;
    Usec delay{0};
};

struct ChaosPlan {
    uint64_t seed = 1;
    ModelProfile profile;
    LinkModel link;                ///< of all pairs but these:
    std::vector<ChaosLink> links;  ///< one direction each
    std::vector<NodeModel> nodes;
    Scenario story;  ///< names and ids are those of the nodes; no expectations in it. Steps in the order of time
    std::vector<size_t> late;  ///< nodes that are not there from the beginning; the story starts them
    Usec cameras_from{0};      ///< of the first lives; those of later ones start with them
    Usec mend_at{0};           ///< from here on nothing more happens to anyone
    Usec load_until{0};        ///< cameras end then, or later: when there were frames_min
    uint64_t frames_min = 0;   ///< captured, in all lives
};

inline constexpr size_t chaos_nodes_min = 5, chaos_nodes_max = 16;
inline constexpr uint64_t chaos_frames_min = 500;
inline constexpr size_t chaos_faults_min = 10;

[[nodiscard]] ChaosPlan chaos_plan(uint64_t seed);

/// For people: the cluster, then the story, one line each.
[[nodiscard]] std::string to_text(const ChaosPlan& plan);

}  // namespace eddy::sim
