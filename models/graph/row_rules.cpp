#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>
#include <string_view>

#include "models/graph/rows.hpp"

namespace eddy::graph {

namespace {

using Kind = RowRule::Kind;
using Shape = std::vector<int64_t>;

/// [1, C, H, W]; nothing of it is empty.
struct Image {
    int64_t channels = 0;
    int64_t rows = 0;
    int64_t columns = 0;
    friend bool operator==(const Image&, const Image&) = default;
};

bool is_extent(int64_t extent) { return extent >= 1 && extent <= extent_max; }

std::optional<Image> image_of(const Shape& shape) {
    if (shape.size() != 4 || shape[0] != 1) return std::nullopt;
    if (!std::all_of(shape.begin(), shape.end(), is_extent)) return std::nullopt;
    return Image{shape[1], shape[2], shape[3]};
}

bool is_frame(const Value& value) {
    const Shape& shape = value.meta.shape;
    return value.meta.dtype == DType::u8 && shape.size() == 3 && is_extent(shape[0]) && is_extent(shape[1]) &&
           shape[2] == 3;
}

// --- what a rule is read off ---------------------------------------------------------------------------------------

/// An operator and the shapes around it.
struct Subject {
    const ModelGraph& graph;
    const Operator& op;

    [[nodiscard]] const Shape& input(size_t i) const { return graph.value(op.inputs[i]).meta.shape; }
    [[nodiscard]] const Shape& output(size_t i) const { return graph.value(op.outputs[i]).meta.shape; }

    [[nodiscard]] const std::vector<int64_t>* numbers(const char* name) const {
        const auto found = op.attributes.find(name);
        return found == op.attributes.end() ? nullptr : &found->second;
    }
    /// Of an attribute that is one number, or one for rows and one for columns: the rows', if it is at least `least`.
    [[nodiscard]] std::optional<int64_t> along_rows(const char* name, int64_t least) const {
        const auto* list = numbers(name);
        if (list == nullptr || list->empty() || list->size() > 2) return std::nullopt;
        if (list->front() < least || list->front() > extent_max) return std::nullopt;
        return list->front();
    }
    [[nodiscard]] std::optional<bool> flag(const char* name) const {
        const auto* list = numbers(name);
        if (list == nullptr || list->size() != 1 || list->front() < 0 || list->front() > 1) return std::nullopt;
        return list->front() == 1;
    }
    /// 0 … 3: the axis of an image that an attribute names.
    [[nodiscard]] std::optional<int64_t> axis(const char* name) const {
        const auto* list = numbers(name);
        if (list == nullptr || list->size() != 1 || list->front() < -4 || list->front() > 3) return std::nullopt;
        return (list->front() + 4) % 4;
    }
    /// No weight but of these arguments: so what flows is none of these, and there is no second image.
    [[nodiscard]] bool weights_are(std::initializer_list<std::string_view> names) const {
        return std::all_of(op.weights.begin(), op.weights.end(), [&](const Parameter& weight) {
            return std::find(names.begin(), names.end(), weight.name) != names.end();
        });
    }
};

struct Images {
    Image in;
    Image out;
};

/// One image comes in, one goes out.
std::optional<Images> one_to_one(const Subject& s) {
    if (s.op.inputs.size() != 1 || s.op.outputs.size() != 1) return std::nullopt;
    const auto in = image_of(s.input(0));
    const auto out = image_of(s.output(0));
    if (!in || !out) return std::nullopt;
    return Images{*in, *out};
}

RowRule rule_of(Kind kind, int64_t input_rows, int64_t output_rows) {
    RowRule rule;
    rule.kind = kind;
    rule.inputs = {{input_rows, false}};
    rule.output_rows = output_rows;
    return rule;
}

RowRule whole(const Subject& s) {
    RowRule rule;
    for (const ValueId id : s.op.inputs) rule.inputs.push_back({row_count(s.graph.value(id)), true});
    if (!s.op.outputs.empty()) rule.output_rows = row_count(s.graph.value(s.op.outputs.front()));
    return rule;
}

// --- rules by kind of operator; nothing means whole ------------------------------------------------------------------

std::optional<RowRule> normalisation(const Subject& s) {
    if (s.op.inputs.size() != 1 || s.op.outputs.size() != 1) return std::nullopt;
    const Value& frame = s.graph.value(s.op.inputs[0]);
    const Shape& shape = frame.meta.shape;
    if (!is_frame(frame) || s.output(0) != Shape{1, 3, shape[0], shape[1]}) return std::nullopt;
    return rule_of(Kind::window, shape[0], shape[0]);
}

/// Can a tensor of this shape be broadcast to the image, and how many rows has it, counted from its last axis?
std::optional<int64_t> broadcast_rows(const Shape& shape, const Image& to) {
    const std::array<int64_t, 4> wanted{1, to.channels, to.rows, to.columns};
    if (shape.size() > wanted.size()) return std::nullopt;
    for (size_t i = 0; i < shape.size(); ++i)
        if (shape[shape.size() - 1 - i] != 1 && shape[shape.size() - 1 - i] != wanted[wanted.size() - 1 - i])
            return std::nullopt;
    return shape.size() < 2 ? 1 : shape[shape.size() - 2];
}

/// Element by element, operands broadcast. Only what flows as an image may have more than one row: nobody takes apart
/// weights, or what has fewer axes.
std::optional<RowRule> pointwise(const Subject& s) {
    if (s.op.inputs.empty() || s.op.outputs.size() != 1) return std::nullopt;
    const auto out = image_of(s.output(0));
    if (!out) return std::nullopt;
    RowRule rule = rule_of(Kind::window, 0, out->rows);
    rule.inputs.clear();
    for (size_t i = 0; i < s.op.inputs.size(); ++i) {
        const auto rows = broadcast_rows(s.input(i), *out);
        if (!rows || *rows != row_count(s.graph.value(s.op.inputs[i]))) return std::nullopt;
        rule.inputs.push_back({*rows, *rows != out->rows});
    }
    for (const Parameter& weight : s.op.weights)
        if (broadcast_rows(weight.shape, *out) != 1) return std::nullopt;
    return rule;
}

/// The same for every element, or by channel.
std::optional<RowRule> same_shape(const Subject& s) {
    const auto images = one_to_one(s);
    if (!images || images->in != images->out) return std::nullopt;
    return rule_of(Kind::window, images->in.rows, images->out.rows);
}

std::optional<RowRule> batch_norm(const Subject& s) {
    if (s.flag("training") != false || !s.weights_are({"weight", "bias", "running_mean", "running_var"}))
        return std::nullopt;
    return same_shape(s);
}

std::optional<RowRule> prelu(const Subject& s) { return s.weights_are({"weight"}) ? same_shape(s) : std::nullopt; }

std::optional<RowRule> softmax(const Subject& s) {
    const auto axis = s.axis("dim");
    return !axis || *axis == 2 || !s.weights_are({}) ? std::nullopt : same_shape(s);
}

/// Concatenation and its inverses, of channels or columns.
std::optional<RowRule> across_rows(const Subject& s) {
    const auto axis = s.axis("dim");
    if ((axis != 1 && axis != 3) || s.op.inputs.empty() || s.op.outputs.empty() || !s.weights_are({}))
        return std::nullopt;
    const auto first = image_of(s.output(0));
    if (!first) return std::nullopt;
    RowRule rule = rule_of(Kind::window, 0, first->rows);
    rule.inputs.clear();
    const auto fits = [&](const Shape& shape) {
        const auto image = image_of(shape);
        return image && image->rows == first->rows;
    };
    for (size_t i = 0; i < s.op.inputs.size(); ++i) {
        if (!fits(s.input(i))) return std::nullopt;
        rule.inputs.push_back({first->rows, false});
    }
    for (size_t i = 0; i < s.op.outputs.size(); ++i)
        if (!fits(s.output(i))) return std::nullopt;
    return rule;
}

std::optional<RowRule> concatenation(const Subject& s) {
    return s.op.outputs.size() == 1 ? across_rows(s) : std::nullopt;
}

std::optional<RowRule> division(const Subject& s) { return s.op.inputs.size() == 1 ? across_rows(s) : std::nullopt; }

std::optional<RowRule> windows(const Subject& s, bool transposed) {
    const auto images = one_to_one(s);
    const auto stride = s.along_rows("stride", 1);
    const auto padding = s.along_rows("padding", 0);
    const auto dilation = s.along_rows("dilation", 1);
    if (!images || !stride || !padding || !dilation || !s.weights_are({"weight", "bias"})) return std::nullopt;
    const auto weight = std::find_if(s.op.weights.begin(), s.op.weights.end(),
                                     [](const Parameter& each) { return each.name == "weight"; });
    if (weight == s.op.weights.end() || weight->shape.size() != 4 || !is_extent(weight->shape[2])) return std::nullopt;
    RowRule rule = rule_of(transposed ? Kind::transposed : Kind::window, images->in.rows, images->out.rows);
    rule.kernel = weight->shape[2];
    rule.stride = *stride;
    rule.dilation = *dilation;
    rule.padding_above = rule.padding_below = *padding;
    const int64_t reach = rule.dilation * (rule.kernel - 1);
    if (transposed) {
        const auto more = s.along_rows("output_padding", 0);
        const int64_t made = (images->in.rows - 1) * rule.stride - 2 * rule.padding_above + reach + 1;
        if (!more || made + *more != images->out.rows) return std::nullopt;
        return rule;
    }
    const int64_t slack = images->in.rows + 2 * rule.padding_above - reach - 1;
    if (slack < 0 || slack / rule.stride + 1 != images->out.rows) return std::nullopt;
    return rule;
}

std::optional<RowRule> convolution(const Subject& s) { return windows(s, false); }
std::optional<RowRule> transposed_convolution(const Subject& s) { return windows(s, true); }
std::optional<RowRule> either_convolution(const Subject& s) {
    const auto transposed = s.flag("transposed");
    return transposed ? windows(s, *transposed) : std::nullopt;
}

/// `dilation`: nothing if it is missing.
std::optional<RowRule> pool(const Subject& s, std::optional<int64_t> dilation) {
    const auto images = one_to_one(s);
    const auto kernel = s.along_rows("kernel_size", 1);
    const auto padding = s.along_rows("padding", 0);
    const auto ceil_mode = s.flag("ceil_mode");
    const auto* strides = s.numbers("stride");
    if (!images || !kernel || !padding || !ceil_mode || !dilation || strides == nullptr) return std::nullopt;
    const auto stride = strides->empty() ? kernel : s.along_rows("stride", 1);
    if (!stride || *padding > *kernel / 2 || !s.weights_are({})) return std::nullopt;
    RowRule rule = rule_of(Kind::window, images->in.rows, images->out.rows);
    rule.kernel = *kernel;
    rule.stride = *stride;
    rule.dilation = *dilation;
    rule.padding_above = rule.padding_below = *padding;
    const int64_t slack = images->in.rows + 2 * *padding - *dilation * (*kernel - 1) - 1;
    const int64_t steps = slack + (*ceil_mode ? *stride - 1 : 0);
    if (steps < 0) return std::nullopt;
    int64_t rows = steps / *stride + 1;
    // A window must start inside the input or the padding above it.
    if (*ceil_mode && (rows - 1) * *stride >= images->in.rows + *padding) --rows;
    if (rows != images->out.rows) return std::nullopt;
    return rule;
}

std::optional<RowRule> max_pool(const Subject& s) { return pool(s, s.along_rows("dilation", 1)); }

RowRule reduction_of(int64_t input_rows) {
    RowRule rule = rule_of(Kind::reduction, input_rows, 1);
    rule.inputs.front().whole = true;
    return rule;
}

std::optional<RowRule> avg_pool(const Subject& s) {
    auto rule = pool(s, 1);
    if (!rule) return rule;
    const int64_t rows = rule->inputs.front().rows;
    const bool global = rule->output_rows == 1 && rule->kernel == rows && rule->padding_above == 0;
    return global ? reduction_of(rows) : rule;
}

std::optional<RowRule> adaptive_avg_pool(const Subject& s) {
    const auto images = one_to_one(s);
    const auto* size = s.numbers("output_size");
    if (!images || size == nullptr || images->in.channels != images->out.channels) return std::nullopt;
    if (*size != Shape{images->out.rows, images->out.columns}) return std::nullopt;
    if (images->out.rows == 1) return reduction_of(images->in.rows);
    return rule_of(Kind::bins, images->in.rows, images->out.rows);
}

/// Mean or sum over H, or over H and W.
std::optional<RowRule> reduction(const Subject& s) {
    const auto* axes = s.numbers("dim");
    const auto keep = s.flag("keepdim");
    if (axes == nullptr || !keep || s.numbers("dtype") != nullptr) return std::nullopt;
    if (s.op.inputs.size() != 1 || s.op.outputs.size() != 1) return std::nullopt;
    const auto in = image_of(s.input(0));
    if (!in) return std::nullopt;
    std::array<bool, 4> summed{};
    for (const int64_t axis : *axes) {
        if (axis < -4 || axis > 3) return std::nullopt;
        summed[static_cast<size_t>((axis + 4) % 4)] = true;
    }
    if (!summed[2] || summed[0] || summed[1]) return std::nullopt;
    Shape left;
    for (size_t axis = 0; axis < summed.size(); ++axis) {
        if (!summed[axis]) left.push_back(s.input(0)[axis]);
        if (summed[axis] && *keep) left.push_back(1);
    }
    if (s.output(0) != left) return std::nullopt;
    return reduction_of(in->rows);
}

std::optional<RowRule> interpolation(const Subject& s, Kind kind) {
    const auto images = one_to_one(s);
    if (!images || images->in.channels != images->out.channels) return std::nullopt;
    if (std::max(images->in.rows, images->out.rows) > interpolated_rows_max) return std::nullopt;
    const auto* size = s.numbers("output_size");
    if (size != nullptr && *size != Shape{images->out.rows, images->out.columns}) return std::nullopt;
    return rule_of(kind, images->in.rows, images->out.rows);
}

std::optional<RowRule> nearest(const Subject& s) { return interpolation(s, Kind::nearest); }
std::optional<RowRule> bilinear(const Subject& s) {
    const auto corners = s.flag("align_corners");
    return corners ? interpolation(s, *corners ? Kind::bilinear_corners : Kind::bilinear) : std::nullopt;
}

std::optional<RowRule> constant_pad(const Subject& s) {
    const auto images = one_to_one(s);
    const auto* pad = s.numbers("pad");
    // From the last axis on, two numbers an axis; padding the batch axis would make rows of nothing but padding.
    if (!images || pad == nullptr || pad->size() % 2 != 0 || pad->size() > 6) return std::nullopt;
    RowRule rule = rule_of(Kind::window, images->in.rows, images->out.rows);
    if (pad->size() >= 4) {
        rule.padding_above = (*pad)[2];
        rule.padding_below = (*pad)[3];
    }
    for (const int64_t rows : {rule.padding_above, rule.padding_below})
        if (rows < -extent_max || rows > extent_max) return std::nullopt;
    if (images->in.rows + rule.padding_above + rule.padding_below != images->out.rows) return std::nullopt;
    return rule;
}

struct Derivation {
    std::string_view kind;
    std::optional<RowRule> (*rule)(const Subject&);
};

constexpr auto derivations = std::to_array<Derivation>({
    {"eddy::normalise", normalisation},
    {"aten::conv2d", convolution},
    {"aten::conv_transpose2d", transposed_convolution},
    {"aten::convolution", either_convolution},
    {"aten::_convolution", either_convolution},
    {"aten::max_pool2d", max_pool},
    {"aten::avg_pool2d", avg_pool},
    {"aten::adaptive_avg_pool2d", adaptive_avg_pool},
    {"aten::mean", reduction},
    {"aten::sum", reduction},
    {"aten::batch_norm", batch_norm},
    {"aten::prelu", prelu},
    {"aten::softmax", softmax},
    {"aten::log_softmax", softmax},
    {"aten::cat", concatenation},
    {"aten::slice", division},
    {"aten::narrow", division},
    {"aten::chunk", division},
    {"aten::split", division},
    {"aten::split_with_sizes", division},
    {"aten::upsample_nearest2d", nearest},
    {"aten::upsample_bilinear2d", bilinear},
    {"aten::constant_pad_nd", constant_pad},
});

constexpr auto pointwise_kinds = std::to_array<std::string_view>(
    {"aten::add",         "aten::sub",         "aten::rsub",     "aten::mul",        "aten::div",
     "aten::true_divide", "aten::maximum",     "aten::minimum",  "aten::pow",        "aten::clamp",
     "aten::clamp_min",   "aten::clamp_max",   "aten::relu",     "aten::relu6",      "aten::hardtanh",
     "aten::hardswish",   "aten::hardsigmoid", "aten::sigmoid",  "aten::silu",       "aten::mish",
     "aten::gelu",        "aten::elu",         "aten::selu",     "aten::celu",       "aten::leaky_relu",
     "aten::tanh",        "aten::threshold",   "aten::softplus", "aten::hardshrink", "aten::exp",
     "aten::log",         "aten::sqrt",        "aten::rsqrt",    "aten::square",     "aten::abs",
     "aten::neg",         "aten::log_sigmoid", "aten::erf",      "aten::sin",        "aten::cos",
     "aten::contiguous",  "aten::clone",       "aten::to",       "aten::detach",     "aten::reciprocal"});

bool is_pointwise(std::string_view kind) {
    return std::find(pointwise_kinds.begin(), pointwise_kinds.end(), kind) != pointwise_kinds.end();
}

RowRule derive(const Subject& s) {
    std::optional<RowRule> rule;
    if (is_pointwise(s.op.kind)) rule = pointwise(s);
    for (const Derivation& each : derivations)
        if (each.kind == s.op.kind) rule = each.rule(s);
    return rule ? *std::move(rule) : whole(s);
}

}  // namespace

int64_t row_count(const Value& value) {
    if (const auto image = image_of(value.meta.shape)) return image->rows;
    return is_frame(value) ? value.meta.shape[0] : 1;
}

bool has_row_rule(std::string_view kind) {
    return is_pointwise(kind) || std::any_of(derivations.begin(), derivations.end(),
                                             [&](const Derivation& each) { return each.kind == kind; });
}

std::vector<RowRule> row_rules(const ModelGraph& graph) {
    std::vector<RowRule> rules;
    rules.reserve(graph.operators().size());
    for (const Operator& op : graph.operators()) rules.push_back(derive({graph, op}));
    return rules;
}

}  // namespace eddy::graph
