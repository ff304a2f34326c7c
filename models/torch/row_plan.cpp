#include "models/torch/row_plan.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace eddy::torch_exec {

namespace {

using graph::RowRange;
using graph::RowRule;

class Planner {
public:
    Planner(const graph::ModelGraph& graph, std::span<const RowRule> rules, const UnitSpec& spec, Spare spare)
        : graph_(graph), rules_(rules), spec_(spec), spare_(spare), slabs_(graph.values().size()) {}

    Result<RowPlan> run() {
        if (auto checked = check_lists(); !checked) return checked.error();
        for (size_t i = 0; i < spec_.inputs.size(); ++i)
            if (auto added = add_input(spec_.inputs[i], spec_.rows.inputs[i]); !added) return added.error();
        for (size_t i = 0; i < spec_.operators.size(); ++i)
            if (auto added = add_operator(spec_.operators[i], spec_.rows.operators[i]); !added) return added.error();
        for (size_t i = 0; i < spec_.outputs.size(); ++i)
            if (auto added = add_output(spec_.outputs[i], spec_.rows.outputs[i]); !added) return added.error();
        plan_.flops += static_cast<double>(plan_.copied_bytes) * flops_per_copied_byte;
        return std::move(plan_);
    }

private:
    [[nodiscard]] Status check_lists() const {
        const UnitRows& rows = spec_.rows;
        if (rows.operators.size() == spec_.operators.size() && rows.inputs.size() == spec_.inputs.size() &&
            rows.outputs.size() == spec_.outputs.size())
            return success();
        return invalid("unit: rows are told of some operators and values only");
    }

    Status add_input(ValueId id, RowRange rows) {
        const std::string name = "unit: input " + std::to_string(id.value);
        if (id.value >= slabs_.size()) return invalid(name + " is unknown");
        const int64_t all = row_count(graph_.value(id));
        if (rows.empty() || !rows.within(all))
            return invalid(name + " has " + std::to_string(all) + " rows, and not those it is to be given in");
        slabs_[id.value] = {rows, rows};
        return success();
    }

    Status add_operator(uint32_t op, RowRange wanted) {
        if (op >= rules_.size()) return invalid("unit: operator " + std::to_string(op) + " is unknown");
        const auto& inputs = graph_.operators()[op].inputs;
        std::vector<Slab> slabs;
        std::vector<RowRange> held;
        for (const ValueId id : inputs) {
            slabs.push_back(slabs_[id.value]);
            held.push_back(slabs.back().held);
        }
        auto way = row_way({graph_, op, rules_[op], slabs, wanted, spare_});
        if (!way)
            return Error{way.error().code, "unit: operator " + std::to_string(op) + " (" + graph_.operators()[op].kind +
                                               "): " + way.error().message};
        for (size_t i = 0; i < inputs.size(); ++i)
            if (way->cuts[i]) count_copy(inputs[i], held[i], way->cuts[i]->rows);
        count_flops(op, *way);
        note_outputs(op, wanted, *way);
        plan_.ways.push_back(*std::move(way));
        plan_.slabs.push_back(std::move(held));
        return success();
    }

    /// A copy in a unit is three: out of oneDNN's layout, of the rows, and back.
    void count_copy(ValueId id, RowRange held, RowRange taken) {
        const graph::Value& value = graph_.value(id);
        const auto rows = static_cast<uint64_t>(held.size() + 2 * taken.size());
        plan_.copied_bytes += value.bytes / static_cast<uint64_t>(row_count(value)) * rows / 3;
    }

    void count_flops(uint32_t op, const RowWay& way) {
        const RowRule& rule = rules_[op];
        const bool is_sum = rule.kind == RowRule::Kind::reduction;
        plan_.flops += static_cast<double>(graph_.operators()[op].flops) *
                       row_fraction(way.made, is_sum ? rule.inputs.front().rows : rule.output_rows);
    }

    void note_outputs(uint32_t op, RowRange wanted, const RowWay& way) {
        const RowRule& rule = rules_[op];
        const bool is_sum = rule.kind == RowRule::Kind::reduction;
        for (const ValueId id : graph_.operators()[op].outputs) {
            // A whole operator's outputs need not have equally many rows, and a sum's one row is not what it sums.
            const RowRange all{0, row_count(graph_.value(id))};
            if (is_sum) sums_[id] = wanted;
            if (is_sum && wanted != RowRange{0, rule.inputs.front().rows}) continue;  // not for others to use
            slabs_[id.value] = is_sum || !rule.divisible() ? Slab{all, all} : Slab{way.kept, wanted};
            if (!is_sum && way.kept != way.made) count_copy(id, way.made, way.kept);
        }
    }

    Status add_output(ValueId id, RowRange rows) {
        const std::string name = "unit: output " + std::to_string(id.value);
        if (id.value >= slabs_.size()) return invalid(name + " is unknown");
        const Slab& slab = slabs_[id.value];
        const auto sum = sums_.find(id);
        const bool is_sum = sum != sums_.end();
        if (rows.empty() || (is_sum ? rows != sum->second : hull(slab.right, rows) != slab.right))
            return invalid(name + ": rows are wanted that are not made");
        plan_.outputs.push_back(is_sum ? rows : slab.held);
        if (!is_sum && rows != slab.held) count_copy(id, slab.held, rows);
        return success();
    }

    const graph::ModelGraph& graph_;
    std::span<const RowRule> rules_;
    const UnitSpec& spec_;
    Spare spare_;
    std::vector<Slab> slabs_;           ///< by ValueId
    std::map<ValueId, RowRange> sums_;  ///< made so far, and the rows that were summed
    RowPlan plan_;
};

}  // namespace

Result<RowPlan> plan_rows(const graph::ModelGraph& graph, std::span<const RowRule> rules, const UnitSpec& spec,
                          Spare spare) {
    return Planner(graph, rules, spec, spare).run();
}

Result<RowPlan> plan_rows(const graph::ModelGraph& graph, std::span<const RowRule> rules, const UnitSpec& spec) {
    auto best = plan_rows(graph, rules, spec, Spare::carried);
    if (!best) return best;
    for (const Spare spare : {Spare::weighed, Spare::avoided}) {
        auto other = plan_rows(graph, rules, spec, spare);
        if (other && other->flops < best->flops) best = std::move(other);
    }
    return best;
}

}  // namespace eddy::torch_exec
