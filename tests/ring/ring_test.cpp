#include "ring/ring.hpp"

#include <algorithm>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "ring/interval.hpp"
#include "tests/support/recording_sink.hpp"

using namespace eddy;
using namespace eddy::testing;
using eddy::ring::Ring;
using eddy::ring::RingConfig;

namespace {

RingConfig config(uint8_t self, std::vector<Endpoint> seeds = {}) {
    RingConfig config;
    config.self = member(self);
    config.seeds = std::move(seeds);
    return config;
}

std::vector<uint8_t> order(const Ring& ring) {
    std::vector<uint8_t> first_bytes;
    for (const auto& m : ring.members()) first_bytes.push_back(m.id.bytes[0]);
    return first_bytes;
}

}  // namespace

static msg::Neighbours told(std::vector<msg::Member> members) {
    msg::Neighbours neighbours;
    neighbours.successors = std::move(members);
    return neighbours;
}

TEST_CASE("an interval on the circle may pass through zero, and from a point to itself is everything") {
    using ring::in_open_closed;
    CHECK(in_open_closed(node_id(10), node_id(20), node_id(20)));
    CHECK_FALSE(in_open_closed(node_id(10), node_id(10), node_id(20)));
    CHECK(in_open_closed(node_id(200), node_id(5), node_id(10)));
    CHECK_FALSE(in_open_closed(node_id(200), node_id(100), node_id(10)));
    CHECK(in_open_closed(node_id(7), node_id(99), node_id(7)));
}

TEST_CASE("a node alone is a ring of one") {
    Ring ring(config(10), 1);
    CHECK(order(ring) == std::vector<uint8_t>{10});
    CHECK_FALSE(ring.successor());
    CHECK_FALSE(ring.predecessor());
    ring.check_invariants();
}

TEST_CASE("members stand in ring order, beginning with this node") {
    Ring ring(config(100), 1);
    RecordingSink sink;
    for (const uint8_t peer : {50, 200, 150}) ring.on_peer_up(member(peer), at_ms(0), sink);
    CHECK(order(ring) == std::vector<uint8_t>{100, 150, 200, 50});
    CHECK(ring.successor() == node_id(150));
    CHECK(ring.predecessor() == node_id(50));
}

TEST_CASE("seeds are tried at once and then for ever, ever more slowly, with one complaint a minute") {
    Ring ring(config(10, {{"seed", 1}}), 1);
    RecordingSink sink;
    ring.start(at_ms(0), sink);
    CHECK(sink.dialled.size() == 1);
    Instant now = at_ms(0);
    while (now < at_ms(60'000)) {
        now = ring.next_wakeup();
        ring.tick(now, sink);
    }
    CHECK(sink.dialled.size() > 12);
    CHECK(sink.dialled.size() < 40);
    const auto complaints = std::count_if(sink.lines.begin(), sink.lines.end(), [](const auto& line) {
        return line.find("seed seed:1 not reached") != std::string::npos;
    });
    CHECK(complaints == 1);
}

TEST_CASE("a node that names itself as a seed does not dial itself") {
    Ring ring(config(10, {member(10).endpoint}), 1);
    RecordingSink sink;
    ring.start(at_ms(0), sink);
    CHECK(sink.dialled.empty());
}

TEST_CASE("a stranger in a neighbour's list is dialled; a known peer and oneself are not") {
    Ring ring(config(10), 1);
    RecordingSink sink;
    ring.start(at_ms(0), sink);
    ring.on_peer_up(member(20), at_ms(1), sink);
    ring.on_message(node_id(20), told({member(20), member(10), member(30)}), at_ms(2), sink);
    CHECK(sink.dialled == std::vector<Endpoint>{member(30).endpoint});
}

TEST_CASE("a list from somebody who is no peer is ignored") {
    Ring ring(config(10), 1);
    RecordingSink sink;
    ring.on_message(node_id(66), told({member(30)}), at_ms(2), sink);
    ring.tick(at_ms(3), sink);
    CHECK(sink.dialled.empty());
}

TEST_CASE("a peer that shows no life is dropped, one whose bulk data still arrives is not") {
    Ring ring(config(10), 1);
    RecordingSink sink;
    ring.start(at_ms(0), sink);
    ring.on_peer_up(member(20), at_ms(0), sink);
    ring.on_peer_up(member(30), at_ms(0), sink);
    for (double ms = 0; ms <= 4000; ms += 250) {
        ring.on_life(node_id(30), at_ms(ms));
        ring.tick(at_ms(ms), sink);
    }
    CHECK(order(ring) == std::vector<uint8_t>{10, 30});
    REQUIRE(sink.disconnected.size() == 1);
    CHECK(sink.disconnected[0].first == node_id(20));
}

TEST_CASE("a node that stood still itself does not blame the others for the silence") {
    Ring ring(config(10), 1);
    RecordingSink sink;
    ring.start(at_ms(0), sink);
    ring.on_peer_up(member(20), at_ms(0), sink);
    ring.tick(at_ms(10), sink);
    ring.tick(at_ms(10'000), sink);  // suspended for ten seconds
    CHECK(ring.is_member(node_id(20)));
    for (double ms = 10'250; ms < 14'000; ms += 250) ring.tick(at_ms(ms), sink);
    CHECK_FALSE(ring.is_member(node_id(20)));
}

TEST_CASE("who leaves is out of the ring at once, and is not dialled again in that life") {
    Ring ring(config(10), 1);
    RecordingSink sink;
    ring.start(at_ms(0), sink);
    ring.on_peer_up(member(20, 5), at_ms(0), sink);
    ring.on_peer_up(member(30), at_ms(0), sink);
    const auto epoch = ring.epoch();
    ring.on_message(node_id(20), msg::Leave{"done"}, at_ms(1), sink);
    CHECK(order(ring) == std::vector<uint8_t>{10, 30});
    CHECK(ring.epoch() > epoch);
    CHECK(ring.has_left(node_id(20)));
    ring.on_peer_down(node_id(20), "closed", at_ms(2), sink);
    ring.on_message(node_id(30), told({member(30), member(20, 5)}), at_ms(3), sink);
    CHECK(sink.dialled.empty());
    ring.on_message(node_id(30), told({member(30), member(20, 6)}), at_ms(4), sink);
    CHECK(sink.dialled.size() == 1);  // it was started again
}

TEST_CASE("a peer that vanished without a word is dialled where it last was") {
    Ring ring(config(10), 1);
    RecordingSink sink;
    ring.start(at_ms(0), sink);
    ring.on_peer_up(member(20), at_ms(0), sink);
    ring.on_peer_down(node_id(20), "reset", at_ms(1), sink);
    ring.tick(at_ms(2), sink);
    CHECK(sink.dialled == std::vector<Endpoint>{member(20).endpoint});
}

TEST_CASE("heartbeats measure the round trip") {
    Ring ring(config(10), 1);
    RecordingSink sink;
    ring.start(at_ms(0), sink);
    ring.on_peer_up(member(20), at_ms(0), sink);
    ring.tick(at_ms(600), sink);
    const auto pings = sink.all<msg::Ping>();
    REQUIRE_FALSE(pings.empty());
    ring.on_message(node_id(20), msg::Pong{pings.back().second.sequence}, at_ms(612));
    CHECK(ring.round_trip(node_id(20)) == from_ms(12));
    ring.on_message(node_id(20), msg::Pong{999}, at_ms(900));  // answers nothing that was asked
    CHECK(ring.round_trip(node_id(20)) == from_ms(12));
}

TEST_CASE("a full ring turns the next one away") {
    Ring ring(config(0), 1);
    RecordingSink sink;
    for (size_t i = 1; i < members_max; ++i) ring.on_peer_up(member(static_cast<uint8_t>(i)), at_ms(0), sink);
    CHECK(ring.members().size() == members_max);
    CHECK(sink.disconnected.empty());
    ring.on_peer_up(member(200), at_ms(1), sink);
    CHECK(sink.disconnected.size() == 1);
    CHECK(ring.members().size() == members_max);
}

TEST_CASE("whatever comes and goes, members stay ordered and the epoch rises with every change") {
    CHECK(rc::check([](const std::vector<std::tuple<uint8_t, uint8_t, uint16_t>>& steps) {
        Ring ring(config(128), 7);
        RecordingSink sink;
        ring.start(at_ms(0), sink);
        double now_ms = 0;
        for (const auto& [peer, action, gap] : steps) {
            now_ms += gap % 2000;
            const auto before = ring.members();
            const auto epoch = ring.epoch();
            switch (action % 5) {
                case 0: ring.on_peer_up(member(peer), at_ms(now_ms), sink); break;
                case 1: ring.on_peer_down(node_id(peer), "gone", at_ms(now_ms), sink); break;
                case 2: ring.on_message(node_id(peer), msg::Leave{"bye"}, at_ms(now_ms), sink); break;
                case 3:
                    ring.on_message(node_id(peer), told({member(action), member(peer, 9)}), at_ms(now_ms), sink);
                    break;
                default: ring.tick(at_ms(now_ms), sink); break;
            }
            ring.check_invariants();
            RC_ASSERT((ring.members() == before) == (ring.epoch() == epoch));
        }
    }));
}
