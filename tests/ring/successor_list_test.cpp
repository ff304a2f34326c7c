// The successor list against a slow model that counts distances on a circle of 256 places.
#include "ring/successor_list.hpp"

#include <algorithm>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "tests/support/recording_sink.hpp"

using namespace eddy;
using namespace eddy::ring;
using namespace eddy::testing;

namespace {

using Members = std::vector<msg::Member>;

Members members(std::initializer_list<uint8_t> places) {
    Members list;
    for (const uint8_t place : places) list.push_back(member(place));
    return list;
}

SuccessorList list_of(uint8_t self, size_t bound, const Members& all) {
    SuccessorList list(node_id(self), bound);
    (void)list.adopt(all.front(), std::span(all).subspan(1));
    return list;
}

/// Steps clockwise from `self`; 0 for itself.
uint8_t distance(uint8_t self, const msg::Member& to) { return static_cast<uint8_t>(to.id.bytes[0] - self); }

const msg::Member* find_in(const Members& all, const NodeId& id) {
    const auto it = std::find_if(all.begin(), all.end(), [&](const auto& m) { return m.id == id; });
    return it == all.end() ? nullptr : &*it;
}

/// What adopting `told` shall lead to.
Members adopted(uint8_t self, size_t bound, const Members& old, const Members& told) {
    Members next;
    uint8_t last = 0;
    for (const auto& one : told) {
        if (next.size() == bound || distance(self, one) <= last) break;
        last = distance(self, one);
        const auto* known = find_in(old, one.id);
        next.push_back(known != nullptr && known->incarnation > one.incarnation ? *known : one);
    }
    return next;
}

rc::Gen<msg::Member> any_member() {
    return rc::gen::apply([](uint8_t place, uint64_t life) { return member(place, life); },
                          rc::gen::inRange<uint8_t>(0, 24), rc::gen::inRange<uint64_t>(1, 4));
}

/// Often in order, as an honest node's would be; sometimes not.
Members any_told(uint8_t self) {
    auto told = *rc::gen::nonEmpty(rc::gen::container<Members>(any_member()));
    if (*rc::gen::inRange(0, 4) != 0)
        std::stable_sort(told.begin(), told.end(),
                         [&](const auto& a, const auto& b) { return distance(self, a) < distance(self, b); });
    return told;
}

}  // namespace

TEST_CASE("a list takes over the head and those after it, up to its bound") {
    auto list = list_of(10, 3, members({20, 30, 40, 50}));
    CHECK(list.members() == members({20, 30, 40}));
    CHECK(list.full());
    CHECK(list.head() == member(20));
    CHECK(list.find(node_id(30)) != nullptr);
    CHECK(list.find(node_id(50)) == nullptr);
}

TEST_CASE("a list wraps around the circle and ends before its own node") {
    const auto list = list_of(200, 8, members({250, 5, 200, 210}));
    CHECK(list.members() == members({250, 5}));
    CHECK_FALSE(list.full());
}

TEST_CASE("the first one out of order ends what is adopted") {
    CHECK(list_of(10, 8, members({20, 40, 30, 50})).members() == members({20, 40}));
    CHECK(list_of(10, 8, members({20, 20, 30})).members() == members({20}));
}

TEST_CASE("a node that is told it follows itself has no successors") {
    auto list = list_of(10, 8, members({20, 30}));
    const auto change = list.adopt(member(10), members({20}));
    CHECK(list.empty());
    CHECK(change.changed);
    CHECK(change.missing == members({20, 30}));
}

TEST_CASE("whoever vanished from the middle or the end is missing, whoever was pushed out is not") {
    auto list = list_of(10, 4, members({20, 30, 40, 50}));
    SUBCASE("from the middle") { CHECK(list.adopt(member(20), members({40, 50, 60})).missing == members({30})); }
    SUBCASE("pushed out") { CHECK(list.adopt(member(15), members({20, 30, 40})).missing.empty()); }
    SUBCASE("both") { CHECK(list.adopt(member(15), members({20, 25, 40})).missing == members({30})); }
    SUBCASE("from the end") { CHECK(list.adopt(member(20), members({30})).missing == members({40, 50})); }
    SUBCASE("the head") { CHECK(list.adopt(member(30), members({40, 50, 60})).missing == members({20})); }
}

TEST_CASE("adopting what is known already is no change") {
    auto list = list_of(10, 4, members({20, 30}));
    const auto change = list.adopt(member(20), members({30}));
    CHECK_FALSE(change.changed);
    CHECK(change.missing.empty());
}

TEST_CASE("of two records of one node the later life stays") {
    auto list = list_of(10, 4, {member(20, 2), member(30, 2)});
    const auto change = list.adopt(member(20, 1), Members{member(30, 3)});
    CHECK(list.members() == Members{member(20, 2), member(30, 3)});
    CHECK(change.changed);
    CHECK(change.missing.empty());
}

TEST_CASE("what a member says of itself is taken over, news of a stranger or no news changes nothing") {
    auto list = list_of(10, 4, {member(20, 2)});
    CHECK_FALSE(list.refresh(member(20, 2)));
    CHECK_FALSE(list.refresh(member(30, 9)));
    CHECK(list.refresh(member(20, 3)));
    CHECK(list.refresh(member(20, 1)));
    auto moved = member(20, 1);
    moved.endpoint.port = 7;
    CHECK(list.refresh(moved));
    CHECK(list.members() == Members{moved});
}

TEST_CASE("a member is removed once") {
    auto list = list_of(10, 4, members({20, 30}));
    CHECK(list.remove(node_id(20)));
    CHECK_FALSE(list.remove(node_id(20)));
    CHECK(list.members() == members({30}));
}

TEST_CASE("followers are orderly if they run clockwise, and nothing is asked of what follows this node") {
    const SuccessorList list(node_id(10), 4);
    CHECK(list.orderly(node_id(20), {}));
    CHECK(list.orderly(node_id(20), members({30, 250, 5})));
    CHECK(list.orderly(node_id(20), members({30, 10, 25})));
    CHECK_FALSE(list.orderly(node_id(20), members({30, 25})));
    CHECK_FALSE(list.orderly(node_id(20), members({20})));
    CHECK_FALSE(list.orderly(node_id(20), members({30, 15})));
}

TEST_CASE("a list does what the model does, whatever it is told") {
    CHECK(rc::check("ordered, bounded, and missing is what vanished before the end", [] {
        const auto self = *rc::gen::inRange<uint8_t>(0, 24);
        const auto bound = *rc::gen::inRange<size_t>(1, 9);
        SuccessorList list(node_id(self), bound);
        for (int step = *rc::gen::inRange(1, 20); step > 0; --step) {
            const Members old = list.members();
            const auto kind = *rc::gen::inRange(0, 4);
            if (kind == 0) {
                const auto one = *any_member();
                const auto* known = find_in(old, one.id);
                RC_ASSERT(list.remove(one.id) == (known != nullptr));
                RC_ASSERT(list.members().size() + (known != nullptr ? 1 : 0) == old.size());
                RC_ASSERT(list.find(one.id) == nullptr);
            } else if (kind == 1) {
                const auto one = *any_member();
                const auto* known = find_in(old, one.id);
                const bool news = known != nullptr && one != *known;
                RC_ASSERT(list.refresh(one) == news);
                RC_ASSERT(list.members().size() == old.size());
                if (news) RC_ASSERT(*list.find(one.id) == one);
            } else {
                const auto told = any_told(self);
                const auto change = list.adopt(told.front(), std::span(told).subspan(1));
                const auto expected = adopted(self, bound, old, told);
                RC_ASSERT(list.members() == expected);
                RC_ASSERT(change.changed == (expected != old));
                Members missing;
                for (const auto& one : old) {
                    const bool pushed_out =
                        expected.size() == bound && distance(self, one) > distance(self, expected.back());
                    if (find_in(expected, one.id) == nullptr && !pushed_out) missing.push_back(one);
                }
                RC_ASSERT(change.missing == missing);
            }
            RC_ASSERT(list.members().size() <= bound);
            RC_ASSERT(list.full() == (list.members().size() == bound));
            uint8_t last = 0;
            for (const auto& one : list.members()) {
                RC_ASSERT(distance(self, one) > last);
                last = distance(self, one);
            }
            list.check_invariants();
        }
    }));
}

TEST_CASE("orderly followers are adopted whole, up to this node or the bound") {
    CHECK(rc::check("orderly and adopt agree", [] {
        const auto self = *rc::gen::inRange<uint8_t>(0, 24);
        const auto told = any_told(self);
        RC_PRE(told.front().id != node_id(self));
        SuccessorList list(node_id(self), 64);
        (void)list.adopt(told.front(), std::span(told).subspan(1));
        const auto here = std::find_if(told.begin(), told.end(), [&](const auto& m) { return m.id == node_id(self); });
        const bool whole = list.members().size() == static_cast<size_t>(here - told.begin());
        RC_ASSERT(list.orderly(told.front().id, std::span(told).subspan(1)) == whole);
    }));
}
