#include "models/torch/operators.hpp"

#include <array>

#include <ATen/ATen.h>
#include <torch/csrc/jit/runtime/custom_operator.h>
#include <torch/csrc/jit/runtime/operator_options.h>

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

}  // namespace

void register_operators() {
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
    });
}

}  // namespace eddy::torch_exec
