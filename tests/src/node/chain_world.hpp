// A node between two others that keep frames for each other, for tests of custody.
#pragma once

#include <vector>

#include "tests/src/node/node_world.hpp"

namespace eddy::node {

struct Chain : Neighbours {
    explicit Chain(size_t streams = 0, PolicyKind policy = PolicyKind::ms_mdi) : Neighbours(streams, policy) {
        config.queue_frames = 8;
    }
    [[nodiscard]] static uint64_t number_of(uint64_t k) { return 500 + k; }
    /// From the node before, which keeps it. Another model's frame, so it is only passed on.
    void give(uint64_t k, uint8_t from = before, uint16_t layer = 1, bool foreign = true, uint8_t source = far_source) {
        auto made = work(source, k, ++sent[from], layer);
        made.custody = number_of(k);
        if (foreign) made.chain_hash.bytes[0] = 99;
        say(from, made, {tensor(config.profile.layers[layer].frontier_bytes)});
    }
    /// The node after has everything so far.
    void accept(std::vector<uint64_t> released = {}, uint8_t from = after) {
        const std::vector<msg::Credit> credits{{source_of(far_source), 100}, {source_of(100), 100}};
        say(from, msg::Ack{works(from).size(), 1000, Usec{0}, Usec{0}, true, credits, std::move(released)});
    }
    [[nodiscard]] std::vector<msg::Work> works(uint8_t to = after) const {
        std::vector<msg::Work> found;
        for (const auto& [peer, work] : sink.all<msg::Work>())
            if (peer == node_id(to)) found.push_back(work);
        return found;
    }
    [[nodiscard]] std::vector<uint64_t> released_to(uint8_t id) const {
        std::vector<uint64_t> numbers;
        for (const auto& [peer, ack] : sink.all<msg::Ack>())
            if (peer == node_id(id)) numbers.insert(numbers.end(), ack.released.begin(), ack.released.end());
        return numbers;
    }
    [[nodiscard]] size_t kept() const { return core->custody().frames(); }
    /// It dies, and the ring finds out.
    void lose(uint8_t id) {
        oracle.remove(id);
        on(ev::PeerDown{node_id(id), id, "reset"});
        for (int i = 0; i < 60 && core->ring().is_member(node_id(id)); ++i) {
            ms += 100;
            on(ev::DialFailed{member(id).endpoint, "refused", false});
            on(ev::Timer{TimerId::ring});
            settle_ring();
            const auto successors = oracle.after(100);
            if (!successors.empty())
                say(successors.front().id.bytes[0], oracle.neighbours_of(successors.front().id.bytes[0]));
        }
        REQUIRE_FALSE(core->ring().is_member(node_id(id)));
    }
};

}  // namespace eddy::node
