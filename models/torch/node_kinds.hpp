// What flattening must know of single nodes of a TorchScript graph. Internal to models/torch.
#pragma once

#include <string>
#include <vector>

#include <torch/csrc/jit/ir/ir.h>

#include "models/torch/symbolic.hpp"

namespace eddy::torch_exec {

/// Its results depend on a tensor's type and shape but not on its content.
bool only_asks_for_shape(const torch::jit::Node* node);

/// Talks to people; computes nothing.
bool is_ignored(const torch::jit::Node* node);

/// Dropout that drops nothing: not training, or with probability 0 (Swin leaves the training flag on).
bool is_idle_dropout(const torch::jit::Node* node, const std::vector<Symbolic>& inputs);

/// "aten::relu_ at features.0 (model.py:12)".
std::string describe(const torch::jit::Node* node);
/// Names of the modules around it, "features.0".
std::string module_path(const torch::jit::Node* node);

}  // namespace eddy::torch_exec
