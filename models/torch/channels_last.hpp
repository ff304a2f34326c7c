// Tensors whose channels lie together: from LibTorch's usual order and back. Internal to models/torch.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace eddy::torch_exec {

/// to[j][i] = from[i][j]; `from` has so many rows and columns, rows begin so many floats apart.
struct Matrix {
    int64_t rows = 0;
    int64_t columns = 0;
    int64_t from_stride = 0;
    int64_t to_stride = 0;
};
void transpose(const float* from, float* to, const Matrix& matrix);

/// The tensor itself if it is laid out so already, or is no float tensor of four dimensions; else a copy.
at::Tensor channels_last(const at::Tensor& tensor);
/// Dense in LibTorch's usual order; the tensor itself if it is already.
at::Tensor channels_first(const at::Tensor& tensor);

}  // namespace eddy::torch_exec
