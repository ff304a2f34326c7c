// Stories as data. Goal: a story says what people think it says; what a scenario prints is read as the same scenario;
// and whatever else the text holds, the answer is one message with file, line, what was found and what is allowed.
#include "sim/scenario_parser.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

using namespace eddy;
using namespace eddy::sim;
using namespace std::chrono_literals;

namespace {

const std::string head = "nodes a b c d\n";

Scenario parsed(const std::string& text) {
    const auto scenario = parse_scenario(text, "story.txt");
    CAPTURE(text);
    REQUIRE_MESSAGE(scenario.ok(), (scenario.ok() ? "" : scenario.error().message));
    return *scenario;
}

std::string mistake(const std::string& text) {
    const auto scenario = parse_scenario(text, "story.txt");
    CAPTURE(text);
    REQUIRE_FALSE(scenario.ok());
    return scenario.error().message;
}

template <class T>
T what(const Scenario& scenario, size_t step) {
    REQUIRE(step < scenario.steps.size());
    REQUIRE(std::holds_alternative<T>(scenario.steps[step].what));
    return std::get<T>(scenario.steps[step].what);
}

}  // namespace

TEST_CASE("the head of a story says who there is and what holds throughout") {
    const auto scenario = parsed(R"(# a comment
story   Three nodes, one of them shy   # another
seed 42
lists hold 4
views hold 8
nodes connect to neighbours only
failures stay within the assumptions
nodes b a c
seeds a c
the network delays 2 ms, loses 5 %, carries datagrams
at 0 s nodes a b c start
)");
    CHECK(scenario.story == "Three nodes, one of them shy");
    CHECK(scenario.seed == 42);
    CHECK(scenario.list_max == 4);
    CHECK(scenario.view_max == 8);
    CHECK_FALSE(scenario.connect_view);
    CHECK(scenario.within_assumptions);
    CHECK(scenario.nodes.size() == 3);
    CHECK(scenario.seeds == std::vector<size_t>{1, 2});
    CHECK(scenario.network.delay_mean == 2ms);
    CHECK(scenario.network.loss == doctest::Approx(0.05));
    CHECK(scenario.network.datagrams);
}

TEST_CASE(
    "what the head leaves out is as in production: lists of sixteen, the view connected, the first node as seed") {
    const auto scenario = parsed("nodes a b\nat 0 s node a starts\n");
    CHECK(scenario.list_max == 16);
    CHECK(scenario.view_max == members_max);
    CHECK(scenario.connect_view);
    CHECK_FALSE(scenario.within_assumptions);
    CHECK(scenario.seeds == std::vector<size_t>{0});
}

TEST_CASE("nodes without ids stand around the circle in the order of their names in the head") {
    const auto scenario = parsed("nodes d a c b\nat 0 s node a starts\n");
    for (size_t i = 0; i + 1 < 4; ++i) CHECK(scenario.nodes[i].id < scenario.nodes[i + 1].id);
    const auto placed = parsed("node a has id 00000000000000000000000000000000000000ff\nat 0 s node a starts\n");
    CHECK(placed.nodes[0].id.bytes[19] == 0xff);
}

TEST_CASE("everything that can be done to nodes can be told of one and of several") {
    const auto scenario = parsed(head + R"(
at 1 s node a starts
at 1 s nodes a b start
at 1 s node b leaves
at 1 s nodes c d crash
at 1 s node a vanishes
at 1 s node a restarts
at 1 s nodes a b pause for 250 ms
at 1 s node b slows for 2 s
)");
    CHECK(what<NodeStep>(scenario, 0) == NodeStep{NodeVerb::start, {0}, 0s});
    CHECK(what<NodeStep>(scenario, 1) == NodeStep{NodeVerb::start, {0, 1}, 0s});
    CHECK(what<NodeStep>(scenario, 2) == NodeStep{NodeVerb::leave, {1}, 0s});
    CHECK(what<NodeStep>(scenario, 3) == NodeStep{NodeVerb::crash, {2, 3}, 0s});
    CHECK(what<NodeStep>(scenario, 4) == NodeStep{NodeVerb::vanish, {0}, 0s});
    CHECK(what<NodeStep>(scenario, 5) == NodeStep{NodeVerb::restart, {0}, 0s});
    CHECK(what<NodeStep>(scenario, 6) == NodeStep{NodeVerb::pause, {0, 1}, 250ms});
    CHECK(what<NodeStep>(scenario, 7) == NodeStep{NodeVerb::slow, {1}, 2s});
    CHECK(scenario.steps[6].line == 9);
}

TEST_CASE("what the network does, and what is expected, can be told") {
    const auto scenario = parsed(head + R"(
at 1 s the network splits into a b | c d
at 2 s node a does not reach b
at 3 s the network heals
at 4 s the network loses 0.25 %, doubles 1 %, reorders 10 %, holds 20 ms, spreads 1 ms
at 5 s the network is calm
at 6 s everyone sees one ring
at 7 s everyone sees one ring of a b
at 8 s nodes a b see one ring of a b c
at 9 s node a sees one ring
at 10 s everyone finds every owner
at 11 s everyone has let go of who is gone
)");
    CHECK(what<SplitStep>(scenario, 0) == SplitStep{{{0, 1}, {2, 3}}});
    CHECK(what<CutStep>(scenario, 1) == CutStep{0, 1});
    what<HealStep>(scenario, 2);
    const auto weather = what<WeatherStep>(scenario, 3).network;
    CHECK(weather.loss == doctest::Approx(0.0025));
    CHECK(weather.duplicate == doctest::Approx(0.01));
    CHECK(weather.reorder == doctest::Approx(0.1));
    CHECK(weather.reorder_by == 20ms);
    CHECK(weather.delay_spread == 1ms);
    CHECK(what<WeatherStep>(scenario, 4).network.loss == 0);
    CHECK(what<RingStep>(scenario, 5) == RingStep{{}, {}});
    CHECK(what<RingStep>(scenario, 6) == RingStep{{}, {0, 1}});
    CHECK(what<RingStep>(scenario, 7) == RingStep{{0, 1}, {0, 1, 2}});
    CHECK(what<RingStep>(scenario, 8) == RingStep{{0}, {}});
    what<OwnersStep>(scenario, 9);
    what<LetGoStep>(scenario, 10);
}

TEST_CASE("`within` counts from the line before, and the next line waits until it is over") {
    const auto scenario = parsed(head + R"(
at 1 s node a starts
within 2 s everyone sees one ring
within 1.5 s everyone finds every owner
at 10 s within 500 ms everyone sees one ring
)");
    CHECK(scenario.steps[1].at == 1s);
    CHECK(scenario.steps[1].within == 2s);
    CHECK(scenario.steps[2].at == 3s);
    CHECK(scenario.steps[3].at == 10s);
    CHECK(scenario.end() == 10500ms);
    CHECK(mistake(head + "at 1 s node a starts\nwithin 2 s everyone sees one ring\nat 2 s node b starts\n") ==
          "story.txt:4: found \"an earlier time\"; allowed: not before the line above is through");
}

TEST_CASE("mistakes name file, line, what was found and what is allowed") {
    CHECK(mistake(head + "at 1 s node x starts\n") ==
          "story.txt:2: found \"x\"; allowed: the name of a node of the head");
    CHECK(
        mistake(head + "at 1 s node a explodes\n") ==
        "story.txt:2: found \"explodes\"; allowed: starts, leaves, crashes, vanishes, restarts, pauses for, slows for, "
        "sees one ring, does not reach");
    CHECK(mistake("nodes a a\n") == "story.txt:1: found \"a\"; allowed: a name that no other node has");
    CHECK(mistake(head + "at soon node a starts\n") == "story.txt:2: found \"soon\"; allowed: a number up to 3600000");
    CHECK(mistake(head + "at 5 node a starts\n") == "story.txt:2: found \"node\"; allowed: s or ms");
    CHECK(mistake("\n\nweather fine\n") ==
          "story.txt:3: found \"weather\"; allowed: story, seed, lists, views, nodes, node, seeds, failures, the "
          "network, at, "
          "within");
}

TEST_CASE("every part of a story is checked") {
    const auto refused = [](const std::string& text) { return parse_scenario(text, "story.txt").ok() == false; };
    CHECK(refused(""));
    CHECK(refused("at 1 s node a starts\n"));
    CHECK(refused(head));
    CHECK(refused(head + "at 1 s node a starts now\n"));
    CHECK(refused(head + "at 1 s node a b starts\n"));
    CHECK(refused(head + "at 1 s nodes a a start\n"));
    CHECK(refused(head + "at 1 s nodes a b starts\n"));
    CHECK(refused(head + "at 1 s nodes a b do not reach c\n"));
    CHECK(refused(head + "at 1 s node a pauses\n"));
    CHECK(refused(head + "at 1 s within 2 s node a starts\n"));
    CHECK(refused(head + "at -1 s node a starts\n"));
    CHECK(refused(head + "at nan s node a starts\n"));
    CHECK(refused(head + "at 1e3 s node a starts\n"));
    CHECK(refused(head + "at 4000 s node a starts\n"));
    CHECK(refused(head + "at 3600 s within 1 s everyone sees one ring\n"));
    CHECK(refused(head + "at 1 s the network loses 101 %\n"));
    CHECK(refused(head + "at 1 s the network loses 1 %,\n"));
    CHECK(refused(head + "at 1 s the network splits into a b | b c\n"));
    CHECK(refused(head + "at 1 s node a starts\nseed 7\n"));
    CHECK(refused("lists hold 0\n" + head + "at 1 s node a starts\n"));
    CHECK(refused("views hold 0\n" + head + "at 1 s node a starts\n"));
    CHECK(refused("lists hold 65\n" + head + "at 1 s node a starts\n"));
    CHECK(refused("seed 18446744073709551616\n" + head + "at 1 s node a starts\n"));
    CHECK(refused("node a has id 12\nat 1 s node a starts\n"));
    CHECK(refused("nodes a\nnode b has id 00000000000000000000000000000000000000ff\nat 1 s node a starts\n"));
    CHECK(
        refused("node a has id 00000000000000000000000000000000000000ff\n"
                "node b has id 00000000000000000000000000000000000000ff\nat 1 s node a starts\n"));
    CHECK(refused("nodes 1\nat 1 s node 1 starts\n"));
    CHECK(refused("story " + std::string(300, 'x') + "\n" + head + "at 1 s node a starts\n"));
}

TEST_CASE("a story that is too long in any way is refused") {
    CHECK(mistake(std::string(scenario_bytes_max + 1, '#')) ==
          "story.txt:0: found \"a longer file\"; allowed: at most 256 kB");
    CHECK(mistake(head + std::string(5000, ' ')).find("at most 2048 bytes") != std::string::npos);
    std::string many = "nodes";
    for (size_t i = 0; i <= scenario_nodes_max; ++i) many += " n" + std::to_string(i);
    CHECK(mistake(many).find("at most 64 nodes") != std::string::npos);
    std::string steps = head;
    for (size_t i = 0; i <= scenario_steps_max; ++i) steps += "at 1 s node a starts\n";
    CHECK(mistake(steps).find("at most 2000 steps") != std::string::npos);
    CHECK(mistake(std::string("nodes \x01\xff") + "\n").find("found \"??\"") != std::string::npos);
}

namespace {

std::vector<size_t> some_nodes(size_t n) {
    const auto mask = *rc::gen::inRange<uint32_t>(1, uint32_t{1} << n);
    std::vector<size_t> chosen;
    for (size_t i = 0; i < n; ++i)
        if ((mask >> i & 1) != 0) chosen.push_back(i);
    return chosen;
}

Usec some_time(int64_t max_us) { return Usec(*rc::gen::inRange<int64_t>(1, max_us)); }

NetworkFaults some_weather() {
    NetworkFaults network;
    network.loss = *rc::gen::inRange(0, 10'000) / 1e4;
    network.duplicate = *rc::gen::inRange(0, 10'000) / 1e4;
    network.reorder = *rc::gen::inRange(0, 10'000) / 1e4;
    network.reorder_by = some_time(1'000'000);
    network.delay_mean = some_time(1'000'000);
    network.delay_spread = some_time(1'000'000);
    network.datagrams = *rc::gen::arbitrary<bool>();
    return network;
}

ScenarioStep some_step(size_t n, Usec reached) {
    ScenarioStep step;
    step.at = *rc::gen::arbitrary<bool>() ? reached : reached + some_time(10'000'000);
    switch (*rc::gen::inRange(0, 8)) {
        case 0: {
            const auto verb = static_cast<NodeVerb>(*rc::gen::inRange(0, 7));
            step.what = NodeStep{verb, some_nodes(n), lasts(verb) ? some_time(9'000'000) : Usec{0}};
            break;
        }
        case 1: step.what = SplitStep{{some_nodes(n)}}; break;
        case 2: step.what = CutStep{*rc::gen::inRange<size_t>(0, n), *rc::gen::inRange<size_t>(0, n)}; break;
        case 3: step.what = HealStep{}; break;
        case 4: step.what = WeatherStep{some_weather()}; break;
        case 5: step.what = RingStep{some_nodes(n), some_nodes(n)}; break;
        case 6: step.what = LetGoStep{}; break;
        default: step.what = OwnersStep{}; break;
    }
    if (step.expects() && *rc::gen::arbitrary<bool>()) step.within = some_time(5'000'000);
    return step;
}

}  // namespace

TEST_CASE("what a scenario prints is read as the same scenario") {
    CHECK(rc::check("round trip", [] {
        Scenario scenario;
        scenario.story = "made up";
        scenario.seed = *rc::gen::arbitrary<uint64_t>();
        scenario.list_max = *rc::gen::inRange<size_t>(1, scenario_list_max + 1);
        scenario.view_max = *rc::gen::inRange<size_t>(1, scenario_list_max + 1);
        scenario.connect_view = *rc::gen::arbitrary<bool>();
        scenario.within_assumptions = *rc::gen::arbitrary<bool>();
        scenario.network = some_weather();
        const auto n = *rc::gen::inRange<size_t>(1, 10);
        for (size_t i = 0; i < n; ++i) {
            ScenarioNode node{"n" + std::to_string(i), {}};
            node.id.bytes[7] = static_cast<uint8_t>(i + 1);
            scenario.nodes.push_back(node);
        }
        scenario.seeds = some_nodes(n);
        Usec reached{0};
        const auto steps = *rc::gen::inRange<size_t>(1, 12);
        for (size_t i = 0; i < steps; ++i) {
            scenario.steps.push_back(some_step(n, reached));
            reached = scenario.steps.back().at + scenario.steps.back().within;
        }
        const auto text = to_text(scenario);
        const auto again = parse_scenario(text, "printed");
        RC_ASSERT(again.ok());
        RC_ASSERT(to_text(*again) == text);
        RC_ASSERT(again->nodes == scenario.nodes);
        RC_ASSERT(again->steps.size() == steps);
        for (size_t i = 0; i < steps; ++i) {
            RC_ASSERT(again->steps[i].at == scenario.steps[i].at);
            RC_ASSERT(again->steps[i].within == scenario.steps[i].within);
            RC_ASSERT(again->steps[i].what.index() == scenario.steps[i].what.index());
        }
        RC_ASSERT(again->list_max == scenario.list_max);
        RC_ASSERT(again->view_max == scenario.view_max);
        RC_ASSERT(again->network.loss == scenario.network.loss);
        RC_ASSERT(again->network.delay_mean == scenario.network.delay_mean);
    }));
}

TEST_CASE("any bytes at all, and any story with bytes changed, end in a scenario or in one message") {
    CHECK(rc::check("hostile text", [] {
        std::string text =
            *rc::gen::arbitrary<bool>()
                ? *rc::gen::arbitrary<std::string>()
                : head +
                      "at 1 s nodes a b start\nwithin 2 s everyone sees one ring of a b\n"
                      "at 5 s the network splits into a | b c\nat 6 s the network loses 5 %, doubles 1 %\n";
        const auto changes = *rc::gen::inRange(0, 4);
        for (int i = 0; i < changes && !text.empty(); ++i)
            text[*rc::gen::inRange<size_t>(0, text.size())] = *rc::gen::arbitrary<char>();
        const auto scenario = parse_scenario(text, "hostile");
        if (!scenario.ok()) RC_ASSERT(scenario.error().message.rfind("hostile:", 0) == 0);
    }));
}
