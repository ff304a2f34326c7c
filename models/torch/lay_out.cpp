#include "models/torch/lay_out.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/runtime/custom_operator.h>

#include "models/torch/convolution.hpp"

namespace eddy::torch_exec {

namespace {

using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

c10::Symbol named(const char* name) { return c10::Symbol::fromQualString(name); }
bool is(const Node* node, std::string_view name) { return std::string_view(node->kind().toQualString()) == name; }

c10::Symbol convolution_attribute() { return c10::Symbol::attr("convolution"); }
c10::Symbol in_place_attribute() { return c10::Symbol::attr("in_place"); }

// --- what a node says
// -------------------------------------------------------------------------------------------------

/// A constant argument by the schema's name.
c10::optional<c10::IValue> constant(const Node* node, const char* name) {
    const auto& arguments = node->schema().arguments();
    for (size_t i = 0; i < arguments.size() && i < node->inputs().size(); ++i)
        if (arguments[i].name() == name) return torch::jit::toIValue(node->inputs()[i]);
    return c10::nullopt;
}

/// One number stands for rows and columns.
std::optional<std::array<int64_t, 2>> pair(const Node* node, const char* name) {
    const auto value = constant(node, name);
    if (!value || !value->isIntList()) return std::nullopt;
    const std::vector<int64_t> numbers = value->toIntVector();
    if (numbers.empty() || numbers.size() > 2) return std::nullopt;
    return std::array{numbers.front(), numbers.back()};
}

bool is_convolution(const Node* node) {
    if (is(node, "aten::conv2d")) return true;
    if (!is(node, "aten::_convolution") && !is(node, "aten::convolution")) return false;
    const auto transposed = constant(node, "transposed");
    return transposed && transposed->isBool() && !transposed->toBool();
}

std::optional<Activation> activation_of(const Node* node) {
    if (is_relu6(node)) return Activation::relu6;
    if (is(node, "aten::relu")) return Activation::relu;
    if (is(node, "aten::hardswish")) return Activation::hardswish;
    if (is(node, "aten::silu")) return Activation::silu;
    return std::nullopt;
}

Node* only_user(const Value* value) { return value->uses().size() == 1 ? value->uses().front().user : nullptr; }

/// Rows that are cut out of a tensor, between rows of zeros.
struct Cut {
    int64_t first = 0;
    int64_t count = 0;
    int64_t above = 0;
    int64_t below = 0;
};
std::optional<Cut> cut_of(const Node* node) {
    if (!is(node, "eddy::take_rows")) return std::nullopt;
    std::array<int64_t, 4> numbers{};
    for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = torch::jit::toIValue(node->inputs()[i + 1])->toInt();
    return Cut{numbers[0], numbers[1], numbers[2], numbers[3]};
}

// --- convolutions
// -----------------------------------------------------------------------------------------------------

/// One convolution with what it takes along.
struct Taken {
    Value* input = nullptr;
    std::optional<Cut> cut;  ///< of the input
    at::Tensor weight;
    at::Tensor bias;
    ConvolutionShape shape;
    Node* last = nullptr;     ///< whose result it makes
    Value* addend = nullptr;  ///< of a sum
};

bool read_arguments(Node* node, Taken& taken) {
    if (!is_convolution(node) || !node->hasAttribute(input_shape_note())) return false;
    const std::vector<int64_t>& input = node->is(input_shape_note());
    const auto weight = torch::jit::toIValue(node->inputs()[1]);
    const auto bias = torch::jit::toIValue(node->inputs()[2]);
    const auto stride = pair(node, "stride");
    const auto padding = pair(node, "padding");
    const auto dilation = pair(node, "dilation");
    const auto groups = constant(node, "groups");
    if (input.size() != 4 || !weight || !weight->isTensor() || !bias || !stride || !padding || !dilation || !groups)
        return false;
    taken.weight = weight->toTensor();
    if (bias->isTensor()) taken.bias = bias->toTensor();
    if (taken.weight.dim() != 4 || taken.weight.scalar_type() != at::kFloat || taken.weight.is_mkldnn()) return false;
    if (taken.bias.defined() && (taken.bias.scalar_type() != at::kFloat || !taken.bias.is_contiguous())) return false;
    const auto out = taken.weight.sizes();
    taken.shape = {input[0],  input[1], input[2], input[3],        out[0], {out[2], out[3]}, *stride,
                   *dilation, *padding, *padding, groups->toInt(), false,  Activation::none};
    taken.input = node->inputs()[0];
    return true;
}

/// Rows of zeros become padding.
void take_cut(Taken& taken) {
    taken.cut = cut_of(taken.input->node());
    if (!taken.cut) return;
    taken.input = taken.input->node()->inputs()[0];
    taken.shape.rows = taken.cut->count;
    taken.shape.before[0] += taken.cut->above;
    taken.shape.behind[0] += taken.cut->below;
}

bool is_plain_sum(const Node* node) {
    if (!is(node, "aten::add") || !node->hasAttribute(same_shapes_note())) return false;
    const auto alpha = constant(node, "alpha");
    return alpha && alpha->isScalar() && alpha->toScalar().toDouble() == 1 && node->inputs()[0] != node->inputs()[1];
}

void take_followers(Node* node, Taken& taken) {
    taken.last = node;
    if (Node* sum = only_user(node->output()); sum != nullptr && is_plain_sum(sum)) {
        taken.addend = sum->inputs()[sum->inputs()[0] == node->output() ? 1 : 0];
        taken.shape.adds = true;
        taken.last = sum;
    }
    if (const Node* user = only_user(taken.last->output()))
        if (const auto activation = activation_of(user)) {
            taken.shape.activation = *activation;
            taken.last = only_user(taken.last->output());
        }
}

Value* view_rows(Graph& graph, Value* tensor, const Cut& cut, Node* before) {
    const torch::jit::WithInsertPoint here(before);
    Value* first = graph.insertConstant(c10::IValue(cut.first));
    Value* count = graph.insertConstant(c10::IValue(cut.count));
    return graph.insertNode(graph.create(named("eddy::rows"), {tensor, first, count}, 1))->output();
}

void replace_convolution(Graph& graph, Node* node) {
    Taken taken;
    if (!read_arguments(node, taken)) return;
    take_cut(taken);
    take_followers(node, taken);
    const auto convolution = Convolution::make(taken.shape);
    if (!convolution) return;
    if (taken.cut) taken.input = view_rows(graph, taken.input, *taken.cut, node);
    std::vector<Value*> inputs{taken.input};
    if (taken.addend != nullptr) inputs.push_back(taken.addend);
    Node* made = graph.create(named("eddy::convolution"), inputs, 1);
    made->copyMetadata(node);
    made->t_(c10::attr::value, convolution->pack(taken.weight));
    if (taken.bias.defined()) made->t_(packed_bias(), taken.bias);
    made->ival_(convolution_attribute(), c10::IValue::make_capsule(convolution));
    made->insertBefore(taken.last);
    taken.last->output()->replaceAllUsesWith(made->output());
}

/// What is left of cuts without zeros becomes a view, too.
void view_cuts(Graph& graph) {
    for (Node* node : graph.nodes())
        if (const auto cut = cut_of(node); cut && cut->above == 0 && cut->below == 0)
            node->output()->replaceAllUsesWith(view_rows(graph, node->inputs()[0], *cut, node));
}

// --- layouts
// ----------------------------------------------------------------------------------------------------------

/// Takes tensors in any layout at full speed, and gives what is like them.
bool keeps_layout(const Node* node) {
    static const std::unordered_set<std::string_view> names{"aten::relu",
                                                            "aten::relu6",
                                                            "aten::hardtanh",
                                                            "aten::hardswish",
                                                            "aten::hardsigmoid",
                                                            "aten::sigmoid",
                                                            "aten::silu",
                                                            "aten::tanh",
                                                            "aten::leaky_relu",
                                                            "aten::clamp",
                                                            "aten::add",
                                                            "aten::sub",
                                                            "aten::mul",
                                                            "aten::div",
                                                            "aten::cat",
                                                            "aten::max_pool2d",
                                                            "aten::avg_pool2d",
                                                            "aten::batch_norm",
                                                            "aten::dropout",
                                                            "aten::adaptive_avg_pool2d",
                                                            "eddy::rows",
                                                            "eddy::take_rows",
                                                            "eddy::convolution",
                                                            "aten::constant_pad_nd",
                                                            "aten::upsample_nearest2d",
                                                            "aten::upsample_bilinear2d"};
    if (node->kind() == c10::prim::ListConstruct)
        return std::all_of(node->output()->uses().begin(), node->output()->uses().end(),
                           [](const auto& use) { return is(use.user, "aten::cat"); });
    return names.count(node->kind().toQualString()) != 0;
}

class Layouts {
public:
    explicit Layouts(Graph& graph) : graph_(graph) {}

    void run() {
        for (Value* input : graph_.inputs())
            if (reaches_convolution(input)) lay_out(input);
        for (Node* node : graph_.nodes()) {
            const bool any = std::any_of(node->inputs().begin(), node->inputs().end(),
                                         [&](const Value* input) { return laid_out_.count(input) != 0; });
            if (is(node, "eddy::convolution") || (any && keeps_layout(node)))
                laid_out_.insert(node->output());
            else if (any && node->kind() != c10::prim::Return)
                make_plain(node);
        }
        // From another unit a tensor may come in either layout.
        for (Value* input : graph_.inputs()) make_plain(input);
    }

private:
    static bool reaches_convolution(const Value* value) {
        return std::any_of(value->uses().begin(), value->uses().end(), [](const auto& use) {
            if (is(use.user, "eddy::convolution")) return true;
            return use.user->kind() != c10::prim::Return && keeps_layout(use.user) &&
                   reaches_convolution(use.user->output());
        });
    }

    Node* first() { return *graph_.nodes().begin(); }

    void lay_out(Value* input) {
        Node* laid = graph_.create(named("eddy::channels_last"), {input}, 1)->insertBefore(first());
        const auto uses = input->uses();
        for (const auto& use : uses)
            if (use.user != laid && use.user->kind() != c10::prim::Return && keeps_layout(use.user))
                use.user->replaceInput(use.offset, laid->output());
        laid_out_.insert(laid->output());
    }

    Value* plain(Value* value, Node* before) {
        Value*& made = plain_[value];
        if (made == nullptr)
            made = graph_.create(named("eddy::channels_first"), {value}, 1)->insertBefore(before)->output();
        return made;
    }

    void make_plain(Node* node) {
        for (size_t i = 0; i < node->inputs().size(); ++i)
            if (Value* input = node->inputs()[i]; laid_out_.count(input) != 0)
                node->replaceInput(i, plain(input, node));
    }

    void make_plain(Value* input) {
        const auto uses = input->uses();
        for (const auto& use : uses)
            if (use.user->kind() != c10::prim::Return && !keeps_layout(use.user) &&
                !is(use.user, "eddy::channels_last") && !is(use.user, "eddy::channels_first"))
                use.user->replaceInput(use.offset, plain(input, first()));
    }

    Graph& graph_;
    std::unordered_set<const Value*> laid_out_;  ///< channels-last
    std::unordered_map<Value*, Value*> plain_;
};

// --- sums in place
// ----------------------------------------------------------------------------------------------------

/// Does it give memory of its own? (Dropout that is idle does not.)
bool makes_anew(const Node* node) {
    return keeps_layout(node) && !is(node, "eddy::rows") && !is(node, "aten::dropout") &&
           node->kind() != c10::prim::ListConstruct;
}

/// Is nothing of this memory read after the node?
bool is_spent(const Value* value, const Node* node) {
    return std::all_of(value->uses().begin(), value->uses().end(), [&](const auto& use) {
        if (use.user == node) return true;
        if (use.user->kind() == c10::prim::Return || !use.user->isBefore(node)) return false;
        const bool passes_on = is(use.user, "eddy::rows") || use.user->kind() == c10::prim::ListConstruct;
        return passes_on ? is_spent(use.user->output(), node) : makes_anew(use.user);
    });
}

const Value* memory_of(const Value* value) {
    while (is(value->node(), "eddy::rows")) value = value->node()->inputs()[0];
    return value;
}

/// Only what a convolution made, as inputs belong to others; and not what it reads itself.
bool may_add_in_place(const Node* node) {
    const Value* sum = memory_of(node->inputs()[1]);
    return is(sum->node(), "eddy::convolution") && sum != memory_of(node->inputs()[0]) && is_spent(sum, node);
}

// --- running
// ----------------------------------------------------------------------------------------------------------

/// A tensor that may be written to, channels-last and dense.
at::Tensor copy_of(const at::Tensor& tensor) {
    at::Tensor copy = at::empty(tensor.sizes(), tensor.options().memory_format(at::MemoryFormat::ChannelsLast));
    return copy.copy_(tensor);
}

torch::jit::Operation convolution_of(const Node* node) {
    const auto held = node->ival(convolution_attribute()).toCapsule();
    const bool adds = node->inputs().size() == 2;
    const bool in_place = node->hasAttribute(in_place_attribute());
    const at::Tensor bias = node->hasAttribute(packed_bias()) ? node->t(packed_bias()) : at::Tensor();
    return [=, packed = node->t(c10::attr::value)](torch::jit::Stack& stack) {
        at::Tensor sum;
        if (adds) sum = torch::jit::pop(stack).toTensor();
        const at::Tensor input = torch::jit::pop(stack).toTensor();
        if (adds && (!in_place || !sum.is_contiguous(at::MemoryFormat::ChannelsLast))) sum = copy_of(sum);
        torch::jit::push(stack, static_cast<const Convolution&>(*held).run(input, packed, bias, sum));
    };
}

}  // namespace

c10::Symbol packed_bias() { return c10::Symbol::attr("bias"); }
c10::Symbol input_shape_note() { return c10::Symbol::attr("eddy_input_shape"); }
c10::Symbol same_shapes_note() { return c10::Symbol::attr("eddy_same_shapes"); }

bool is_relu6(const Node* node) {
    if (is(node, "aten::relu6")) return true;
    if (node->kind() != c10::aten::hardtanh || node->inputs().size() != 3) return false;
    const auto low = torch::jit::toIValue(node->inputs()[1]);
    const auto high = torch::jit::toIValue(node->inputs()[2]);
    return low && high && low->isScalar() && high->isScalar() && low->toScalar().toDouble() == 0 &&
           high->toScalar().toDouble() == 6;
}

void lay_out_convolutions(Graph& graph) {
    std::vector<Node*> nodes(graph.nodes().begin(), graph.nodes().end());
    for (Node* node : nodes) replace_convolution(graph, node);
    torch::jit::EliminateDeadCode(graph.block());
    view_cuts(graph);
    torch::jit::EliminateDeadCode(graph.block());
    Layouts(graph).run();
    for (Node* node : graph.nodes())
        if (is(node, "eddy::convolution") && node->inputs().size() == 2 && may_add_in_place(node))
            node->i_(in_place_attribute(), 1);
}

void register_convolutions() {
    static const torch::jit::RegisterOperators once(
        {torch::jit::Operator(named("eddy::convolution"), &convolution_of, c10::AliasAnalysisKind::CONSERVATIVE)});
}

}  // namespace eddy::torch_exec
