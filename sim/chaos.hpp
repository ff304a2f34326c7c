// Chaos runs: a whole cluster of production cores meets the faults of its plan, and checkers look on. Found is
//   DeliveredOnce, NothingLost, KnownFrame, KnownReason, NumbersRise, SumsBalance   by the book of frames
//                    (sim/frame_book.hpp), which is compared with a node's own ledger after each of its events, and
//                    with its journal at the beginning and the end of each of its lives,
//   TakenOnce, BoundsHold, OneLossKeepsFrames, LeavesNothing, RingWhole             by sim/cluster_checks.hpp,
//   LayersInOrder, OwnResult, JournalAgrees                                         by the simulation,
//   CalmIsWhole      a frame failed or had to be tried again, though nothing happened in its time: it ended before the
//                    first fault, or was captured `recovered_within` after the mending; but a frame that somebody
//                    still had when its attempt had lasted too long, or while the ring formed, may be tried again,
//   StandsStill      cameras could not capture `frames_min` frames long after the mending,
//   EndsInTime       a stopped node did not end.
// After the mending the ring is whole within `repair_within`; once the cameras have ended every frame has its outcome
// within `settled_within`, and no node holds anything within `empty_within` of that. Then all are stopped.
//
// What a core asserts of itself aborts the process: whoever runs many seeds says which one it was.
//
// Pure: all follows from the plan. Instants are simulated.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "sim/chaos_plan.hpp"
#include "sim/frame_book.hpp"
#include "sim/ring_faults.hpp"
#include "sim/scenario_runner.hpp"

namespace eddy::sim {

/// From the start until all nodes are one ring.
inline constexpr Usec formed_within = std::chrono::seconds(5);
/// From the mending until frames are none the worse for what was.
inline constexpr Usec recovered_within = std::chrono::seconds(10);
/// Frames give up after 30 s (NodeModel::frame_timeout).
inline constexpr Usec settled_within = std::chrono::seconds(32);
inline constexpr Usec empty_within = std::chrono::seconds(20);
inline constexpr size_t chaos_findings_max = 20;  ///< of a run; it ends there

struct ChaosResult {
    std::vector<Finding> findings;  ///< in the order of time
    FrameTotals frames;
    uint64_t faults = 0;         ///< that took place; neither returns nor heals count
    uint64_t source_deaths = 0;  ///< processes with cameras that crashed, vanished or restarted
    uint64_t events = 0;
    Usec ended{0};
    uint64_t digest = 0;  ///< of all events and outcomes: equal for equal runs
};

/// `log` is told of every step, of outcomes other than completions, and what nodes log; for people.
[[nodiscard]] ChaosResult run_chaos(const ChaosPlan& plan, const ScenarioLog& log = {});

/// The same cluster and load without any fault. Nothing may fail in it.
[[nodiscard]] ChaosPlan calm_twin(ChaosPlan plan);

}  // namespace eddy::sim
