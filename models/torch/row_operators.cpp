#include "models/torch/row_operators.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <ATen/ATen.h>

namespace eddy::torch_exec {

namespace {

/// [1, C, H, W], or a frame.
int64_t row_axis(const at::Tensor& tensor) { return tensor.dim() == 3 ? 0 : 2; }

c10::optional<double> given(const std::optional<double>& scale) {
    return scale ? c10::optional<double>(*scale) : c10::nullopt;
}

/// By how much the input moves on with each row of the output; in single precision, as LibTorch has it.
float step_of(const RowStretch& stretch, const std::optional<double>& scale) {
    if (scale && *scale > 0) return static_cast<float>(1.0 / *scale);
    return static_cast<float>(stretch.rows) / static_cast<float>(stretch.output_rows);
}

/// Rows of the whole input, by their numbers.
at::Tensor pick_rows(const at::Tensor& tensor, const RowStretch& stretch, const std::vector<int64_t>& rows) {
    at::Tensor index = at::empty({static_cast<int64_t>(rows.size())}, at::TensorOptions().dtype(at::kLong));
    for (size_t i = 0; i < rows.size(); ++i) index.data_ptr<int64_t>()[i] = rows[i] - stretch.first;
    return tensor.index_select(2, index);
}

}  // namespace

at::Tensor take_rows(const at::Tensor& tensor, int64_t first, int64_t count, int64_t above, int64_t below) {
    const int64_t axis = row_axis(tensor);
    const at::Tensor kept = tensor.narrow(axis, first, count);
    std::vector<int64_t> shape = tensor.sizes().vec();
    shape[static_cast<size_t>(axis)] = above + count + below;
    at::Tensor made =
        at::empty(shape, at::TensorOptions().dtype(tensor.scalar_type()).memory_format(tensor.suggest_memory_format()));
    if (above > 0) made.narrow(axis, 0, above).zero_();
    if (count > 0) made.narrow(axis, above, count).copy_(kept);
    if (below > 0) made.narrow(axis, above + count, below).zero_();
    return made;
}

at::Tensor view_rows(const at::Tensor& tensor, int64_t first, int64_t count) {
    return tensor.narrow(row_axis(tensor), first, count);
}

at::Tensor pool_bins(const at::Tensor& tensor, const RowStretch& stretch) {
    std::vector<at::Tensor> made;
    for (int64_t y = stretch.begin; y < stretch.end; ++y) {
        const int64_t from = y * stretch.rows / stretch.output_rows;
        const int64_t to = ((y + 1) * stretch.rows + stretch.output_rows - 1) / stretch.output_rows;
        made.push_back(
            at::adaptive_avg_pool2d(tensor.narrow(2, from - stretch.first, to - from), {1, stretch.columns}));
    }
    return at::cat(made, 2);
}

at::Tensor upsample_nearest_rows(const at::Tensor& tensor, const RowStretch& stretch, const Scales& scales) {
    const float step = step_of(stretch, scales.rows);
    std::vector<int64_t> rows;
    for (int64_t y = stretch.begin; y < stretch.end; ++y) {
        int64_t row = static_cast<int64_t>(std::floor(static_cast<float>(y) * step));
        // LibTorch has these two without a scale, whatever the model says.
        if (stretch.output_rows == stretch.rows) row = y;
        if (stretch.output_rows == 2 * stretch.rows) row = y / 2;
        rows.push_back(std::min(row, stretch.rows - 1));
    }
    const at::Tensor picked = pick_rows(tensor, stretch, rows);
    return at::upsample_nearest2d(picked, {picked.size(2), stretch.columns}, c10::nullopt, given(scales.columns));
}

at::Tensor upsample_bilinear_rows(const at::Tensor& tensor, const RowStretch& stretch, const Scales& scales,
                                  bool align_corners) {
    float step = step_of(stretch, scales.rows);
    if (align_corners)
        step = stretch.output_rows > 1
                   ? static_cast<float>(stretch.rows - 1) / static_cast<float>(stretch.output_rows - 1)
                   : 0.0F;
    std::vector<int64_t> above;
    std::vector<int64_t> below;
    at::Tensor share = at::empty({stretch.end - stretch.begin, 1}, at::TensorOptions().dtype(at::kFloat));
    for (int64_t y = stretch.begin; y < stretch.end; ++y) {
        const auto row = static_cast<float>(y);
        const float position = align_corners ? row * step : std::max(step * (row + 0.5F) - 0.5F, 0.0F);
        // LibTorch copies if the sizes agree, whatever scale the model states.
        const bool copied = stretch.output_rows == stretch.rows;
        const int64_t first = copied ? y : std::min(static_cast<int64_t>(position), stretch.rows - 1);
        above.push_back(first);
        below.push_back(copied ? y : std::min(first + 1, stretch.rows - 1));
        share.data_ptr<float>()[y - stretch.begin] =
            copied ? 0.0F : std::min(position - static_cast<float>(first), 1.0F);
    }
    // Rows first, as there are fewer columns yet.
    const at::Tensor rows =
        at::lerp(pick_rows(tensor, stretch, above), pick_rows(tensor, stretch, below), share.to(tensor.scalar_type()));
    return at::upsample_bilinear2d(rows, {rows.size(2), stretch.columns}, align_corners, c10::nullopt,
                                   given(scales.columns));
}

}  // namespace eddy::torch_exec
