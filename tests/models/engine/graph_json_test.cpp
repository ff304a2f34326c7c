// Goal: a model's graph comes back from text as it was, with the same steps and row rules, and no text that is damaged
// or absurd is taken for one. Method: random graphs; single things changed in a good text, and the whole message asked
// for place and reason; random damage to characters and to values, which must never do worse than be refused.
#include "models/engine/graph_json.hpp"

#include <functional>
#include <limits>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>
#include <rapidcheck.h>

#include "models/engine/row_profile_json.hpp"
#include "models/graph/row_steps.hpp"
#include "tests/models/graph/row_cases.hpp"
#include "tests/planner/edgeflow/nets.hpp"

using namespace eddy;
using namespace eddy::engine;
using nlohmann::json;

namespace {

RowModel model_of(graph::ModelGraph graph) {
    RowProfile profile = test::linear_profile(graph, 2.5, 0.125, 3);
    profile.model_hash.bytes[0] = 0x5a;
    ContentHash chain_hash;
    chain_hash.bytes[31] = 0xc4;
    return {chain_hash, std::move(graph), std::move(profile)};
}

/// Value 0 is the image; operator 0 convolves it, 1 bends, 2 adds both, 3 pools, 4 scales, 5 needs everything.
const RowModel& example() {
    static const RowModel made = [] {
        test::NetBuilder net(6);
        const ValueId first = net.convolution(ValueId{0});
        const ValueId sum = net.sum(net.relu(first), first);
        net.whole(net.scaled(sum, net.pooled(sum)));
        return model_of(net.graph());
    }();
    return made;
}

const std::string& good() {
    static const std::string text = row_model_to_json(example());
    return text;
}

bool same(const graph::Operator& a, const graph::Operator& b) {
    const auto same_weights = [](const graph::Parameter& x, const graph::Parameter& y) {
        return x.name == y.name && x.shape == y.shape && x.dtype == y.dtype;
    };
    return a.kind == b.kind && a.place == b.place && a.inputs == b.inputs && a.outputs == b.outputs &&
           a.attributes == b.attributes && a.parameters == b.parameters && a.weight_bytes == b.weight_bytes &&
           a.flops == b.flops &&
           std::equal(a.weights.begin(), a.weights.end(), b.weights.begin(), b.weights.end(), same_weights);
}

bool same(const graph::ModelGraph& a, const graph::ModelGraph& b) {
    const auto same_values = [](const graph::Value& x, const graph::Value& y) {
        return x.meta == y.meta && x.bytes == y.bytes && x.producer == y.producer;
    };
    return std::equal(a.values().begin(), a.values().end(), b.values().begin(), b.values().end(), same_values) &&
           std::equal(a.operators().begin(), a.operators().end(), b.operators().begin(), b.operators().end(),
                      [](const auto& x, const auto& y) { return same(x, y); }) &&
           a.inputs() == b.inputs() && a.outputs() == b.outputs();
}

void must_come_back(const RowModel& model) {
    const auto back = row_model_from_json(row_model_to_json(model));
    if (!back) RC_FAIL(back.error().message);
    RC_ASSERT(same(back->graph, model.graph));
    RC_ASSERT(back->profile == model.profile);
    RC_ASSERT(back->chain_hash == model.chain_hash);
    const auto rules = graph::row_rules(back->graph);
    RC_ASSERT(rules == graph::row_rules(model.graph));
    RC_ASSERT(graph::row_steps(back->graph, rules) == graph::row_steps(model.graph, graph::row_rules(model.graph)));
}

void check_refused(const std::string& text, const std::string& why) {
    const auto read = row_model_from_json(text);
    REQUIRE_FALSE_MESSAGE(read.ok(), why);
    CHECK_MESSAGE(read.error().message.find(why) != std::string::npos, read.error().message);
}

/// A good text with one thing changed.
void check_refused(const std::function<void(json& graph)>& damage, const std::string& why) {
    json object = json::parse(good());
    damage(object["graph"]);
    check_refused(object.dump(), why);
}

json& op(json& graph, size_t index) { return graph["operators"][index]; }

/// Every number, text, list and object of it, itself included.
void all_parts(json& of, std::vector<json*>& found) {
    found.push_back(&of);
    if (of.is_structured())
        for (auto& part : of) all_parts(part, found);
}

json absurd() {
    return *rc::gen::element<json>(-1, 0, 1, 7, 65536, INT64_MAX, INT64_MIN, UINT64_MAX, 1e300, 0.5, nullptr, true, "",
                                   "aten::relu", json::array(), json::object(), json::array({-1, 4, 4}),
                                   json::array({1, 4, int64_t{1} << 31, 8}), json::array({json::array()}));
}

/// Taken as something sound, or refused in words.
void must_do_no_harm(const std::string& text) {
    const auto read = row_model_from_json(text);
    if (read)
        must_come_back(*read);
    else
        RC_ASSERT(read.error().message.size() > 10U);
}

}  // namespace

TEST_CASE("a graph comes back as it was, with the same rules and steps") {
    CHECK(rc::check("nets as the planner's tests have them", [] {
        Random random(*rc::gen::arbitrary<uint64_t>());
        must_come_back(model_of(test::random_net(random, *rc::gen::inRange(1, 30), *rc::gen::inRange(1, 20))));
    }));
    CHECK(rc::check("graphs with several outputs to an operator, u8 frames and weights", [] {
        must_come_back(model_of(
            test::random_graph(*rc::gen::arbitrary<uint64_t>(), *rc::gen::inRange(1, 40), *rc::gen::inRange(1, 8))));
    }));
    CHECK(rc::check("operators of all kinds of windows", [] {
        const test::Taps taps{test::pick(1, 5), test::pick(1, 3), test::pick(0, 2), test::pick(1, 2)};
        const auto in = test::pick(1, 20);
        const auto made = *rc::gen::element(0, 1, 2, 3);
        const test::RowCase wanted = made == 0   ? test::convolution_case(in, taps)
                                     : made == 1 ? test::pool_case(in, taps, *rc::gen::arbitrary<bool>(), true)
                                     : made == 2 ? test::adaptive_case(in, test::pick(1, 9))
                                                 : test::interpolation_case(test::Mode::corners, in, 7, {});
        must_come_back(model_of(test::graph_of(wanted.op, {test::image(wanted.in)}, {test::image(wanted.out)})));
    }));
}

TEST_CASE("texts with quotes, sums beyond 2^53 and attributes without an end come back, too") {
    graph::Operator odd = test::make_op("aten::slice", {{"end", {INT64_MAX}}, {"start", {INT64_MIN, -1}}, {"dim", {}}},
                                        {{"weight", {}, DType::f16}, {"bias", {4}, DType::boolean}});
    odd.place = "a \"quoted\"\n place";
    odd.flops = UINT64_MAX;
    odd.weight_bytes = uint64_t{1} << 50;
    const RowModel model = model_of(test::graph_of(odd, {{1, 4, 8, 5}}, {{0, 3}}, DType::f64));
    CHECK(rc::check("as it was", [&] { must_come_back(model); }));
}

TEST_CASE("the text is a row profile as well, for who needs no graph") {
    const auto profile = row_profile_from_json(good());
    REQUIRE(profile.ok());
    CHECK(*profile == example().profile);
    check_refused(row_profile_to_json(example().profile), "row profile: \"chain_hash\" is missing");
}

TEST_CASE("values that are not there, come too late or are made twice are refused with the operator") {
    check_refused([](json& graph) { op(graph, 1)["inputs"][0] = 99; },
                  "row profile: graph: operator 1 (aten::relu) reads value 99 before it is made");
    check_refused([](json& graph) { op(graph, 1)["inputs"][0] = 3; }, "operator 1 (aten::relu) reads value 3 before");
    check_refused([](json& graph) { op(graph, 1)["inputs"][0] = 2; }, "operator 1 (aten::relu) reads value 2 before");
    check_refused([](json& graph) { op(graph, 2)["outputs"][0] = 2; },
                  "operator 1 (aten::relu) does not own its output 2");
    check_refused([](json& graph) { op(graph, 2)["outputs"][0] = 0; }, "input value 0 is unknown, doubled or made");
    check_refused([](json& graph) { op(graph, 2)["outputs"] = {3, 3}; }, "operator 2 (aten::add) does not own its");
    check_refused([](json& graph) { op(graph, 5)["outputs"] = json::array(); }, "graph: value 6 is not made");
    check_refused([](json& graph) { op(graph, 5)["outputs"] = {77}; }, "does not own its output 77");
    check_refused([](json& graph) { graph["inputs"] = {0, 0}; }, "input value 0 is unknown, doubled");
    check_refused([](json& graph) { graph["inputs"] = {44}; }, "input value 44 is unknown");
    check_refused([](json& graph) { graph["inputs"] = json::array(); }, "has no inputs or no outputs");
    check_refused([](json& graph) { graph["outputs"] = {7}; }, "output value 7 is unknown");
    for (const json& id : {json(-1), json(4 * graph::operators_max)})
        check_refused([&](json& graph) { op(graph, 3)["inputs"][0] = id; },
                      "row profile: graph.operators[3]: inputs: an unknown value");
    check_refused([](json& graph) { op(graph, 3)["inputs"][0] = UINT64_MAX; }, "inputs must be of this world");
}

TEST_CASE("shapes that no tensor has are refused") {
    const auto shape = [](json wrong) { return [wrong](json& graph) { graph["values"][2]["shape"] = wrong; }; };
    check_refused(shape({1, -4, 6, 8}), "value 2 is too large, or has too many dimensions");
    check_refused(shape({1, 1 << 20, 1 << 20, 1 << 20}), "value 2 is too large, or has too many dimensions");
    check_refused(shape({1, 1, 1, 1, 1, 1, 1, 1, 1}), "value 2 is too large, or has too many dimensions");
    check_refused(shape({1, UINT64_MAX, 6, 8}), "graph: a shape must be of this world");
    check_refused(shape({1, (int64_t{1} << 40) + 1, 6, 8}), "graph: a shape must be of this world");
    check_refused(shape({1, INT64_MIN, 6, 8}), "graph: a shape must be of this world");
    check_refused(shape({1, 4.5, 6, 8}), "graph: a shape must be whole numbers");
    check_refused(shape({1, "4", 6, 8}), "graph: a shape must be whole numbers");
    check_refused(shape(6), "graph: a shape must be a short list");
    check_refused(shape(std::vector<int>(4097, 1)), "graph: a shape must be a short list");
    check_refused([](json& graph) { graph["values"][2]["dtype"] = 7; }, "\"dtype\" must be a whole number from 0 to 6");
    check_refused([](json& graph) { op(graph, 0)["weights"][0]["shape"] = {UINT64_MAX}; },
                  "graph.operators[0]: a shape must be of this world");
}

TEST_CASE("what is missing or of another type is refused with its place") {
    for (const std::string key :
         {"kind", "place", "inputs", "outputs", "attributes", "weights", "parameters", "weight_bytes", "flops"}) {
        const std::string at = "row profile: graph.operators[2]: ";
        check_refused([&](json& graph) { op(graph, 2).erase(key); }, at + "\"" + key + "\" is missing");
        check_refused([&](json& graph) { op(graph, 2)[key] = 1.5; }, at + "\"" + key + "\" must be");
        check_refused([&](json& graph) { op(graph, 2) = 3; }, at + "\"kind\" is missing");
    }
    for (const std::string key : {"values", "operators", "inputs", "outputs"}) {
        check_refused([&](json& graph) { graph.erase(key); }, "graph: \"" + key + "\" is missing");
        check_refused([&](json& graph) { graph[key] = "x"; }, "graph: \"" + key + "\" must be a list");
    }
    check_refused([](json& graph) { graph = 5; }, "graph: \"values\" is missing");
    check_refused([](json& graph) { op(graph, 0)["attributes"]["stride"] = 2; }, "an attribute must be a short list");
    check_refused([](json& graph) { op(graph, 0)["attributes"]["stride"] = {UINT64_MAX}; },
                  "graph.operators[0]: an attribute must be of this world");
    check_refused([](json& graph) { op(graph, 0)["weights"][0]["name"] = std::string(5000, 'x'); }, "a short text");
    check_refused([](json& graph) { op(graph, 0)["weights"][0] = {1}; }, "graph.operators[0]: \"name\" is missing");
}

TEST_CASE("lists beyond any model are refused before they are read") {
    check_refused([](json& graph) { graph["values"] = std::vector<int>(4 * graph::operators_max + 1); },
                  "graph: \"values\" must be a list of 1 to 65536");
    check_refused([](json& graph) { graph["operators"] = std::vector<int>(graph::operators_max + 1); },
                  "graph: \"operators\" must be a list of 1 to 16384");
    check_refused([](json& graph) { op(graph, 2)["inputs"] = std::vector<int>(4 * graph::operators_max + 1); },
                  "graph.operators[2]: \"inputs\" must be a list of at most 65536");
    check_refused([](json& graph) { op(graph, 2)["weights"] = std::vector<int>(4097); }, "a list of at most 4096");
    check_refused([](json& graph) { op(graph, 2)["attributes"]["x"] = std::vector<int>(4097); }, "a short list");
    check_refused(
        [](json& graph) {
            for (int i = 0; i < 4097; ++i) op(graph, 2)["attributes"][std::to_string(i)] = json::array();
        },
        "\"attributes\" must be an object");
    check_refused(std::string(row_profile_bytes_max + 1, ' '), "row profile: larger than 16 MiB");
    check_refused(std::string(1 << 20, '['), "parse error");
}

TEST_CASE("a profile whose steps are not the graph's is refused") {
    RowModel other = example();
    other.profile.steps.pop_back();
    check_refused(row_model_to_json(other), "row profile: it has " + std::to_string(other.profile.steps.size()) +
                                                " steps, the model " + std::to_string(example().profile.steps.size()));
    other = example();
    REQUIRE(other.profile.steps.size() > 2);
    ++other.profile.steps[0].last;
    ++other.profile.steps[1].first;
    ++other.profile.steps[1].last;
    ++other.profile.steps[2].first;
    other.profile.steps[2].last = std::max(other.profile.steps[2].last, other.profile.steps[2].first + 1);
    for (size_t i = 3; i < other.profile.steps.size(); ++i)
        other.profile.steps[i].first = other.profile.steps[i].last++;
    CHECK_FALSE(row_model_from_json(row_model_to_json(other)).ok());
    CHECK(check_steps(example().graph, other.profile).error().message ==
          "row profile: steps[0] has other operators than the model's");
    other = example();
    other.profile.steps[0].times.pop_back();
    CHECK(check_steps(example().graph, other.profile).error().message ==
          "row profile: steps[0]: the time of all its 6 rows is missing");
    other.profile.steps[0].times = std::vector<RowTime>();
    CHECK_FALSE(check_steps(example().graph, other.profile).ok());
    CHECK(check_steps(example().graph, example().profile).ok());
}

TEST_CASE("a text that ends anywhere before its end is refused") {
    for (size_t size = 0; size + 2 < good().size(); ++size)
        REQUIRE_FALSE(row_model_from_json(good().substr(0, size)).ok());
}

TEST_CASE("whatever happens to characters and values, a text is taken as something sound or refused") {
    CHECK(rc::check("characters", [] {
        std::string text = good();
        for (int flips = *rc::gen::inRange(1, 6); flips > 0; --flips)
            text[*rc::gen::inRange<size_t>(0, text.size())] = *rc::gen::arbitrary<char>();
        must_do_no_harm(text);
    }));
    CHECK(rc::check("digits, which leave it JSON", [] {
        std::string text = good();
        std::vector<size_t> digits;
        for (size_t i = 0; i < text.size(); ++i)
            if (text[i] >= '0' && text[i] <= '9') digits.push_back(i);
        for (int flips = *rc::gen::inRange(1, 6); flips > 0; --flips)
            text[*rc::gen::elementOf(digits)] = static_cast<char>('0' + *rc::gen::inRange(0, 10));
        must_do_no_harm(text);
    }));
    CHECK(rc::check("values", [] {
        json object = json::parse(good());
        for (int changes = *rc::gen::inRange(1, 4); changes > 0; --changes) {
            std::vector<json*> parts;
            all_parts(object["graph"], parts);
            *parts[*rc::gen::inRange<size_t>(0, parts.size())] = absurd();
        }
        must_do_no_harm(object.dump());
    }));
}
