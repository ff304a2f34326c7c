// Plays a scenario on a RingWorld and says what was found, if anything. Besides what the story expects, in every run
// and after every event: successor lists are bounded and ordered (ring_invariants.hpp). In scenarios within the
// assumptions also Zave's invariant, at every change, from the first time that the ring is ideal and larger than
// list_max + 1; from then on steps that would leave her assumptions are left out:
//  - a failure or leave after which a member had no live successor, or fewer than list_max + 1 principals were left;
//  - the start of a node that pointers still name, of a seed, or with no seed in the ring; restarts;
//  - pauses a neighbour could take for death; slowness, splits, cuts, and weather that loses or disorders messages.
// Everything follows from the scenario: a finding replays.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "sim/scenario.hpp"

namespace eddy::sim {

/// Something that should not have been seen.
struct Finding {
    std::string rule;  ///< one of a small fixed set: those of ring_invariants.hpp, "OneRing", "FindsOwner", "LetsGo"
    std::string text;  ///< names the nodes as the scenario does
    Usec at{0};
    size_t line = 0;  ///< of the expectation that did not come true; 0: a rule that always holds

    friend bool operator==(const Finding&, const Finding&) = default;
};

/// "rule at 12.5 s (line 7): text".
[[nodiscard]] std::string to_text(const Finding& finding);

struct ScenarioResult {
    std::optional<Finding> finding;  ///< the first; the run ends there
    Usec ended{0};
    uint64_t faults = 0;            ///< node starts, ends and pauses, splits, cuts, heals, weather that took place
    std::vector<size_t> left_out;   ///< steps (by index) that would have left the assumptions
    uint64_t invariant_checks = 0;  ///< of the whole ring, by Zave's rules
    uint64_t lookups = 0;
    uint64_t events = 0;
    uint64_t trace_hash = 0;  ///< equal for equal runs
};

/// Told about every step and every line the rings log; for people.
using ScenarioLog = std::function<void(Usec at, const std::string& text)>;

/// `asserts`: every Ring checks its own state after each event, and aborts on a bug.
[[nodiscard]] ScenarioResult run_scenario(const Scenario& scenario, const ScenarioLog& log = {}, bool asserts = true);

}  // namespace eddy::sim
