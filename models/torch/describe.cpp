// Flat code -> ModelGraph: shapes, attributes, weights, costs.
#include <algorithm>
#include <set>
#include <unordered_map>

#include <ATen/ATen.h>
#include <torch/csrc/jit/ir/constants.h>

#include "models/graph/costs.hpp"
#include "models/torch/model_state.hpp"

namespace eddy::torch_exec {

namespace {

using torch::jit::Node;
using torch::jit::Value;

class Describer {
public:
    explicit Describer(ModelState& state) : state_(state) {}

    Status run() {
        graph::Value frame;
        frame.name = "frame";
        frame.meta.shape = {state_.card.height, state_.card.width, 3};
        frame.meta.dtype = DType::u8;
        if (auto added = add_value(state_.flat.input, std::move(frame)); !added) return added;
        find_used();
        for (const FlatOperator& flat : state_.flat.operators)
            if (auto added = add_operator(flat); !added) return added;
        std::vector<ValueId> outputs;
        for (Value* output : state_.flat.outputs) outputs.push_back(ids_.at(output));
        for (graph::Operator& op : operators_) op.flops = graph::count_flops(op, values_);
        auto built = graph::ModelGraph::build(std::move(values_), std::move(operators_), {ValueId{0}}, outputs);
        if (!built) return built.error();
        state_.graph = *std::move(built);
        return success();
    }

private:
    Status add_value(Value* flat, graph::Value value) {
        const auto id = ValueId{static_cast<uint32_t>(values_.size())};
        value.meta.value = id;
        const auto bytes = value.meta.bytes();
        if (!bytes) return unsupported("a tensor is larger than " + std::to_string(tensor_bytes_max >> 20) + " MiB");
        value.bytes = *bytes;
        ids_.emplace(flat, id);
        state_.values.push_back(flat);
        values_.push_back(std::move(value));
        return success();
    }

    void find_used() {
        used_.insert(state_.flat.outputs.begin(), state_.flat.outputs.end());
        for (const FlatOperator& op : state_.flat.operators) used_.insert(op.inputs.begin(), op.inputs.end());
    }

    Status add_operator(const FlatOperator& flat) {
        graph::Operator op;
        op.kind = flat.main->kind().toQualString();
        op.place = flat.place;
        for (Value* input : flat.inputs) op.inputs.push_back(ids_.at(input));
        for (size_t i = 0; i < flat.outputs.size(); ++i) {
            // A normalised frame that nothing uses is still made, so that layer 0 has an output.
            if (used_.count(flat.outputs[i]) == 0 && !operators_.empty()) continue;
            const auto dtype = dtype_of(flat.samples[i].scalar_type());
            if (!dtype) return unsupported(flat.source + ": makes a tensor of an unknown element type");
            graph::Value value;
            value.name = flat.outputs[i]->debugName();
            value.meta.dtype = *dtype;
            value.meta.shape = flat.samples[i].sizes().vec();
            value.producer = static_cast<uint32_t>(operators_.size());
            op.outputs.push_back(ValueId{static_cast<uint32_t>(values_.size())});
            if (auto added = add_value(flat.outputs[i], std::move(value)); !added) return added;
        }
        read_arguments(flat.main, op);
        for (Node* node : flat.nodes)
            if (node != flat.main)
                for (Value* input : node->inputs()) count_weight(input, "", op);
        operators_.push_back(std::move(op));
        return success();
    }

    void read_arguments(Node* node, graph::Operator& op) {
        const auto& arguments = node->schema().arguments();
        for (size_t i = 0; i < arguments.size() && i < node->inputs().size(); ++i) {
            const auto constant = torch::jit::toIValue(node->inputs()[i]);
            if (!constant) continue;
            const std::string& name = arguments[i].name();
            if (constant->isTensor())
                count_weight(node->inputs()[i], name, op);
            else if (constant->isInt())
                op.attributes[name] = {constant->toInt()};
            else if (constant->isBool())
                op.attributes[name] = {constant->toBool() ? 1 : 0};
            else if (constant->isIntList())
                op.attributes[name] = constant->toIntVector();
        }
    }

    void count_weight(Value* value, const std::string& name, graph::Operator& op) {
        const auto constant = torch::jit::toIValue(value);
        if (!constant || !constant->isTensor() || !constant->toTensor().defined()) return;
        const at::Tensor& tensor = constant->toTensor();
        graph::Parameter weight;
        weight.name = name;
        weight.shape = tensor.sizes().vec();
        weight.dtype = dtype_of(tensor.scalar_type()).value_or(DType::f32);
        op.weights.push_back(std::move(weight));
        if (!tensor.has_storage()) return;
        const c10::StorageImpl* storage = tensor.storage().unsafeGetStorageImpl();
        if (!state_.weights.insert(storage).second) return;  // counted where it was first used
        state_.weight_bytes += storage->nbytes();
        op.weight_bytes += storage->nbytes();
        // Running statistics and the card's mean and deviation are measured, not learned: bytes, but no parameters.
        if (name != "running_mean" && name != "running_var" && op.kind != "eddy::normalise")
            op.parameters += static_cast<uint64_t>(tensor.numel());
    }

    ModelState& state_;
    std::vector<graph::Value> values_;
    std::vector<graph::Operator> operators_;
    std::unordered_map<Value*, ValueId> ids_;
    std::set<Value*> used_;
};

}  // namespace

std::optional<DType> dtype_of(at::ScalarType type) {
    switch (type) {
        case at::kByte: return DType::u8;
        case at::kFloat: return DType::f32;
        case at::kLong: return DType::i64;
        case at::kInt: return DType::i32;
        case at::kHalf: return DType::f16;
        case at::kBool: return DType::boolean;
        case at::kDouble: return DType::f64;
        default: return std::nullopt;
    }
}

at::ScalarType scalar_type_of(DType type) {
    switch (type) {
        case DType::u8: return at::kByte;
        case DType::f32: return at::kFloat;
        case DType::i64: return at::kLong;
        case DType::i32: return at::kInt;
        case DType::f16: return at::kHalf;
        case DType::boolean: return at::kBool;
        case DType::f64: return at::kDouble;
    }
    return at::kFloat;
}

Status describe_graph(ModelState& state) { return Describer(state).run(); }

}  // namespace eddy::torch_exec
