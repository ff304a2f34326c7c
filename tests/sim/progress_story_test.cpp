#include <algorithm>
#include <cstdio>

#include <doctest/doctest.h>

#include "sim/simulation.hpp"
#include "tests/planner/clusters.hpp"

using namespace eddy;
using namespace eddy::sim;
using namespace std::chrono_literals;

namespace {

constexpr size_t nodes = 5;
constexpr size_t victim = 2;
constexpr double mbit = 1e6 / 8;

ModelProfile profile() {
    ModelProfile made = test::mobilenet_like(20);
    made.chain_hash.bytes[0] = 1;
    return made;
}

struct Five final : Observer {
    Simulation sim;
    std::vector<uint64_t> done;
    bool talk = false;
    explicit Five(PolicyKind policy, double mbit_per_s, uint64_t seed = 1, double rate = 50)
        : sim(seed, profile(), {mbit_per_s * mbit, 500us}, {50, false, this}) {
        for (size_t i = 0; i < nodes; ++i) {
            NodeModel node;
            node.name = std::string(1, static_cast<char>('a' + i));
            node.id = evenly_spaced_id(i, nodes);
            node.policy = policy;
            node.speed = 0.25;
            node.cameras_wait = true;
            if (i < 2) {
                SourceModel source;
                source.name = "camera";
                source.rate_per_s = i == 0 ? rate : 3 * rate;
                source.frames = UINT64_MAX;
                node.sources.push_back(source);
            }
            sim.add(node);
        }
        for (size_t i = 0; i < nodes; ++i) sim.fabric().set_network_card(i, mbit_per_s * mbit, mbit_per_s * mbit);
        for (size_t i = 0; i < nodes; ++i) sim.start(i);
        REQUIRE(sim.run_until(60s, [&] { return sim.converged(); }));
        sim.run_for(2s);
        for (size_t i = 0; i < 2; ++i) sim.start_cameras(i);
    }
    void set_links(double mbit_per_s) {
        for (size_t i = 0; i < nodes; ++i) {
            if (i == victim) continue;
            sim.fabric().set_bandwidth(i, victim, mbit_per_s * mbit);
            sim.fabric().set_bandwidth(victim, i, mbit_per_s * mbit);
        }
    }
    uint64_t completed() const { return sim.tally(0).completed + sim.tally(1).completed; }
    uint64_t failed() const { return sim.tally(0).failed + sim.tally(1).failed; }
    uint64_t counted(uint64_t node::StreamCounts::*count) const {
        uint64_t total = 0;
        for (const size_t i : {0, 1}) total += sim.core(i).ledger().counts(StreamId{0}).*count;
        return total;
    }
    void on_started(size_t, const node::NodeCore&) override {}
    void on_captured(size_t, const FrameId&) override {}
    void on_outcome(size_t, const FrameId&, const Outcome&) override {}
    void on_send(size_t, size_t, const Message&) override {}
    void on_event(size_t, const Event&, const node::NodeCore&) override {}
    void on_idle(size_t) override {}
    void on_ended(size_t, const node::NodeCore&, bool) override {}
    void on_violation(size_t, const std::string& rule, const std::string& text) override { FAIL(rule << text); }
    void on_log(size_t node, LogLevel level, const std::string& text) override {
        if (talk && level >= LogLevel::info)
            std::printf("      %.3f %c: %s\n", to_seconds(sim.now().time_since_epoch()), static_cast<char>('a' + node), text.c_str());
    }
};

void measure(const char* name, PolicyKind policy, double mbit_per_s, int kind, Usec lasts, double rate) {
    Five c(policy, mbit_per_s, 1, rate);
    c.sim.run_for(20s);
    const uint64_t before20 = c.completed();
    c.sim.run_for(20s);
    const double usual = (c.completed() - before20) / 20.0;
    c.talk = true;
    const Instant begun = c.sim.now();
    if (kind == 0) c.sim.fabric().pause(victim);
    if (kind == 1) c.sim.set_speed(victim, 0.025);
    if (kind == 2) c.set_links(1);
    if (kind == 5) c.sim.set_speed(victim, 1e-5);
    if (kind == 3) c.sim.crash(victim);
    if (kind == 4) { for (size_t i = 0; i < nodes; ++i) for (size_t j = 0; j < nodes; ++j) if (i != j) c.sim.fabric().set_bandwidth(i, j, mbit_per_s * mbit / 5); }
    std::string line;
    auto sample = [&](Usec step, Usec total) {
        for (Usec t{0}; t < total; t += step) {
            const uint64_t b = c.completed();
            c.sim.run_for(step);
            char text[32];
            std::snprintf(text, sizeof text, " %.0f", (c.completed() - b) / to_seconds(step));
            line += text;
        }
    };
    sample(200ms, 2s);
    line += " |";
    const uint64_t from2 = c.completed();
    sample(1s, lasts - 2s);
    const double steady = (c.completed() - from2) / to_seconds(lasts - 2s);
    line += " ||";
    if (kind == 0) c.sim.fabric().resume(victim);
    if (kind == 1 || kind == 5) c.sim.set_speed(victim, 0.25);
    if (kind == 2) c.set_links(mbit_per_s);
    if (kind == 3) c.sim.start(victim);
    if (kind == 4) { for (size_t i = 0; i < nodes; ++i) for (size_t j = 0; j < nodes; ++j) if (i != j) c.sim.fabric().set_bandwidth(i, j, mbit_per_s * mbit); }
    sample(1s, 10s);
    c.talk = false;
    std::vector<double> late;
    for (size_t s : {0, 1}) for (double ms : c.sim.tally(s).completion_ms) late.push_back(ms);
    std::sort(late.begin(), late.end());
    uint64_t returned = 0, stale = 0, stalls = 0, sret = 0;
    for (size_t i = 0; i < nodes; ++i) { returned += c.sim.core(i).counters().custody_returned; stale += c.sim.core(i).counters().work_stale; if (c.sim.running(i)) { stalls += c.sim.core(i).counters().stalls; sret += c.sim.core(i).counters().stall_returned; } }
    std::printf("%s: usual %.1f; from 2 s on %.1f; retried %lu failed %lu late %lu custody_returned %lu stale %lu stalls %lu (%lu) p99.9 %.0f max %.0f ms\n   %s\n", name, usual, steady,
                c.counted(&node::StreamCounts::retries), c.failed(), c.counted(&node::StreamCounts::late_results), returned, stale, stalls, sret, late[late.size()*999/1000], late.back(), line.c_str());
    (void)begun;
}

}  // namespace

TEST_CASE("measure") {
    for (const double m : {100.0, 1000.0}) {
        std::printf("== %.0f Mbit/s\n", m);
        measure("hang 10 s", PolicyKind::layered, m, 0, 10s, 50);
        measure("lanes a tenth, 20 s", PolicyKind::layered, m, 1, 20s, 50);
        measure("links 1 Mbit/s, 20 s", PolicyKind::layered, m, 2, 20s, 50);
        measure("crash", PolicyKind::layered, m, 3, 10s, 50);
        measure("all links a fifth, 20 s", PolicyKind::layered, m, 4, 20s, 50);
        measure("lanes hang, 20 s", PolicyKind::layered, m, 5, 20s, 50);
        measure("low load: lanes hang, 20 s", PolicyKind::layered, m, 5, 20s, 15);
        measure("low load: hang 10 s", PolicyKind::layered, m, 0, 10s, 15);
        measure("low load: lanes a tenth, 20 s", PolicyKind::layered, m, 1, 20s, 15);
        measure("low load: links 1 Mbit/s, 20 s", PolicyKind::layered, m, 2, 20s, 15);
    }
}
