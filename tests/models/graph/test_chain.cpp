// Goal: layers cover the graph, are few and legal, are the same everywhere, and cost what the shapes say.
#include <doctest/doctest.h>

#include "models/graph/chain.hpp"
#include "random_graph.hpp"

using namespace eddy;
using namespace eddy::graph;
using namespace eddy::test;

namespace {

Operator make_operator(const std::string& kind, std::vector<ValueId> inputs, ValueId output) {
    Operator op;
    op.kind = kind;
    op.inputs = std::move(inputs);
    op.outputs = {output};
    return op;
}

/// normalise, then `blocks` of convolution, batch norm, activation.
ModelGraph chain_of_blocks(uint32_t blocks) {
    Parts parts;
    parts.inputs = {ValueId{0}};
    parts.values.push_back(make_value(0, no_operator, {8, 8, 3}, DType::u8));
    const auto add = [&](const std::string& kind) {
        const auto id = static_cast<uint32_t>(parts.values.size());
        parts.operators.push_back(make_operator(kind, {ValueId{id - 1}}, ValueId{id}));
        parts.values.push_back(make_value(id, id - 1, {1, 4, 8, 8}));
    };
    add("eddy::normalise");
    for (uint32_t b = 0; b < blocks; ++b) {
        add("aten::conv2d");
        parts.operators.back().weights = {{"weight", {4, 4, 3, 3}, DType::f32}};
        parts.operators.back().parameters = 144;
        add("aten::batch_norm");
        add("aten::relu");
    }
    parts.outputs = {ValueId{static_cast<uint32_t>(parts.values.size() - 1)}};
    for (Operator& op : parts.operators) op.flops = count_flops(op, parts.values);
    return ModelGraph::build(parts.values, parts.operators, parts.inputs, parts.outputs).value();
}

uint64_t flops_of(const Operator& op, std::vector<Value> values) { return count_flops(op, values); }

}  // namespace

TEST_CASE("layers cover every operator once, within their number, and every border is legal") {
    for (uint64_t seed = 1; seed <= 200; ++seed) {
        CAPTURE(seed);
        const ModelGraph graph = random_graph(seed, 2 + static_cast<uint32_t>(seed * 7 % 300), 1 + seed % 20);
        const uint32_t limit = seed % 3 == 0 ? 5 : layers_max;
        const Chain chain = Chain::derive(graph, limit);
        REQUIRE(!chain.layers().empty());
        REQUIRE(chain.layers().size() <= limit);
        uint32_t next = 0;
        uint64_t flops = 0;
        for (const Layer& layer : chain.layers()) {
            REQUIRE(layer.first == next);
            REQUIRE(layer.last > layer.first);
            REQUIRE(legal_cut(graph, layer.first));
            next = layer.last;
            flops += layer.flops;
        }
        REQUIRE(next == graph.operators().size());
        REQUIRE(chain.layers().front().last == 1);
        uint64_t expected = 0;
        for (const Operator& op : graph.operators()) expected += op.flops;
        REQUIRE(flops == expected);
    }
}

TEST_CASE("a convolution is not parted from its batch norm and activation") {
    const ModelGraph graph = chain_of_blocks(10);
    const Chain chain = Chain::derive(graph);
    REQUIRE(chain.layers().size() == 11);
    for (size_t l = 1; l < chain.layers().size(); ++l) {
        CHECK(chain.layers()[l].last - chain.layers()[l].first == 3);
        CHECK(chain.layers()[l].name == "conv2d");
        CHECK(chain.layers()[l].parameters == 144);
    }
}

TEST_CASE("a model with too many blocks has its cheapest neighbours joined") {
    const Chain chain = Chain::derive(chain_of_blocks(150));
    CHECK(chain.layers().size() == layers_max);
    CHECK(Chain::derive(chain_of_blocks(150), 7).layers().size() == 7);
    CHECK(Chain::derive(chain_of_blocks(150), 1).layers().size() == 2);  // the normalisation always stands alone
}

TEST_CASE("blocks too small to be worth a message are gathered into layers of similar work") {
    const Chain chain = Chain::derive(chain_of_blocks(400));
    CHECK(chain.layers().size() > 24);
    CHECK(chain.layers().size() < 60);
    uint64_t total = 0;
    for (const Layer& layer : chain.layers()) total += layer.flops;
    for (const Layer& layer : chain.layers()) CHECK(layer.flops * 24 <= total);
}

TEST_CASE("a cut that nine tensors cross is not legal") {
    Parts parts = random_parts(1, 1, 1);
    Operator split = make_operator("aten::chunk", {ValueId{1}}, ValueId{2});
    for (uint32_t v = 2; v < 11; ++v) {
        parts.values.push_back(make_value(v, 1, {1, 4}));
        if (v > 2) split.outputs.push_back(ValueId{v});
    }
    parts.operators.push_back(split);
    Operator join = make_operator("aten::matmul", split.outputs, ValueId{11});
    parts.operators.push_back(join);
    parts.values.push_back(make_value(11, 2, {1, 4}));
    parts.outputs = {ValueId{11}};
    const ModelGraph graph = ModelGraph::build(parts.values, parts.operators, parts.inputs, parts.outputs).value();
    CHECK(legal_cut(graph, 1));
    CHECK(graph.frontier_tensors(2) == 9);
    CHECK_FALSE(legal_cut(graph, 2));
}

TEST_CASE("two devices describe one graph alike, and any difference in shape, order or border shows") {
    const Parts parts = random_parts(9, 40, 4);
    const auto text = [](const Parts& p, uint32_t limit) {
        const ModelGraph graph = ModelGraph::build(p.values, p.operators, p.inputs, p.outputs).value();
        return describe_chain(graph, Chain::derive(graph, limit));
    };
    const std::string first = text(parts, layers_max);
    CHECK(first == text(parts, layers_max));
    CHECK(first != text(parts, 3));
    Parts other_shape = parts;
    other_shape.values[5] = make_value(5, parts.values[5].producer, {1, 5, 1, 1});
    CHECK(first != text(other_shape, layers_max));
    Parts other_attribute = parts;
    other_attribute.operators[7].attributes["stride"] = {2, 2};
    CHECK(first != text(other_attribute, layers_max));
    Parts other_name = parts;
    other_name.operators[7].place = "features.3";
    CHECK(first == text(other_name, layers_max));
}

TEST_CASE("costs of a layer are those of its operators, and of the frontier before it") {
    const ModelGraph graph = chain_of_blocks(3);
    const auto costs = layer_costs(graph, Chain::derive(graph));
    REQUIRE(costs.size() == 4);
    CHECK(costs[0].frontier_bytes == 8 * 8 * 3);
    CHECK(costs[1].frontier_bytes == 4 * 8 * 8 * 4);
    CHECK(costs[1].frontier_tensors == 1);
    CHECK(costs[1].parameters == 144);
    CHECK(costs[1].flops == 2 * 256 * 36 + 2 * 256 + 256);
    CHECK(costs[1].time.count() == 0);
}

TEST_CASE("flops follow from shapes") {
    const std::vector<Value> images{make_value(0, no_operator, {1, 8, 10, 10}), make_value(1, 0, {1, 16, 5, 5})};
    Operator conv = make_operator("aten::conv2d", {ValueId{0}}, ValueId{1});
    conv.weights = {{"weight", {16, 4, 3, 3}, DType::f32}, {"bias", {16}, DType::f32}};  // two groups
    CHECK(flops_of(conv, images) == 2 * 400 * 36);
    Operator transposed = make_operator("aten::conv_transpose2d", {ValueId{0}}, ValueId{1});
    transposed.weights = {{"weight", {8, 16, 2, 2}, DType::f32}};
    CHECK(flops_of(transposed, images) == 2 * 800 * 64);
    Operator pool = make_operator("aten::max_pool2d", {ValueId{0}}, ValueId{1});
    pool.attributes["kernel_size"] = {3, 3};
    CHECK(flops_of(pool, images) == 400 * 9);
    pool.attributes["kernel_size"] = {2};
    CHECK(flops_of(pool, images) == 400 * 4);
    CHECK(flops_of(make_operator("aten::adaptive_avg_pool2d", {ValueId{0}}, ValueId{1}), images) == 800);
    CHECK(flops_of(make_operator("aten::cat", {ValueId{0}}, ValueId{1}), images) == 0);
    CHECK(flops_of(make_operator("aten::relu", {ValueId{0}}, ValueId{1}), images) == 400);

    const std::vector<Value> rows{make_value(0, no_operator, {1, 7, 32}), make_value(1, no_operator, {1, 32, 9}),
                                  make_value(2, 0, {1, 7, 9}), make_value(3, no_operator, {1, 7, 9})};
    CHECK(flops_of(make_operator("aten::bmm", {ValueId{0}, ValueId{1}}, ValueId{2}), rows) == 2 * 63 * 32);
    CHECK(flops_of(make_operator("aten::baddbmm", {ValueId{3}, ValueId{0}, ValueId{1}}, ValueId{2}), rows) ==
          2 * 63 * 32);
    Operator linear = make_operator("aten::linear", {ValueId{0}}, ValueId{2});
    linear.weights = {{"weight", {9, 32}, DType::f32}};
    CHECK(flops_of(linear, rows) == 2 * 63 * 32);
}
