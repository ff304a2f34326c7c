#include "models/torch/compile.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_set>

#include <ATen/ATen.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/frozen_graph_optimizations.h>
#include <torch/csrc/jit/passes/frozen_ops_to_mkldnn.h>

#include "models/torch/convolution.hpp"
#include "models/torch/extract.hpp"
#include "models/torch/lay_out.hpp"

namespace eddy::torch_exec {

namespace {

using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

/// A node of compiled code, its instruction and its part of the constant table; measured, rounded up.
constexpr uint64_t node_bytes = 1024;

/// A classifier multiplies its weights by one vector, and LibTorch takes the way for many, twice to three times as long.
void mark_linear(Graph& graph) {
    std::vector<Node*> nodes(graph.nodes().begin(), graph.nodes().end());
    for (Node* node : nodes) {
        if (std::string_view(node->kind().toQualString()) != "aten::linear") continue;
        Node* made = graph.create(c10::Symbol::fromQualString("eddy::linear"), node->inputs(), 1)->insertBefore(node);
        made->copyMetadata(node);
        node->output()->replaceAllUsesWith(made->output());
        node->destroy();
    }
}

void optimise(std::shared_ptr<Graph>& graph) {
    torch::jit::OptimizeFrozenGraph(graph, /*optimize_numerics=*/true);
    mark_linear(*graph);
    if (has_convolutions()) return lay_out_convolutions(*graph);
    if (use_onednn()) torch::jit::ConvertFrozenOpsToMKLDNN(graph);
    torch::jit::EliminateDeadCode(graph);
}

}  // namespace

Result<std::shared_ptr<Graph>> compile_graph(const ModelState& model, const UnitSpec& spec) {
    auto extracted = extract_graph(model, spec);
    if (extracted) optimise(*extracted);
    return extracted;
}

void keep_layout(Graph& graph) {
    if (has_convolutions()) return;  // they take and give either
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

std::vector<Layout> liked_layouts(const Graph& graph) {
    std::vector<Layout> liked;
    for (const Value* input : graph.inputs()) {
        liked.push_back(Layout::dense);
        for (const auto& use : input->uses()) {
            const std::string_view user = use.user->kind().toQualString();
            if (user == "eddy::as_onednn") liked.back() = Layout::onednn;
            if (user == "eddy::channels_last") liked.back() = Layout::channels_last;
        }
    }
    return liked;
}

uint64_t compiled_bytes(const Graph& graph, const ModelState& model) {
    uint64_t bytes = 0;
    std::unordered_set<const void*> counted;
    const auto count = [&](const Node* node, c10::Symbol name) {
        if (!node->hasAttribute(name) || node->kindOf(name) != torch::jit::AttributeKind::t) return;
        const at::Tensor& tensor = node->t(name);
        if (!tensor.has_storage()) {  // oneDNN's own layout
            if (counted.insert(tensor.unsafeGetTensorImpl()).second) bytes += tensor.nbytes();
            return;
        }
        const c10::StorageImpl* storage = tensor.storage().unsafeGetStorageImpl();
        if (model.weights.count(storage) == 0 && counted.insert(storage).second) bytes += storage->nbytes();
    };
    for (const Node* node : graph.nodes()) {
        bytes += node_bytes;
        count(node, c10::attr::value);
        count(node, packed_bias());
    }
    return bytes;
}

}  // namespace eddy::torch_exec
