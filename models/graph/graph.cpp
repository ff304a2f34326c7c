#include "models/graph/graph.hpp"

#include <algorithm>

namespace eddy::graph {

namespace {

std::string label(const Operator& op, size_t index) {
    std::string text = "operator " + std::to_string(index) + " (" + op.kind;
    if (!op.place.empty()) text += " at " + op.place;
    return text + ")";
}

}  // namespace

Status ModelGraph::check() const {
    if (operators_.empty()) return invalid("the model has no operators");
    if (operators_.size() > operators_max)
        return unsupported("the model has " + std::to_string(operators_.size()) + " operators; at most " +
                           std::to_string(operators_max) + " are allowed");
    if (inputs_.empty() || outputs_.empty()) return invalid("the model has no inputs or no outputs");
    std::vector<bool> made(values_.size(), false);
    for (const ValueId id : inputs_) {
        if (id.value >= values_.size() || made[id.value] || values_[id.value].producer != no_operator)
            return invalid("input value " + std::to_string(id.value) + " is unknown, doubled or made by an operator");
        made[id.value] = true;
    }
    for (size_t i = 0; i < operators_.size(); ++i) {
        const Operator& op = operators_[i];
        for (const ValueId id : op.inputs)
            if (id.value >= values_.size() || !made[id.value])
                return invalid(label(op, i) + " reads value " + std::to_string(id.value) + " before it is made");
        for (const ValueId id : op.outputs) {
            if (id.value >= values_.size() || made[id.value] || values_[id.value].producer != i)
                return invalid(label(op, i) + " does not own its output " + std::to_string(id.value));
            made[id.value] = true;
        }
    }
    for (size_t v = 0; v < values_.size(); ++v) {
        const auto bytes = values_[v].meta.bytes();
        if (!made[v] || values_[v].meta.value.value != v) return invalid("value " + std::to_string(v) + " is not made");
        if (!bytes || *bytes != values_[v].bytes)
            return unsupported("value " + std::to_string(v) + " is too large, or has too many dimensions");
    }
    for (const ValueId id : outputs_)
        if (id.value >= values_.size()) return invalid("output value " + std::to_string(id.value) + " is unknown");
    return success();
}

Result<ModelGraph> ModelGraph::build(std::vector<Value> values, std::vector<Operator> operators,
                                     std::vector<ValueId> inputs, std::vector<ValueId> outputs) {
    ModelGraph graph;
    graph.values_ = std::move(values);
    graph.operators_ = std::move(operators);
    graph.inputs_ = std::move(inputs);
    graph.outputs_ = std::move(outputs);
    if (auto checked = graph.check(); !checked) return checked.error();
    graph.find_uses();
    return graph;
}

void ModelGraph::find_uses() {
    const auto last_cut = static_cast<uint32_t>(operators_.size());
    consumers_.resize(values_.size());
    first_cut_.resize(values_.size());
    last_use_.assign(values_.size(), 0);
    is_output_.assign(values_.size(), false);
    for (uint32_t i = 0; i < last_cut; ++i)
        for (const ValueId id : operators_[i].inputs) {
            consumers_[id.value].push_back(i);
            last_use_[id.value] = i;
        }
    for (const ValueId id : outputs_) {
        is_output_[id.value] = true;
        last_use_[id.value] = last_cut;
    }
    // Each value is live on an interval of cuts: mark where it begins and ends, then sum up.
    std::vector<int64_t> tensors(cuts() + 1, 0);
    std::vector<int64_t> bytes(cuts() + 1, 0);
    for (size_t v = 0; v < values_.size(); ++v) {
        const uint32_t producer = values_[v].producer;
        first_cut_[v] = producer == no_operator ? 0 : producer + 1;
        if ((consumers_[v].empty() && !is_output_[v]) || first_cut_[v] > last_use_[v]) continue;
        const auto size = static_cast<int64_t>(values_[v].bytes);
        tensors[first_cut_[v]] += 1;
        tensors[last_use_[v] + 1] -= 1;
        bytes[first_cut_[v]] += size;
        bytes[last_use_[v] + 1] -= size;
    }
    live_.resize(cuts());
    int64_t count = 0;
    int64_t total = 0;
    for (uint32_t cut = 0; cut < cuts(); ++cut) {
        count += tensors[cut];
        total += bytes[cut];
        live_[cut] = {static_cast<uint32_t>(count), static_cast<uint64_t>(total)};
    }
}

std::vector<ValueId> ModelGraph::frontier(uint32_t cut) const {
    EDDY_ASSERT(cut < cuts());
    if (cut + 1 == cuts()) return outputs_;
    std::vector<ValueId> live;
    live.reserve(live_[cut].tensors);
    for (uint32_t v = 0; v < values_.size(); ++v)
        if (first_cut_[v] <= cut && cut <= last_use_[v] && (is_output_[v] || !consumers_[v].empty()))
            live.push_back(ValueId{v});
    return live;
}

Boundary ModelGraph::boundary_of(std::span<const uint32_t> operators) const {
    EDDY_ASSERT(std::is_sorted(operators.begin(), operators.end()));
    Boundary boundary;
    const auto inside = [&](uint32_t index) { return std::binary_search(operators.begin(), operators.end(), index); };
    for (const uint32_t index : operators) {
        const Operator& op = operators_.at(index);
        for (const ValueId id : op.inputs)
            if (values_[id.value].producer == no_operator || !inside(values_[id.value].producer))
                boundary.inputs.push_back(id);
        for (const ValueId id : op.outputs) {
            const auto& users = consumers_[id.value];
            const bool used = std::any_of(users.begin(), users.end(), [&](uint32_t user) { return !inside(user); });
            if (used || is_output_[id.value]) boundary.outputs.push_back(id);
        }
    }
    std::sort(boundary.inputs.begin(), boundary.inputs.end());
    boundary.inputs.erase(std::unique(boundary.inputs.begin(), boundary.inputs.end()), boundary.inputs.end());
    std::sort(boundary.outputs.begin(), boundary.outputs.end());
    return boundary;
}

}  // namespace eddy::graph
