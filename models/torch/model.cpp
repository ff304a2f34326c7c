#include "models/torch/model.hpp"

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <unordered_set>

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/freeze_module.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/serialization/import.h>

#include "eddy/random.hpp"
#include "models/torch/archive.hpp"
#include "models/torch/card.hpp"
#include "models/torch/errors.hpp"
#include "models/torch/model_state.hpp"
#include "models/torch/node_kinds.hpp"
#include "models/torch/operators.hpp"

namespace eddy::torch_exec {

namespace {

using torch::jit::Block;
using torch::jit::Node;

Error at_file(const std::string& path, const Error& error) { return {error.code, path + ": " + error.message}; }

/// LibTorch 1.13 takes a pickled tensor's shape on trust: one that reaches past its storage would be read out of
/// bounds.
bool lies_in_storage(const at::Tensor& tensor) {
    if (!tensor.defined() || !tensor.has_storage() || tensor.numel() == 0) return true;
    uint64_t last = 0;
    for (int64_t d = 0; d < tensor.dim(); ++d) {
        if (tensor.stride(d) < 0 || tensor.size(d) < 0) return false;
        const unsigned __int128 reach = static_cast<unsigned __int128>(tensor.stride(d)) * (tensor.size(d) - 1) + last;
        if (reach > tensor.storage().nbytes()) return false;
        last = static_cast<uint64_t>(reach);
    }
    const unsigned __int128 end =
        (static_cast<unsigned __int128>(last) + static_cast<uint64_t>(tensor.storage_offset()) + 1) * tensor.itemsize();
    return tensor.storage_offset() >= 0 && end <= tensor.storage().nbytes();
}

/// Operators that reach outside the process; a model has no business with them.
bool is_forbidden(const Node* node) {
    const std::string_view name = node->kind().toQualString();
    return name == "aten::from_file" || name == "aten::save" || name == "aten::load";
}

Status check_block(const Block* block) {
    for (const Node* node : block->nodes()) {
        if (is_forbidden(node)) return unsupported(describe(node) + ": reaches outside the model");
        if (node->kind() == c10::prim::Constant && node->hasAttribute(c10::attr::value) &&
            node->kindOf(c10::attr::value) == torch::jit::AttributeKind::t &&
            !lies_in_storage(node->t(c10::attr::value)))
            return invalid("a constant is larger than its stored bytes");
        for (const Block* inner : node->blocks())
            if (auto checked = check_block(inner); !checked) return checked;
    }
    return success();
}

Status check_module(const torch::jit::Module& module) {
    for (const auto& attribute : module.named_attributes())
        if (attribute.value.isTensor() && !lies_in_storage(attribute.value.toTensor()))
            return invalid("weight \"" + attribute.name + "\" is larger than its stored bytes");
    for (const auto& part : module.modules())
        for (const auto& method : part.get_methods())
            if (auto checked = check_block(method.graph()->block()); !checked) return checked;
    return success();
}

Result<ModelCard> find_card(const std::string& json, const LoadOptions& options) {
    if (!json.empty()) return card_from_json(json);
    if (!options.card)
        return invalid(
            "holds no eddy.json, and no card was given: Eddy cannot know its input size and normalisation "
            "(models/zoo/README.md says how a model gets one)");
    if (auto checked = check_card(*options.card); !checked) return checked.error();
    return *options.card;
}

/// A sample frame: black for seed 0, noise otherwise.
at::Tensor sample_frame(const ModelCard& card, uint64_t seed) {
    at::Tensor frame = at::zeros({card.height, card.width, 3}, at::TensorOptions().dtype(at::kByte));
    if (seed == 0) return frame;
    Random random(seed);
    uint8_t* pixels = frame.data_ptr<uint8_t>();
    for (int64_t i = 0; i < frame.numel(); ++i) pixels[i] = static_cast<uint8_t>(random.below(256));
    return frame;
}

/// `visit` the storage of a constant that is a tensor.
template <class Visit>
void visit_weight(Node* node, const Visit& visit) {
    if (node->kind() != c10::prim::Constant || !node->hasAttribute(c10::attr::value) ||
        node->kindOf(c10::attr::value) != torch::jit::AttributeKind::t)
        return;
    const at::Tensor& tensor = node->t(c10::attr::value);
    if (tensor.has_storage()) visit(node, tensor.storage().unsafeGetStorageImpl());
}

Status import(ModelState& state, const LoadOptions& options) {
    torch::jit::ExtraFilesMap extra{{"eddy.json", ""}};
    torch::jit::Module module = torch::jit::load(state.path, c10::Device(c10::kCPU), extra);
    auto card = find_card(extra["eddy.json"], options);
    if (!card) return card.error();
    state.card = *std::move(card);
    if (auto checked = check_module(module); !checked) return checked;
    if (!module.find_method("forward")) return invalid("has no forward()");
    module.eval();
    const torch::jit::Module frozen = torch::jit::freeze_module(module);
    auto graph = frozen.get_method("forward").graph()->copy();
    torch::jit::Inline(*graph);
    // Freezing may have computed new constants: judge them too.
    if (auto checked = check_block(graph->block()); !checked) return checked;
    auto noise = flatten(graph, state.card, sample_frame(state.card, 1));
    if (!noise) return noise.error();
    auto black = flatten(graph, state.card, sample_frame(state.card, 0));
    if (!black) return black.error();
    if (auto same = check_same(*noise, *black); !same) return same;
    state.flat = *std::move(noise);
    return describe_graph(state);
}

}  // namespace

Result<std::shared_ptr<Model>> Model::load(const std::string& path, const LoadOptions& options) {
    if (auto checked = check_archive(path, options.file_bytes_max); !checked) return checked.error();
    auto hash = hash_file(path);
    if (!hash) return hash.error();
    auto state = std::make_unique<ModelState>();
    state->path = path;
    state->file_name = std::filesystem::path(path).filename().string();
    state->model_hash = *hash;
    try {
        register_operators();
        const c10::InferenceMode inference;
        if (auto imported = import(*state, options); !imported) return at_file(path, imported.error());
    } catch (const std::exception& error) {
        return invalid(path + ": cannot be read as a TorchScript model: " + first_line(error.what()));
    }
    state->row_rules = graph::row_rules(state->graph);
    state->chain = graph::Chain::derive(state->graph);
    state->chain_hash = hash_text(graph::describe_chain(state->graph, state->chain));
    state->kept.last = static_cast<uint16_t>(state->chain.layers().size());
    return std::shared_ptr<Model>(new Model(std::move(state)));
}

void Model::keep_only(LayerRange layers) {
    ModelState& state = *state_;
    state.kept = {std::max(state.kept.first, layers.first), std::min(state.kept.last, layers.last)};
    state.kept.last = std::max(state.kept.first, state.kept.last);
    const uint32_t first = state.chain.cut(state.kept.first);
    const uint32_t last = state.chain.cut(state.kept.last);
    std::unordered_set<const c10::StorageImpl*> needed;  // layers may share weights
    const auto each_weight = [&](bool inside, const auto& visit) {
        for (uint32_t op = 0; op < state.flat.operators.size(); ++op)
            if ((op >= first && op < last) == inside)
                for (Node* node : state.flat.operators[op].nodes)
                    for (torch::jit::Value* input : node->inputs()) visit_weight(input->node(), visit);
    };
    each_weight(true, [&](Node*, const c10::StorageImpl* storage) { needed.insert(storage); });
    each_weight(false, [&](Node* constant, const c10::StorageImpl* storage) {
        if (needed.count(storage) != 0) return;
        if (state.weights.erase(storage) != 0) state.weight_bytes -= storage->nbytes();
        constant->t_(c10::attr::value, at::empty({0}));
    });
}

LayerRange Model::kept() const { return state_->kept; }

Model::Model(std::unique_ptr<ModelState> state) : state_(std::move(state)) {}
Model::~Model() = default;

const graph::ModelGraph& Model::graph() const { return state_->graph; }
const std::vector<graph::RowRule>& Model::row_rules() const { return state_->row_rules; }
const graph::Chain& Model::chain() const { return state_->chain; }
const ModelCard& Model::card() const { return state_->card; }
ContentHash Model::model_hash() const { return state_->model_hash; }
ContentHash Model::chain_hash() const { return state_->chain_hash; }
const std::string& Model::file_name() const { return state_->file_name; }
uint64_t Model::weight_bytes() const { return state_->weight_bytes; }

ModelProfile Model::costs() const {
    ModelProfile profile;
    profile.model = state_->file_name;
    profile.model_hash = state_->model_hash;
    profile.chain_hash = state_->chain_hash;
    profile.layers = graph::layer_costs(state_->graph, state_->chain);
    return profile;
}

}  // namespace eddy::torch_exec
