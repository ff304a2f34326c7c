// Gives a unit's convolutions to oneDNN (convolution.hpp), with sums and activations behind them, and lets tensors keep
// their channels together from one to the next: nothing is laid out anew in between, and rows are taken without a copy.
// Internal to models/torch.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

namespace eddy::torch_exec {

/// What the extractor notes on nodes, since only it knows shapes: of a convolution's input; of a sum (as 1) that both
/// tensors have the same.
c10::Symbol input_shape_note();
c10::Symbol same_shapes_note();

/// The bias of an `eddy::convolution`; its packed weight is attr::value.
c10::Symbol packed_bias();

/// Is it relu6, or hardtanh from 0 to 6, as torchvision has it?
bool is_relu6(const torch::jit::Node* node);

/// Straight-line code without in-place operators. What oneDNN has no fast way for is left to LibTorch.
void lay_out_convolutions(torch::jit::Graph& graph);

/// Makes `eddy::convolution` known to LibTorch's interpreter.
void register_convolutions();

}  // namespace eddy::torch_exec
