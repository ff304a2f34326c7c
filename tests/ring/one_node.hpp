// One ring node with a scripted rest of the world, for the tests of this room.
#pragma once

#include <algorithm>

#include <doctest/doctest.h>

#include "ring/ring.hpp"
#include "tests/support/recording_sink.hpp"
#include "tests/support/ring_oracle.hpp"

namespace eddy::testing {

using ring::Ring;
using ring::RingConfig;

inline RingConfig config(uint8_t self, std::vector<Endpoint> seeds = {}) {
    RingConfig config;
    config.self = member(self);
    config.seeds = std::move(seeds);
    return config;
}

inline msg::Neighbours neighbours(uint64_t version, std::vector<msg::Member> successors, uint8_t predecessor = 0) {
    msg::Neighbours told;
    told.version = version;
    told.successors = std::move(successors);
    if (predecessor != 0) told.predecessor = member(predecessor);
    return told;
}

struct World {
    explicit World(RingConfig config_) : self(config_.self.id.bytes[0]), oracle(self), ring(config_, 1) {}
    explicit World(uint8_t self_) : World(config(self_)) {}

    uint8_t self;
    RecordingSink sink;
    RingOracle oracle;
    Ring ring;
    double ms = 0;

    [[nodiscard]] Instant now() const { return at_ms(ms); }
    void start() { ring.start(now(), sink); }
    void up(uint8_t id, uint64_t incarnation = 1) { ring.on_peer_up(member(id, incarnation), now(), sink); }
    void down(uint8_t id) { ring.on_peer_down(node_id(id), "reset", now(), sink); }
    void say(uint8_t id, const Message& message) {
        ring.on_message(node_id(id), message, now(), sink);
        ring.check_invariants();
    }
    void settle() {
        for (auto said = oracle.answers(sink); !said.empty(); said = oracle.answers(sink))
            for (const auto& [from, message] : said) say(from.bytes[0], message);
    }
    /// A ring of these and this node, all connected.
    void form(std::vector<uint8_t> members) {
        start();
        for (const uint8_t id : members) oracle.add(id);
        for (const uint8_t id : members) up(id);
        settle();
        const NodeId before = oracle.predecessor();
        say(before.bytes[0], msg::Notify{});
        settle();
        REQUIRE(ring.members().size() == members.size() + 1);
        ms += 1;
    }
    /// Time passes; these members answer everything, the others nothing.
    void run(double until_ms, std::vector<uint8_t> silent = {}) {
        while (ms < until_ms) {
            ms = std::min(until_ms, std::max(ms, to_ms(ring.next_wakeup().time_since_epoch())));
            ring.tick(now(), sink);
            for (const auto& [from, message] : oracle.answers(sink))
                if (std::find(silent.begin(), silent.end(), from.bytes[0]) == silent.end()) say(from.bytes[0], message);
            ring.check_invariants();
        }
    }
    [[nodiscard]] std::vector<uint8_t> order() const {
        std::vector<uint8_t> first_bytes;
        for (const auto& m : ring.members()) first_bytes.push_back(m.id.bytes[0]);
        return first_bytes;
    }
    template <class M>
    [[nodiscard]] size_t count(uint8_t to) const {
        const auto all = sink.all<M>();
        return static_cast<size_t>(
            std::count_if(all.begin(), all.end(), [&](const auto& sent) { return sent.first == node_id(to); }));
    }
};

using Order = std::vector<uint8_t>;

}  // namespace eddy::testing
