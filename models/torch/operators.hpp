// Operators of our own. Layer 0: an 8-bit frame [height, width, 3] becomes a float tensor [1, 3, height, width], (pixel
// / 255 - mean) / std. Internal to models/torch.
#pragma once

#include <ATen/core/Tensor.h>

namespace eddy::torch_exec {

/// Throws c10::Error if the frame is not u8 [h, w, 3], or mean and std are not three floats each.
at::Tensor normalise_frame(const at::Tensor& frame, const at::Tensor& mean, const at::Tensor& std);

/// Makes Eddy's operators (`eddy::…`) known to LibTorch's interpreter. Any number of calls, any thread.
void register_operators();

}  // namespace eddy::torch_exec
