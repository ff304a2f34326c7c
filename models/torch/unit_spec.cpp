#include "models/torch/unit_spec.hpp"

#include <map>
#include <numeric>
#include <string>

namespace eddy::torch_exec {

namespace {

using graph::RowRange;
using graph::RowRule;
using graph::ValueRows;

class RowUnit {
public:
    RowUnit(const graph::ModelGraph& graph, std::span<const RowRule> rules, uint32_t first, uint32_t last)
        : graph_(graph), rules_(rules), first_(first), last_(last) {}

    Result<UnitSpec> run(std::span<const ValueRows> wanted) {
        if (rules_.size() != graph_.operators().size() || first_ > last_ || last_ > rules_.size())
            return invalid("unit: operators " + std::to_string(first_) + " to " + std::to_string(last_) +
                           " are not a run of the " + std::to_string(graph_.operators().size()) + " there are");
        for (const ValueRows& each : wanted)
            if (auto taken = take(each); !taken) return taken.error();
        if (outputs_.empty()) return invalid("unit: nothing is wanted of it");
        for (uint32_t op = first_; op < last_; ++op)
            if (sums_.count(op) == 0) block_.push_back(op);
        for (const auto& [op, rows] : sums_)
            if (const ValueId id = graph_.operators()[op].inputs.front(); makes(id)) wanted_.push_back({id, rows});
        const auto rows = graph::block_rows(graph_, rules_, block_, wanted_);
        if (!rows) return rows.error();
        UnitSpec spec;
        collect_operators(*rows, spec);
        if (auto collected = collect_inputs(*rows, spec); !collected) return collected.error();
        for (const auto& [id, each] : outputs_) {
            spec.outputs.push_back(id);
            spec.rows.outputs.push_back(each);
        }
        if (everything(spec)) spec.rows = {};
        return spec;
    }

private:
    [[nodiscard]] bool makes(ValueId id) const {
        const uint32_t producer = graph_.value(id).producer;
        return first_ <= producer && producer < last_;
    }
    [[nodiscard]] bool sums(uint32_t op) const { return rules_[op].kind == RowRule::Kind::reduction; }
    [[nodiscard]] RowRange summed(uint32_t op) const { return {0, rules_[op].inputs.front().rows}; }

    Status take(const ValueRows& wanted) {
        const std::string name = "unit: value " + std::to_string(wanted.value.value);
        if (wanted.value.value >= graph_.values().size() || !makes(wanted.value))
            return invalid(name + " is not made in it");
        if (wanted.rows.empty()) return success();
        const uint32_t op = graph_.value(wanted.value).producer;
        if (!sums(op)) {
            wanted_.push_back(wanted);
            note_output(wanted.value, wanted.rows);
            return success();
        }
        if (!wanted.rows.within(summed(op).end))
            return invalid(name + " is a sum of " + std::to_string(summed(op).end) + " rows, wanted are " +
                           std::to_string(wanted.rows.begin) + " to " + std::to_string(wanted.rows.end));
        for (const auto& [id, rows] : outputs_)
            if (id == wanted.value && rows != wanted.rows) return invalid(name + " is wanted as two different sums");
        note_output(wanted.value, wanted.rows);
        if (wanted.rows == summed(op))
            wanted_.push_back({wanted.value, {0, 1}});
        else
            sums_[op] = wanted.rows;
        return success();
    }

    void note_output(ValueId id, RowRange rows) {
        for (ValueRows& output : outputs_) {
            if (output.value != id) continue;
            output.rows = hull(output.rows, rows);
            return;
        }
        outputs_.push_back({id, rows});
    }

    void collect_operators(const graph::BlockRows& rows, UnitSpec& spec) const {
        size_t place = 0;
        for (uint32_t op = first_; op < last_; ++op) {
            const auto sum = sums_.find(op);
            RowRange made = sum != sums_.end() ? sum->second : rows.operators[place++];
            if (made.empty()) continue;
            if (sum == sums_.end() && sums(op)) made = summed(op);
            spec.operators.push_back(op);
            spec.rows.operators.push_back(made);
        }
    }

    Status collect_inputs(const graph::BlockRows& rows, UnitSpec& spec) const {
        std::map<ValueId, RowRange> needed;
        for (const auto& [id, each] : rows.inputs)
            if (!each.empty()) needed[id] = each;
        for (const auto& [op, each] : sums_) {
            const graph::Operator& sum = graph_.operators()[op];
            for (const ValueId id : sum.outputs)
                if (needed.count(id) != 0)
                    return invalid("unit: value " + std::to_string(id.value) +
                                   " is summed in part, and needed whole by an operator of the same unit");
            if (const ValueId id = sum.inputs.front(); !makes(id)) needed[id] = hull(needed[id], each);
        }
        for (const auto& [id, each] : needed) {
            spec.inputs.push_back(id);
            spec.rows.inputs.push_back(each);
        }
        return success();
    }

    [[nodiscard]] bool everything(const UnitSpec& spec) const {
        for (size_t i = 0; i < spec.operators.size(); ++i) {
            const uint32_t op = spec.operators[i];
            if (spec.rows.operators[i] != (sums(op) ? summed(op) : RowRange{0, rules_[op].output_rows})) return false;
        }
        for (size_t i = 0; i < spec.inputs.size(); ++i)
            if (spec.rows.inputs[i] != RowRange{0, row_count(graph_.value(spec.inputs[i]))}) return false;
        for (size_t i = 0; i < spec.outputs.size(); ++i) {
            const graph::Value& value = graph_.value(spec.outputs[i]);
            const RowRange all = sums(value.producer) ? summed(value.producer) : RowRange{0, row_count(value)};
            if (spec.rows.outputs[i] != all) return false;
        }
        return true;
    }

    const graph::ModelGraph& graph_;
    std::span<const RowRule> rules_;
    uint32_t first_;
    uint32_t last_;
    std::vector<uint32_t> block_;        ///< all operators but those that make partial sums
    std::vector<ValueRows> wanted_;      ///< of the block
    std::map<uint32_t, RowRange> sums_;  ///< by operator: the rows that it sums, not all of them
    std::vector<ValueRows> outputs_;
};

}  // namespace

UnitSpec unit_between(const graph::ModelGraph& graph, uint32_t cut_first, uint32_t cut_last) {
    EDDY_ASSERT(cut_first <= cut_last && cut_last < graph.cuts());
    UnitSpec spec;
    spec.operators.resize(cut_last - cut_first);
    std::iota(spec.operators.begin(), spec.operators.end(), cut_first);
    spec.inputs = graph.frontier(cut_first);
    spec.outputs = graph.frontier(cut_last);
    return spec;
}

Result<UnitSpec> row_unit(const graph::ModelGraph& graph, std::span<const RowRule> rules, uint32_t first, uint32_t last,
                          std::span<const ValueRows> wanted) {
    return RowUnit(graph, rules, first, last).run(wanted);
}

}  // namespace eddy::torch_exec
