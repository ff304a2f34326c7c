// From a frozen TorchScript graph to straight-line code: control flow that the input's shape decides is followed,
// everything that does not depend on the frame's pixels is folded, in-place operators become functional ones.
// Internal to models/torch: the only other headers that name LibTorch's types are model_state.hpp and operators.hpp.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/ir/ir.h>

#include "eddy/model_card.hpp"
#include "eddy/result.hpp"

namespace eddy::torch_exec {

/// One operator with the list constructions in front of it and the unpacking behind it, in order.
struct FlatOperator {
    std::vector<torch::jit::Node*> nodes;
    torch::jit::Node* main = nullptr;
    std::vector<torch::jit::Value*> inputs;   ///< tensors that flow, distinct
    std::vector<torch::jit::Value*> outputs;  ///< tensors, used or not; one entry per `shapes`
    std::vector<at::Tensor> samples;          ///< outputs' types and shapes, without memory ("meta" tensors)
    std::string place;                        ///< module path
    std::string source;                       ///< file and line, for errors
};

struct FlatModel {
    std::shared_ptr<torch::jit::Graph> graph;
    std::vector<FlatOperator> operators;  ///< those that an output needs
    torch::jit::Value* input = nullptr;   ///< the 8-bit frame
    std::vector<torch::jit::Value*> outputs;
};

/// Runs `frozen` (inputs: self, one tensor) on `frame` (u8, [height, width, 3]) and records what it does.
Result<FlatModel> flatten(const std::shared_ptr<torch::jit::Graph>& frozen, const ModelCard& card,
                          const at::Tensor& frame);

/// Two recordings on different frames must agree; if not, the operator whose result's shape depends on the pixels is
/// named.
Status check_same(const FlatModel& one, const FlatModel& other);

}  // namespace eddy::torch_exec
