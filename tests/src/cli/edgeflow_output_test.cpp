// What `eddy plan edgeflow` tells. Goal: operators that cannot be divided are named with the reason, parts cover
// their blocks, and nothing is compared with a device alone where none could make a frame. Method: small nets, planned
// here.
#include "src/cli/edgeflow_output.hpp"

#include <doctest/doctest.h>

#include "tests/planner/edgeflow/nets.hpp"

using namespace eddy;
using namespace eddy::cli;
using namespace eddy::planner::edgeflow;

namespace {

struct Told {
    std::string text;
    nlohmann::ordered_json json;
};

Told told_of(const graph::ModelGraph& graph, bool alone_fails = false, const test::ClusterSketch& cluster = {}) {
    const Problem problem = test::problem_of(graph, test::linear_profile(graph, 10, 1), cluster);
    const Experiment experiment;
    EdgeflowAnswer answer{experiment, problem, "made.pt", "this device", {}, 1, false};
    for (const Planner by : {Planner::one_device, Planner::equal}) {
        EdgeflowOutcome outcome;
        outcome.by = by;
        outcome.planned = plan_with(by, problem);
        if (alone_fails && by == Planner::one_device) outcome.planned = exhausted("too large");
        if (outcome.planned) {
            Blocks blocks(problem);
            outcome.units = units_of(blocks, outcome.planned->plan);
            outcome.timeline = simulate(problem, outcome.units);
        }
        answer.outcomes.push_back(std::move(outcome));
    }
    return {edgeflow_text(answer), edgeflow_json(answer)};
}

}  // namespace

TEST_CASE("operators that one device makes whole are told by kind, with the reason") {
    test::NetBuilder net(8);
    const ValueId large = net.convolution(ValueId{0});
    const ValueId small = net.convolution(large, 3, 2);
    net.sum(large, small);
    const ValueId flat = net.whole(small);
    net.sum(net.relu(flat), flat);
    net.whole(large);
    const Told told = told_of(net.graph());
    const auto& whole = told.json.at("whole");
    REQUIRE(whole.size() == 4);
    const auto is = [](const auto& each, const char* kind, int count, const char* first, const char* why) {
        CHECK(each.at("operator") == kind);
        CHECK(each.at("count") == count);
        CHECK(each.at("first") == first);
        CHECK(each.at("why") == why);
    };
    is(whole[0], "aten::add", 1, "add", "its rule does not fit its shapes or attributes here");
    is(whole[1], "aten::linear", 2, "linear", "no rule says which rows it needs");
    is(whole[2], "aten::relu", 1, "relu", "what it is given is one row");
    is(whole[3], "aten::add", 1, "add", "what it is given is one row");
    CHECK(told.text.find("made whole by one device") != std::string::npos);
    CHECK(told.text.find("no rule says which rows it needs") != std::string::npos);
}

TEST_CASE("of a model that can be divided everywhere nothing is said to be whole") {
    test::NetBuilder net(8);
    net.convolution(ValueId{0});
    const Told told = told_of(net.graph());
    CHECK(told.json.at("whole").empty());
    CHECK(told.text.find("whole") == std::string::npos);
}

TEST_CASE("parts cover their block, and rows that a stride leaps over cost nothing") {
    test::NetBuilder net(8);
    net.convolution(net.convolution(ValueId{0}), 1, 2);
    test::ClusterSketch cluster;
    cluster.speeds.assign(8, 1);
    const Told told = told_of(net.graph(), false, cluster);
    const auto& parts = told.json.at("blocks").at(0).at("parts");
    REQUIRE(parts.size() == 8);
    for (size_t row = 0; row < parts.size(); ++row) {
        CHECK(parts[row].at("first_row") == row);
        CHECK(parts[row].at("end_row") == row + 1);
        CHECK((parts[row].at("compute_ms") > 0) == (row % 2 == 0));
    }
}

TEST_CASE("where no device can make a frame alone, plans are compared with nothing") {
    test::NetBuilder net(8);
    net.convolution(ValueId{0});
    const auto ratio = [](const Told& told) { return told.json.at("planners").at(1).at("against_one_device"); };
    CHECK(ratio(told_of(net.graph())) > 0);
    const Told told = told_of(net.graph(), true);
    CHECK(ratio(told).is_null());
    CHECK(told.text.find(" – ") != std::string::npos);
    CHECK(told.text.find("one-device: too large") != std::string::npos);
}
