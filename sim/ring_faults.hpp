// Random fault runs of the ring: from one seed a scenario with some nodes and at least twenty faults over at least 120
// simulated seconds; played, and judged by scenario_runner. Even seeds stay within Zave's assumptions and check her
// invariant at every change; odd ones are wild: anything may happen, at once.
//
// Every run falls into episodes: faults for a while, then everything is mended (the network heals, at least one seed
// runs), and from there on, in both kinds,
//   within 10 s    everyone sees one ring: lists, predecessors and views are exactly what the live nodes make,
//   within 5 s     lookups from every node are answered with the right owner,
//   within 15 s    no node keeps a connection to who is gone.
// Lists are bounded and ordered throughout, and a Ring asserts the bounds of its own state after every event.
#pragma once

#include "sim/scenario_runner.hpp"

namespace eddy::sim {

inline constexpr Usec repair_within = std::chrono::seconds(10);
inline constexpr Usec lookups_within = std::chrono::seconds(5);
inline constexpr Usec let_go_within = std::chrono::seconds(15);

/// The scenario of a seed. Pure.
[[nodiscard]] Scenario fault_scenario(uint64_t seed);

struct Shrunk {
    Scenario scenario;
    Finding finding;
    size_t runs = 0;  ///< that it took
};

/// Plays the scenario.
using PlayFn = std::function<ScenarioResult(const Scenario&)>;

/// Removes steps, and nodes of steps, as long as a finding of the same rule stays; at most `runs_max` runs. Nothing, if
/// the scenario has no finding.
[[nodiscard]] std::optional<Shrunk> shrink(
    const Scenario& scenario, size_t runs_max, const PlayFn& play = [](const Scenario& s) { return run_scenario(s); });

}  // namespace eddy::sim
