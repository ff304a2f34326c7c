#include "models/torch/unit.hpp"

#include <algorithm>

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/runtime/interpreter.h>

#include "eddy/partial_sums.hpp"
#include "eddy/real_clock.hpp"
#include "eddy/tensor_rows.hpp"
#include "models/torch/channels_last.hpp"
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

at::Tensor laid_out(const at::Tensor& tensor, Layout layout) {
    switch (layout) {
        case Layout::dense: return tensor;
        case Layout::onednn: return tensor.to_mkldnn();
        case Layout::channels_last: return channels_last(tensor);
    }
    return tensor;
}

/// Of one image, and not the usual order as well.
bool has_channels_last(const at::Tensor& tensor) {
    return !tensor.is_mkldnn() && tensor.dim() == 4 && tensor.size(0) == 1 && tensor.scalar_type() == at::kFloat &&
           !tensor.is_contiguous() && tensor.is_contiguous(at::MemoryFormat::ChannelsLast);
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

/// A value that a unit takes or makes. `whole` belongs to the model.
struct Port {
    const TensorMeta* whole = nullptr;
    Rows rows;
    uint32_t summed_rows = 0;  ///< of a sum over rows: of how many; otherwise 0
};

Rows rows_of(graph::RowRange range) { return {static_cast<uint32_t>(range.begin), static_cast<uint32_t>(range.end)}; }

/// `made`: is it an output?
Port port_of(const ModelState& model, const UnitSpec& spec, size_t i, bool made) {
    const graph::Value& value = model.graph.value((made ? spec.outputs : spec.inputs)[i]);
    Port port{&value.meta, {}, 0};
    const uint32_t producer = value.producer;
    const graph::RowRule* rule = producer == graph::no_operator ? nullptr : &model.row_rules[producer];
    if (rule != nullptr && rule->kind == graph::RowRule::Kind::reduction)
        port.summed_rows = static_cast<uint32_t>(rule->inputs.front().rows);
    if (!spec.rows.everything()) port.rows = rows_of((made ? spec.rows.outputs : spec.rows.inputs)[i]);
    return port;
}

/// What is to come out.
TensorMeta meta_of(const Port& port) {
    if (port.summed_rows == 0) return meta_of_rows(*port.whole, port.rows);
    TensorMeta meta = *port.whole;
    if (resolved(port.rows, port.summed_rows) != Rows{0, port.summed_rows}) meta.rows = port.rows;
    return meta;
}

bool can_lay_out(const Port& port) {
    return port.summed_rows == 0 && port.whole->dtype == DType::f32 && row_layout(*port.whole)->axis.has_value();
}

Result<at::Tensor> gather_dense(const Port& port, std::span<const HostTensor> pieces) {
    const auto tensor = port.summed_rows != 0 ? add_partial_sums(*port.whole, port.summed_rows, pieces)
                                              : assemble_rows(*port.whole, port.rows, pieces);
    if (!tensor) return tensor.error();
    return wrap(*tensor);
}

const float* numbers_of(const HostTensor& tensor) { return reinterpret_cast<const float*>(tensor.bytes.data()); }

/// Rows that lie together in one piece, as they are.
at::Tensor wrap_rows(const RowPart& part, const std::vector<int64_t>& shape) {
    const int64_t row = shape[3] * shape[1];
    auto* data = const_cast<float*>(numbers_of(*part.piece)) + (part.part.begin - part.held.begin) * row;
    const std::vector<int64_t> strides{shape[2] * row, 1, row, shape[1]};
    return at::from_blob(
        data, shape, strides, [keep = part.piece->bytes](void*) {}, at::TensorOptions().dtype(at::kFloat));
}

/// Pieces are put together and laid out in one go; rows that lie together in one are not copied.
Result<at::Tensor> gather_channels_last(const Port& port, std::span<const HostTensor> pieces) {
    const auto parts = row_parts(*port.whole, port.rows, pieces);
    if (!parts) return parts.error();
    const std::vector<int64_t> shape = meta_of_rows(*port.whole, port.rows).shape;
    if (parts->size() == 1 && parts->front().piece->meta.channels_last) return wrap_rows(parts->front(), shape);
    const auto options = at::TensorOptions().dtype(at::kFloat).memory_format(at::MemoryFormat::ChannelsLast);
    const at::Tensor made = at::empty(shape, options);
    const int64_t channels = shape[1];
    const int64_t columns = shape[3];
    auto* to = made.data_ptr<float>();
    for (const auto& [piece, held, part] : *parts) {
        const int64_t skipped = part.begin - held.begin;
        const int64_t pixels = (part.end - part.begin) * columns;
        if (piece->meta.channels_last)
            std::copy_n(numbers_of(*piece) + skipped * columns * channels, pixels * channels, to);
        else
            transpose(numbers_of(*piece) + skipped * columns, to,
                      {channels, pixels, (held.end - held.begin) * columns, channels});
        to += pixels * channels;
    }
    return made;
}

bool any_channels_last(ValueId value, std::span<const HostTensor> pieces) {
    return std::any_of(pieces.begin(), pieces.end(), [&](const HostTensor& piece) {
        return piece.meta.value == value && piece.meta.channels_last;
    });
}

}  // namespace

struct Unit::State {
    std::shared_ptr<const Model> model;
    UnitSpec spec;
    torch::jit::Code code;
    uint64_t bytes = 0;
    std::vector<Port> inputs;
    std::vector<Port> outputs;
    std::vector<Layout> liked;  ///< by input

    /// One tensor an input, with just the rows it is needed in.
    [[nodiscard]] Result<torch::jit::Stack> gather(std::span<const HostTensor> pieces) const {
        torch::jit::Stack stack;
        stack.reserve(inputs.size());
        for (size_t i = 0; i < inputs.size(); ++i) {
            const bool channels_last =
                can_lay_out(inputs[i]) &&
                (liked[i] == Layout::channels_last || any_channels_last(inputs[i].whole->value, pieces));
            auto tensor =
                channels_last ? gather_channels_last(inputs[i], pieces) : gather_dense(inputs[i], pieces);
            if (!tensor) return Error{tensor.error().code, "unit: " + tensor.error().message};
            stack.emplace_back(*std::move(tensor));
        }
        return stack;
    }

    /// `as_it_comes`: for other units, which like its channels last if it has them so.
    [[nodiscard]] static Result<HostTensor> unwrap(const at::Tensor& made, const Port& port, bool as_it_comes) {
        TensorMeta meta = meta_of(port);
        meta.channels_last = as_it_comes && port.summed_rows == 0 && has_channels_last(made);
        at::Tensor dense = made;
        if (!meta.channels_last) dense = made.is_mkldnn() ? made.to_dense() : channels_first(made);
        if (dense.scalar_type() != scalar_type_of(meta.dtype) || dense.sizes() != at::IntArrayRef(meta.shape))
            return internal("value " + std::to_string(meta.value.value) + " came out with another type or shape");
        return HostTensor{std::move(meta), share(dense)};
    }

    /// Replaces the inputs on the stack by the outputs.
    void step(torch::jit::Stack& stack) const {
        torch::jit::InterpreterState(code).run(stack);
        TORCH_CHECK(stack.size() == spec.outputs.size(), "gave another number of tensors");
    }

    [[nodiscard]] Result<std::vector<HostTensor>> unwrap_all(const torch::jit::Stack& stack, bool as_they_come) const {
        std::vector<HostTensor> made;
        made.reserve(stack.size());
        for (size_t i = 0; i < stack.size(); ++i) {
            auto output = unwrap(stack[i].toTensor(), outputs[i], as_they_come);
            if (!output) return output.error();
            made.push_back(*std::move(output));
        }
        return made;
    }
};

Unit::Unit(std::unique_ptr<State> state) : state_(std::move(state)) {}
Unit::~Unit() = default;
const UnitSpec& Unit::spec() const { return state_->spec; }
uint64_t Unit::bytes() const { return state_->bytes; }

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
        state->liked = liked_layouts(**graph);
        for (size_t i = 0; i < spec.inputs.size(); ++i)
            state->inputs.push_back(port_of(model->state(), spec, i, false));
        for (size_t i = 0; i < spec.outputs.size(); ++i)
            state->outputs.push_back(port_of(model->state(), spec, i, true));
        state->model = std::move(model);
        state->spec = std::move(spec);
        return std::shared_ptr<const Unit>(new Unit(std::move(state)));
    } catch (const std::exception& error) {
        return internal(std::string("unit: cannot be compiled: ") + first_line(error.what()));
    }
}

Result<std::vector<HostTensor>> Unit::run(std::span<const HostTensor> pieces, Usec* around) const {
    try {
        const c10::InferenceMode inference;
        const Instant start = real_now();
        auto stack = state_->gather(pieces);
        if (!stack) return stack.error();
        const Instant gathered = real_now();
        state_->step(*stack);
        const Instant stepped = real_now();
        auto made = state_->unwrap_all(*stack, true);
        if (around != nullptr) *around = (gathered - start) + (real_now() - stepped);
        return made;
    } catch (const std::exception& error) {
        return internal(std::string("unit: ") + first_line(error.what()));
    }
}

Result<std::vector<HostTensor>> Unit::run_sequence(std::span<const std::shared_ptr<const Unit>> units,
                                                   std::span<const HostTensor> inputs, std::vector<Usec>* times) {
    if (units.empty()) return invalid("unit: an empty sequence");
    for (size_t i = 1; i < units.size(); ++i)
        if (const UnitSpec& next = units[i]->spec(), &before = units[i - 1]->spec();
            next.inputs != before.outputs || next.rows.inputs != before.rows.outputs)
            return invalid("unit: number " + std::to_string(i) +
                           " of the sequence takes not what the one before gives");
    try {
        const c10::InferenceMode inference;
        auto gathered = units.front()->state_->gather(inputs);
        if (!gathered) return gathered.error();
        torch::jit::Stack stack = *std::move(gathered);
        Instant start = times != nullptr ? real_now() : Instant{};
        for (const auto& unit : units) {
            unit->state_->step(stack);
            if (times == nullptr) continue;
            const Instant end = real_now();
            times->push_back(end - start);
            start = end;
        }
        return units.back()->state_->unwrap_all(stack, false);
    } catch (const std::exception& error) {
        return internal(std::string("unit: ") + first_line(error.what()));
    }
}

Result<Usec> Unit::time_operators(std::span<const HostTensor> pieces, uint32_t times) const {
    try {
        const c10::InferenceMode inference;
        auto gathered = state_->gather(pieces);
        if (!gathered) return gathered.error();
        torch::jit::Stack stack = *std::move(gathered);
        for (size_t i = 0; i < stack.size(); ++i) stack[i] = laid_out(stack[i].toTensor(), state_->liked[i]);
        std::vector<torch::jit::Stack> stacks(times, stack);
        const Instant start = real_now();
        for (torch::jit::Stack& each : stacks) {
            state_->step(each);
            each.clear();
        }
        return real_now() - start;
    } catch (const std::exception& error) {
        return internal(std::string("unit: ") + first_line(error.what()));
    }
}

}  // namespace eddy::torch_exec
