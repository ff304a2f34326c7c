// A unit's operators as one optimised LibTorch graph. Internal to models/torch, and to the benchmark that compares the
// executor with a bare loop over the same graph.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <torch/csrc/jit/ir/ir.h>

#include "eddy/result.hpp"
#include "models/torch/model_state.hpp"
#include "models/torch/unit.hpp"

namespace eddy::torch_exec {

/// Inputs and outputs as the spec says. May throw what LibTorch throws; call it in inference mode.
Result<std::shared_ptr<torch::jit::Graph>> compile_graph(const ModelState& model, const UnitSpec& spec);

/// Let tensors cross the graph's borders in oneDNN's layout: outputs that are so stay so, and inputs may be either.
/// For units that run one after the other.
void keep_layout(torch::jit::Graph& graph);

/// As which inputs are laid out first thing, after keep_layout.
enum class Layout : uint8_t { dense, onednn, channels_last };
std::vector<Layout> liked_layouts(const torch::jit::Graph& graph);

/// What the graph holds beyond the model's own weights.
uint64_t compiled_bytes(const torch::jit::Graph& graph, const ModelState& model);

}  // namespace eddy::torch_exec
