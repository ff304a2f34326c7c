// What must hold of a whole ring, looked at from outside: pure functions over a snapshot of every live node's pointers.
// For simulators and tests; a node by itself cannot see these properties.
//
// The invariant is Zave's ("Reasoning about identifier spaces: how to make Chord correct", arXiv 1610.01140, section
// V). Her words: a node's *extended list* is the node followed by its successor list; a neighbouring pair [x, y] of it
// *skips* every node strictly between x and y; a *principal* is a member that no member's extended list skips. The
// invariant holds in rings that were ideal once with more than list_max + 1 members, as long as no failure takes a
// member's last live successor or leaves fewer than list_max + 1 principals, messages are reliable, and only the dead
// are suspected. Members are the live nodes with a successor: a node that has not joined yet has none.
//
// Results are values: a violation names the rule and the nodes. No function keeps anything. Cost: n · list_max · log n.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "eddy/ids.hpp"

namespace eddy::ring {

/// The pointers of one live node at one instant.
struct NodePointers {
    NodeId id;
    std::optional<NodeId> predecessor;
    std::vector<NodeId> successors;  ///< Chord's list: at most list_max, nearest first
};

/// A rule that does not hold, in words that name the nodes by their short names.
struct Violation {
    std::string rule;  ///< one of a small fixed set: "OneLiveSuccessor", "ListOrdered", …
    std::string text;
    friend bool operator==(const Violation&, const Violation&) = default;
};

/// No check returns more than this many; the first ones matter.
inline constexpr size_t violations_max = 8;

/// In every run, at every instant, of one node: ListBounded, ListWithoutSelf, ListOrdered (strictly clockwise from the
/// node on, which rules out duplicates), PredecessorNotSelf.
[[nodiscard]] std::vector<Violation> check_lists(const std::vector<NodePointers>& nodes, size_t list_max);

/// Zave's inductive invariant: OneLiveSuccessor (every member's list has a live member) and SufficientPrincipals (at
/// least list_max + 1 principals). Only meaningful within her assumptions, above.
[[nodiscard]] std::vector<Violation> check_invariant(const std::vector<NodePointers>& nodes, size_t list_max);

/// What the invariant implies, following each member's first live successor: AtLeastOneRing, AtMostOneRing, OrderedRing
/// (the ring goes round the circle once), ConnectedAppendages (every member leads to a ring).
[[nodiscard]] std::vector<Violation> check_structure(const std::vector<NodePointers>& nodes);

/// What a quiet ring of any size has come to: SuccessorsIdeal (every list is the next min(list_max, n - 1) live nodes)
/// and PredecessorIdeal. A node alone has no successor and no predecessor.
[[nodiscard]] std::vector<Violation> check_ideal(const std::vector<NodePointers>& nodes, size_t list_max);
/// The same of some nodes of a ring, whose ids are all given: every one of `nodes` must be among them.
[[nodiscard]] std::vector<Violation> check_ideal(const std::vector<NodePointers>& nodes,
                                                 const std::vector<NodeId>& ring, size_t list_max);

/// The members that no member's extended list skips, in rising order.
[[nodiscard]] std::vector<NodeId> principals(const std::vector<NodePointers>& nodes);

}  // namespace eddy::ring
