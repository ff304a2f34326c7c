// The small parts of the ring: arithmetic on the circle, the finger table, the heartbeat, the map by id.
#include <algorithm>
#include <map>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "ring/finger_table.hpp"
#include "ring/heartbeat.hpp"
#include "ring/id_map.hpp"
#include "ring/interval.hpp"
#include "tests/support/recording_sink.hpp"

using namespace eddy;
using namespace eddy::ring;
using namespace eddy::testing;

namespace {

constexpr uint8_t places = 9;

/// Walks clockwise from a, at least one step, until it meets b.
bool met_before(uint8_t a, uint8_t x, uint8_t b, bool b_counts) {
    for (uint8_t at = (a + 1) % places;; at = (at + 1) % places) {
        if (at == b) return b_counts && x == b;
        if (at == x) return true;
    }
}

std::vector<bool> bits_of(const NodeId& id) {
    std::vector<bool> bits;
    for (unsigned bit = 0; bit < id_bits; ++bit) bits.push_back((id.bytes[19 - bit / 8] >> (bit % 8) & 1) != 0);
    return bits;
}

NodeId any_id() {
    NodeId id;
    // Runs of ones carry far.
    for (auto& byte : id.bytes) byte = *rc::gen::element<uint8_t>(0, 1, 127, 128, 254, 255, 255, 255);
    return id;
}

std::vector<unsigned> indices(const FingerTable& table) {
    std::vector<unsigned> found;
    for (const auto& [finger, node] : table.fingers()) found.push_back(finger);
    return found;
}

constexpr Usec silent_min = from_ms(600);
constexpr Usec silent_max = from_ms(3000);

/// A ping at `sent` ms whose pong takes `took` ms.
void answered(Heartbeat& heartbeat, double sent, double took) {
    const auto sequence = heartbeat.ping(at_ms(sent));
    heartbeat.on_pong(sequence, at_ms(sent + took));
    heartbeat.on_life(at_ms(sent + took));
}

/// How long silence may last after a ping at `sent` ms.
Usec patience(Heartbeat& heartbeat, double sent) {
    (void)heartbeat.ping(at_ms(sent));
    return heartbeat.deadline(silent_min, silent_max) - at_ms(sent);
}

}  // namespace

TEST_CASE("intervals are what a walk around a small circle meets") {
    for (uint8_t a = 0; a < places; ++a)
        for (uint8_t x = 0; x < places; ++x)
            for (uint8_t b = 0; b < places; ++b) {
                CAPTURE(int(a));
                CAPTURE(int(x));
                CAPTURE(int(b));
                CHECK(in_open_closed(node_id(a), node_id(x), node_id(b)) == met_before(a, x, b, true));
                CHECK(in_open(node_id(a), node_id(x), node_id(b)) == met_before(a, x, b, false));
            }
}

TEST_CASE("adding a power of two carries like long addition and wraps around the circle") {
    CHECK(rc::check("bit by bit", [] {
        const NodeId id = any_id();
        const auto exponent = *rc::gen::inRange(0U, id_bits);
        auto bits = bits_of(id);
        unsigned bit = exponent;
        while (bit < id_bits && bits[bit]) bits[bit++] = false;
        if (bit < id_bits) bits[bit] = true;
        RC_ASSERT(bits_of(plus_power_of_two(id, exponent)) == bits);
    }));
    NodeId last;
    last.bytes.fill(0xff);
    CHECK(plus_power_of_two(last, 0) == NodeId{});
    CHECK(plus_power_of_two(node_id(0x80), 159) == NodeId{});
    CHECK(plus_power_of_two(node_id(1), 152) == node_id(2));
}

TEST_CASE("fingers start at growing powers of two and never name their own node") {
    FingerTable table(node_id(10));
    CHECK(table.start(159) == node_id(10 + 128));
    CHECK(table.start(153) == node_id(12));
    table.set(159, member(10));
    CHECK(table.fingers().empty());
    table.set(159, member(200));
    table.set(159, member(150));
    REQUIRE(table.fingers().size() == 1);
    CHECK(table.fingers().at(159) == member(150));
    table.clear();
    CHECK(table.fingers().empty());
}

TEST_CASE("fingers are dropped by node, by range, and where the successor list reaches") {
    FingerTable table(node_id(10));
    for (const auto& [finger, node] :
         std::map<unsigned, uint8_t>{{153, 20}, {155, 20}, {157, 60}, {158, 90}, {159, 150}})
        table.set(finger, member(node));
    SUBCASE("a dead node is in no finger") {
        table.remove(node_id(20));
        CHECK(indices(table) == std::vector<unsigned>{157, 158, 159});
    }
    SUBCASE("a range is half open") {
        table.drop(155, 158);
        CHECK(indices(table) == std::vector<unsigned>{153, 158, 159});
    }
    SUBCASE("a finger that starts just at the last successor goes too") {
        table.drop_up_to(node_id(10 + 32));
        CHECK(indices(table) == std::vector<unsigned>{158, 159});
    }
    SUBCASE("a finger that starts just behind the last successor stays") {
        table.drop_up_to(node_id(10 + 31));
        CHECK(indices(table) == std::vector<unsigned>{157, 158, 159});
    }
}

TEST_CASE("the next finger to find starts behind the successor list") {
    const FingerTable table(node_id(200));
    CHECK(table.next(0, node_id(200 + 16)) == 157);
    CHECK(table.next(0, node_id(200 + 15)) == 156);
    CHECK(table.next(158, node_id(200 + 15)) == 158);
    CHECK(table.next(0, node_id((200 + 128) % 256)) == id_bits);  // the list reaches past all of them
    CHECK(table.next(id_bits, node_id(201)) == id_bits);
}

TEST_CASE("silence means nothing while no ping is unanswered") {
    Heartbeat heartbeat(at_ms(5));
    CHECK(heartbeat.heard() == at_ms(5));
    CHECK(heartbeat.deadline(silent_min, silent_max) == never);
    CHECK(heartbeat.ping(at_ms(10)) == 1);
    CHECK(heartbeat.pinged() == at_ms(10));
    CHECK(heartbeat.deadline(silent_min, silent_max) == at_ms(610));
    heartbeat.on_life(at_ms(20));
    CHECK(heartbeat.heard() == at_ms(20));
    CHECK(heartbeat.deadline(silent_min, silent_max) == never);
}

TEST_CASE("the deadline counts from the first unanswered ping, or from the end of a standstill of this process") {
    Heartbeat heartbeat(at_ms(0));
    heartbeat.forgive(at_ms(1));
    CHECK(heartbeat.deadline(silent_min, silent_max) == never);
    (void)heartbeat.ping(at_ms(100));
    (void)heartbeat.ping(at_ms(350));
    CHECK(heartbeat.pinged() == at_ms(350));
    CHECK(heartbeat.deadline(silent_min, silent_max) == at_ms(700));
    heartbeat.forgive(at_ms(500));
    CHECK(heartbeat.deadline(silent_min, silent_max) == at_ms(1100));
}

TEST_CASE("round trips are smoothed as RFC 6298 has it") {
    Heartbeat heartbeat(at_ms(0));
    CHECK(heartbeat.round_trip() == Usec{0});
    answered(heartbeat, 0, 400);
    CHECK(heartbeat.round_trip() == from_ms(400));
    CHECK(patience(heartbeat, 1000) == from_ms(400 + 4 * 200));
    heartbeat.on_life(at_ms(1001));
    answered(heartbeat, 2000, 800);  // deviation (3 * 200 + 400) / 4, mean (7 * 400 + 800) / 8
    CHECK(heartbeat.round_trip() == from_ms(450));
    CHECK(patience(heartbeat, 3000) == from_ms(450 + 4 * 250));
    heartbeat.on_life(at_ms(3001));
    answered(heartbeat, 4000, 50);  // deviation (3 * 250 + 400) / 4
    CHECK(heartbeat.round_trip() == from_ms(400));
    CHECK(patience(heartbeat, 5000) == from_ms(400 + 4 * 287.5));
}

TEST_CASE("patience stays within its bounds, however fast or slow answers came") {
    Heartbeat quick(at_ms(0));
    for (const double sent : {0, 5}) {
        answered(quick, sent, 0);
        CHECK(quick.round_trip() == Usec{1});  // known, though too short to measure
    }
    CHECK(patience(quick, 10) == silent_min);
    Heartbeat slow(at_ms(0));
    answered(slow, 0, 10'000);
    CHECK(patience(slow, 20'000) == silent_max);
}

TEST_CASE("pongs never asked for, repeated, overtaken or of long ago say nothing") {
    Heartbeat heartbeat(at_ms(0));
    heartbeat.on_pong(0, at_ms(1));
    heartbeat.on_pong(1, at_ms(1));
    CHECK(heartbeat.round_trip() == Usec{0});
    for (int i = 1; i <= 17; ++i) (void)heartbeat.ping(at_ms(10 * i));
    heartbeat.on_pong(1, at_ms(1000));  // its time of departure is forgotten: 17 has taken the place
    CHECK(heartbeat.round_trip() == Usec{0});
    heartbeat.on_pong(18, at_ms(1000));
    CHECK(heartbeat.round_trip() == Usec{0});
    heartbeat.on_pong(2, at_ms(100));  // the oldest that is remembered
    CHECK(heartbeat.round_trip() == from_ms(80));
    heartbeat.on_pong(2, at_ms(900));
    CHECK(heartbeat.round_trip() == from_ms(80));
    heartbeat.on_pong(17, at_ms(250));
    CHECK(heartbeat.round_trip() == from_ms(80));  // took 80 as well
    heartbeat.on_pong(16, at_ms(900));
    CHECK(heartbeat.round_trip() == from_ms(80));
}

TEST_CASE("a map by id does what std::map does, in the same order, and leaves values where they are") {
    CHECK(rc::check("any insertions and erasures", [] {
        IdMap<int> map;
        std::map<NodeId, int> model;
        std::map<NodeId, const int*> where;
        const auto steps = *rc::gen::container<std::vector<std::pair<uint8_t, int>>>(
            rc::gen::pair(rc::gen::inRange<uint8_t>(0, 16), rc::gen::inRange(-5, 10)));
        for (const auto& [place, value] : steps) {
            const NodeId id = node_id(place);
            if (value < 0) {
                RC_ASSERT(map.erase(id) == (model.erase(id) == 1));
                where.erase(id);
            } else {
                const int& stored = map.insert_or_assign(id, value);
                RC_ASSERT(stored == value);
                model[id] = value;
                RC_ASSERT(where.try_emplace(id, &stored).first->second == &stored);
            }
            RC_ASSERT(map.size() == model.size());
            RC_ASSERT(map.empty() == model.empty());
            RC_ASSERT(map.contains(id) == (model.count(id) == 1));
            RC_ASSERT(std::equal(map.begin(), map.end(), model.begin(), model.end(), [](const auto& a, const auto& b) {
                return a.first == b.first && *a.second == b.second;
            }));
            for (const auto& [known, at] : where) RC_ASSERT(map.find(known) == at);
        }
    }));
}
