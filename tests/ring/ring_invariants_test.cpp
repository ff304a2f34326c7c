// The rules for whole rings. Goal: each rule is broken by a hand-made ring, most of them after Zave's figures, and by
// no ideal one; the counting of principals agrees with its definition, tried literally on random pointers.
#include "ring/ring_invariants.hpp"

#include <algorithm>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "ring/interval.hpp"

using namespace eddy;
using namespace eddy::ring;

namespace {

/// A node whose short name begins with `n` in hex, so that messages can be read.
NodeId id(uint8_t n) {
    NodeId made;
    made.bytes[0] = n;
    return made;
}

std::vector<NodeId> ids(const std::vector<int>& numbers) {
    std::vector<NodeId> made;
    for (const int n : numbers) made.push_back(id(static_cast<uint8_t>(n)));
    return made;
}

NodePointers node(uint8_t self, const std::vector<int>& successors, int predecessor = -1) {
    NodePointers made{id(self), std::nullopt, ids(successors)};
    if (predecessor >= 0) made.predecessor = id(static_cast<uint8_t>(predecessor));
    return made;
}

/// Every node of `numbers`, which rise, with the pointers it should have.
std::vector<NodePointers> ideal(const std::vector<int>& numbers, size_t list_max) {
    std::vector<NodePointers> nodes;
    const size_t n = numbers.size();
    for (size_t i = 0; i < n; ++i) {
        std::vector<int> list;
        for (size_t k = 1; k <= std::min(list_max, n - 1); ++k) list.push_back(numbers[(i + k) % n]);
        nodes.push_back(node(static_cast<uint8_t>(numbers[i]), list, n > 1 ? numbers[(i + n - 1) % n] : -1));
    }
    return nodes;
}

std::vector<std::string> rules(const std::vector<Violation>& found) {
    std::vector<std::string> names;
    for (const auto& violation : found)
        if (std::find(names.begin(), names.end(), violation.rule) == names.end()) names.push_back(violation.rule);
    return names;
}

using Rules = std::vector<std::string>;

}  // namespace

TEST_CASE("an ideal ring of any size breaks no rule") {
    for (const size_t list_max : {1, 2, 3, 4, 8}) {
        std::vector<int> numbers;
        for (int n = 1; n <= 20; ++n) {
            numbers.push_back(n * 12);
            CAPTURE(n);
            CAPTURE(list_max);
            const auto nodes = ideal(numbers, list_max);
            CHECK(check_lists(nodes, list_max).empty());
            CHECK(check_ideal(nodes, list_max).empty());
            if (n > 1) CHECK(check_structure(nodes).empty());
            if (numbers.size() > list_max + 1) CHECK(check_invariant(nodes, list_max).empty());
            if (n > 1) CHECK(principals(nodes).size() == numbers.size());
        }
    }
}

TEST_CASE("no nodes, or nodes that have not joined yet, make no ring and break no rule of one") {
    CHECK(check_structure({}).empty());
    CHECK(check_ideal({}, 4).empty());
    CHECK(check_structure({node(1, {}), node(2, {})}).empty());
    CHECK(check_ideal({node(1, {})}, 4).empty());
}

TEST_CASE("a list that is too long, out of order, doubled or with its own node in it is told apart") {
    CHECK(rules(check_lists({node(10, {20, 30, 40, 50})}, 3)) == Rules{"ListBounded"});
    CHECK(rules(check_lists({node(10, {30, 20})}, 3)) == Rules{"ListOrdered"});
    CHECK(rules(check_lists({node(10, {20, 20})}, 3)) == Rules{"ListOrdered"});
    CHECK(rules(check_lists({node(40, {10, 50})}, 3)) == Rules{"ListOrdered"});
    CHECK(rules(check_lists({node(10, {20, 10})}, 3)) == Rules{"ListWithoutSelf"});
    CHECK(rules(check_lists({node(10, {10})}, 3)) == Rules{"ListWithoutSelf"});
    CHECK(rules(check_lists({node(10, {20, 30, 20})}, 3)) == Rules{"ListOrdered"});
    CHECK(rules(check_lists({node(10, {20}, 10)}, 3)) == Rules{"PredecessorNotSelf"});
    CHECK(check_lists({node(40, {50, 10, 30}, 30)}, 3).empty());  // across zero
}

TEST_CASE("violations name the rule and the nodes") {
    const auto found = check_lists({node(0xab, {0xcd, 0xbc})}, 3);
    REQUIRE(found.size() == 1);
    CHECK(found[0].text == "node ab000000 has the list [cd000000 bc000000]");
    CHECK(check_invariant({node(0x10, {0x20})}, 1)[0].text == "node 10000000 has no live successor in [20000000]");
}

TEST_CASE("at most eight violations are told") {
    std::vector<NodePointers> nodes;
    for (uint8_t i = 1; i <= 20; ++i) nodes.push_back(node(i, {i}));
    CHECK(check_lists(nodes, 3).size() == violations_max);
}

TEST_CASE("a member whose whole list is dead breaks OneLiveSuccessor, and leads nowhere") {
    auto nodes = ideal({10, 20, 30, 40, 50, 60}, 2);
    std::erase_if(nodes, [](const auto& n) { return n.id == id(20) || n.id == id(30); });
    CHECK(rules(check_invariant(nodes, 2)) == Rules{"OneLiveSuccessor"});
    CHECK(rules(check_structure(nodes)) == Rules{"AtLeastOneRing", "ConnectedAppendages"});
}

TEST_CASE("a list that still begins with a dead node is within the invariant as long as it ends with a live one") {
    auto nodes = ideal({10, 20, 30, 40, 50, 60}, 2);
    std::erase_if(nodes, [](const auto& n) { return n.id == id(20) || n.id == id(50); });
    CHECK(check_invariant(nodes, 2).empty());
    CHECK(check_structure(nodes).empty());
    CHECK_FALSE(check_ideal(nodes, 2).empty());
}

TEST_CASE("a joiner that hangs on the ring as an appendage is no principal and breaks no rule of a busy ring") {
    auto nodes = ideal({10, 20, 30, 40}, 2);
    nodes.push_back(node(25, {30, 40}));
    CHECK(check_invariant(nodes, 2).empty());
    CHECK(check_structure(nodes).empty());
    CHECK(principals(nodes) == ids({10, 20, 30, 40}));
    CHECK(rules(check_ideal(nodes, 2)) == Rules{"SuccessorsIdeal", "PredecessorIdeal"});
}

TEST_CASE("lists that skip too many members break SufficientPrincipals though everyone has a live successor") {
    // Each of two members skips others; only four are left that nobody skips, and five are needed.
    auto nodes = ideal({10, 20, 30, 40, 50, 60}, 4);
    nodes[0].successors = ids({30, 40, 50, 60});
    nodes[3].successors = ids({60, 10, 20, 30});
    CHECK(principals(nodes) == ids({10, 30, 40, 60}));
    const auto found = check_invariant(nodes, 4);
    REQUIRE(rules(found) == Rules{"SufficientPrincipals"});
    CHECK(found[0].text == "4 of 6 members are principals, not 5: [0a000000 1e000000 28000000 3c000000]");
}

TEST_CASE("a skip across zero counts") {
    auto nodes = ideal({10, 20, 30, 250}, 2);
    nodes[2].successors = ids({20});  // 30 -> 20 skips 250 and 10
    CHECK(principals(nodes) == ids({20, 30}));
}

TEST_CASE("a dead entry can skip members as well as a live one") {
    auto nodes = ideal({10, 20, 30, 40}, 2);
    nodes[0].successors = ids({25, 30});  // 25 is dead; 20 is skipped
    CHECK(principals(nodes) == ids({10, 30, 40}));
}

TEST_CASE("two rings side by side are not one") {
    // What a partition leaves: odd nodes know odd ones, even nodes know even ones.
    auto nodes = ideal({10, 30, 50}, 2);
    for (const auto& other : ideal({20, 40, 60}, 2)) nodes.push_back(other);
    CHECK(rules(check_structure(nodes)) == Rules{"AtMostOneRing"});
    CHECK(principals(nodes).empty());
    CHECK(rules(check_invariant(nodes, 2)) == Rules{"SufficientPrincipals"});
}

TEST_CASE("a loopy ring, which goes round the circle twice, is disordered") {
    // Every node's successor is the next but one; with five nodes that is one ring through all of them.
    const std::vector<NodePointers> nodes{node(10, {30}), node(20, {40}), node(30, {50}), node(40, {10}),
                                          node(50, {20})};
    CHECK(check_lists(nodes, 1).empty());
    const auto found = check_structure(nodes);
    REQUIRE(rules(found) == Rules{"OrderedRing"});
    CHECK(found[0].text == "the ring [0a000000 1e000000 32000000 14000000 28000000] goes round the circle 2 times");
    CHECK(rules(check_invariant(nodes, 1)) == Rules{"SufficientPrincipals"});
}

TEST_CASE("a ring disordered by one pair of neighbours in the wrong order is found") {
    // 10 -> 30 -> 20 -> 40 -> 10: after Zave's figure of a join between two that failed at the same time.
    const std::vector<NodePointers> nodes{node(10, {30}), node(30, {20}), node(20, {40}), node(40, {10})};
    CHECK(rules(check_structure(nodes)) == Rules{"OrderedRing"});
}

TEST_CASE("small rings must be known whole once they are quiet") {
    auto nodes = ideal({10, 20, 30}, 8);
    nodes[1].successors.pop_back();
    REQUIRE(check_ideal(nodes, 8).size() == 1);
    CHECK(check_ideal(nodes, 8)[0].text == "node 14000000 has the list [1e000000], not [1e000000 0a000000]");
    nodes = ideal({10, 20, 30}, 8);
    nodes[2].predecessor = id(10);
    REQUIRE(check_ideal(nodes, 8).size() == 1);
    CHECK(check_ideal(nodes, 8)[0].text == "node 1e000000 has the predecessor 0a000000, not 14000000");
    nodes[2].predecessor = std::nullopt;
    CHECK(rules(check_ideal(nodes, 8)) == Rules{"PredecessorIdeal"});
    CHECK(rules(check_ideal({node(10, {20}, 20)}, 8)) == Rules{"SuccessorsIdeal", "PredecessorIdeal"});
}

TEST_CASE("some nodes of a ring can be asked about alone, such as one side of a partition") {
    auto nodes = ideal({10, 20, 30}, 2);
    nodes[2].successors = ids({10});
    const std::vector<NodePointers> two{nodes[0], nodes[1]};
    CHECK(check_ideal(two, ids({10, 20, 30}), 2).empty());
    CHECK(rules(check_ideal(nodes, ids({10, 20, 30}), 2)) == Rules{"SuccessorsIdeal"});
    CHECK(rules(check_ideal(two, 2)) == Rules{"SuccessorsIdeal", "PredecessorIdeal"});
}

namespace {

/// Any pointers at all: live nodes with random lists, some entries dead.
std::vector<NodePointers> random_pointers() {
    const auto numbers = *rc::gen::unique<std::vector<int>>(rc::gen::inRange(0, 32));
    std::vector<NodePointers> nodes;
    for (const int n : numbers)
        nodes.push_back(node(static_cast<uint8_t>(n), *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 32))));
    return nodes;
}

/// Zave's definition, word for word.
bool skipped_by_definition(const std::vector<NodePointers>& nodes, const NodeId& p) {
    for (const auto& holder : nodes) {
        NodeId x = holder.id;
        for (const auto& y : holder.successors) {
            const bool between = x < y ? x < p && p < y : x < p || p < y;
            if (between && p != x && p != y) return true;
            x = y;
        }
    }
    return false;
}

}  // namespace

TEST_CASE("principals are what the definition says, for any pointers") {
    CHECK(rc::check("principals", [] {
        const auto nodes = random_pointers();
        std::vector<NodeId> expected;
        for (const auto& n : nodes)
            if (!n.successors.empty() && !skipped_by_definition(nodes, n.id)) expected.push_back(n.id);
        std::sort(expected.begin(), expected.end());
        RC_ASSERT(principals(nodes) == expected);
    }));
}

TEST_CASE("Zave's theorem: pointers within the invariant form one ordered ring with connected appendages") {
    CHECK(rc::check("invariant implies structure", [] {
        // Start ideal, then let some members die and some lists lose, swap or gain entries.
        const auto numbers = *rc::gen::suchThat(rc::gen::unique<std::vector<int>>(rc::gen::inRange(0, 64)),
                                                [](const auto& all) { return all.size() >= 5; });
        auto sorted = numbers;
        std::sort(sorted.begin(), sorted.end());
        auto nodes = ideal(sorted, 2);
        const auto dead = *rc::gen::inRange<size_t>(0, 3);
        for (size_t i = 0; i < dead; ++i)
            nodes.erase(nodes.begin() + *rc::gen::inRange<int>(0, static_cast<int>(nodes.size())));
        for (auto& n : nodes)
            if (*rc::gen::inRange(0, 4) == 0)
                n.successors = ids(*rc::gen::container<std::vector<int>>(2, rc::gen::elementOf(sorted)));
        if (!check_lists(nodes, 2).empty() || !check_invariant(nodes, 2).empty()) return;
        RC_ASSERT(check_structure(nodes).empty());
    }));
}

TEST_CASE("any pointers at all can be checked") {
    CHECK(rc::check("total", [] {
        const auto nodes = random_pointers();
        const auto list_max = *rc::gen::inRange<size_t>(1, 8);
        for (const auto& found : {check_lists(nodes, list_max), check_invariant(nodes, list_max),
                                  check_structure(nodes), check_ideal(nodes, list_max)}) {
            RC_ASSERT(found.size() <= violations_max);
            for (const auto& violation : found) RC_ASSERT(!violation.text.empty());
        }
    }));
}
