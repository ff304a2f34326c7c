#include "models/torch/compile.hpp"

#include <optional>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include <ATen/ATen.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/frozen_graph_optimizations.h>
#include <torch/csrc/jit/passes/frozen_ops_to_mkldnn.h>

namespace eddy::torch_exec {

namespace {

using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

/// A node of compiled code, its instruction and its part of the constant table; measured, rounded up.
constexpr uint64_t node_bytes = 1024;

/// Absent from some builds; and LibTorch lets a program do without.
bool use_onednn() { return at::hasMKLDNN() && at::globalContext().userEnabledMkldnn(); }

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
        if (node == op.main && use_onednn() && !op.samples.empty())
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
    if (use_onednn()) torch::jit::ConvertFrozenOpsToMKLDNN(graph);
    torch::jit::EliminateDeadCode(graph);
}

}  // namespace

Result<std::shared_ptr<Graph>> compile_graph(const ModelState& model, const UnitSpec& spec) {
    auto extracted = Extractor(model, spec).run();
    if (extracted) optimise(*extracted);
    return extracted;
}

void keep_layout(Graph& graph) {
    for (size_t i = 0; i < graph.outputs().size(); ++i)
        if (Node* node = graph.outputs()[i]->node(); std::string_view(node->kind().toQualString()) == "aten::to_dense")
            graph.return_node()->replaceInput(i, node->inputs()[0]);
    const auto onednn = c10::Symbol::fromQualString("eddy::as_onednn");
    const auto dense = c10::Symbol::fromQualString("eddy::as_dense");
    for (Value* input : graph.inputs()) {
        Node* as_dense = graph.create(dense, {input}, 1)->insertBefore(*graph.nodes().begin());
        Node* as_onednn = graph.create(onednn, {input}, 1)->insertBefore(*graph.nodes().begin());
        const auto uses = input->uses();
        for (const auto& use : uses) {
            if (use.user == as_dense || use.user == as_onednn || use.user->kind() == c10::prim::Return) continue;
            if (std::string_view(use.user->kind().toQualString()) == "aten::to_mkldnn")
                use.user->output()->replaceAllUsesWith(as_onednn->output());
            else
                use.user->replaceInput(use.offset, as_dense->output());
        }
    }
    torch::jit::EliminateDeadCode(graph.block());
}

uint64_t compiled_bytes(const Graph& graph, const ModelState& model) {
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

}  // namespace eddy::torch_exec
