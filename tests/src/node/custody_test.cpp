// What is kept of frames that were handed over. Goal: nothing is kept beyond its bound or for the wrong node, and what
// is taken back comes in the order in which it was sent. Method: a plain list of what should be kept, beside it.
#include "src/node/custody.hpp"

#include <algorithm>
#include <set>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "tests/support/recording_sink.hpp"

using namespace eddy;
using namespace eddy::node;
using namespace eddy::testing;
using scheduler::Item;

namespace {

constexpr uint64_t room = 4 * (1000 + Custody::overhead_bytes);

Item item(Custody& custody, uint64_t bytes = 1000) {
    Item made;
    made.custody = custody.next_number();
    made.frame.k = made.custody;
    TensorRef tensor;
    tensor.buffer = BufferId{made.custody};
    tensor.bytes = bytes;
    made.tensors = {tensor};
    return made;
}

std::vector<uint64_t> numbers(const std::vector<Item>& items) {
    std::vector<uint64_t> found;
    for (const auto& each : items) found.push_back(each.custody);
    return found;
}

}  // namespace

TEST_CASE("what is kept goes when the node it was given to says so, and nobody else") {
    Custody custody(Incarnation{1}, room);
    const Item given = item(custody);
    CHECK(custody.keep(node_id(1), given, at_ms(0)).empty());
    CHECK(custody.frames() == 1);
    CHECK(custody.bytes() == 1000 + Custody::overhead_bytes);
    CHECK_FALSE(custody.release(node_id(2), given.custody));
    CHECK_FALSE(custody.release(node_id(1), given.custody + 1));
    CHECK(custody.since(node_id(1), given.custody) == at_ms(0));
    CHECK_FALSE(custody.since(node_id(2), given.custody));
    const auto released = custody.release(node_id(1), given.custody);
    REQUIRE(released);
    CHECK(released->frame.k == given.frame.k);
    CHECK_FALSE(custody.release(node_id(1), given.custody));
    CHECK(custody.bytes() == 0);
    custody.check_invariants();
}

TEST_CASE("when there is no room the oldest gives way, as many as it takes, and what is larger than all is not kept") {
    Custody custody(Incarnation{1}, room);
    for (int i = 0; i < 4; ++i) CHECK(custody.keep(node_id(1), item(custody), at_ms(i)).empty());
    const uint64_t oldest = custody.take_older(at_ms(0)).empty() ? (uint64_t{1} << 40) + 1 : 0;
    const auto gone = custody.keep(node_id(2), item(custody, 2000), at_ms(5));
    CHECK(numbers(gone) == std::vector<uint64_t>{oldest, oldest + 1});
    CHECK(custody.frames() == 3);
    const Item huge = item(custody, room);
    CHECK(numbers(custody.keep(node_id(2), huge, at_ms(6))) == std::vector<uint64_t>{huge.custody});
    CHECK(custody.frames() == 3);
    custody.check_invariants();
}

TEST_CASE("without room nothing is kept, and nothing gets a number") {
    Custody custody(Incarnation{1}, 0);
    CHECK(custody.next_number() == 0);
    CHECK(custody.keep(node_id(1), item(custody), at_ms(0)).size() == 1);
    CHECK(custody.frames() == 0);
}

TEST_CASE("a number of one life means nothing in the next") {
    Custody first(Incarnation{1}, room);
    Custody second(Incarnation{2}, room);
    std::set<uint64_t> seen;
    for (int i = 0; i < 1000; ++i) seen.insert({first.next_number(), second.next_number()});
    CHECK(seen.size() == 2000);
    CHECK(seen.count(0) == 0);
}

TEST_CASE("frames without bytes are bounded as well") {
    Custody custody(Incarnation{1}, room);
    for (int i = 0; i < 1000; ++i) (void)custody.keep(node_id(1), item(custody, 0), at_ms(0));
    CHECK(custody.frames() == room / Custody::overhead_bytes);
}

TEST_CASE("whatever happens, custody holds what it should, in order, within its bound") {
    CHECK(rc::check("as a plain list would", [](const std::vector<std::tuple<uint8_t, uint8_t, uint16_t>>& steps) {
        Custody custody(Incarnation{3}, room);
        struct Expected {
            uint64_t number;
            uint8_t to;
            uint64_t bytes;
            int at;
        };
        std::deque<Expected> expected;
        int now = 0;
        for (const auto& [what, who, size] : steps) {
            const uint8_t node = who % 3;
            ++now;
            std::vector<uint64_t> gone;
            std::vector<uint64_t> should_go;
            if (what % 8 < 5) {
                const uint64_t bytes = size % 3000;
                const Item made = item(custody, bytes);
                uint64_t held = bytes + Custody::overhead_bytes;
                for (const auto& each : expected) held += each.bytes;
                for (; held > room; expected.pop_front()) {
                    held -= expected.front().bytes;
                    should_go.push_back(expected.front().number);
                }
                expected.push_back({made.custody, node, bytes + Custody::overhead_bytes, now});
                gone = numbers(custody.keep(node_id(node), made, at_ms(now)));
            } else if (what % 8 == 5 && !expected.empty()) {
                const auto at = expected.begin() + size % static_cast<ptrdiff_t>(expected.size());
                const bool right = at->to == node;
                RC_ASSERT(custody.release(node_id(node), at->number).has_value() == right);
                if (right) expected.erase(at);
            } else if (what % 8 == 6) {
                const int than = now - size % 10;
                const auto goes = [&](const Expected& each) { return each.to == node && each.at < than; };
                for (const auto& each : expected)
                    if (goes(each)) should_go.push_back(each.number);
                std::erase_if(expected, goes);
                gone = numbers(custody.take(node_id(node), at_ms(than)));
            } else if (what % 8 == 7) {
                const int than = now - size % 10;
                for (; !expected.empty() && expected.front().at < than; expected.pop_front())
                    should_go.push_back(expected.front().number);
                gone = numbers(custody.take_older(at_ms(than)));
            }
            RC_ASSERT(gone == should_go);
            RC_ASSERT(custody.frames() == expected.size());
            custody.check_invariants();
        }
    }));
}

TEST_CASE("what need not be kept is told once, oldest first, a bounded number at a time") {
    Releases releases;
    releases.owe({node_id(1), 0});  // nobody keeps it
    CHECK_FALSE(releases.any(node_id(1)));
    for (uint64_t n = 1; n < msg::released_max; ++n) releases.owe({node_id(1), n});
    CHECK(releases.any(node_id(1)));
    CHECK_FALSE(releases.full(node_id(1)));
    releases.owe({node_id(1), msg::released_max});
    CHECK(releases.full(node_id(1)));
    releases.owe({node_id(1), msg::released_max + 1});
    CHECK_FALSE(releases.any(node_id(2)));
    CHECK_FALSE(releases.full(node_id(2)));
    CHECK(releases.take(node_id(2)).empty());
    const auto first = releases.take(node_id(1));
    REQUIRE(first.size() == msg::released_max);
    CHECK(first.front() == 1);
    CHECK(releases.take(node_id(1)) == std::vector<uint64_t>{msg::released_max + 1});
    CHECK_FALSE(releases.any(node_id(1)));
    releases.owe({node_id(1), 7});
    releases.forget(node_id(1));
    CHECK_FALSE(releases.any(node_id(1)));
}

TEST_CASE("a keeper that is never reached costs a bounded memory") {
    Releases releases;
    for (uint64_t n = 1; n <= Releases::waiting_max + 5; ++n) releases.owe({node_id(1), n});
    CHECK(releases.take(node_id(1)).front() == 6);
    Releases many;
    for (size_t i = 0; i < 2 * Releases::keepers_max; ++i) {
        NodeId id = node_id(static_cast<uint8_t>(i));
        id.bytes[1] = static_cast<uint8_t>(i >> 8);
        many.owe({id, 1});
    }
    size_t known = 0;
    for (size_t i = 0; i < 2 * Releases::keepers_max; ++i) {
        NodeId id = node_id(static_cast<uint8_t>(i));
        id.bytes[1] = static_cast<uint8_t>(i >> 8);
        known += many.any(id) ? 1 : 0;
    }
    CHECK(known == Releases::keepers_max);
}
