#include "models/torch/unit.hpp"

#include <algorithm>
#include <numeric>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/frozen_graph_optimizations.h>
#include <torch/csrc/jit/passes/frozen_ops_to_mkldnn.h>
#include <torch/csrc/jit/runtime/interpreter.h>

#include "models/torch/model_state.hpp"

namespace eddy::torch_exec {

namespace {

using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

/// A node of compiled code, its instruction and its part of the constant table; measured, rounded up.
constexpr uint64_t node_bytes = 1024;

std::string first_line(const char* what) {
    const std::string_view text(what);
    return std::string(text.substr(0, std::min<size_t>(text.find('\n'), 240)));
}

bool is_relu6(const Node* node) {
    if (node->kind() != c10::aten::hardtanh || node->inputs().size() != 3) return false;
    const auto low = torch::jit::toIValue(node->inputs()[1]);
    const auto high = torch::jit::toIValue(node->inputs()[2]);
    return low && high && low->isScalar() && high->isScalar() && low->toScalar().toDouble() == 0 &&
           high->toScalar().toDouble() == 6;
}

/// LibTorch 1.13 runs relu6, hardswish and hardsigmoid on oneDNN's memory as if it were dense. That is wrong where
/// oneDNN pads channels up to its block, which is at most 16.
bool survives_blocked_layout(const at::Tensor& sample) { return sample.dim() == 4 && sample.size(1) % 16 == 0; }

/// The name under which the oneDNN pass treats an activation rightly: relu6 is known to it, while torchvision's
/// hardtanh(0, 6) would end every group; the `eddy::` ones are unknown to it, and stay outside its groups.
std::optional<c10::Symbol> better_name(const Node* node, const at::Tensor& sample) {
    const bool safe = survives_blocked_layout(sample);
    if (is_relu6(node)) return safe ? std::optional(c10::aten::relu6) : std::nullopt;
    if (safe) return std::nullopt;
    if (node->kind() == c10::aten::relu6) return c10::Symbol::fromQualString("eddy::relu6");
    if (node->kind() == c10::aten::hardswish) return c10::Symbol::fromQualString("eddy::hardswish");
    if (node->kind() == c10::aten::hardsigmoid) return c10::Symbol::fromQualString("eddy::hardsigmoid");
    return std::nullopt;
}

/// Copies operators of the model's flat graph into a graph of their own.
class Extractor {
public:
    Extractor(const ModelState& model, const UnitSpec& spec) : model_(model), spec_(spec) {}

    Result<std::shared_ptr<Graph>> run() {
        for (const ValueId id : spec_.inputs) {
            if (id.value >= model_.values.size())
                return invalid("unit: input " + std::to_string(id.value) + " is unknown");
            if (!copies_.emplace(model_.values[id.value], graph_->addInput()).second)
                return invalid("unit: input " + std::to_string(id.value) + " is given twice");
        }
        for (const uint32_t index : spec_.operators) {
            if (index >= model_.flat.operators.size())
                return invalid("unit: operator " + std::to_string(index) + " is unknown");
            for (Node* node : model_.flat.operators[index].nodes)
                if (auto copied = copy(node, index); !copied) return copied.error();
        }
        for (const ValueId id : spec_.outputs) {
            const auto found = id.value < model_.values.size() ? copies_.find(model_.values[id.value]) : copies_.end();
            if (found == copies_.end())
                return invalid("unit: output " + std::to_string(id.value) + " is neither made nor given");
            graph_->registerOutput(found->second);
        }
        return graph_;
    }

private:
    Status copy(Node* node, uint32_t index) {
        for (Value* input : node->inputs()) {
            if (copies_.count(input) != 0) continue;
            if (input->node()->kind() != c10::prim::Constant)
                return invalid("unit: operator " + std::to_string(index) + " (" + model_.flat.operators[index].source +
                               ") needs a value that is neither made nor given");
            Node* constant = graph_->createClone(input->node(), [](Value* v) { return v; });
            graph_->insertNode(constant);
            copies_.emplace(input, constant->output());
        }
        Node* made = clone(node, model_.flat.operators[index]);
        graph_->insertNode(made);
        for (size_t i = 0; i < node->outputs().size(); ++i) copies_[node->outputs()[i]] = made->outputs()[i];
        return success();
    }

    Node* clone(Node* node, const FlatOperator& op) {
        if (node == op.main && at::hasMKLDNN() && !op.samples.empty())
            if (const auto name = better_name(node, op.samples.front())) {
                Node* renamed = graph_->create(*name, {copies_.at(node->inputs()[0])}, 1);
                renamed->copyMetadata(node);
                return renamed;
            }
        return graph_->createClone(node, [&](Value* v) { return copies_.at(v); });
    }

    const ModelState& model_;
    const UnitSpec& spec_;
    std::shared_ptr<Graph> graph_ = std::make_shared<Graph>();
    std::unordered_map<Value*, Value*> copies_;
};

void optimise(std::shared_ptr<Graph>& graph) {
    torch::jit::OptimizeFrozenGraph(graph, /*optimize_numerics=*/true);
    if (at::hasMKLDNN()) torch::jit::ConvertFrozenOpsToMKLDNN(graph);
    torch::jit::EliminateDeadCode(graph);
}

uint64_t count_bytes(const Graph& graph, const ModelState& model) {
    uint64_t bytes = 0;
    std::unordered_set<const void*> counted;
    for (const Node* node : graph.nodes()) {
        bytes += node_bytes;
        if (!node->hasAttribute(c10::attr::value) || node->kindOf(c10::attr::value) != torch::jit::AttributeKind::t)
            continue;
        const at::Tensor& tensor = node->t(c10::attr::value);
        if (!tensor.has_storage()) {  // oneDNN's own layout
            if (counted.insert(tensor.unsafeGetTensorImpl()).second) bytes += tensor.nbytes();
            continue;
        }
        const c10::StorageImpl* storage = tensor.storage().unsafeGetStorageImpl();
        if (model.weights.count(storage) == 0 && counted.insert(storage).second) bytes += storage->nbytes();
    }
    return bytes;
}

at::Tensor wrap(const HostTensor& host) {
    // The tensor keeps the bytes alive, and everything that shares memory with it does too. Nothing writes to it:
    // flattening left no in-place operators.
    auto* data = const_cast<std::byte*>(host.bytes.data());
    return at::from_blob(
        data, host.meta.shape, [keep = host.bytes](void*) {},
        at::TensorOptions().dtype(scalar_type_of(host.meta.dtype)));
}

SharedBytes share(const at::Tensor& dense) {
    const size_t bytes = dense.nbytes();
    const auto* data = static_cast<const std::byte*>(dense.data_ptr());
    // The wire reads up to the next multiple of 8, and a small view must not keep a large tensor alive.
    const bool wasteful = dense.storage().nbytes() > 2 * bytes;
    if (bytes != 0 && bytes % 8 == 0 && reinterpret_cast<uintptr_t>(data) % 8 == 0 && !wasteful)
        return {std::shared_ptr<const std::byte>(data, [keep = dense](const std::byte*) {}), bytes};
    auto copy = allocate_bytes(bytes);
    std::copy_n(data, bytes, copy.get());
    return {std::move(copy), bytes};
}

}  // namespace

struct Unit::State {
    std::shared_ptr<const Model> model;
    UnitSpec spec;
    torch::jit::Code code;
    uint64_t bytes = 0;

    [[nodiscard]] Status check(std::span<const HostTensor> inputs) const {
        if (inputs.size() != spec.inputs.size())
            return invalid("takes " + std::to_string(spec.inputs.size()) + " tensors, was given " +
                           std::to_string(inputs.size()));
        for (size_t i = 0; i < inputs.size(); ++i) {
            const TensorMeta& wanted = model->graph().value(spec.inputs[i]).meta;
            const TensorMeta& found = inputs[i].meta;
            if (found.dtype != wanted.dtype || found.shape != wanted.shape ||
                inputs[i].bytes.size() != model->graph().value(spec.inputs[i]).bytes)
                return invalid("tensor " + std::to_string(i) + " has not the type, shape or bytes of value " +
                               std::to_string(spec.inputs[i].value));
        }
        return success();
    }

    [[nodiscard]] Result<HostTensor> unwrap(const at::Tensor& made, ValueId id) const {
        const TensorMeta& wanted = model->graph().value(id).meta;
        at::Tensor dense = (made.is_mkldnn() ? made.to_dense() : made).contiguous();
        if (dense.scalar_type() != scalar_type_of(wanted.dtype) || dense.sizes() != at::IntArrayRef(wanted.shape))
            return internal("value " + std::to_string(id.value) + " came out with another type or shape");
        return HostTensor{wanted, share(dense)};
    }
};

Unit::Unit(std::unique_ptr<State> state) : state_(std::move(state)) {}
Unit::~Unit() = default;
const UnitSpec& Unit::spec() const { return state_->spec; }
uint64_t Unit::bytes() const { return state_->bytes; }

UnitSpec unit_between(const graph::ModelGraph& graph, uint32_t cut_first, uint32_t cut_last) {
    EDDY_ASSERT(cut_first <= cut_last && cut_last < graph.cuts());
    UnitSpec spec;
    spec.operators.resize(cut_last - cut_first);
    std::iota(spec.operators.begin(), spec.operators.end(), cut_first);
    spec.inputs = graph.frontier(cut_first);
    spec.outputs = graph.frontier(cut_last);
    return spec;
}

Result<std::shared_ptr<const Unit>> Unit::compile(std::shared_ptr<const Model> model, UnitSpec spec) {
    try {
        const c10::InferenceMode inference;
        auto state = std::make_unique<State>();
        auto extracted = Extractor(model->state(), spec).run();
        if (!extracted) return extracted.error();
        std::shared_ptr<Graph> graph = *extracted;
        optimise(graph);
        state->bytes = count_bytes(*graph, model->state());
        // The interpreter's code, without a graph executor: nothing is profiled or specialised behind our back.
        state->code = torch::jit::Code(graph, "unit");
        state->model = std::move(model);
        state->spec = std::move(spec);
        return std::shared_ptr<const Unit>(new Unit(std::move(state)));
    } catch (const std::exception& error) {
        return internal(std::string("unit: cannot be compiled: ") + first_line(error.what()));
    }
}

Result<std::vector<HostTensor>> Unit::run(std::span<const HostTensor> inputs) const {
    if (auto checked = state_->check(inputs); !checked) return checked.error();
    try {
        const c10::InferenceMode inference;
        torch::jit::Stack stack;
        stack.reserve(std::max(inputs.size(), state_->spec.outputs.size()));
        for (const HostTensor& input : inputs) stack.emplace_back(wrap(input));
        torch::jit::InterpreterState(state_->code).run(stack);
        if (stack.size() != state_->spec.outputs.size()) return internal("unit: gave another number of tensors");
        std::vector<HostTensor> outputs;
        outputs.reserve(stack.size());
        for (size_t i = 0; i < stack.size(); ++i) {
            auto output = state_->unwrap(stack[i].toTensor(), state_->spec.outputs[i]);
            if (!output) return output.error();
            outputs.push_back(*std::move(output));
        }
        return outputs;
    } catch (const std::exception& error) {
        return internal(std::string("unit: ") + first_line(error.what()));
    }
}

}  // namespace eddy::torch_exec
