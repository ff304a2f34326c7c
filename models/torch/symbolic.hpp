// The values that flattening computes with. Internal to models/torch.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/ir/ir.h>

namespace eddy::torch_exec {

/// A tensor variable. In-place operators change what it holds; all names of the variable see that.
struct Cell {
    at::Tensor tensor;                      ///< as computed for the sample frame
    torch::jit::Value* flat = nullptr;      ///< in the flat graph; none: does not depend on the frame
    torch::jit::Value* constant = nullptr;  ///< the flat graph's constant, once somebody needed it there
    bool from_file = false;                 ///< a weight: must never be written
    std::string stale;                      ///< not empty: the in-place operator that wrote to memory shared with this
};
using CellPtr = std::shared_ptr<Cell>;

struct Container;
using ContainerPtr = std::shared_ptr<Container>;
/// A plain value (no tensors inside), a tensor, or a container that may hold tensors.
using Symbolic = std::variant<c10::IValue, CellPtr, ContainerPtr>;

struct Container {
    enum class Kind { list, tuple, dict };
    Kind kind = Kind::list;
    c10::TypePtr type;
    std::vector<Symbolic> items;
    std::vector<c10::IValue> keys;  ///< dict only, one an item
};

/// Thrown inside flattening only, and caught at its edge.
struct Refusal {
    bool fits = true;  ///< false: the model does not fit its input
    std::string message;
};

bool depends_on_frame(const Symbolic& value);
/// As the interpreter wants it, tensors being those of the sample run.
c10::IValue concrete(const Symbolic& value);
/// Tensors known already (same object) keep their cell.
Symbolic symbolic(const c10::IValue& value, const std::vector<CellPtr>& known);
void collect_cells(const Symbolic& value, std::vector<CellPtr>& out);
bool holds_tensors(const c10::TypePtr& type);

/// What list, tuple and dictionary nodes do, without running them. False: not such a node.
bool run_container_node(torch::jit::Node* node, const std::vector<Symbolic>& inputs, std::vector<Symbolic>& outputs);

}  // namespace eddy::torch_exec
