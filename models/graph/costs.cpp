#include "models/graph/costs.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace eddy::graph {

namespace {

uint64_t elements(const std::vector<int64_t>& shape, size_t from = 0) {
    uint64_t count = 1;
    for (size_t i = from; i < shape.size(); ++i) count *= static_cast<uint64_t>(std::max<int64_t>(shape[i], 0));
    return count;
}

const std::vector<int64_t>* weight_shape(const Operator& op, std::string_view name) {
    for (const Parameter& weight : op.weights)
        if (weight.name == name) return &weight.shape;
    return nullptr;
}

template <size_t n>
bool one_of(std::string_view kind, const std::array<std::string_view, n>& names) {
    return std::find(names.begin(), names.end(), kind) != names.end();
}

struct Shapes {
    const Operator& op;
    std::span<const Value> values;

    [[nodiscard]] uint64_t output_elements() const {
        uint64_t count = 0;
        for (const ValueId id : op.outputs) count += elements(values[id.value].meta.shape);
        return count;
    }
    [[nodiscard]] const std::vector<int64_t>* input(size_t i) const {
        return i < op.inputs.size() ? &values[op.inputs[i].value].meta.shape : nullptr;
    }
    [[nodiscard]] uint64_t input_elements() const { return input(0) == nullptr ? 0 : elements(*input(0)); }
};

/// The length of the sums that a matrix product makes: the last extent of its left operand.
uint64_t inner_extent(const Shapes& s, std::string_view left_name) {
    if (const auto* left = weight_shape(s.op, left_name); left != nullptr && !left->empty())
        return static_cast<uint64_t>(left->back());
    // addmm and baddbmm take the summand first; where it is a weight, the left operand is the first tensor that flows.
    const bool summand_flows = s.op.inputs.size() == 3;
    const auto* left = s.input(summand_flows ? 1 : 0);
    return left == nullptr || left->empty() ? 1 : static_cast<uint64_t>(left->back());
}

uint64_t product_flops(const Shapes& s, std::string_view kind) {
    const uint64_t out = s.output_elements();
    if (kind == "aten::conv_transpose1d" || kind == "aten::conv_transpose2d" || kind == "aten::conv_transpose3d") {
        const auto* weight = weight_shape(s.op, "weight");
        return weight == nullptr ? out : 2 * s.input_elements() * elements(*weight, 1);
    }
    if (const auto* weight = weight_shape(s.op, "weight"); weight != nullptr) return 2 * out * elements(*weight, 1);
    const bool has_summand = kind == "aten::addmm" || kind == "aten::baddbmm";
    return 2 * out * inner_extent(s, has_summand ? "mat1" : "self");
}

/// One fused operator computes four projections and two products over the sequence.
uint64_t attention_flops(const Shapes& s) {
    const auto* query = s.input(0);
    if (query == nullptr || query->size() != 3) return s.output_elements();
    const auto batch = static_cast<uint64_t>((*query)[0]);
    const auto length = static_cast<uint64_t>((*query)[1]);
    const auto width = static_cast<uint64_t>((*query)[2]);
    return batch * (8 * length * width * width + 4 * length * length * width);
}

uint64_t pool_flops(const Operator& op, uint64_t out) {
    const auto kernel = op.attributes.find("kernel_size");
    if (kernel == op.attributes.end() || kernel->second.empty()) return out;
    uint64_t window = elements(kernel->second);
    if (kernel->second.size() == 1) window *= window;
    return out * window;
}

constexpr std::array<std::string_view, 13> products{"aten::conv1d",
                                                    "aten::conv2d",
                                                    "aten::conv3d",
                                                    "aten::_convolution",
                                                    "aten::conv_transpose1d",
                                                    "aten::conv_transpose2d",
                                                    "aten::conv_transpose3d",
                                                    "aten::linear",
                                                    "aten::matmul",
                                                    "aten::mm",
                                                    "aten::bmm",
                                                    "aten::addmm",
                                                    "aten::baddbmm"};

constexpr std::array<std::string_view, 22> fused{
    "aten::batch_norm", "aten::relu", "aten::relu6", "aten::hardtanh",   "aten::hardswish", "aten::hardsigmoid",
    "aten::sigmoid",    "aten::silu", "aten::gelu",  "aten::leaky_relu", "aten::elu",       "aten::tanh",
    "aten::clamp",      "aten::add",  "aten::sub",   "aten::mul",        "aten::div",       "aten::rsub",
    "aten::clamp_min",  "aten::mish", "aten::prelu", "aten::threshold"};

constexpr std::array<std::string_view, 27> moves{"aten::view",
                                                 "aten::reshape",
                                                 "aten::flatten",
                                                 "aten::permute",
                                                 "aten::transpose",
                                                 "aten::contiguous",
                                                 "aten::cat",
                                                 "aten::slice",
                                                 "aten::select",
                                                 "aten::chunk",
                                                 "aten::split",
                                                 "aten::unsqueeze",
                                                 "aten::squeeze",
                                                 "aten::expand",
                                                 "aten::stack",
                                                 "aten::to",
                                                 "aten::unbind",
                                                 "aten::narrow",
                                                 "aten::t",
                                                 "aten::clone",
                                                 "aten::expand_as",
                                                 "aten::constant_pad_nd",
                                                 "aten::pad",
                                                 "aten::roll",
                                                 "aten::split_with_sizes",
                                                 "aten::unflatten",
                                                 "aten::movedim"};

}  // namespace

uint64_t count_flops(const Operator& op, std::span<const Value> values) {
    const Shapes s{op, values};
    const std::string_view kind = op.kind;
    const uint64_t out = s.output_elements();
    if (moves_data_only(op)) return 0;
    if (one_of(kind, products)) return product_flops(s, kind);
    if (kind == "aten::_native_multi_head_attention") return attention_flops(s);
    if (kind == "eddy::normalise" || kind == "aten::batch_norm") return 2 * out;
    if (kind == "aten::layer_norm" || kind == "aten::group_norm" || kind == "aten::softmax") return 5 * out;
    if (kind == "aten::max_pool2d" || kind == "aten::avg_pool2d") return pool_flops(op, out);
    if (kind == "aten::adaptive_avg_pool2d" || kind == "aten::mean" || kind == "aten::sum") return s.input_elements();
    if (kind == "aten::upsample_bilinear2d") return 8 * out;
    return out;
}

bool fuses_with_producer(const Operator& op) { return one_of(op.kind, fused); }

bool moves_data_only(const Operator& op) { return one_of(op.kind, moves); }

}  // namespace eddy::graph
