#include "models/torch/flatten.hpp"

#include <algorithm>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/runtime/operator.h>

#include "eddy/tensor.hpp"
#include "models/torch/errors.hpp"
#include "models/torch/node_kinds.hpp"
#include "models/torch/operators.hpp"
#include "models/torch/symbolic.hpp"

namespace eddy::torch_exec {

namespace {

using torch::jit::Block;
using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;
namespace prim = c10::prim;
namespace aten = c10::aten;

/// Bounds what a hostile file can make us do: operators run while flattening, loops included.
constexpr uint64_t steps_max = 200000;
constexpr int depth_max = 200;

class Flattener {
public:
    explicit Flattener(const ModelCard& card) : card_(card) { model_.graph = std::make_shared<Graph>(); }

    FlatModel run(const std::shared_ptr<Graph>& frozen, const at::Tensor& frame) {
        const c10::InferenceMode inference;
        auto cell = std::make_shared<Cell>();
        cell->tensor = normalise(frame);
        cell->flat = model_.operators.back().outputs.front();
        share_memory(cell);
        bind(frozen->inputs()[1], cell);
        note_last_uses(frozen->block());
        run_block(frozen->block(), 0);
        for (Value* output : frozen->outputs()) add_output(env_.at(output));
        if (model_.outputs.empty()) throw Refusal{true, "it has no outputs that depend on the frame"};
        drop_unused();
        return std::move(model_);
    }

private:
    at::Tensor normalise(const at::Tensor& frame) {
        Graph& graph = *model_.graph;
        model_.input = graph.addInput("frame");
        const auto options = at::TensorOptions().dtype(at::kFloat);
        const at::Tensor mean = at::tensor(c10::ArrayRef<float>(card_.mean.data(), 3), options);
        const at::Tensor std = at::tensor(c10::ArrayRef<float>(card_.std.data(), 3), options);
        Node* node = graph.create(c10::Symbol::fromQualString("eddy::normalise"),
                                  {model_.input, graph.insertConstant(mean), graph.insertConstant(std)}, 1);
        graph.insertNode(node);
        const at::Tensor made = normalise_frame(frame, mean, std);
        FlatOperator op;
        op.nodes = {node};
        op.main = node;
        op.inputs = {model_.input};
        op.outputs = {node->output()};
        op.samples = {sample(made)};
        model_.operators.push_back(std::move(op));
        return made;
    }

    static at::Tensor sample(const at::Tensor& tensor) {
        return at::empty(tensor.sizes(), tensor.options().device(at::kMeta));
    }

    // --- names and their lives -------------------------------------------------------------------------------------

    void bind(Value* name, Symbolic value) { env_[name] = std::move(value); }

    const Symbolic& read(Value* name, const Node* reader) {
        const auto found = env_.find(name);
        if (found == env_.end()) throw Refusal{true, describe(reader) + ": reads a value that was never set"};
        return found->second;
    }

    /// The outermost block's names are forgotten after their last use, so that flattening needs no more memory than a
    /// plain run. Names in inner blocks are few.
    void note_last_uses(Block* top) {
        for (Node* node : top->nodes()) {
            note_uses(node, node);
            for (Value* output : node->outputs()) last_use_.try_emplace(output, node);
        }
    }
    void note_uses(Node* inner, Node* outer) {
        for (Value* input : inner->inputs()) last_use_[input] = outer;
        for (Block* block : inner->blocks()) {
            for (Node* node : block->nodes()) note_uses(node, outer);
            for (Value* output : block->outputs()) last_use_[output] = outer;
        }
    }
    void forget_after(Node* node, const std::vector<Value*>& candidates) {
        for (Value* name : candidates) {
            const auto found = last_use_.find(name);
            if (found != last_use_.end() && found->second == node && !is_graph_output(name)) env_.erase(name);
        }
    }
    static bool is_graph_output(Value* name) {
        return std::any_of(name->uses().begin(), name->uses().end(),
                           [](const auto& use) { return use.user->kind() == prim::Return; });
    }

    void share_memory(const CellPtr& cell) {
        if (!cell->tensor.defined() || !cell->tensor.has_storage()) return;
        auto& sharers = memory_[cell->tensor.storage().unsafeGetStorageImpl()];
        std::erase_if(sharers, [](const auto& weak) { return weak.expired(); });
        sharers.push_back(cell);
    }

    // --- control flow ----------------------------------------------------------------------------------------------

    void run_block(Block* block, int depth) {
        if (depth > depth_max) throw Refusal{true, "control flow is nested too deeply"};
        for (Node* node : block->nodes()) {
            if (++steps_ > steps_max)
                throw Refusal{true, describe(node) + ": more than " + std::to_string(steps_max) + " steps"};
            run_node(node, depth);
            if (depth == 0) {
                std::vector<Value*> names(node->inputs().begin(), node->inputs().end());
                forget_after(node, names);
            }
        }
    }

    void run_node(Node* node, int depth) {
        if (node->kind() == prim::Constant) return run_constant(node);
        if (node->kind() == prim::If) return run_if(node, depth);
        if (node->kind() == prim::Loop) return run_loop(node, depth);
        if (is_ignored(node)) return;
        refuse_by_kind(node);
        std::vector<Symbolic> inputs;
        for (Value* input : node->inputs()) inputs.push_back(read(input, node));
        std::vector<Symbolic> outputs;
        if (node->kind() == prim::unchecked_cast || node->kind() == aten::_unwrap_optional ||
            node->kind() == prim::unchecked_unwrap_optional)
            outputs = {inputs.at(0)};
        else if (is_idle_dropout(node, inputs))
            outputs = {inputs.at(0)};
        else if (!run_container_node(node, inputs, outputs))
            outputs = run_operator(node, inputs);
        for (size_t i = 0; i < node->outputs().size() && i < outputs.size(); ++i) bind(node->outputs()[i], outputs[i]);
    }

    static void refuse_by_kind(const Node* node) {
        if (node->kind() == prim::GetAttr || node->kind() == prim::SetAttr)
            throw Refusal{true, describe(node) + ": keeps state from one frame to the next"};
        if (node->kind() == prim::RaiseException)
            throw Refusal{false, describe(node) + ": raises an exception for this input"};
        if (!node->blocks().empty() || node->kind() == prim::CallMethod || node->kind() == prim::CallFunction)
            throw Refusal{true, describe(node) + ": not supported"};
    }

    void run_constant(Node* node) {
        const auto value = torch::jit::toIValue(node->output());
        if (!value) throw Refusal{true, describe(node) + ": a constant of an unknown type"};
        Symbolic made = symbolic(*value, {});
        std::vector<CellPtr> cells;
        collect_cells(made, cells);
        for (const CellPtr& cell : cells) {
            cell->from_file = true;
            share_memory(cell);
        }
        bind(node->output(), std::move(made));
    }

    c10::IValue decided(Value* name, Node* node) {
        const Symbolic& value = read(name, node);
        if (depends_on_frame(value))
            throw Refusal{true, describe(node) + ": the frame's content decides what is computed"};
        return concrete(value);
    }

    void run_if(Node* node, int depth) {
        Block* taken = node->blocks()[decided(node->input(), node).toBool() ? 0 : 1];
        run_block(taken, depth + 1);
        for (size_t i = 0; i < node->outputs().size(); ++i) bind(node->outputs()[i], read(taken->outputs()[i], node));
    }

    void run_loop(Node* node, int depth) {
        const int64_t trips = decided(node->inputs()[0], node).toInt();
        bool go_on = decided(node->inputs()[1], node).toBool();
        Block* body = node->blocks()[0];
        std::vector<Symbolic> carried;
        for (size_t i = 2; i < node->inputs().size(); ++i) carried.push_back(read(node->inputs()[i], node));
        for (int64_t trip = 0; trip < trips && go_on; ++trip) {
            if (++steps_ > steps_max) throw Refusal{true, describe(node) + ": loops too often"};
            bind(body->inputs()[0], c10::IValue(trip));
            for (size_t i = 0; i < carried.size(); ++i) bind(body->inputs()[i + 1], carried[i]);
            run_block(body, depth + 1);
            go_on = decided(body->outputs()[0], node).toBool();
            for (size_t i = 0; i < carried.size(); ++i) carried[i] = read(body->outputs()[i + 1], node);
        }
        for (size_t i = 0; i < carried.size(); ++i) bind(node->outputs()[i], carried[i]);
    }

    // --- operators -------------------------------------------------------------------------------------------------

    std::vector<Symbolic> run_operator(Node* node, const std::vector<Symbolic>& inputs) {
        std::vector<CellPtr> cells;
        for (const Symbolic& input : inputs) collect_cells(input, cells);
        for (const CellPtr& cell : cells)
            if (!cell->stale.empty())
                throw Refusal{true,
                              describe(node) + ": reads memory that " + cell->stale + " changes through another view"};
        const CellPtr written = written_cell(node, inputs);
        const bool moving = std::any_of(inputs.begin(), inputs.end(), depends_on_frame);
        if (!moving || (only_asks_for_shape(node) && !written)) return fold(node, inputs, cells, written);
        return record(node, inputs, cells, written);
    }

    /// The tensor that an in-place operator overwrites, if it does.
    static CellPtr written_cell(const Node* node, const std::vector<Symbolic>& inputs) {
        const c10::FunctionSchema* schema = node->maybeSchema();
        if (schema == nullptr) return nullptr;
        CellPtr written;
        for (size_t i = 0; i < schema->arguments().size() && i < inputs.size(); ++i) {
            const c10::AliasInfo* alias = schema->arguments()[i].alias_info();
            if (alias == nullptr || !alias->isWrite()) continue;
            const auto* cell = std::get_if<CellPtr>(&inputs[i]);
            if (cell == nullptr && !std::holds_alternative<c10::IValue>(inputs[i]))
                throw Refusal{true, describe(node) + ": alters a list of tensors in place, which is not supported"};
            if (cell == nullptr) continue;
            if (written || i != 0) throw Refusal{true, describe(node) + ": writes to more than its first argument"};
            if ((*cell)->from_file) throw Refusal{true, describe(node) + ": keeps state from one frame to the next"};
            written = *cell;
        }
        return written;
    }

    /// Nothing here depends on the pixels: compute it now, once.
    std::vector<Symbolic> fold(Node* node, const std::vector<Symbolic>& inputs, const std::vector<CellPtr>& cells,
                               const CellPtr& written) {
        if (node->isNondeterministic()) throw Refusal{true, describe(node) + ": its result is random"};
        torch::jit::Stack stack;
        for (const Symbolic& input : inputs) stack.push_back(concrete(input));
        execute(node, node, stack);
        std::vector<Symbolic> outputs;
        for (const c10::IValue& value : stack) {
            outputs.push_back(symbolic(value, cells));
            std::vector<CellPtr> made;
            collect_cells(outputs.back(), made);
            for (const CellPtr& cell : made) share_memory(cell);
        }
        if (written) written->constant = nullptr;
        return outputs;
    }

    static void execute(Node* op, const Node* author, torch::jit::Stack& stack) {
        try {
            if (op->maybeOperator() == nullptr) throw Refusal{true, describe(author) + ": an unknown operator"};
            op->getOperation()(stack);
        } catch (const Refusal&) {
            throw;
        } catch (const std::exception& error) {
            throw Refusal{false, describe(author) + ": " + first_line(error.what())};
        }
    }

    /// A functional operator of the same arguments, for an in-place one: relu_ -> relu.
    static c10::Symbol functional_kind(const Node* node) {
        std::string name = node->kind().toQualString();
        if (name.back() != '_')
            throw Refusal{true, describe(node) + ": writes to its argument, which is not supported"};
        name.pop_back();
        const auto kind = c10::Symbol::fromQualString(name);
        if (torch::jit::getAllOperatorsFor(kind).empty())
            throw Refusal{true, describe(node) + ": has no functional counterpart"};
        return kind;
    }

    /// Append the operator to the flat graph and run it there.
    std::vector<Symbolic> record(Node* node, const std::vector<Symbolic>& inputs, const std::vector<CellPtr>& cells,
                                 const CellPtr& written) {
        FlatOperator op;
        std::vector<Value*> arguments;
        for (const Symbolic& input : inputs) arguments.push_back(argument(input, op, node));
        Node* flat = model_.graph->create(written ? functional_kind(node) : node->kind(), arguments, 0);
        for (Value* output : node->outputs()) flat->addOutput()->setType(plain_type(output->type()));
        model_.graph->insertNode(flat);
        op.main = flat;
        op.nodes.push_back(flat);
        op.place = module_path(node);
        op.source = describe(node);
        if (flat->maybeOperator() == nullptr) throw Refusal{true, describe(node) + ": an unknown operator"};
        if (flat->isNondeterministic()) throw Refusal{true, describe(node) + ": its result is random"};
        torch::jit::Stack stack;
        for (const Symbolic& input : inputs) stack.push_back(concrete(input));
        execute(flat, node, stack);
        if (written) return replace(node, written, stack, op);
        return collect_outputs(node, cells, stack, op);
    }

    /// Tensor types carry nothing that was inferred for another graph.
    static c10::TypePtr plain_type(const c10::TypePtr& type) {
        if (type->kind() == c10::TypeKind::TensorType) return c10::TensorType::get();
        return type;
    }

    Value* argument(const Symbolic& value, FlatOperator& op, const Node* node) {
        Graph& graph = *model_.graph;
        if (const auto* plain = std::get_if<c10::IValue>(&value)) return graph.insertConstant(*plain);
        if (const auto* cell = std::get_if<CellPtr>(&value)) {
            if ((*cell)->flat != nullptr) {
                if (std::find(op.inputs.begin(), op.inputs.end(), (*cell)->flat) == op.inputs.end())
                    op.inputs.push_back((*cell)->flat);
                return (*cell)->flat;
            }
            if ((*cell)->constant == nullptr) {
                if (!(*cell)->tensor.defined()) return graph.insertConstant(c10::IValue());
                (*cell)->constant = graph.insertConstant((*cell)->tensor.detach());
            }
            return (*cell)->constant;
        }
        const Container& container = *std::get<ContainerPtr>(value);
        if (container.kind != Container::Kind::list)
            throw Refusal{true, describe(node) + ": takes a tuple or dictionary, which is not supported"};
        std::vector<Value*> items;
        for (const Symbolic& item : container.items) items.push_back(argument(item, op, node));
        Node* list = graph.create(prim::ListConstruct, items, 1);
        list->output()->setType(
            c10::ListType::create(plain_type(container.type->expectRef<c10::ListType>().getElementType())));
        graph.insertNode(list);
        op.nodes.push_back(list);
        return list->output();
    }

    /// An in-place operator's variable now holds the result; other views of the old memory must not be read again.
    std::vector<Symbolic> replace(const Node* node, const CellPtr& written, const torch::jit::Stack& stack,
                                  FlatOperator& op) {
        const at::Tensor made = stack.size() == 1 && stack[0].isTensor() ? stack[0].toTensor() : at::Tensor();
        if (!made.defined() || made.sizes() != written->tensor.sizes() ||
            made.scalar_type() != written->tensor.scalar_type())
            throw Refusal{true, describe(node) + ": its functional counterpart gives another type or shape"};
        mark_sharers_stale(*written, describe(node));
        check_bounds(made, node);
        written->tensor = made;
        written->flat = op.main->output();
        written->constant = nullptr;
        share_memory(written);
        add_flat_output(op, op.main->output(), made);
        model_.operators.push_back(std::move(op));
        return {written};
    }

    void mark_sharers_stale(const Cell& written, const std::string& writer) {
        if (!written.tensor.has_storage()) return;
        for (const auto& weak : memory_[written.tensor.storage().unsafeGetStorageImpl()]) {
            const CellPtr other = weak.lock();
            // The list is by address, and addresses are used again: ask whether they share memory now.
            if (other && other.get() != &written && other->tensor.is_alias_of(written.tensor)) other->stale = writer;
        }
    }

    std::vector<Symbolic> collect_outputs(const Node* node, const std::vector<CellPtr>& cells,
                                          const torch::jit::Stack& stack, FlatOperator& op) {
        // Dropout when not training, contiguous() of what is so already: the operator gives back its argument.
        if (stack.size() == 1 && stack[0].isTensor())
            for (const CellPtr& cell : cells)
                if (cell->tensor.is_same(stack[0].toTensor())) return {cell};
        std::vector<Symbolic> outputs;
        for (size_t i = 0; i < stack.size(); ++i) {
            if (stack[i].isTensor())
                outputs.push_back(moving_cell(stack[i].toTensor(), op.main->outputs()[i], op, node));
            else if (stack[i].isTensorList())
                outputs.push_back(unpacked_list(stack[i], op.main->outputs()[i], op, node));
            else if (stack[i].isNone())
                outputs.emplace_back(c10::IValue());
            else
                throw Refusal{true, describe(node) + ": turns the frame's content into a number that steers the model"};
        }
        model_.operators.push_back(std::move(op));
        return outputs;
    }

    CellPtr moving_cell(const at::Tensor& tensor, Value* flat, FlatOperator& op, const Node* node) {
        auto cell = std::make_shared<Cell>();
        cell->tensor = tensor;
        cell->flat = flat;
        if (!tensor.defined()) return cell;
        check_bounds(tensor, node);
        share_memory(cell);
        add_flat_output(op, flat, tensor);
        return cell;
    }

    ContainerPtr unpacked_list(const c10::IValue& tensors, Value* flat_list, FlatOperator& op, const Node* node) {
        const auto list = tensors.toTensorVector();
        Node* unpack = model_.graph->create(prim::ListUnpack, {flat_list}, list.size());
        model_.graph->insertNode(unpack);
        op.nodes.push_back(unpack);
        auto container = std::make_shared<Container>();
        container->type = c10::ListType::ofTensors();
        for (size_t i = 0; i < list.size(); ++i) {
            unpack->outputs()[i]->setType(c10::TensorType::get());
            container->items.emplace_back(moving_cell(list[i], unpack->outputs()[i], op, node));
        }
        return container;
    }

    static void add_flat_output(FlatOperator& op, Value* flat, const at::Tensor& tensor) {
        op.outputs.push_back(flat);
        op.samples.push_back(sample(tensor));
    }

    static void check_bounds(const at::Tensor& tensor, const Node* node) {
        if (tensor.dim() > static_cast<int64_t>(dims_max) || tensor.nbytes() > tensor_bytes_max)
            throw Refusal{true, describe(node) + ": makes a tensor of more than " + std::to_string(dims_max) +
                                    " dimensions or " + std::to_string(tensor_bytes_max >> 20) + " MiB"};
        if (tensor.layout() != at::kStrided || tensor.is_quantized() || tensor.is_complex())
            throw Refusal{true,
                          describe(node) + ": makes a sparse, quantised or complex tensor, which is not supported"};
    }

    // --- the end ---------------------------------------------------------------------------------------------------

    void add_output(const Symbolic& value) {
        if (const auto* container = std::get_if<ContainerPtr>(&value)) {
            for (const Symbolic& item : (*container)->items) add_output(item);
            return;
        }
        if (const auto* plain = std::get_if<c10::IValue>(&value); plain != nullptr && plain->isNone()) return;
        const auto* cell = std::get_if<CellPtr>(&value);
        if (cell == nullptr || (*cell)->flat == nullptr)
            throw Refusal{
                true, "output " + std::to_string(model_.outputs.size()) + " is not a tensor that depends on the frame"};
        if (!(*cell)->stale.empty())
            throw Refusal{true, "an output shares memory that " + (*cell)->stale + " changes through another view"};
        model_.outputs.push_back((*cell)->flat);
    }

    void drop_unused() {
        std::set<Value*> needed(model_.outputs.begin(), model_.outputs.end());
        std::vector<FlatOperator> kept;
        for (size_t i = model_.operators.size(); i-- > 0;) {
            FlatOperator& op = model_.operators[i];
            const bool used = std::any_of(op.outputs.begin(), op.outputs.end(),
                                          [&](Value* output) { return needed.count(output) != 0; });
            if (!used && i != 0) continue;  // the normalisation stays, so that layer 0 is always it
            needed.insert(op.inputs.begin(), op.inputs.end());
            kept.push_back(std::move(op));
        }
        std::reverse(kept.begin(), kept.end());
        model_.operators = std::move(kept);
    }

    const ModelCard& card_;
    FlatModel model_;
    std::unordered_map<Value*, Symbolic> env_;
    std::unordered_map<Value*, Node*> last_use_;  ///< in the outermost block
    std::unordered_map<c10::StorageImpl*, std::vector<std::weak_ptr<Cell>>> memory_;
    uint64_t steps_ = 0;
};

}  // namespace

Result<FlatModel> flatten(const std::shared_ptr<Graph>& frozen, const ModelCard& card, const at::Tensor& frame) {
    if (frozen->inputs().size() != 2 || frozen->inputs()[1]->type()->kind() != c10::TypeKind::TensorType)
        return unsupported("its forward() takes " + std::to_string(frozen->inputs().size() - 1) +
                           " arguments or no tensor; Eddy gives it one tensor [1, 3, height, width]");
    try {
        return Flattener(card).run(frozen, frame);
    } catch (const Refusal& refusal) {
        if (refusal.fits) return unsupported(refusal.message);
        return invalid("does not fit its input [1, 3, " + std::to_string(card.height) + ", " +
                       std::to_string(card.width) + "]: " + refusal.message);
    }
}

Status check_same(const FlatModel& one, const FlatModel& other) {
    const size_t count = std::min(one.operators.size(), other.operators.size());
    for (size_t i = 0; i < count; ++i) {
        const FlatOperator& a = one.operators[i];
        const FlatOperator& b = other.operators[i];
        bool same = a.main->kind() == b.main->kind() && a.samples.size() == b.samples.size();
        for (size_t o = 0; same && o < a.samples.size(); ++o)
            same = a.samples[o].sizes() == b.samples[o].sizes() &&
                   a.samples[o].scalar_type() == b.samples[o].scalar_type();
        if (!same) return unsupported(a.source + ": the shape of its result depends on the frame's content");
    }
    if (one.operators.size() != other.operators.size() || one.outputs.size() != other.outputs.size())
        return unsupported("what it computes depends on the frame's content");
    return success();
}

}  // namespace eddy::torch_exec
