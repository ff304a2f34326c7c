// A scenario: what happens to a ring and what must be seen of it, as data. Written by people as a story
// (tests/scenarios/*.txt, read by scenario_parser) or made up from a seed (ring_faults); played by scenario_runner.
//
// Plain values, no owner, no thread. Nodes are numbered in the order of their introduction.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "eddy/ids.hpp"
#include "eddy/messages.hpp"
#include "sim/faults.hpp"

namespace eddy::sim {

struct ScenarioNode {
    std::string name;  ///< letters, digits, '_' and '-', beginning with a letter; unique
    NodeId id;
    friend bool operator==(const ScenarioNode&, const ScenarioNode&) = default;
};

enum class NodeVerb : uint8_t { start, leave, crash, vanish, restart, pause, slow };
/// Pauses and slowness end by themselves; nothing else of a step does.
constexpr bool lasts(NodeVerb verb) { return verb == NodeVerb::pause || verb == NodeVerb::slow; }

/// Something is done to nodes, or by them.
struct NodeStep {
    NodeVerb verb = NodeVerb::start;
    std::vector<size_t> nodes;
    Usec lasts{0};  ///< pause and slow only; one that is slow takes ProcessFaults::slow_by over every event
    friend bool operator==(const NodeStep&, const NodeStep&) = default;
};
/// Only nodes of the same group reach each other; those in no group form one together.
struct SplitStep {
    std::vector<std::vector<size_t>> groups;
    friend bool operator==(const SplitStep&, const SplitStep&) = default;
};
/// Nothing that `from` sends reaches `to`; the other way is open.
struct CutStep {
    size_t from = 0;
    size_t to = 0;
    friend bool operator==(const CutStep&, const CutStep&) = default;
};
/// Ends the split and all cuts.
struct HealStep {
    friend bool operator==(const HealStep&, const HealStep&) = default;
};
/// From now on every message meets this.
struct WeatherStep {
    NetworkFaults network;
};
/// Expectation: the lists, the predecessors and the views of `seen_by` are those of one quiet ring of `of`.
struct RingStep {
    std::vector<size_t> seen_by;  ///< empty: every live node
    std::vector<size_t> of;       ///< empty: every live node; otherwise, if everyone sees it, nobody else lives
    friend bool operator==(const RingStep&, const RingStep&) = default;
};
/// Expectation: lookups of every live node, begun now, are answered with the live owner of their keys.
struct OwnersStep {
    friend bool operator==(const OwnersStep&, const OwnersStep&) = default;
};
/// Expectation: no live node keeps a connection that leads to nobody alive.
struct LetGoStep {
    friend bool operator==(const LetGoStep&, const LetGoStep&) = default;
};

struct ScenarioStep {
    Usec at{0};      ///< since the beginning of the world; an expectation counts its `within` from here
    Usec within{0};  ///< expectations only: how long it may take to come true; zero: it is true at once
    std::variant<NodeStep, SplitStep, CutStep, HealStep, WeatherStep, RingStep, OwnersStep, LetGoStep> what;
    size_t line = 0;  ///< in its file; 0: not from a file

    [[nodiscard]] bool expects() const {
        return std::holds_alternative<RingStep>(what) || std::holds_alternative<OwnersStep>(what) ||
               std::holds_alternative<LetGoStep>(what);
    }
};

struct Scenario {
    std::string story;  ///< its title, one line
    uint64_t seed = 1;
    size_t list_max = 16;  ///< ring::RingConfig has these three
    size_t view_max = members_max;
    bool connect_view = true;
    /// Failures that would leave Zave's assumptions (ring_invariants.hpp) are left out, and while more than list_max +
    /// 1 nodes are in the ring her invariant is checked at every change, from the first time that the ring is ideal.
    bool within_assumptions = false;
    NetworkFaults network;
    std::vector<ScenarioNode> nodes;
    std::vector<size_t> seeds;        ///< of every node
    std::vector<ScenarioStep> steps;  ///< in the order of time

    /// When the last step is through, at the latest.
    [[nodiscard]] Usec end() const { return steps.empty() ? Usec{0} : steps.back().at + steps.back().within; }
};

inline constexpr size_t scenario_nodes_max = 64;
inline constexpr size_t scenario_steps_max = 2000;
inline constexpr size_t scenario_list_max = 64;
inline constexpr size_t scenario_bytes_max = 256 * 1024;
inline constexpr Usec scenario_time_max = std::chrono::hours(1);

/// The scenario as a story that parse_scenario reads as the same scenario.
[[nodiscard]] std::string to_text(const Scenario& scenario);
/// One step as it stands in the story.
[[nodiscard]] std::string to_text(const ScenarioStep& step, const Scenario& scenario);

}  // namespace eddy::sim
