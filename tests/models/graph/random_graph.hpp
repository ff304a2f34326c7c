// Random model graphs for the properties of this room.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "eddy/random.hpp"
#include "models/graph/costs.hpp"
#include "models/graph/graph.hpp"

namespace eddy::test {

struct Parts {
    std::vector<graph::Value> values;
    std::vector<graph::Operator> operators;
    std::vector<ValueId> inputs;
    std::vector<ValueId> outputs;
};

inline graph::Value make_value(uint32_t id, uint32_t producer, std::vector<int64_t> shape, DType type = DType::f32) {
    graph::Value value;
    value.meta.value = ValueId{id};
    value.meta.shape = std::move(shape);
    value.meta.dtype = type;
    value.bytes = value.meta.bytes().value();
    value.producer = producer;
    return value;
}

/// A normalisation, then convolutions, sums and activations on one to three earlier values, some with two outputs.
/// `reach`: how far back an operator looks; small ones make chains, large ones wide frontiers.
inline Parts random_parts(uint64_t seed, uint32_t operators, uint32_t reach) {
    static const char* const kinds[] = {"aten::conv2d", "aten::relu", "aten::add", "aten::batch_norm", "aten::cat"};
    Random random(seed);
    Parts parts;
    parts.inputs = {ValueId{0}};
    parts.values.push_back(make_value(0, graph::no_operator, {8, 8, 3}, DType::u8));
    for (uint32_t i = 0; i < operators; ++i) {
        graph::Operator op;
        op.kind = i == 0 ? "eddy::normalise" : kinds[random.below(5)];
        const auto made = static_cast<uint32_t>(parts.values.size());
        const uint64_t wanted = i == 0 ? 1 : 1 + random.below(3);
        for (uint64_t n = 0; n < wanted; ++n) {
            const uint32_t back = 1 + static_cast<uint32_t>(random.below(std::min(reach, std::max(made - 1, 1U))));
            const ValueId input{i == 0 ? 0 : made - back};
            if (std::find(op.inputs.begin(), op.inputs.end(), input) == op.inputs.end()) op.inputs.push_back(input);
        }
        if (op.kind == "aten::conv2d") op.weights = {{"weight", {4, 4, 3, 3}, DType::f32}};
        for (uint64_t n = random.chance(0.15) && i != 0 ? 2 : 1; n > 0; --n) {
            const auto id = static_cast<uint32_t>(parts.values.size());
            op.outputs.push_back(ValueId{id});
            parts.values.push_back(make_value(id, i, {1, 4, 1 + static_cast<int64_t>(random.below(8)), 8}));
        }
        parts.operators.push_back(std::move(op));
    }
    const auto last = static_cast<uint32_t>(parts.values.size() - 1);
    parts.outputs = {ValueId{last}};
    if (random.chance(0.5)) parts.outputs.push_back(ValueId{1 + static_cast<uint32_t>(random.below(last))});
    for (graph::Operator& op : parts.operators) op.flops = graph::count_flops(op, parts.values);
    return parts;
}

inline graph::ModelGraph random_graph(uint64_t seed, uint32_t operators, uint32_t reach) {
    Parts parts = random_parts(seed, operators, reach);
    return graph::ModelGraph::build(parts.values, parts.operators, parts.inputs, parts.outputs).value();
}

}  // namespace eddy::test
