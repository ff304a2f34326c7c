// Copies operators of the model's flat graph into a graph of their own: a unit's, not yet optimised. Internal to
// models/torch.
#pragma once

#include <memory>

#include <torch/csrc/jit/ir/ir.h>

#include "eddy/result.hpp"
#include "models/torch/model_state.hpp"
#include "models/torch/unit_spec.hpp"

namespace eddy::torch_exec {

/// Inputs and outputs as the spec says. If it is about some rows, its operators are run as row_way says. Invalid: a
/// spec that does not add up, in operators, values or rows.
Result<std::shared_ptr<torch::jit::Graph>> extract_graph(const ModelState& model, const UnitSpec& spec);

/// Absent from some builds; and LibTorch lets a program do without.
bool use_onednn();

}  // namespace eddy::torch_exec
