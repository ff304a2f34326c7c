// Lookups among liars end; lookups in a ring full of dead nodes still find the right one.
#include <algorithm>
#include <map>
#include <optional>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "ring/interval.hpp"
#include "ring/lookup.hpp"
#include "tests/support/recording_sink.hpp"

using namespace eddy;
using namespace eddy::ring;
using namespace eddy::testing;

namespace {

using Why = Lookup::Why;
using Members = std::vector<msg::Member>;

/// A ring some nodes of which are dead though all still count on them; no node's whole list is.
struct WoundedRing {
    static constexpr size_t list_max = 3;
    static constexpr uint8_t places = 32;
    std::vector<int> states;  ///< of each place: 0 nobody, 1 alive, 2 dead

    [[nodiscard]] Members list(uint8_t of) const {
        Members next;
        for (uint8_t step = 1; step < places && next.size() < list_max; ++step)
            if (states[(of + step) % places] != 0) next.push_back(member((of + step) % places));
        return next;
    }
    [[nodiscard]] bool lives(const msg::Member& one) const { return states[one.id.bytes[0]] == 1; }
    [[nodiscard]] bool heals() const {
        for (uint8_t place = 0; place < places; ++place) {
            const auto next = list(place);
            if (states[place] == 1 && std::none_of(next.begin(), next.end(), [&](const auto& m) { return lives(m); }))
                return false;
        }
        return true;
    }
    [[nodiscard]] msg::Found ask(uint8_t whom, uint8_t key) const {
        msg::Found found;
        for (const auto& one : list(whom))
            (in_open(node_id(whom), one.id, node_id(key)) ? found.before : found.after).push_back(one);
        std::reverse(found.before.begin(), found.before.end());
        found.done = found.before.empty();
        return found;
    }
};

}  // namespace

TEST_CASE("a lookup ends, whatever it is told, and found means seen alive") {
    CHECK(rc::check("bounded in questions, and twice at most to each candidate", [] {
        const auto any = rc::gen::map(rc::gen::inRange<uint8_t>(0, 40), [](uint8_t place) { return member(place); });
        const auto some = rc::gen::container<Members>(any);
        Lookup lookup(1, node_id(10), node_id(30),
                      *rc::gen::element(Why::asked, Why::join, Why::finger, Why::introduce), at_ms(0));
        for (const auto& one : *some) lookup.offer(one);
        std::map<NodeId, int> times;
        std::optional<NodeId> alive;
        uint32_t questions = 0;
        while (const auto whom = lookup.next(at_ms(1))) {
            RC_ASSERT(++questions <= Lookup::questions_max);
            RC_ASSERT(!lookup.finished());
            RC_ASSERT(whom->id != node_id(10));
            if (!lookup.checking()) {
                RC_ASSERT(whom->id != node_id(30));
                RC_ASSERT(++times[whom->id] <= 2);
            }
            const bool answers = *rc::gen::inRange(0, 3) == 0;
            if (answers) {
                alive = whom->id;
                lookup.on_found({0, *rc::gen::arbitrary<bool>(), *some, *some});
            } else {
                lookup.on_failed();
            }
        }
        RC_ASSERT(lookup.finished());
        const auto result = lookup.result(at_ms(1));
        const bool own = result.owner.id == node_id(10);
        const bool place_only = lookup.why() == Why::join || lookup.why() == Why::introduce;
        RC_ASSERT(!result.found || own || place_only || result.owner.id == alive);
        RC_ASSERT(result.hops + result.timeouts <= questions);
    }));
}

TEST_CASE("while one of each successor list lives, a lookup finds the key's first live successor") {
    CHECK(rc::check("in any wounded ring", [] {
        const auto state = rc::gen::element(0, 0, 1, 1, 2);
        WoundedRing ring{*rc::gen::container<std::vector<int>>(WoundedRing::places, state)};
        ring.states[10] = 1;
        const auto key = *rc::gen::inRange<uint8_t>(0, WoundedRing::places);
        RC_PRE(key != 10 && ring.heals());
        Lookup lookup(1, node_id(10), node_id(key), Why::asked, at_ms(0));
        auto mine = ring.ask(10, key);
        for (const auto& one : mine.before) lookup.offer(one);
        mine.done ? lookup.conclude(member(10), mine.after) : lookup.reckon(member(10), mine.after);
        while (const auto whom = lookup.next(at_ms(1)))
            ring.lives(*whom) ? lookup.on_found(ring.ask(whom->id.bytes[0], key)) : lookup.on_failed();
        uint8_t owner = key;
        while (ring.states[owner] != 1) owner = (owner + 1) % WoundedRing::places;
        const auto result = lookup.result(at_ms(1));
        RC_ASSERT(result.found);
        RC_ASSERT(result.owner == member(owner));
    }));
}
