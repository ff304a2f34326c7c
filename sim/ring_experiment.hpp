// `eddy sim ring`: a ring of many nodes forms, is asked for keys, and perhaps loses a part of its nodes at one instant
// or some all the time. What Chord's authors measured of theirs (SIGCOMM 2001, section 6), on the production ring.
//
// The run: three seeds start at once, the others join through them within `joins_within` (no ring is built
// beforehand). Quiet: lookups in the last third. `fail`: at half time that part of the nodes vanishes silently; lookups
// are begun before anyone can have noticed (`before_repair`) and again in the last third. `churn_per_s`: from the first
// third on so many nodes a second depart (by turns leaving, crashing, vanishing) and come back a few seconds later;
// lookups throughout.
//
// Pure: all follows from the options, and no clock is read. Instants are simulated.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "eddy/result.hpp"
#include "sim/ring_world.hpp"

namespace eddy::sim {

struct RingExperimentOptions {
    size_t nodes = 1000;
    uint64_t seed = 1;
    double fail = 0;         ///< part of the nodes, in [0, 1)
    double churn_per_s = 0;  ///< nodes a second, of all
    size_t successors = 16;  ///< length of the successor list
    size_t lookups = 10'000;
    Usec delay = from_ms(10);  ///< one way, mean; the spread is half of it
    Usec duration = from_seconds(60);
    /// Told every few simulated seconds; none if empty.
    std::function<void(const std::string& line)> progress;
};

struct LookupFigures {
    uint64_t lookups = 0;
    uint64_t failures = 0;  ///< no answer, or not the live owner: the first live node at or after the key
    uint64_t timeouts = 0;  ///< nodes asked in vain, over all lookups
    double hops_mean = 0;   ///< nodes asked, of those that were answered
    double hops_p99 = 0;
    double took_ms_mean = 0;
};

struct RingExperimentReport {
    std::optional<double> converged_s;  ///< since the first start: every node knows its neighbours
    std::optional<double> repaired_s;   ///< since the failure: so again
    LookupFigures lookups;
    std::optional<LookupFigures> before_repair;
    uint64_t lookups_lost = 0;           ///< their asker departed: in no other figure
    double messages_per_node_per_s = 0;  ///< when the ring has formed; under churn with the lookups
    double dials_per_node_per_s = 0;     ///< at the same time
    uint64_t departures = 0;
    uint64_t invariant_violations = 0;
    std::vector<std::string> violations;  ///< the first few, in words
    uint64_t events = 0;
    uint64_t trace_hash = 0;

    /// Formed, healed, kept its invariants, and (where nodes do not come and go) answered every lookup rightly.
    [[nodiscard]] bool good(const RingExperimentOptions& options) const;
};

/// Says what is wrong with the options, and what is allowed.
[[nodiscard]] Status check_options(const RingExperimentOptions& options);

/// The options must be checked.
[[nodiscard]] RingExperimentReport run_ring_experiment(const RingExperimentOptions& options);

}  // namespace eddy::sim
