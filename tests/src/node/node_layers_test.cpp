// A node that has memory for some layers only. Goal: it runs these and no others, passes on what others must run, lets
// nothing go that nobody else can go on with, and gives up what nobody will finish.
#include <doctest/doctest.h>

#include "tests/src/node/node_world.hpp"

using namespace eddy;
using namespace eddy::node;

namespace {

/// Four layers; this node, between two others, runs some.
struct Part : Neighbours {
    Part(PolicyKind policy, LayerRange layers, size_t streams = 0) : Neighbours(streams, policy) {
        config.layers = layers;
        config.queue_frames = 4;
        join();
        peer_up(far_source);
    }
    /// What the neighbour runs, and that it is done with a frame at once.
    void tell_layers(uint8_t id, LayerRange layers, std::vector<msg::Remaining> remaining = {{0, from_ms(1), 0}}) {
        msg::NodeState state;
        state.sequence = ++told;
        state.chain_hash = config.profile.chain_hash;
        state.layers = layers;
        state.gamma_s_per_parameter = layers == LayerRange{0, 4} ? 1e-4 : 0;
        state.remaining = std::move(remaining);
        say(id, state);
    }
    void tell_all(LayerRange layers) {
        for (const uint8_t id : {before, after, far_source}) tell_layers(id, layers);
    }
    void accept() {
        const auto works = sink.all<msg::Work>();
        say(after, msg::Ack{works.size(),
                            1000,
                            Usec{0},
                            from_ms(0.1),
                            true,
                            {{source_of(far_source), 100}, {source_of(100), 100}}});
    }
    [[nodiscard]] std::vector<uint16_t> sent_at() const {
        std::vector<uint16_t> at;
        for (const auto& [peer, work] : sink.all<msg::Work>()) at.push_back(work.layer);
        return at;
    }
    [[nodiscard]] msg::NodeState told_by_it() {
        tick(500);
        return sink.all<msg::NodeState>().back().second;
    }
    uint64_t told = 0;
};

}  // namespace

TEST_CASE("a node tells which layers it runs, and no γ if these are not all") {
    for (const LayerRange layers : {LayerRange{}, {1, 3}, {0, 0}}) {
        Part node(PolicyKind::layered, layers);
        const auto state = node.told_by_it();
        CHECK(state.layers == LayerRange{layers.first, std::min<uint16_t>(layers.last, 4)});
        CHECK((state.gamma_s_per_parameter > 0) == (layers == LayerRange{}));
    }
}

TEST_CASE("a run ends where the node's layers end, and what lies outside is passed on") {
    for (const PolicyKind policy : {PolicyKind::layered, PolicyKind::ms_mdi, PolicyKind::ar_mdi}) {
        CAPTURE(std::string(name_of(policy)));
        Part node(policy, {1, 3});
        node.tell_all({0, 4});
        if (policy == PolicyKind::layered) node.tell_layers(after, {3, 4}, {{3, from_ms(1), 0}});
        node.tick(50);
        node.send(before, 0, 3);
        CHECK(node.sink.jobs.empty());
        CHECK(node.sent_at() == std::vector<uint16_t>{3});
        node.accept();
        if (policy != PolicyKind::layered) node.tell_layers(after, {3, 4});
        node.send(before, 1, 1);
        REQUIRE(node.sink.jobs.size() == 1);
        CHECK(node.sink.jobs[0].units.first == 1);
        CHECK(node.sink.jobs[0].units.last == 3);
        CHECK_FALSE(node.sink.jobs[0].ends_model);
        node.computed(0, false);
        CHECK(node.sent_at() == std::vector<uint16_t>{3, 3});
    }
}

TEST_CASE("cuts lie where the node's and its successor's layers begin and end, and only own runs are compiled") {
    Part node(PolicyKind::layered, {1, 3});
    CHECK(node.core->board().queues == 3);
    node.tell_layers(after, {2, 4}, {{2, from_ms(1), 0}});
    node.tick(50);
    REQUIRE(node.sink.prepared.size() == 1);
    REQUIRE(node.sink.prepared[0].size() == 2);
    CHECK(node.sink.prepared[0][0].first == 1);
    CHECK(node.sink.prepared[0][1].last == 3);
    node.on(ev::Prepared{});
    CHECK(node.core->board().queues == 4);
}

TEST_CASE("a frame stays where the last node is that can go on with it, however empty the next one is") {
    Part node(PolicyKind::layered, {0, 2});
    node.tell_all({2, 4});
    for (uint64_t k = 0; k < 4 && node.sent[before] < node.limit(before); ++k) node.send(before, k, 0);
    CHECK(node.waiting() > 1);
    CHECK(node.row().stays != 0);
    CHECK(node.sent_at().empty());
    node.tell_all({0, 4});
    CHECK(node.row().stays == 0);
}

TEST_CASE("an own frame that nobody will finish fails at once, and one of which that is not known waits") {
    for (const PolicyKind policy : {PolicyKind::layered, PolicyKind::ms_mdi, PolicyKind::ar_mdi}) {
        CAPTURE(std::string(name_of(policy)));
        Part node(policy, {0, 0}, 1);
        node.tell_layers(after, {0, 3}, {});
        node.tell_layers(before, {0, 2}, {});
        node.capture(0);
        CHECK(node.sink.outcomes.empty());  // far_source has told nothing yet
        node.tell_layers(far_source, {2, 3}, {});
        node.capture(1);
        node.tick(50);
        REQUIRE_FALSE(node.sink.outcomes.empty());
        for (const auto& [frame, outcome] : node.sink.outcomes) {
            CHECK(outcome.state == FrameState::failed);
            CHECK(outcome.reason == "no_memory_for_layers");
        }
    }
}

TEST_CASE("local says at the start that its frames will fail for want of memory, and so they do") {
    Part node(PolicyKind::local, {0, 3}, 1);
    CHECK(std::count_if(node.sink.lines.begin(), node.sink.lines.end(), [](const std::string& line) {
              return line.find("no memory for all layers: its own frames will fail") != std::string::npos;
          }) == 1);
    node.capture(0);
    REQUIRE(node.sink.outcomes.size() == 1);
    CHECK(node.sink.outcomes[0].second.reason == "no_memory_for_layers");
    CHECK(node.sink.jobs.empty());
    Part whole(PolicyKind::local, {}, 1);
    CHECK(std::none_of(whole.sink.lines.begin(), whole.sink.lines.end(),
                       [](const std::string& line) { return line.find("memory") != std::string::npos; }));
}

TEST_CASE("frames that come home to be finished find room, though the queue is full of those that leave") {
    Part node(PolicyKind::ms_mdi, {2, 4}, 1);
    node.tell_all({0, 2});
    for (uint64_t k = 0; k < 12; ++k) node.capture(k);
    CHECK(node.row(100).here[scheduler::queue_work] >= node.config.queue_frames);
    auto home = node.work(100, 0, ++node.sent[before], 2);
    node.say(before, home, {node.tensor()});
    CHECK(node.core->link(node_id(before))->outstanding(source_of(100)) > 0);
}

TEST_CASE("with its memory for queues used up, a node grants a source one frame, and admits one of its own") {
    Neighbours node(1, PolicyKind::ms_mdi);
    node.config.queue_frames = 8;
    node.config.custody_bytes = 0;
    node.config.queue_bytes = 1500;
    node.join();
    node.send(before, 0);
    CHECK(node.limit(before) == 2);  // the one that is computed takes no slot, but room
    for (uint64_t k = 0; k < 3; ++k) node.capture(k);
    CHECK(node.core->ledger().counts(StreamId{0}).admitted == 1);
    Neighbours roomy(1, PolicyKind::ms_mdi);
    roomy.config.queue_frames = 8;
    roomy.join();
    roomy.send(before, 0);
    CHECK(roomy.limit(before) > 4);
    for (uint64_t k = 0; k < 3; ++k) roomy.capture(k);
    CHECK(roomy.core->ledger().counts(StreamId{0}).admitted == 3);
}
