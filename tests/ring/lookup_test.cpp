// One lookup: whom it asks, what it believes, and when it ends.
#include "ring/lookup.hpp"

#include <doctest/doctest.h>

#include "tests/support/recording_sink.hpp"

using namespace eddy;
using namespace eddy::ring;
using namespace eddy::testing;

namespace {

using Why = Lookup::Why;
using Members = std::vector<msg::Member>;

Members members(std::initializer_list<uint8_t> places) {
    Members list;
    for (const uint8_t place : places) list.push_back(member(place));
    return list;
}

/// Of node 10, for key 100 unless told otherwise.
struct Story : Lookup {
    explicit Story(Why why = Why::asked, uint8_t key = 100) : Lookup(1, node_id(10), node_id(key), why, at_ms(0)) {}
    void offer_all(std::initializer_list<uint8_t> places) {
        for (const uint8_t place : places) offer(member(place));
    }
    /// The node asked next; 0: none.
    uint8_t ask() {
        const auto whom = next(at_ms(1));
        CHECK(whom == asked());
        return whom ? whom->id.bytes[0] : uint8_t{0};
    }
    void tells(Members before, Members after) { on_found({0, false, std::move(before), std::move(after)}); }
    void is_predecessor(Members after) { on_found({0, true, {}, std::move(after)}); }
    /// All it asks until it ends, if nobody answers.
    std::vector<uint8_t> asks_in_vain() {
        std::vector<uint8_t> all;
        while (const uint8_t whom = ask()) {
            all.push_back(whom);
            on_failed();
        }
        return all;
    }
};

using Asked = std::vector<uint8_t>;

}  // namespace

TEST_CASE("the candidate closest before the key is asked first, whatever the order they were offered in") {
    Story lookup;
    lookup.offer_all({200, 50, 99, 101, 50, 60});
    CHECK(lookup.ask() == 99);
    lookup.tells({}, {});
    CHECK(lookup.ask() == 60);
    lookup.tells({}, {});
    CHECK(lookup.ask() == 50);
    lookup.tells({}, {});
    CHECK(lookup.ask() == 200);
    lookup.tells({}, {});
    CHECK(lookup.ask() == 101);
    lookup.tells({}, {});
    CHECK(lookup.ask() == 0);
    CHECK(lookup.finished());
    CHECK_FALSE(lookup.result(at_ms(5)).found);
    CHECK(lookup.result(at_ms(5)).hops == 5);
}

TEST_CASE("neither this node nor the key's own is a candidate") {
    Story lookup;
    lookup.offer_all({10, 100});
    CHECK(lookup.ask() == 0);
    CHECK(lookup.finished());
}

TEST_CASE("of too many candidates the closest stay") {
    Story lookup(Why::asked, 0);
    for (uint8_t place = 100; place < 100 + Lookup::candidates_max + 8; ++place) lookup.offer(member(place));
    for (uint8_t nth = 1; nth <= Lookup::candidates_max; ++nth) {
        CHECK(lookup.ask() == 100 + Lookup::candidates_max + 8 - nth);
        lookup.tells({}, {});
    }
    CHECK(lookup.ask() == 0);
}

TEST_CASE("the answer of the predecessor is believed once the successor is seen alive") {
    Story lookup;
    lookup.offer_all({50});
    CHECK(lookup.ask() == 50);
    lookup.tells(members({90}), {});
    CHECK(lookup.ask() == 90);
    CHECK_FALSE(lookup.checking());
    lookup.is_predecessor(members({110, 120, 130}));
    CHECK(lookup.ask() == 110);
    CHECK(lookup.checking());
    lookup.on_failed();
    CHECK(lookup.ask() == 120);
    CHECK_FALSE(lookup.finished());
    lookup.on_found({});
    CHECK(lookup.finished());
    CHECK(lookup.ask() == 0);
    CHECK(lookup.predecessor() == member(90));
    CHECK(lookup.successors() == members({110, 120, 130}));
    const auto result = lookup.result(at_ms(7));
    CHECK(result.found);
    CHECK(result.lookup == 1);
    CHECK(result.key == node_id(100));
    CHECK(result.owner == member(120));
    CHECK(result.hops == 2);
    CHECK(result.timeouts == 1);
    CHECK(result.took == from_ms(7));
}

TEST_CASE("nobody is led away from the key, round in circles or to nowhere") {
    Story lookup;
    lookup.offer_all({50});
    auto nowhere = member(70);
    nowhere.endpoint.port = 0;
    CHECK(lookup.ask() == 50);
    lookup.tells({member(40), member(50), member(120), nowhere, member(60)}, {});
    CHECK(lookup.ask() == 60);
    lookup.tells(members({50, 55}), {});
    CHECK(lookup.ask() == 0);
}

TEST_CASE("if none of the successors lives, someone before them may know better") {
    Story lookup;
    lookup.offer_all({50, 90});
    CHECK(lookup.ask() == 90);
    lookup.is_predecessor(members({110}));
    CHECK(lookup.ask() == 110);
    lookup.on_failed();
    CHECK(lookup.ask() == 50);
    lookup.is_predecessor(members({120, 130}));
    CHECK(lookup.ask() == 120);
    lookup.on_found({});
    CHECK(lookup.result(at_ms(1)).owner == member(120));
    CHECK(lookup.predecessor() == member(50));
}

TEST_CASE("this node need not ask itself, nor does anyone who looks for a place ask its successor") {
    Story own;
    own.conclude(member(90), members({10}));
    CHECK(own.ask() == 0);
    CHECK(own.result(at_ms(1)).owner == member(10));
    for (const Why why : {Why::join, Why::introduce, Why::finger, Why::asked}) {
        Story lookup(why);
        lookup.conclude(member(90), members({110}));
        const bool place_only = why == Why::join || why == Why::introduce;
        CHECK((lookup.ask() == 0) == place_only);
        CHECK(lookup.result(at_ms(1)).found == place_only);
    }
}

TEST_CASE("a predecessor without successors ends nothing") {
    Story lookup;
    lookup.offer_all({50, 90});
    CHECK(lookup.ask() == 90);
    lookup.on_found({0, true, members({95}), {}});
    CHECK(lookup.ask() == 95);
    lookup.is_predecessor({});
    CHECK(lookup.ask() == 50);
}

TEST_CASE("a predecessor whose successor lies before the key, or nowhere, is not believed") {
    Story lookup;
    lookup.offer_all({50, 60, 70});
    auto nowhere = member(110);
    nowhere.endpoint.port = 0;
    CHECK(lookup.ask() == 70);
    lookup.is_predecessor(members({99, 110}));
    CHECK(lookup.ask() == 60);
    lookup.is_predecessor({nowhere});
    CHECK(lookup.ask() == 50);
    lookup.is_predecessor(members({100}));
    CHECK(lookup.ask() == 100);
    CHECK(lookup.checking());
}

TEST_CASE("whoever is alone is believed if asked first, not when met on the way") {
    Story first;
    first.offer_all({50});
    CHECK(first.ask() == 50);
    first.is_predecessor(members({50}));
    CHECK(first.ask() == 50);  // seen alive
    first.on_found({});
    CHECK(first.result(at_ms(1)).owner == member(50));

    Story later;
    later.offer_all({50, 40});
    CHECK(later.ask() == 50);
    later.tells(members({90}), {});
    CHECK(later.ask() == 90);
    later.is_predecessor(members({90}));
    CHECK(later.ask() == 40);

    Story other;  // names itself without saying that it is the predecessor
    other.offer_all({50, 90});
    CHECK(other.ask() == 90);
    other.tells({}, {});
    CHECK(other.ask() == 50);
    other.tells(members({80}), members({50}));
    CHECK(other.ask() == 80);

    Story reckoned;
    reckoned.reckon(member(20), members({110}));
    reckoned.offer_all({90});
    CHECK(reckoned.ask() == 90);
    reckoned.is_predecessor(members({90}));
    CHECK(reckoned.ask() == 110);
}

TEST_CASE("if all nearer nodes are dead, the nearest that lives is the predecessor") {
    Story lookup;
    lookup.offer_all({50});
    lookup.reckon(member(20), members({200}));
    lookup.reckon(member(15), members({210}));  // farther from the key
    CHECK(lookup.ask() == 50);
    lookup.tells(members({80, 90}), members({110, 120}));
    CHECK(lookup.ask() == 90);
    lookup.on_failed();
    CHECK(lookup.ask() == 80);
    lookup.on_failed();
    CHECK(lookup.ask() == 110);
    CHECK(lookup.predecessor() == member(50));
    lookup.on_failed();
    CHECK(lookup.ask() == 120);
    lookup.on_found({});
    CHECK(lookup.result(at_ms(1)).owner == member(120));
}

TEST_CASE("who knows no successor is no predecessor by reckoning") {
    Story lookup;
    lookup.reckon(member(20), members({110}));
    lookup.reckon(member(50), {});
    CHECK(lookup.asks_in_vain() == Asked{110});  // and reckoned with once
    CHECK(lookup.predecessor() == member(20));
}

TEST_CASE("the closest silent nodes are asked once more before a lookup fails, those that answered are not") {
    Story lookup;
    lookup.offer_all({50, 60, 70, 80, 85, 90});
    CHECK(lookup.ask() == 90);
    lookup.is_predecessor(members({85}));
    CHECK(lookup.ask() == 85);
    lookup.on_failed();
    CHECK(lookup.ask() == 85);  // silent as a successor, it answers now
    lookup.tells({}, {});
    CHECK(lookup.asks_in_vain() == Asked{80, 70, 60, 50, 80, 70, 60});
    CHECK(lookup.finished());
    CHECK(lookup.result(at_ms(1)).timeouts == 8);
}

TEST_CASE("a question may be asked again once, and the next one too") {
    Story lookup;
    lookup.offer_all({50, 60});
    CHECK(lookup.ask() == 60);
    lookup.set_question(7);
    CHECK(lookup.question() == 7);
    CHECK(lookup.asked_at() == at_ms(1));
    CHECK(lookup.may_ask_again());
    CHECK_FALSE(lookup.may_ask_again());
    lookup.wait_again(at_ms(9));
    CHECK(lookup.asked_at() == at_ms(9));
    lookup.on_failed();
    CHECK(lookup.ask() == 50);
    CHECK(lookup.may_ask_again());
}

TEST_CASE("answers and failures that belong to no question change nothing") {
    Story lookup;
    lookup.offer_all({50});
    lookup.is_predecessor(members({110}));
    lookup.on_failed();
    CHECK_FALSE(lookup.checking());
    CHECK(lookup.ask() == 50);
    lookup.on_failed();
    lookup.on_failed();
    CHECK(lookup.result(at_ms(1)).timeouts == 1);
}

TEST_CASE("a lookup ends after so many questions, though liars name ever more dead nodes") {
    Story lookup;
    lookup.offer_all({50, 60, 70, 80, 90});
    Members dead;
    for (uint8_t place = 110; place < 110 + found_members_max; ++place) dead.push_back(member(place));
    uint32_t questions = 0;
    while (lookup.ask() != 0) {
        ++questions;
        lookup.checking() ? lookup.on_failed() : lookup.is_predecessor(dead);
    }
    CHECK(questions == Lookup::questions_max);
    CHECK(lookup.finished());
    CHECK_FALSE(lookup.result(at_ms(1)).found);
}
