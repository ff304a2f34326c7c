// One core alone in a scripted world: a test says what happens to it and when, and reads what it did.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "src/node/node_core.hpp"
#include "tests/support/recording_sink.hpp"
#include "tests/support/ring_oracle.hpp"

namespace eddy::node {

using namespace eddy::testing;

inline ModelProfile four_layers() {
    ModelProfile profile;
    profile.chain_hash.bytes[0] = 7;
    for (int i = 0; i < 4; ++i) {
        LayerProfile layer;
        layer.time = from_ms(10);
        layer.parameters = 100;
        layer.frontier_bytes = 1000;
        profile.layers.push_back(layer);
    }
    return profile;
}

struct World {
    RecordingSink sink;
    RingOracle oracle{100};
    CoreConfig config;
    std::unique_ptr<NodeCore> core;
    double ms = 0;
    uint64_t buffer = 0;

    explicit World(size_t streams = 1) {
        config.self = member(100);
        config.profile = four_layers();
        for (size_t i = 0; i < streams; ++i) config.streams.push_back({"cam", WhenFull::drop_newest, Usec::max(), 2});
        config.queue_frames = 2;
    }
    void begin() {
        core = std::make_unique<NodeCore>(config, 1);
        core->start(at_ms(ms), sink);
    }
    void on(const Event& event) {
        core->on(event, at_ms(ms), sink);
        core->check_invariants();
    }
    TensorRef tensor(uint64_t bytes = 1000) {
        TensorRef t;
        t.buffer = BufferId{++buffer};
        t.bytes = bytes;
        return t;
    }
    void capture(uint64_t k) { on(ev::Captured{StreamId{0}, k, at_ms(ms), tensor(), 0}); }
    /// It connects and becomes a member of the ring.
    void peer_up(uint8_t id) {
        oracle.add(id);
        on(ev::PeerUp{member(id), id});
        settle_ring();
        if (oracle.predecessor() == node_id(id)) say(id, msg::Notify{});
        const uint8_t successor = oracle.after(config.self.id.bytes[0]).front().id.bytes[0];
        say(successor, oracle.neighbours_of(successor));
        settle_ring();
    }
    void settle_ring() {
        for (auto said = oracle.answers(sink); !said.empty(); said = oracle.answers(sink))
            for (const auto& [from, message] : said) say(from.bytes[0], message);
    }
    void tell_gamma(uint8_t id, double gamma = 1e-4) {
        msg::NodeState state;
        state.sequence = 1;
        state.gamma_s_per_parameter = gamma;
        state.chain_hash = config.profile.chain_hash;
        say(id, state);
    }
    void say(uint8_t id, const Message& message, std::vector<TensorRef> tensors = {}) {
        ev::Received event;
        event.peer = node_id(id);
        event.connection = id;
        event.message = message;
        event.tensors = std::move(tensors);
        event.first_byte = event.last_byte = at_ms(ms);
        on(event);
    }
    void computed(size_t job, bool ends, double took_ms = 10) {
        ev::Computed done;
        done.job = sink.jobs.at(job).id;
        done.busy = from_ms(took_ms);
        if (ends)
            done.inference = Inference{{{1, 0.5F}}, {}};
        else
            done.outputs = {tensor(config.profile.layers.at(sink.jobs.at(job).units.last).frontier_bytes)};
        on(done);
    }
    msg::Work work(uint8_t source, uint64_t k, uint64_t seq, uint16_t layer = 1) const {
        msg::Work work;
        work.frame = {{node_id(source), StreamId{0}}, Incarnation{1}, k};
        work.seq = seq;
        work.attempt = 1;
        work.hops = 1;
        work.layer = layer;
        work.chain_hash = config.profile.chain_hash;
        return work;
    }
};

inline constexpr uint8_t before = 50;
inline constexpr uint8_t after = 150;
inline constexpr uint8_t far_source = 220;

/// The node with one neighbour before it in the ring and one after it, and a source beyond both.
struct Neighbours : World {
    std::map<uint8_t, uint64_t> sent;  ///< Work messages, by neighbour

    explicit Neighbours(size_t streams = 0, PolicyKind policy = PolicyKind::ms_mdi) : World(streams) {
        config.policy = policy;
    }
    void join() {
        begin();
        peer_up(after);
        peer_up(before);
    }
    /// The next one of that neighbour, whatever its credit says. Another model's is only passed on.
    void send(uint8_t neighbour, uint64_t k, uint16_t layer = 1, bool foreign = false) {
        auto made = work(far_source, k, ++sent[neighbour], layer);
        if (foreign) made.chain_hash.bytes[0] = 99;
        say(neighbour, made, {tensor(config.profile.layers[layer].frontier_bytes)});
    }
    void tick(double later_ms = 0) {
        ms += later_ms;
        on(ev::Timer{TimerId::frames});
    }
    void tell(uint64_t sequence, std::vector<msg::Backlog> backlog, std::vector<msg::Remaining> remaining = {},
              uint64_t as_of_seq = 0) {
        msg::NodeState state;
        state.sequence = sequence;
        state.as_of_seq = as_of_seq;
        state.gamma_s_per_parameter = 1e-4;
        state.chain_hash = config.profile.chain_hash;
        state.backlog = std::move(backlog);
        state.remaining = std::move(remaining);
        say(after, state);
    }
    /// The largest limit told to a neighbour; before any, the one that needs no telling.
    [[nodiscard]] uint64_t limit(uint8_t neighbour) const {
        uint64_t most = credit_initial;
        for (const auto& [peer, ack] : sink.all<msg::Ack>())
            for (const auto& credit : ack.credits)
                if (peer == node_id(neighbour)) most = std::max(most, credit.limit);
        return most;
    }
    [[nodiscard]] const scheduler::Row& row(uint8_t source = far_source) const {
        for (const auto& row : core->board().rows)
            if (row.source.node == node_id(source)) return row;
        REQUIRE_MESSAGE(false, "no such row");
        return core->board().rows.front();
    }
    [[nodiscard]] bool has_row(uint8_t source = far_source) const {
        for (const auto& row : core->board().rows)
            if (row.source.node == node_id(source)) return true;
        return false;
    }
    [[nodiscard]] uint32_t waiting(uint8_t source = far_source) const {
        uint32_t frames = 0;
        if (has_row(source))
            for (const uint32_t here : row(source).here) frames += here;
        return frames;
    }
    [[nodiscard]] uint32_t seen_next(uint8_t source = far_source) const {
        uint32_t frames = 0;
        for (const uint32_t next : row(source).next) frames += next;
        return frames;
    }
};

inline SourceId source_of(uint8_t node) { return {node_id(node), StreamId{0}}; }

}  // namespace eddy::node
