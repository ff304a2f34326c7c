// A model as a list of operators in topological order, without any idea of what computes them. Everything here is
// plain data about one import of one file at one input size: equal on every device, immutable once built.
//
// Values are tensors only. Scalars, sizes and lists never appear: the importer folds those that are known, and
// rematerialises lists inside the operator that consumes them. Weights are not values either; an operator counts its
// own.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "eddy/ids.hpp"
#include "eddy/result.hpp"
#include "eddy/tensor.hpp"

namespace eddy::graph {

inline constexpr uint32_t operators_max = 16384;
inline constexpr uint32_t no_operator = UINT32_MAX;

/// A tensor that flows. `meta.value` is its id and its index in ModelGraph::values; shapes are fixed.
struct Value {
    std::string name;
    TensorMeta meta;
    uint64_t bytes = 0;
    uint32_t producer = no_operator;  ///< index of the operator that makes it; none for the model's inputs
};

/// A weight: its name is the operator's argument ("weight", "bias", "running_mean").
struct Parameter {
    std::string name;
    std::vector<int64_t> shape;
    DType dtype = DType::f32;
};

/// One indivisible operator. Functional: it never alters its inputs.
struct Operator {
    std::string kind;              ///< "aten::conv2d"; layer 0 is "eddy::normalise"
    std::string place;             ///< where the model's author wrote it ("features.0.conv"), for people; may be empty
    std::vector<ValueId> inputs;   ///< distinct, in order of first use
    std::vector<ValueId> outputs;  ///< those that something uses
    /// Constant arguments that are integers, booleans or lists of them, by the schema's names: stride, padding, …
    std::map<std::string, std::vector<int64_t>> attributes;
    std::vector<Parameter> weights;
    uint64_t parameters = 0;    ///< elements; a weight shared by several operators counts at the first
    uint64_t weight_bytes = 0;  ///< likewise
    uint64_t flops = 0;         ///< multiply and add count as two
};

/// What a set of operators takes from outside and gives to the rest, both ascending.
struct Boundary {
    std::vector<ValueId> inputs;
    std::vector<ValueId> outputs;  ///< used by other operators, or outputs of the model
    friend bool operator==(const Boundary&, const Boundary&) = default;
};

class ModelGraph {
public:
    /// Checks what everything else relies on: ids are indices, producers come before consumers, sizes match.
    static Result<ModelGraph> build(std::vector<Value> values, std::vector<Operator> operators,
                                    std::vector<ValueId> inputs, std::vector<ValueId> outputs);

    [[nodiscard]] const std::vector<Operator>& operators() const { return operators_; }
    [[nodiscard]] const std::vector<Value>& values() const { return values_; }
    [[nodiscard]] const Value& value(ValueId id) const { return values_.at(id.value); }
    [[nodiscard]] const std::vector<ValueId>& inputs() const { return inputs_; }
    [[nodiscard]] const std::vector<ValueId>& outputs() const { return outputs_; }

    /// Cuts are numbered 0 … operators().size(); cut c lies before operator c.
    [[nodiscard]] uint32_t cuts() const { return static_cast<uint32_t>(operators_.size()) + 1; }
    /// The tensors live across a cut, ascending by id. At the last cut: the outputs, in the model's order.
    [[nodiscard]] std::vector<ValueId> frontier(uint32_t cut) const;
    [[nodiscard]] uint32_t frontier_tensors(uint32_t cut) const { return live_.at(cut).tensors; }
    [[nodiscard]] uint64_t frontier_bytes(uint32_t cut) const { return live_.at(cut).bytes; }

    /// `operators`: indices, ascending, distinct.
    [[nodiscard]] Boundary boundary_of(std::span<const uint32_t> operators) const;

private:
    struct Live {
        uint32_t tensors = 0;
        uint64_t bytes = 0;
    };
    [[nodiscard]] Status check() const;
    void find_uses();

    std::vector<Value> values_;
    std::vector<Operator> operators_;
    std::vector<ValueId> inputs_;
    std::vector<ValueId> outputs_;
    std::vector<Live> live_;           ///< by cut
    std::vector<uint32_t> last_use_;   ///< by value: cuts up to and including this one are crossed; outputs: the last
    std::vector<uint32_t> first_cut_;  ///< by value: the first cut at which it exists
    std::vector<std::vector<uint32_t>> consumers_;  ///< by value: operators, ascending
    std::vector<bool> is_output_;                   ///< by value
};

}  // namespace eddy::graph
