// Operators of our own that work on some rows of a tensor, where LibTorch's cannot be told which. Internal to
// models/torch. All take float tensors [1, C, rows, W] and give dense ones; they throw c10::Error on rows that are not
// there.
#pragma once

#include <optional>

#include <ATen/core/Tensor.h>

namespace eddy::torch_exec {

/// A copy of `count` rows from `first` on, between rows of zeros; also of a frame, u8 [rows, W, 3].
at::Tensor take_rows(const at::Tensor& tensor, int64_t first, int64_t count, int64_t above, int64_t below);

/// The same without rows of zeros, and without a copy.
at::Tensor view_rows(const at::Tensor& tensor, int64_t first, int64_t count);

/// Which rows are made of which.
struct RowStretch {
    int64_t first = 0;        ///< row of the whole input that is the tensor's first
    int64_t rows = 0;         ///< of the whole input
    int64_t output_rows = 0;  ///< of the whole output
    int64_t begin = 0;        ///< rows of the output that are made: [begin, end)
    int64_t end = 0;
    int64_t columns = 0;  ///< of the output
};

/// As adaptive_avg_pool2d.
at::Tensor pool_bins(const at::Tensor& tensor, const RowStretch& stretch);

/// As upsample_nearest2d and upsample_bilinear2d. Scales as the model states them; without, those of the sizes.
struct Scales {
    std::optional<double> rows;
    std::optional<double> columns;
};
at::Tensor upsample_nearest_rows(const at::Tensor& tensor, const RowStretch& stretch, const Scales& scales);
at::Tensor upsample_bilinear_rows(const at::Tensor& tensor, const RowStretch& stretch, const Scales& scales,
                                  bool align_corners);

}  // namespace eddy::torch_exec
