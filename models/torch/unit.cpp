#include "models/torch/unit.hpp"

#include <algorithm>
#include <numeric>

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/runtime/interpreter.h>

#include "eddy/real_clock.hpp"
#include "models/torch/compile.hpp"
#include "models/torch/errors.hpp"
#include "models/torch/model_state.hpp"

namespace eddy::torch_exec {

namespace {

at::Tensor wrap(const HostTensor& host) {
    // The tensor keeps the bytes alive, and everything that shares memory with it does too. Nothing writes to it:
    // flattening left no in-place operators.
    auto* data = const_cast<std::byte*>(host.bytes.data());
    return at::from_blob(
        data, host.meta.shape, [keep = host.bytes](void*) {},
        at::TensorOptions().dtype(scalar_type_of(host.meta.dtype)));
}

torch::jit::Stack wrap_all(std::span<const HostTensor> inputs) {
    torch::jit::Stack stack;
    stack.reserve(inputs.size());
    for (const HostTensor& input : inputs) stack.emplace_back(wrap(input));
    return stack;
}

SharedBytes share(const at::Tensor& dense) {
    const size_t bytes = dense.nbytes();
    const auto* data = static_cast<const std::byte*>(dense.data_ptr());
    // The wire reads up to the next multiple of 8, and a small view must not keep a large tensor alive.
    const bool wasteful = dense.storage().nbytes() > 2 * bytes;
    if (bytes != 0 && bytes % 8 == 0 && reinterpret_cast<uintptr_t>(data) % 8 == 0 && !wasteful)
        return {std::shared_ptr<const std::byte>(data, [keep = dense](const std::byte*) {}), bytes};
    auto copy = allocate_bytes(bytes);
    std::copy_n(data, bytes, copy.get());
    return {std::move(copy), bytes};
}

}  // namespace

struct Unit::State {
    std::shared_ptr<const Model> model;
    UnitSpec spec;
    torch::jit::Code code;
    uint64_t bytes = 0;

    [[nodiscard]] Status check(std::span<const HostTensor> inputs) const {
        if (inputs.size() != spec.inputs.size())
            return invalid("takes " + std::to_string(spec.inputs.size()) + " tensors, was given " +
                           std::to_string(inputs.size()));
        for (size_t i = 0; i < inputs.size(); ++i) {
            const TensorMeta& wanted = model->graph().value(spec.inputs[i]).meta;
            const TensorMeta& found = inputs[i].meta;
            if (found.dtype != wanted.dtype || found.shape != wanted.shape ||
                inputs[i].bytes.size() != model->graph().value(spec.inputs[i]).bytes)
                return invalid("tensor " + std::to_string(i) + " has not the type, shape or bytes of value " +
                               std::to_string(spec.inputs[i].value));
        }
        return success();
    }

    [[nodiscard]] Result<HostTensor> unwrap(const at::Tensor& made, ValueId id) const {
        const TensorMeta& wanted = model->graph().value(id).meta;
        at::Tensor dense = (made.is_mkldnn() ? made.to_dense() : made).contiguous();
        if (dense.scalar_type() != scalar_type_of(wanted.dtype) || dense.sizes() != at::IntArrayRef(wanted.shape))
            return internal("value " + std::to_string(id.value) + " came out with another type or shape");
        return HostTensor{wanted, share(dense)};
    }

    /// Replaces the inputs on the stack by the outputs.
    void step(torch::jit::Stack& stack) const {
        torch::jit::InterpreterState(code).run(stack);
        TORCH_CHECK(stack.size() == spec.outputs.size(), "gave another number of tensors");
    }

    [[nodiscard]] Result<std::vector<HostTensor>> unwrap_all(const torch::jit::Stack& stack) const {
        std::vector<HostTensor> outputs;
        outputs.reserve(stack.size());
        for (size_t i = 0; i < stack.size(); ++i) {
            auto output = unwrap(stack[i].toTensor(), spec.outputs[i]);
            if (!output) return output.error();
            outputs.push_back(*std::move(output));
        }
        return outputs;
    }
};

Unit::Unit(std::unique_ptr<State> state) : state_(std::move(state)) {}
Unit::~Unit() = default;
const UnitSpec& Unit::spec() const { return state_->spec; }
uint64_t Unit::bytes() const { return state_->bytes; }

UnitSpec unit_between(const graph::ModelGraph& graph, uint32_t cut_first, uint32_t cut_last) {
    EDDY_ASSERT(cut_first <= cut_last && cut_last < graph.cuts());
    UnitSpec spec;
    spec.operators.resize(cut_last - cut_first);
    std::iota(spec.operators.begin(), spec.operators.end(), cut_first);
    spec.inputs = graph.frontier(cut_first);
    spec.outputs = graph.frontier(cut_last);
    return spec;
}

Result<std::shared_ptr<const Unit>> Unit::compile(std::shared_ptr<const Model> model, UnitSpec spec) {
    try {
        const c10::InferenceMode inference;
        auto state = std::make_unique<State>();
        auto graph = compile_graph(model->state(), spec);
        if (!graph) return graph.error();
        keep_layout(**graph);
        state->bytes = compiled_bytes(**graph, model->state());
        // The interpreter's code, without a graph executor: nothing is profiled or specialised behind our back.
        state->code = torch::jit::Code(*graph, "unit");
        state->model = std::move(model);
        state->spec = std::move(spec);
        return std::shared_ptr<const Unit>(new Unit(std::move(state)));
    } catch (const std::exception& error) {
        return internal(std::string("unit: cannot be compiled: ") + first_line(error.what()));
    }
}

Result<std::vector<HostTensor>> Unit::run(std::span<const HostTensor> inputs) const {
    if (auto checked = state_->check(inputs); !checked) return checked.error();
    try {
        const c10::InferenceMode inference;
        torch::jit::Stack stack = wrap_all(inputs);
        state_->step(stack);
        return state_->unwrap_all(stack);
    } catch (const std::exception& error) {
        return internal(std::string("unit: ") + first_line(error.what()));
    }
}

Result<std::vector<HostTensor>> Unit::run_sequence(std::span<const std::shared_ptr<const Unit>> units,
                                                   std::span<const HostTensor> inputs, std::vector<Usec>* times) {
    if (units.empty()) return invalid("unit: an empty sequence");
    for (size_t i = 1; i < units.size(); ++i)
        if (units[i]->spec().inputs != units[i - 1]->spec().outputs)
            return invalid("unit: number " + std::to_string(i) +
                           " of the sequence takes not what the one before gives");
    if (auto checked = units.front()->state_->check(inputs); !checked) return checked.error();
    try {
        const c10::InferenceMode inference;
        torch::jit::Stack stack = wrap_all(inputs);
        Instant start = times != nullptr ? real_now() : Instant{};
        for (const auto& unit : units) {
            unit->state_->step(stack);
            if (times == nullptr) continue;
            const Instant end = real_now();
            times->push_back(end - start);
            start = end;
        }
        return units.back()->state_->unwrap_all(stack);
    } catch (const std::exception& error) {
        return internal(std::string("unit: ") + first_line(error.what()));
    }
}

}  // namespace eddy::torch_exec
