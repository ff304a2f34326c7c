#include "models/torch/channels_last.hpp"

#include <algorithm>
#include <cstring>

#include <ATen/ATen.h>

namespace eddy::torch_exec {

namespace {

/// What any processor that Eddy runs on has a register for.
constexpr int64_t lanes = 4;
using Lanes = float __attribute__((vector_size(lanes * sizeof(float))));
/// A part of this size stays in the nearest cache, and of each of its lines all is read and written; measured.
constexpr int64_t tile_rows = 64;
constexpr int64_t tile_columns = 16;

Lanes load(const float* from) {
    Lanes value;
    std::memcpy(&value, from, sizeof value);
    return value;
}
void store(float* to, Lanes value) { std::memcpy(to, &value, sizeof value); }

void transpose_square(const float* from, float* to, const Matrix& matrix) {
    const Lanes a = load(from);
    const Lanes b = load(from + matrix.from_stride);
    const Lanes c = load(from + 2 * matrix.from_stride);
    const Lanes d = load(from + 3 * matrix.from_stride);
    const Lanes ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
    const Lanes ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    const Lanes cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    const Lanes cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    store(to, __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5));
    store(to + matrix.to_stride, __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7));
    store(to + 2 * matrix.to_stride, __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5));
    store(to + 3 * matrix.to_stride, __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7));
}

void transpose_tile(const float* from, float* to, const Matrix& matrix) {
    const int64_t whole_rows = matrix.rows - matrix.rows % lanes;
    const int64_t whole_columns = matrix.columns - matrix.columns % lanes;
    for (int64_t i = 0; i < whole_rows; i += lanes)
        for (int64_t j = 0; j < whole_columns; j += lanes)
            transpose_square(from + i * matrix.from_stride + j, to + j * matrix.to_stride + i, matrix);
    for (int64_t i = 0; i < matrix.rows; ++i)
        for (int64_t j = i < whole_rows ? whole_columns : 0; j < matrix.columns; ++j)
            to[j * matrix.to_stride + i] = from[i * matrix.from_stride + j];
}

bool can_lay_out(const at::Tensor& tensor) {
    return tensor.dim() == 4 && tensor.scalar_type() == at::kFloat && tensor.layout() == at::kStrided &&
           tensor.numel() > 0;
}

at::Tensor transposed(const at::Tensor& tensor, at::MemoryFormat format) {
    const bool to_last = format == at::MemoryFormat::ChannelsLast;
    at::Tensor made = at::empty(tensor.sizes(), tensor.options().memory_format(format));
    const int64_t channels = tensor.size(1);
    const int64_t pixels = tensor.size(2) * tensor.size(3);
    const Matrix matrix =
        to_last ? Matrix{channels, pixels, pixels, channels} : Matrix{pixels, channels, channels, pixels};
    for (int64_t image = 0; image < tensor.size(0); ++image)
        transpose(tensor.data_ptr<float>() + image * channels * pixels,
                  made.data_ptr<float>() + image * channels * pixels, matrix);
    return made;
}

}  // namespace

void transpose(const float* from, float* to, const Matrix& matrix) {
    for (int64_t j = 0; j < matrix.columns; j += tile_columns)
        for (int64_t i = 0; i < matrix.rows; i += tile_rows)
            transpose_tile(from + i * matrix.from_stride + j, to + j * matrix.to_stride + i,
                           {std::min(tile_rows, matrix.rows - i), std::min(tile_columns, matrix.columns - j),
                            matrix.from_stride, matrix.to_stride});
}

at::Tensor channels_last(const at::Tensor& tensor) {
    if (!can_lay_out(tensor) || tensor.is_contiguous(at::MemoryFormat::ChannelsLast)) return tensor;
    if (!tensor.is_contiguous()) return tensor.contiguous(at::MemoryFormat::ChannelsLast);
    return transposed(tensor, at::MemoryFormat::ChannelsLast);
}

at::Tensor channels_first(const at::Tensor& tensor) {
    if (tensor.is_contiguous()) return tensor;
    if (!can_lay_out(tensor) || !tensor.is_contiguous(at::MemoryFormat::ChannelsLast)) return tensor.contiguous();
    return transposed(tensor, at::MemoryFormat::Contiguous);
}

}  // namespace eddy::torch_exec
