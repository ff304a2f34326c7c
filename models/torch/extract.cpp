#include "models/torch/extract.hpp"

#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <torch/csrc/jit/ir/constants.h>

#include "models/torch/convolution.hpp"
#include "models/torch/lay_out.hpp"
#include "models/torch/row_plan.hpp"

namespace eddy::torch_exec {

namespace {

using graph::RowRange;
using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

/// LibTorch 1.13 runs relu6, hardswish and hardsigmoid on oneDNN's memory as if it were dense. That is wrong where
/// oneDNN pads channels up to its block, which is at most 16.
bool survives_blocked_layout(const at::Tensor& sample) { return sample.dim() == 4 && sample.size(1) % 16 == 0; }

/// The name under which the oneDNN pass treats an activation rightly: relu6 is known to it, while torchvision's
/// hardtanh(0, 6) would end every group; the `eddy::` ones are unknown to it, and stay outside its groups.
std::optional<c10::Symbol> better_name(const Node* node, const at::Tensor& sample) {
    if (has_convolutions()) return std::nullopt;
    const bool safe = survives_blocked_layout(sample);
    if (is_relu6(node)) return safe ? std::optional(c10::aten::relu6) : std::nullopt;
    if (safe) return std::nullopt;
    if (node->kind() == c10::aten::relu6) return c10::Symbol::fromQualString("eddy::relu6");
    if (node->kind() == c10::aten::hardswish) return c10::Symbol::fromQualString("eddy::hardswish");
    if (node->kind() == c10::aten::hardsigmoid) return c10::Symbol::fromQualString("eddy::hardsigmoid");
    return std::nullopt;
}

/// The place of an argument among a node's inputs, by the schema's name.
std::optional<size_t> argument(const Node* node, const std::string& name) {
    const auto& arguments = node->schema().arguments();
    for (size_t i = 0; i < arguments.size() && i < node->inputs().size(); ++i)
        if (arguments[i].name() == name) return i;
    return std::nullopt;
}

/// A scale of an upsampling: for rows (axis 0) or columns; none unless the model states it.
std::optional<double> scale_of(const Node* node, const char* name, size_t axis) {
    if (const auto at = argument(node, name))
        if (const auto scale = torch::jit::toIValue(node->inputs()[*at]); scale && scale->isDouble())
            return scale->toDouble();
    if (const auto at = argument(node, "scale_factors"))
        if (const auto scales = torch::jit::toIValue(node->inputs()[*at]); scales && scales->isDoubleList())
            if (const auto list = scales->toDoubleVector(); axis < list.size()) return list[axis];
    return std::nullopt;
}

class Extractor {
public:
    /// `plan`: if the unit is about some rows.
    Extractor(const ModelState& model, const UnitSpec& spec, const RowPlan* plan)
        : model_(model), spec_(spec), plan_(plan) {}

    Result<std::shared_ptr<Graph>> run() {
        for (const ValueId id : spec_.inputs) {
            if (id.value >= model_.values.size())
                return invalid("unit: input " + std::to_string(id.value) + " is unknown");
            if (!copies_.emplace(model_.values[id.value], graph_->addInput()).second)
                return invalid("unit: input " + std::to_string(id.value) + " is given twice");
        }
        for (size_t i = 0; i < spec_.operators.size(); ++i) {
            const uint32_t index = spec_.operators[i];
            if (index >= model_.flat.operators.size())
                return invalid("unit: operator " + std::to_string(index) + " is unknown");
            auto copied = plan_ == nullptr ? copy_operator(index) : copy_rows(i);
            if (!copied) return copied.error();
        }
        for (size_t i = 0; i < spec_.outputs.size(); ++i)
            if (auto added = add_output(i); !added) return added.error();
        return graph_;
    }

private:
    Status add_output(size_t i) {
        const ValueId id = spec_.outputs[i];
        const auto found = id.value < model_.values.size() ? copies_.find(model_.values[id.value]) : copies_.end();
        if (found == copies_.end())
            return invalid("unit: output " + std::to_string(id.value) + " is neither made nor given");
        Value* made = found->second;
        if (plan_ != nullptr && plan_->outputs[i] != spec_.rows.outputs[i])
            made = take_rows(made, plan_->outputs[i], {spec_.rows.outputs[i]});
        graph_->registerOutput(made);
        return success();
    }

    // --- nodes -----------------------------------------------------------------------------------------------------

    [[nodiscard]] Value* find(Value* flat) const {
        if (const auto stand_in = stand_ins_.find(flat); stand_in != stand_ins_.end()) return stand_in->second;
        const auto found = copies_.find(flat);
        return found == copies_.end() ? nullptr : found->second;
    }

    Status copy_constants(Node* node, uint32_t index) {
        for (Value* input : node->inputs()) {
            if (find(input) != nullptr) continue;
            if (input->node()->kind() != c10::prim::Constant)
                return invalid("unit: operator " + std::to_string(index) + " (" + model_.flat.operators[index].source +
                               ") needs a value that is neither made nor given");
            Node* constant = graph_->createClone(input->node(), [](Value* v) { return v; });
            graph_->insertNode(constant);
            copies_.emplace(input, constant->output());
        }
        return success();
    }

    void keep(Node* flat, Node* made) {
        graph_->insertNode(made);
        for (size_t i = 0; i < flat->outputs().size(); ++i) copies_[flat->outputs()[i]] = made->outputs()[i];
    }

    Status copy_operator(uint32_t index) {
        const FlatOperator& op = model_.flat.operators[index];
        for (Node* node : op.nodes) {
            if (auto copied = copy_constants(node, index); !copied) return copied;
            Node* made = clone(node, op);
            if (node == op.main) note_shapes(made, index, std::nullopt);
            keep(node, made);
        }
        return success();
    }

    Node* clone(Node* node, const FlatOperator& op) {
        if (node == op.main && use_onednn() && !op.samples.empty())
            if (const auto name = better_name(node, op.samples.front())) {
                Node* renamed = graph_->create(*name, {find(node->inputs()[0])}, 1);
                renamed->copyMetadata(node);
                return renamed;
            }
        return graph_->createClone(node, [&](Value* v) { return find(v); });
    }

    /// What it takes to know which convolutions oneDNN can do, and with what. `rows`: of the first input, if not all.
    void note_shapes(Node* made, uint32_t index, std::optional<int64_t> rows) const {
        const graph::Operator& op = model_.graph.operators()[index];
        const FlatOperator& flat = model_.flat.operators[index];
        if (op.inputs.empty() || flat.main->inputs().empty() || flat.main->inputs()[0] != flat.inputs.front()) return;
        const TensorMeta& meta = model_.graph.value(op.inputs.front()).meta;
        std::vector<int64_t> shape = meta.shape;
        if (op.inputs.size() == 1 && shape.size() == 4) {
            if (rows) shape[2] = *rows;
            made->is_(input_shape_note(), shape);
        }
        if (op.inputs.size() != 2 || meta.dtype != DType::f32) return;
        const TensorMeta& other = model_.graph.value(op.inputs.back()).meta;
        if (other.shape == shape && other.dtype == meta.dtype) made->i_(same_shapes_note(), 1);
    }

    // --- some rows -------------------------------------------------------------------------------------------------

    Status copy_rows(size_t place) {
        const uint32_t index = spec_.operators[place];
        const graph::Operator& op = model_.graph.operators()[index];
        const FlatOperator& flat = model_.flat.operators[index];
        const RowWay& way = plan_->ways[place];
        for (size_t i = 0; i < op.inputs.size(); ++i)
            if (way.cuts[i]) stand_ins_[flat.inputs[i]] = cut(op.inputs[i], plan_->slabs[place][i], *way.cuts[i]);
        for (Node* node : flat.nodes) {
            if (auto copied = copy_constants(node, index); !copied) return copied;
            const bool own = node == flat.main && way.run != RowWay::Run::itself;
            Node* made = own ? our_own(op, flat, way, plan_->slabs[place].front()) : clone(node, flat);
            if (node == flat.main && !own) {
                replace_arguments(made, flat.main, way);
                note_shapes(made, index, rows_into(place));
            }
            keep(node, made);
        }
        stand_ins_.clear();
        Value*& made = copies_.at(flat.outputs.front());
        if (way.factor != 1) made = call("aten::mul", {made, constant(std::optional(way.factor))});
        if (way.kept != way.made) made = take_rows(made, way.made, {way.kept});
        return success();
    }

    /// Rows that the operator's first input is given in.
    [[nodiscard]] std::optional<int64_t> rows_into(size_t place) const {
        const RowWay& way = plan_->ways[place];
        if (way.cuts.empty()) return std::nullopt;
        if (const auto& cut = way.cuts.front()) return cut->above + cut->rows.size() + cut->below;
        return plan_->slabs[place].front().size();
    }

    /// What the operator is run on instead of its slab.
    Value* cut(ValueId id, RowRange held, const RowCut& rows) {
        if (!rows.rows.empty()) return take_rows(copies_.at(model_.values[id.value]), held, rows);
        const TensorMeta& meta = model_.graph.value(id).meta;
        std::vector<int64_t> shape = meta.shape;
        shape[2] = rows.above + rows.below;
        const auto options = at::TensorOptions().dtype(scalar_type_of(meta.dtype));
        return graph_->insertConstant(c10::IValue(at::zeros(shape, options)));
    }

    Value* take_rows(Value* tensor, RowRange held, const RowCut& cut) {
        return call("eddy::take_rows", {tensor, constant(cut.rows.begin - held.begin), constant(cut.rows.size()),
                                        constant(cut.above), constant(cut.below)});
    }

    void replace_arguments(Node* made, const Node* flat, const RowWay& way) {
        for (const auto& [name, numbers] : way.replaced) {
            const auto at = argument(flat, name);
            TORCH_CHECK(at.has_value(), "an operator has no argument ", name);
            made->replaceInput(*at, constant(numbers));
        }
    }

    Node* our_own(const graph::Operator& op, const FlatOperator& flat, const RowWay& way, RowRange held) {
        const std::vector<int64_t>& out = model_.graph.value(op.outputs.front()).meta.shape;
        const int64_t rows = row_count(model_.graph.value(op.inputs.front()));
        const std::vector<int64_t> stretch{held.begin, rows, out[2], way.made.begin, way.made.end, out[3]};
        std::vector<Value*> arguments{find(flat.inputs.front()), constant(stretch)};
        const char* name = "eddy::pool_bins";
        if (way.run != RowWay::Run::bins) {
            arguments.push_back(constant(scale_of(flat.main, "scales_h", 0)));
            arguments.push_back(constant(scale_of(flat.main, "scales_w", 1)));
            name = way.run == RowWay::Run::nearest    ? "eddy::upsample_nearest"
                   : way.run == RowWay::Run::bilinear ? "eddy::upsample_bilinear"
                                                      : "eddy::upsample_bilinear_corners";
        }
        return graph_->create(c10::Symbol::fromQualString(name), arguments, 1);
    }

    Value* call(const char* name, const std::vector<Value*>& arguments) {
        Node* node = graph_->create(c10::Symbol::fromQualString(name), arguments, 1);
        graph_->insertNode(node);
        return node->output();
    }
    Value* constant(int64_t number) { return graph_->insertConstant(c10::IValue(number)); }
    Value* constant(const std::vector<int64_t>& numbers) { return graph_->insertConstant(c10::IValue(numbers)); }
    Value* constant(const std::optional<double>& number) {
        return graph_->insertConstant(number ? c10::IValue(*number) : c10::IValue());
    }

    const ModelState& model_;
    const UnitSpec& spec_;
    const RowPlan* plan_;
    std::shared_ptr<Graph> graph_ = std::make_shared<Graph>();
    std::unordered_map<Value*, Value*> copies_;     ///< of the flat graph's values
    std::unordered_map<Value*, Value*> stand_ins_;  ///< for some of these, while one operator is copied
};

}  // namespace

bool use_onednn() { return at::hasMKLDNN() && at::globalContext().userEnabledMkldnn(); }

Result<std::shared_ptr<Graph>> extract_graph(const ModelState& model, const UnitSpec& spec) {
    const UnitRows& rows = spec.rows;
    if (rows.operators.empty() && rows.inputs.empty() && rows.outputs.empty())
        return Extractor(model, spec, nullptr).run();
    const auto plan = has_convolutions() ? plan_rows(model.graph, model.row_rules, spec, Spare::none)
                                         : plan_rows(model.graph, model.row_rules, spec);
    if (!plan) return plan.error();
    return Extractor(model, spec, &*plan).run();
}

}  // namespace eddy::torch_exec
