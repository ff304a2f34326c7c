// Convolutions by oneDNN itself, for what LibTorch does not pass on to it: other padding above than below, which a part
// of a tensor's rows needs; a sum and an activation on the way out; weights laid out for tensors whose channels lie
// together (channels-last), of which rows are a mere view. Internal to models/torch.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

namespace eddy::torch_exec {

enum class Activation : uint8_t { none, relu, relu6, hardswish, silu };

struct ConvolutionShape {
    int64_t batch = 1;
    int64_t channels = 0;
    int64_t rows = 0;
    int64_t columns = 0;
    int64_t channels_out = 0;
    std::array<int64_t, 2> kernel{};  ///< this and the following: rows, columns
    std::array<int64_t, 2> stride{};
    std::array<int64_t, 2> dilation{};
    std::array<int64_t, 2> before{};  ///< padding above, left
    std::array<int64_t, 2> behind{};  ///< padding below, right
    int64_t groups = 1;
    bool adds = false;  ///< its result is added to a tensor
    Activation activation = Activation::none;

    [[nodiscard]] int64_t out(size_t axis) const {
        const int64_t in = axis == 0 ? rows : columns;
        return (in + before[axis] + behind[axis] - dilation[axis] * (kernel[axis] - 1) - 1) / stride[axis] + 1;
    }
};

/// Is oneDNN built in, and does LibTorch use it?
bool has_convolutions();

/// Immutable; any number of threads may run it. What LibTorch's graphs can hold.
class Convolution : public torch::CustomClassHolder {
public:
    /// Nothing if oneDNN has no fast way to do it. Made for as many threads as the calling one computes with.
    static c10::intrusive_ptr<Convolution> make(const ConvolutionShape& shape);

    /// A weight [out, in / groups, rows, columns] as `run` takes it.
    [[nodiscard]] at::Tensor pack(const at::Tensor& weight) const;

    /// `bias` may be undefined. `sum`, if the shape says so, is channels-last and dense: it is added to, and returned.
    [[nodiscard]] at::Tensor run(const at::Tensor& input, const at::Tensor& packed, const at::Tensor& bias,
                                 const at::Tensor& sum) const;

    struct Made;  ///< oneDNN's part
    explicit Convolution(std::unique_ptr<Made> made);
    ~Convolution() override;
    Convolution(const Convolution&) = delete;
    Convolution& operator=(const Convolution&) = delete;

private:
    std::unique_ptr<Made> made_;
};

}  // namespace eddy::torch_exec
