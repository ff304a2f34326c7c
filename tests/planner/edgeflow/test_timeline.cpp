// Goal: times are those that can be worked out by hand. Method: units and messages written down directly.
#include <cmath>
#include <string>

#include <doctest/doctest.h>

#include "nets.hpp"
#include "planner/edgeflow/critical_path.hpp"
#include "planner/edgeflow/timeline.hpp"

using namespace eddy;
using namespace eddy::planner::edgeflow;
using namespace eddy::test;

namespace {

Problem cluster(size_t devices, MessageCost message = {0, 0}, double delay_us = 0) {
    NetBuilder net(8);
    net.convolution(ValueId{0});
    ClusterSketch sketch;
    sketch.speeds.assign(devices, 1);
    sketch.bytes_per_us = 10;
    sketch.message = message;
    sketch.delay_us = delay_us;
    return problem_of(net.graph(), linear_profile(net.graph(), 1, 0), sketch);
}

/// Capture at device 0, then what is added, then the result at device 0.
class Sketch {
public:
    Sketch() { unit(0, 0, {}); }
    uint32_t unit(uint32_t device, double cost_us, std::vector<Need> needs) {
        Unit made;
        made.device = device;
        made.cost_us = cost_us;
        made.needs = std::move(needs);
        graph_.units.push_back(std::move(made));
        return static_cast<uint32_t>(graph_.units.size()) - 1;
    }
    Need message(uint32_t unit, uint32_t to, uint64_t bytes) {
        const auto index = static_cast<uint32_t>(graph_.messages.size());
        graph_.messages.push_back({unit, to, 0, {}, bytes});
        graph_.units[unit].messages.push_back(index);
        return {ValueId{0}, {0, 1}, true, index};
    }
    static Need local(uint32_t unit) { return {ValueId{0}, {0, 1}, false, unit}; }
    Timeline result(const Problem& problem, std::vector<Need> needs) {
        unit(0, 0, std::move(needs));
        return simulate(problem, graph_);
    }

    [[nodiscard]] const UnitGraph& graph() const { return graph_; }

private:
    UnitGraph graph_;
};

}  // namespace

TEST_CASE("a device computes one unit after the other, the first that can fire") {
    Sketch sketch;
    const uint32_t one = sketch.unit(0, 100, {Sketch::local(0)});
    const uint32_t two = sketch.unit(0, 50, {Sketch::local(0)});
    const Timeline timeline = sketch.result(cluster(1), {Sketch::local(one), Sketch::local(two)});
    CHECK(timeline.units[one].end_us == 100);
    CHECK(timeline.units[two].begin_us == 100);
    CHECK(timeline.latency_us == 150);
    CHECK(timeline.compute_us[0] == 150);
}

TEST_CASE("a unit that waits lets a later one go first") {
    Sketch sketch;
    const Need frame = sketch.message(0, 1, 1000);
    const uint32_t far = sketch.unit(1, 10, {frame});
    const uint32_t waits = sketch.unit(0, 10, {sketch.message(far, 0, 100)});
    const uint32_t later = sketch.unit(0, 200, {Sketch::local(0)});
    const Timeline timeline = sketch.result(cluster(2), {Sketch::local(waits), Sketch::local(later)});
    CHECK(timeline.units[later].begin_us == 0);
    CHECK(timeline.units[far].begin_us == 100);
    CHECK(timeline.messages[1].end_us == 120);
    CHECK(timeline.units[waits].begin_us == 200);
    CHECK(timeline.latency_us == 210);
    CHECK(timeline.bytes == 1100);
}

TEST_CASE("a device sends one message at a time, and receives one at a time") {
    Sketch sketch;
    const Need first = sketch.message(0, 1, 1000);
    const Need second = sketch.message(0, 2, 1000);
    const uint32_t one = sketch.unit(1, 0, {first});
    const uint32_t two = sketch.unit(2, 0, {second});
    const Need back = sketch.message(one, 0, 1500);
    const Need late = sketch.message(two, 0, 10);
    const Timeline timeline = sketch.result(cluster(3), {back, late});
    CHECK(timeline.messages[0].begin_us == 0);
    CHECK(timeline.messages[1].begin_us == 100);
    CHECK(timeline.messages[2].begin_us == 100);  // what device 0 sends does not hinder what it receives
    CHECK(timeline.messages[3].begin_us == 250);  // after the other that device 0 receives
    CHECK(timeline.latency_us == 251);
}

TEST_CASE("a port that is not free does not hold up a message to another device") {
    Sketch sketch;
    const Need large = sketch.message(0, 1, 1000);
    const uint32_t three = sketch.unit(2, 0, {});
    const Need blocked = sketch.message(three, 1, 10);
    const Need free = sketch.message(three, 3, 20);
    const uint32_t one = sketch.unit(1, 0, {large, blocked});
    const uint32_t four = sketch.unit(3, 0, {free});
    const Timeline timeline = sketch.result(cluster(4), {sketch.message(one, 0, 10), sketch.message(four, 0, 10)});
    CHECK(timeline.messages[1].begin_us == 100);
    CHECK(timeline.messages[2].begin_us == 0);
    CHECK(timeline.units[four].begin_us == 2);
    CHECK(timeline.latency_us == doctest::Approx(102));
}

TEST_CASE("handling a message takes time at both ends, and the wire delays it") {
    Sketch sketch;
    const uint32_t far = sketch.unit(1, 0, {sketch.message(0, 1, 1000)});
    const uint32_t here = sketch.unit(0, 70, {Sketch::local(0)});
    const Problem problem = cluster(2, {20, 0.01}, 5);
    const Timeline timeline = sketch.result(problem, {Sketch::local(here), sketch.message(far, 0, 0)});
    CHECK(timeline.units[here].begin_us == 30);  // after 20 µs and 1000 bytes at 0.01
    CHECK(timeline.messages[0].begin_us == 30);
    CHECK(timeline.messages[0].end_us == 135);
    CHECK(timeline.units[far].begin_us == 165);
    // Out at 185, in at 190, taken at 210.
    CHECK(timeline.latency_us == doctest::Approx(210));
}

TEST_CASE("the critical path names who computes, what travels, and whom it waits behind") {
    Sketch sketch;
    const uint32_t one = sketch.unit(1, 30, {sketch.message(0, 1, 1000)});
    const uint32_t two = sketch.unit(2, 10, {sketch.message(0, 2, 500)});
    const Problem problem = cluster(3, {0, 0}, 5);
    const auto pieces = [&] {
        std::vector<std::string> told;
        const Timeline timeline = sketch.result(problem, {sketch.message(one, 0, 0), sketch.message(two, 0, 200)});
        for (const PathPiece& piece : critical_path(sketch.graph(), timeline))
            told.push_back(std::to_string(static_cast<int>(piece.what)) + ":" + std::to_string(piece.from) + ">" +
                           std::to_string(piece.to) + " " + std::to_string(std::lround(piece.begin_us)) + "-" +
                           std::to_string(std::lround(piece.end_us)));
        return told;
    }();
    // 0 sends 1000 bytes to 1, until 100, then 500 to 2, until 150 and 5 on the way; 10 to compute, 20 and 5 back.
    CHECK(pieces == std::vector<std::string>{"1:0>1 0-100", "1:0>2 100-155", "0:2>2 155-165", "1:2>0 165-190"});
}

TEST_CASE("a message that comes while a unit runs takes its time from that unit") {
    Sketch sketch;
    const uint32_t busy = sketch.unit(1, 1000, {sketch.message(0, 1, 10)});
    const uint32_t waits = sketch.unit(1, 1, {sketch.message(0, 1, 100)});
    const Problem problem = cluster(2, {20, 0});
    const Timeline timeline = sketch.result(problem, {sketch.message(busy, 0, 0), sketch.message(waits, 0, 0)});
    CHECK(timeline.units[busy].begin_us == 41);  // 20 out, 1 on the wire, 20 in
    CHECK(timeline.units[busy].end_us == doctest::Approx(1061));
    CHECK(timeline.units[waits].begin_us == doctest::Approx(1081));
}
