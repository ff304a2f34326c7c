// Cuts that change under frames at rest. Goal: when measurements have moved and the new runs are ready, every frame is
// in the queue of its cut, in the order in which it came, and none is lost.
#include <set>

#include <doctest/doctest.h>

#include "tests/src/node/node_world.hpp"

using namespace eddy;
using namespace eddy::node;

namespace {

struct Cuts : Neighbours {
    std::set<uint64_t> taken;  ///< frames of this node's model
    size_t done = 0;           ///< jobs

    Cuts() : Neighbours(0, PolicyKind::layered) {
        config.queue_frames = 4;
        const uint64_t bytes[] = {100'000, 300'000, 20'000, 50'000};
        for (size_t l = 0; l < 4; ++l) config.profile.layers[l].frontier_bytes = bytes[l];
        join();
        peer_up(far_source);  // results go straight there
    }
    void take(uint64_t k, uint16_t layer) {
        REQUIRE(sent[before] < limit(before));
        ms += 1;
        send(before, k, layer);
        taken.insert(k);
    }
    /// The successor has everything, and took so long for a megabyte.
    void receipt(double ms_per_mb) {
        const auto works = sink.all<msg::Work>();
        msg::Ack ack{works.back().second.seq, 0, Usec{0}, Usec{0}, true, {{source_of(far_source), 1000}}};
        ack.released = {works.back().second.custody};
        ack.last_byte = from_ms(ms_per_mb * static_cast<double>(link_bytes()) / 1e6);
        say(after, ack);
    }
    [[nodiscard]] uint64_t link_bytes() const { return core->link(node_id(after))->unacknowledged_bytes(); }
    /// A frame of another model tells how fast the link is.
    void measure_link(uint64_t k, double ms_per_mb) {
        send(before, k, 0, true);
        receipt(ms_per_mb);
    }
    void end_job(double ms_per_layer) {
        REQUIRE(done < sink.jobs.size());
        const UnitRange units = sink.jobs[done].units;
        ms += ms_per_layer * (units.last - units.first);
        computed(done, sink.jobs[done].ends_model, ms_per_layer * (units.last - units.first));
        ++done;
    }
    /// By cut: how many wait there.
    [[nodiscard]] std::map<uint16_t, uint32_t> at_cuts() const {
        std::map<uint16_t, uint32_t> frames;
        const auto& board = core->board();
        for (size_t q = 0; q < board.queues; ++q) frames[board.costs.cut[q]] += row().here[q];
        return frames;
    }
};

}  // namespace

TEST_CASE("cuts are offered once the link is known, and used once their runs are ready") {
    Cuts node;
    node.tick(50);
    CHECK(node.sink.prepared.empty());
    node.measure_link(1000, 100);
    node.tick(50);
    REQUIRE(node.sink.prepared.size() == 1);
    const auto& runs = node.sink.prepared[0];
    REQUIRE(runs.size() > 1);
    CHECK(runs.front().first == 0);
    CHECK(runs.back().last == 4);
    for (size_t i = 1; i < runs.size(); ++i) CHECK(runs[i].first == runs[i - 1].last);
    node.tick(50);
    CHECK(node.sink.prepared.size() == 1);
    CHECK(node.core->board().queues == 1);
    node.on(ev::Prepared{});
    CHECK(node.core->board().queues == runs.size());
    for (size_t q = 0; q < runs.size(); ++q) CHECK(node.core->board().costs.cut[q] == runs[q].first);
    node.tick(50);
    CHECK(node.sink.prepared.size() == 1);  // nothing moved
}

TEST_CASE("when cuts change, every frame moves to the queue of its cut, and none is lost") {
    Cuts node;
    node.measure_link(1000, 100);
    node.tick(50);
    uint64_t k = 0;
    const uint16_t layers[] = {1, 2, 3};
    for (int round = 0; round < 3; ++round)
        for (const uint16_t layer : layers) node.take(k++, layer);
    const uint32_t resting = node.waiting();
    CHECK(resting >= 7);  // one runs, one left
    CHECK(node.at_cuts() == std::map<uint16_t, uint32_t>{{0, resting}});
    node.on(ev::Prepared{});
    CHECK(node.waiting() == resting);
    CHECK(node.at_cuts().size() == node.core->board().queues);
    CHECK(node.at_cuts().at(0) < resting);

    // The device becomes ten times as slow, its cuts change, and nothing of it happens to a frame under way.
    const auto cuts_before = node.at_cuts();
    while (node.sink.prepared.size() == 1 && k < 240) {
        node.end_job(100);
        if (node.link_bytes() > 0) node.receipt(100);
        while (node.sent[before] < node.limit(before) && k < 240) {
            node.take(k, layers[k % 3]);
            ++k;
        }
        node.tick(50);
    }
    REQUIRE(node.sink.prepared.size() == 2);
    const uint32_t later = node.waiting();
    CHECK(later > 4);
    node.on(ev::Prepared{});
    CHECK(node.waiting() == later);
    std::set<uint16_t> was, is;
    for (const auto& [cut, frames] : cuts_before) was.insert(cut);
    for (const auto& [cut, frames] : node.at_cuts()) is.insert(cut);
    CHECK(was != is);

    while (node.done < node.sink.jobs.size() || node.link_bytes() > 0) {
        if (node.link_bytes() > 0) node.receipt(100);
        if (node.done < node.sink.jobs.size()) node.end_job(100);
    }
    CHECK(node.waiting() == 0);
    std::multiset<uint64_t> gone;
    for (const auto& [peer, result] : node.sink.all<msg::Result>()) gone.insert(result.frame.k);
    for (const auto& [peer, work] : node.sink.all<msg::Work>())
        if (work.chain_hash == node.config.profile.chain_hash) gone.insert(work.frame.k);
    CHECK(gone == std::multiset<uint64_t>(node.taken.begin(), node.taken.end()));
    CHECK(node.core->buffered_bytes() == 0);
}
