#include "ring/ring_invariants.hpp"

#include <algorithm>

#include "eddy/assert.hpp"
#include "ring/interval.hpp"

namespace eddy::ring {

namespace {

constexpr size_t nowhere = static_cast<size_t>(-1);

/// Ids in rising order, and where an id stands among them.
class Circle {
public:
    explicit Circle(std::vector<NodeId> ids) : ids_(std::move(ids)) { std::sort(ids_.begin(), ids_.end()); }

    [[nodiscard]] size_t size() const { return ids_.size(); }
    [[nodiscard]] const NodeId& operator[](size_t i) const { return ids_[i]; }
    [[nodiscard]] size_t first_from(const NodeId& id) const {
        return static_cast<size_t>(std::lower_bound(ids_.begin(), ids_.end(), id) - ids_.begin());
    }
    [[nodiscard]] size_t first_after(const NodeId& id) const {
        return static_cast<size_t>(std::upper_bound(ids_.begin(), ids_.end(), id) - ids_.begin());
    }
    [[nodiscard]] size_t position(const NodeId& id) const {
        const size_t at = first_from(id);
        return at < ids_.size() && ids_[at] == id ? at : nowhere;
    }

private:
    std::vector<NodeId> ids_;
};

Circle members_of(const std::vector<NodePointers>& nodes) {
    std::vector<NodeId> ids;
    ids.reserve(nodes.size());
    for (const auto& node : nodes)
        if (!node.successors.empty()) ids.push_back(node.id);
    return Circle(std::move(ids));
}

std::string names(const std::vector<NodeId>& ids) {
    std::string text = "[";
    for (const auto& id : ids) text += (text.size() > 1 ? " " : "") + short_name(id);
    return text + "]";
}

void add(std::vector<Violation>& found, const char* rule, std::string text) {
    if (found.size() < violations_max) found.push_back({rule, std::move(text)});
}

/// The members that a pair of an extended list skips lie between its two nodes; counted at the ends of that stretch.
class Skips {
public:
    explicit Skips(const Circle& members) : members_(members), change_(members.size() + 1, 0) {}

    void pair(const NodeId& x, const NodeId& y) {
        const size_t from = members_.first_after(x);
        const size_t to = members_.first_from(y);
        if (x < y) {
            stretch(from, to);
        } else {
            stretch(from, members_.size());
            stretch(0, to);
        }
    }
    [[nodiscard]] std::vector<NodeId> not_skipped() const {
        std::vector<NodeId> ids;
        int depth = 0;
        for (size_t i = 0; i < members_.size(); ++i) {
            depth += change_[i];
            if (depth == 0) ids.push_back(members_[i]);
        }
        return ids;
    }

private:
    void stretch(size_t from, size_t to) {
        if (from >= to) return;
        ++change_[from];
        --change_[to];
    }
    const Circle& members_;
    std::vector<int> change_;
};

std::vector<NodeId> principals_among(const std::vector<NodePointers>& nodes, const Circle& members) {
    Skips skips(members);
    for (const auto& node : nodes) {
        const NodeId* x = &node.id;
        for (const auto& y : node.successors) {
            skips.pair(*x, y);
            x = &y;
        }
    }
    return skips.not_skipped();
}

/// For each member's position, that of its first live successor, or `nowhere`.
std::vector<size_t> best_successors(const std::vector<NodePointers>& nodes, const Circle& members) {
    std::vector<size_t> best(members.size(), nowhere);
    for (const auto& node : nodes) {
        const size_t self = members.position(node.id);
        if (self == nowhere) continue;
        for (const auto& successor : node.successors)
            if (best[self] = members.position(successor); best[self] != nowhere) break;
    }
    return best;
}

/// The rings that best successors form; each as positions, from its lowest member on.
std::vector<std::vector<size_t>> rings_of(const std::vector<size_t>& best) {
    std::vector<std::vector<size_t>> rings;
    std::vector<size_t> walk_of(best.size(), nowhere);
    for (size_t start = 0; start < best.size(); ++start) {
        size_t at = start;
        while (at != nowhere && walk_of[at] == nowhere) {
            walk_of[at] = start;
            at = best[at];
        }
        if (at == nowhere || walk_of[at] != start) continue;
        std::vector<size_t> ring{at};
        for (size_t i = best[at]; i != at; i = best[i]) ring.push_back(i);
        std::rotate(ring.begin(), std::min_element(ring.begin(), ring.end()), ring.end());
        rings.push_back(std::move(ring));
    }
    return rings;
}

std::string ring_text(const Circle& members, const std::vector<size_t>& ring) {
    std::vector<NodeId> ids;
    for (const size_t i : ring) ids.push_back(members[i]);
    return names(ids);
}

}  // namespace

std::vector<Violation> check_lists(const std::vector<NodePointers>& nodes, size_t list_max) {
    std::vector<Violation> found;
    for (const auto& node : nodes) {
        const auto& list = node.successors;
        const auto text = [&] { return "node " + short_name(node.id) + " has the list " + names(list); };
        if (list.size() > list_max)
            add(found, "ListBounded",
                "node " + short_name(node.id) + " has " + std::to_string(list.size()) + " successors of at most " +
                    std::to_string(list_max));
        if (std::find(list.begin(), list.end(), node.id) != list.end()) add(found, "ListWithoutSelf", text());
        for (size_t i = 1; i < list.size(); ++i)
            if (list[i] == list[i - 1] || !in_open_closed(node.id, list[i - 1], list[i])) {
                add(found, "ListOrdered", text());
                break;
            }
        if (node.predecessor == node.id)
            add(found, "PredecessorNotSelf", "node " + short_name(node.id) + " is its own predecessor");
    }
    return found;
}

std::vector<NodeId> principals(const std::vector<NodePointers>& nodes) {
    return principals_among(nodes, members_of(nodes));
}

std::vector<Violation> check_invariant(const std::vector<NodePointers>& nodes, size_t list_max) {
    std::vector<Violation> found;
    const Circle members = members_of(nodes);
    for (const auto& node : nodes) {
        if (node.successors.empty()) continue;
        const bool live = std::any_of(node.successors.begin(), node.successors.end(),
                                      [&](const NodeId& id) { return members.position(id) != nowhere; });
        if (!live)
            add(found, "OneLiveSuccessor",
                "node " + short_name(node.id) + " has no live successor in " + names(node.successors));
    }
    const auto unskipped = principals_among(nodes, members);
    if (unskipped.size() < list_max + 1)
        add(found, "SufficientPrincipals",
            std::to_string(unskipped.size()) + " of " + std::to_string(members.size()) +
                " members are principals, not " + std::to_string(list_max + 1) + ": " + names(unskipped));
    return found;
}

std::vector<Violation> check_structure(const std::vector<NodePointers>& nodes) {
    std::vector<Violation> found;
    const Circle members = members_of(nodes);
    if (members.size() == 0) return found;
    const auto best = best_successors(nodes, members);
    const auto rings = rings_of(best);
    if (rings.empty()) add(found, "AtLeastOneRing", "no member can be reached from itself");
    if (rings.size() > 1)
        add(found, "AtMostOneRing",
            std::to_string(rings.size()) + " rings: " + ring_text(members, rings[0]) + " and " +
                ring_text(members, rings[1]));
    for (const auto& ring : rings) {
        size_t wraps = 0;
        for (size_t i = 0; i < ring.size(); ++i) wraps += ring[(i + 1) % ring.size()] <= ring[i] ? 1 : 0;
        if (wraps > 1)
            add(found, "OrderedRing",
                "the ring " + ring_text(members, ring) + " goes round the circle " + std::to_string(wraps) + " times");
    }
    for (size_t i = 0; i < best.size(); ++i)
        if (best[i] == nowhere)
            add(found, "ConnectedAppendages", "node " + short_name(members[i]) + " leads to no live member");
    return found;
}

std::vector<Violation> check_ideal(const std::vector<NodePointers>& nodes, size_t list_max) {
    std::vector<NodeId> ids;
    ids.reserve(nodes.size());
    for (const auto& node : nodes) ids.push_back(node.id);
    return check_ideal(nodes, ids, list_max);
}

std::vector<Violation> check_ideal(const std::vector<NodePointers>& nodes, const std::vector<NodeId>& ring,
                                   size_t list_max) {
    std::vector<Violation> found;
    const Circle live(ring);
    const size_t length = live.size() == 0 ? 0 : std::min(list_max, live.size() - 1);
    std::vector<NodeId> expected(length);
    for (const auto& node : nodes) {
        const size_t self = live.position(node.id);
        EDDY_ASSERT(self != nowhere);
        for (size_t i = 0; i < length; ++i) expected[i] = live[(self + 1 + i) % live.size()];
        if (node.successors != expected)
            add(found, "SuccessorsIdeal",
                "node " + short_name(node.id) + " has the list " + names(node.successors) + ", not " + names(expected));
        std::optional<NodeId> before;
        if (live.size() > 1) before = live[(self + live.size() - 1) % live.size()];
        if (node.predecessor != before)
            add(found, "PredecessorIdeal",
                "node " + short_name(node.id) + " has the predecessor " +
                    (node.predecessor ? short_name(*node.predecessor) : "none") + ", not " +
                    (before ? short_name(*before) : "none"));
    }
    return found;
}

}  // namespace eddy::ring
