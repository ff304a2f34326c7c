#include "models/torch/operators.hpp"

#include <array>
#include <optional>
#include <vector>

#include <ATen/ATen.h>
#include <torch/csrc/jit/runtime/custom_operator.h>
#include <torch/csrc/jit/runtime/operator_options.h>

#include "models/torch/channels_last.hpp"
#include "models/torch/lay_out.hpp"
#include "models/torch/row_operators.hpp"

namespace eddy::torch_exec {

at::Tensor normalise_frame(const at::Tensor& frame, const at::Tensor& mean, const at::Tensor& std) {
    TORCH_CHECK(frame.scalar_type() == at::kByte && frame.dim() == 3 && frame.size(2) == 3 && frame.is_contiguous(),
                "a frame is u8 [height, width, 3]");
    TORCH_CHECK(
        mean.numel() == 3 && std.numel() == 3 && mean.scalar_type() == at::kFloat && std.scalar_type() == at::kFloat,
        "mean and std are three floats");
    // A pixel has 256 values: a table per channel is exact and spares the division.
    std::array<std::array<float, 256>, 3> table;
    for (size_t c = 0; c < 3; ++c)
        for (size_t p = 0; p < 256; ++p)
            table[c][p] = (static_cast<float>(p) / 255.0F - mean.data_ptr<float>()[c]) / std.data_ptr<float>()[c];
    const int64_t pixels = frame.size(0) * frame.size(1);
    at::Tensor out = at::empty({1, 3, frame.size(0), frame.size(1)}, at::TensorOptions().dtype(at::kFloat));
    const uint8_t* in = frame.data_ptr<uint8_t>();
    float* red = out.data_ptr<float>();
    float* green = red + pixels;
    float* blue = green + pixels;
    for (int64_t i = 0; i < pixels; ++i, in += 3) {
        red[i] = table[0][in[0]];
        green[i] = table[1][in[1]];
        blue[i] = table[2][in[2]];
    }
    return out;
}

namespace {

/// A tensor that came from another unit may be in either layout.
at::Tensor as_onednn(const at::Tensor& tensor) { return tensor.is_mkldnn() ? tensor : tensor.to_mkldnn(); }
at::Tensor as_dense(const at::Tensor& tensor) { return tensor.is_mkldnn() ? tensor.to_dense() : tensor; }

/// A function of one tensor; LibTorch's own activations, too, get names that its oneDNN pass does not know (see
/// compile.cpp).
template <at::Tensor (*function)(const at::Tensor&)>
torch::jit::Operator unary(const char* schema) {
    return {schema,
            [](torch::jit::Stack& stack) {
                const at::Tensor in = torch::jit::pop(stack).toTensor();
                torch::jit::push(stack, function(in));
            },
            c10::AliasAnalysisKind::FROM_SCHEMA};
}

std::optional<double> scale_of(const c10::IValue& value) {
    return value.isDouble() ? std::optional(value.toDouble()) : std::nullopt;
}

/// All of a RowStretch, in its order.
RowStretch stretch_of(const c10::IValue& value) {
    const std::vector<int64_t> numbers = value.toIntVector();
    TORCH_CHECK(numbers.size() == 6, "a stretch of rows is six numbers");
    return {numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]};
}

torch::jit::Operator row_taker() {
    return {"eddy::take_rows(Tensor self, int first, int count, int above, int below) -> Tensor",
            [](torch::jit::Stack& stack) {
                const int64_t below = torch::jit::pop(stack).toInt();
                const int64_t above = torch::jit::pop(stack).toInt();
                const int64_t count = torch::jit::pop(stack).toInt();
                const int64_t first = torch::jit::pop(stack).toInt();
                const at::Tensor in = torch::jit::pop(stack).toTensor();
                torch::jit::push(stack, take_rows(in, first, count, above, below));
            },
            c10::AliasAnalysisKind::FROM_SCHEMA};
}

at::Tensor linear_of(const at::Tensor& in, const at::Tensor& weight, const c10::optional<at::Tensor>& bias) {
    const bool one = in.dim() > 0 && weight.dim() == 2 && in.numel() == in.size(-1);
    if (!one) return at::linear(in, weight, bias);
    const at::Tensor vector = in.reshape({in.numel()});
    std::vector<int64_t> shape = in.sizes().vec();
    shape.back() = weight.size(0);
    return (bias && bias->defined() ? at::addmv(*bias, weight, vector) : at::mv(weight, vector)).view(shape);
}

torch::jit::Operator linear_operator() {
    return {"eddy::linear(Tensor self, Tensor weight, Tensor? bias) -> Tensor",
            [](torch::jit::Stack& stack) {
                const auto bias = torch::jit::pop(stack).toOptional<at::Tensor>();
                const at::Tensor weight = torch::jit::pop(stack).toTensor();
                const at::Tensor in = torch::jit::pop(stack).toTensor();
                torch::jit::push(stack, linear_of(in, weight, bias));
            },
            c10::AliasAnalysisKind::FROM_SCHEMA};
}

torch::jit::Operator row_viewer() {
    return {"eddy::rows(Tensor(a) self, int first, int count) -> Tensor(a)",
            [](torch::jit::Stack& stack) {
                const int64_t count = torch::jit::pop(stack).toInt();
                const int64_t first = torch::jit::pop(stack).toInt();
                const at::Tensor in = torch::jit::pop(stack).toTensor();
                torch::jit::push(stack, view_rows(in, first, count));
            },
            c10::AliasAnalysisKind::FROM_SCHEMA};
}

torch::jit::Operator bin_pool() {
    return {"eddy::pool_bins(Tensor self, int[] stretch) -> Tensor",
            [](torch::jit::Stack& stack) {
                const RowStretch stretch = stretch_of(torch::jit::pop(stack));
                const at::Tensor in = torch::jit::pop(stack).toTensor();
                torch::jit::push(stack, pool_bins(in, stretch));
            },
            c10::AliasAnalysisKind::FROM_SCHEMA};
}

template <class Upsample>
torch::jit::Operator upsampling(const char* schema, Upsample upsample) {
    return {schema,
            [upsample](torch::jit::Stack& stack) {
                Scales scales;
                scales.columns = scale_of(torch::jit::pop(stack));
                scales.rows = scale_of(torch::jit::pop(stack));
                const RowStretch stretch = stretch_of(torch::jit::pop(stack));
                const at::Tensor in = torch::jit::pop(stack).toTensor();
                torch::jit::push(stack, upsample(in, stretch, scales));
            },
            c10::AliasAnalysisKind::FROM_SCHEMA};
}

at::Tensor bilinear_rows(const at::Tensor& in, const RowStretch& stretch, const Scales& scales) {
    return upsample_bilinear_rows(in, stretch, scales, false);
}
at::Tensor bilinear_corner_rows(const at::Tensor& in, const RowStretch& stretch, const Scales& scales) {
    return upsample_bilinear_rows(in, stretch, scales, true);
}

}  // namespace

void register_operators() {
    register_convolutions();
    static const torch::jit::RegisterOperators once({
        torch::jit::Operator(
            "eddy::normalise(Tensor frame, Tensor mean, Tensor std) -> Tensor",
            [](torch::jit::Stack& stack) {
                const at::Tensor std = torch::jit::pop(stack).toTensor();
                const at::Tensor mean = torch::jit::pop(stack).toTensor();
                const at::Tensor frame = torch::jit::pop(stack).toTensor();
                torch::jit::push(stack, normalise_frame(frame, mean, std));
            },
            c10::AliasAnalysisKind::FROM_SCHEMA),
        unary<&as_onednn>("eddy::as_onednn(Tensor(a) self) -> Tensor(a)"),
        unary<&as_dense>("eddy::as_dense(Tensor(a) self) -> Tensor(a)"),
        unary<&at::relu6>("eddy::relu6(Tensor self) -> Tensor"),
        unary<&at::hardswish>("eddy::hardswish(Tensor self) -> Tensor"),
        unary<&at::hardsigmoid>("eddy::hardsigmoid(Tensor self) -> Tensor"),
        unary<&channels_last>("eddy::channels_last(Tensor(a) self) -> Tensor(a)"),
        unary<&channels_first>("eddy::channels_first(Tensor(a) self) -> Tensor(a)"),
        row_taker(),
        row_viewer(),
        linear_operator(),
        bin_pool(),
        upsampling("eddy::upsample_nearest(Tensor self, int[] stretch, float? rows, float? columns) -> Tensor",
                   &upsample_nearest_rows),
        upsampling("eddy::upsample_bilinear(Tensor self, int[] stretch, float? rows, float? columns) -> Tensor",
                   &bilinear_rows),
        upsampling("eddy::upsample_bilinear_corners(Tensor self, int[] stretch, float? rows, float? columns) -> Tensor",
                   &bilinear_corner_rows),
    });
}

}  // namespace eddy::torch_exec
