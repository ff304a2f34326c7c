#include "models/graph/row_steps.hpp"

#include "models/graph/costs.hpp"

namespace eddy::graph {

namespace {

RowStep step_of(uint32_t index, const RowRule& rule) {
    RowStep step{index, index + 1, RowStep::Kind::whole, 1};
    if (rule.kind == RowRule::Kind::reduction) {
        step.kind = RowStep::Kind::reduction;
        step.rows = rule.inputs.front().rows;
    } else if (rule.divisible()) {
        step.kind = RowStep::Kind::rows;
        step.rows = rule.output_rows;
    }
    return step;
}

/// Would a border between this step and the operator behind it only cost speed? Then it joins.
bool joins(const RowStep& step, const Operator& op, const RowRule& rule) {
    if (!fuses_with_producer(op) && !moves_data_only(op)) return false;
    const RowStep alone = step_of(step.last, rule);
    return step.kind != RowStep::Kind::reduction && alone.kind == step.kind && alone.rows == step.rows;
}

}  // namespace

std::vector<RowStep> row_steps(const ModelGraph& graph, std::span<const RowRule> rules) {
    std::vector<RowStep> steps;
    const auto& operators = graph.operators();
    for (uint32_t index = 0; index < operators.size(); ++index) {
        if (!steps.empty() && joins(steps.back(), operators[index], rules[index]))
            ++steps.back().last;
        else
            steps.push_back(step_of(index, rules[index]));
    }
    return steps;
}

}  // namespace eddy::graph
