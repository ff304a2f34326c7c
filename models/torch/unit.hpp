// The executor's port: any set of a model's operators, compiled into one optimised graph. It takes and gives tensors
// by ValueId and knows nothing of chains.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "eddy/ids.hpp"
#include "eddy/result.hpp"
#include "eddy/tensor.hpp"
#include "eddy/time.hpp"
#include "models/torch/model.hpp"

namespace eddy::torch_exec {

/// Operators by index, ascending; values in the order in which they are given and wanted. `inputs` must cover what the
/// operators need from outside (graph::ModelGraph::boundary_of); `outputs` are made by the operators, or are inputs.
struct UnitSpec {
    std::vector<uint32_t> operators;
    std::vector<ValueId> inputs;
    std::vector<ValueId> outputs;
    friend auto operator<=>(const UnitSpec&, const UnitSpec&) = default;
};

/// Operators [cut_first, cut_last) from the frontier of the one cut to that of the other.
UnitSpec unit_between(const graph::ModelGraph& graph, uint32_t cut_first, uint32_t cut_last);

/// A compiled unit. Immutable; `run` may be called from several threads at a time.
class Unit {
public:
    static Result<std::shared_ptr<const Unit>> compile(std::shared_ptr<const Model> model, UnitSpec spec);
    ~Unit();
    Unit(const Unit&) = delete;
    Unit& operator=(const Unit&) = delete;

    /// Inputs and outputs in the order of the spec, dense. Inputs are checked against the model's shapes and never
    /// altered; an output may share the memory of an input, which is as immutable as itself.
    [[nodiscard]] Result<std::vector<HostTensor>> run(std::span<const HostTensor> inputs) const;

    /// Several units, each taking exactly what the one before gives. What passes between them stays in the layout that
    /// the processor likes. `times`, if given, gets one entry a unit.
    [[nodiscard]] static Result<std::vector<HostTensor>> run_sequence(
        std::span<const std::shared_ptr<const Unit>> units, std::span<const HostTensor> inputs,
        std::vector<Usec>* times = nullptr);

    [[nodiscard]] const UnitSpec& spec() const;
    /// Weights made for this unit alone (folded, or laid out for the processor); the model's own are not counted.
    [[nodiscard]] uint64_t bytes() const;

private:
    struct State;
    explicit Unit(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace eddy::torch_exec
