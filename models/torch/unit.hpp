// The executor's port: any set of a model's operators, for all rows or for some, compiled into one optimised graph. It
// takes and gives tensors by ValueId and knows nothing of chains.
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
#include "models/torch/unit_spec.hpp"

namespace eddy::torch_exec {

/// A compiled unit. Immutable; `run` may be called from several threads at a time.
class Unit {
public:
    static Result<std::shared_ptr<const Unit>> compile(std::shared_ptr<const Model> model, UnitSpec spec);
    ~Unit();
    Unit(const Unit&) = delete;
    Unit& operator=(const Unit&) = delete;

    /// Takes what it needs out of `pieces`, in any order, several of a value perhaps: rows of it
    /// (eddy/tensor_rows.hpp), or partial sums of all of it (eddy/partial_sums.hpp). They may be more than is needed;
    /// meta.value says of what. They are checked against the model's shapes, and never altered; what the unit does not
    /// take is not looked at. Gives the outputs in the order of the spec, dense, `meta.rows` set, with channels last if
    /// they come so; one may share the memory of a piece, which is as immutable as itself. Invalid: a piece that is not what it claims, or rows that
    /// are missing, which are named. `around`: for profiles, what was spent on tensors, before and behind the operators.
    [[nodiscard]] Result<std::vector<HostTensor>> run(std::span<const HostTensor> pieces, Usec* around = nullptr) const;

    /// Several units, each taking exactly what the one before gives. What passes between them stays in the layout that
    /// the processor likes; what comes out has no channels last. `times`, if given, gets one entry a unit.
    [[nodiscard]] static Result<std::vector<HostTensor>> run_sequence(
        std::span<const std::shared_ptr<const Unit>> units, std::span<const HostTensor> inputs,
        std::vector<Usec>* times = nullptr);

    /// For profiles: how long the operators alone take, run this often one after the other. Before the clock starts the
    /// inputs are laid out as the processor likes, and outputs are left as they come: as within a longer unit.
    [[nodiscard]] Result<Usec> time_operators(std::span<const HostTensor> pieces, uint32_t times) const;

    [[nodiscard]] const UnitSpec& spec() const;
    /// Weights made for this unit alone (folded, or laid out for the processor); the model's own are not counted.
    [[nodiscard]] uint64_t bytes() const;

private:
    struct State;
    explicit Unit(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace eddy::torch_exec
