#include "planner/edgeflow/layer_state.hpp"

#include <algorithm>

namespace eddy::planner::edgeflow {

LayerState::LayerState(Blocks& blocks) : blocks_(blocks), free_us_(blocks.problem().devices(), 0) {
    const Problem& problem = blocks.problem();
    for (const ValueId input : problem.graph().inputs()) {
        ValueState state;
        const int64_t rows = graph::row_count(problem.graph().value(input));
        for (size_t device = 0; device <= problem.devices(); ++device)
            state.bounds.push_back(device <= problem.source() ? 0 : rows);
        state.finished_us.assign(problem.devices(), 0);
        values_.emplace(input, std::move(state));
    }
}

double LayerState::transfer_us(ValueId value, double rows, size_t from, size_t to) const {
    const Problem& problem = blocks_.problem();
    return static_cast<double>(problem.row_bytes(value)) * rows / problem.link(from, to).bytes_per_us;
}

std::vector<double> LayerState::finish_us(const Block& block) {
    const Problem& problem = blocks_.problem();
    std::vector<double> finish(problem.devices(), 0);
    for (size_t i = 0; i < problem.devices(); ++i) {
        if (block.part(i).empty()) continue;
        const Share& share = blocks_.share(block, i);
        double ready_us = free_us_[i];
        for (const graph::ValueRows& input : share.inputs) {
            const ValueState& state = values_.at(input.value);
            for (size_t j = 0; j < problem.devices(); ++j) {
                const int64_t begin = std::max(state.bounds[j], state.partial ? 0 : input.rows.begin);
                const int64_t end = state.partial ? state.bounds[j + 1] : std::min(state.bounds[j + 1], input.rows.end);
                if (j == i || begin >= end) continue;
                const double rows = state.partial ? 1 : static_cast<double>(end - begin);
                ready_us = std::max(ready_us, state.finished_us[j] + transfer_us(input.value, rows, j, i));
            }
        }
        const Device& on = problem.device(i);
        finish[i] = ready_us + problem.unit_us(on, share.cost_us[on.profile]);
    }
    return finish;
}

double LayerState::latest_us(const Block& block) {
    const std::vector<double> finish = finish_us(block);
    return *std::max_element(finish.begin(), finish.end());
}

void LayerState::accept(const Block& block) {
    const std::vector<double> finish = finish_us(block);
    const BlockFacts& facts = blocks_.facts(block.first, block.last);
    for (const BlockOutput& output : facts.outputs) {
        ValueState state;
        state.partial = output.sharing == Sharing::partial;
        state.finished_us = finish;
        for (size_t device = 0; device < block.bounds.size(); ++device) {
            const int64_t bound = block.bounds[device];
            state.bounds.push_back(output.sharing == Sharing::whole
                                       ? (device <= block.lead() ? 0 : output.rows)
                                       : Blocks::scaled({bound, bound}, facts.reference_rows, output.rows).begin);
        }
        values_.insert_or_assign(output.value, std::move(state));
    }
    for (size_t device = 0; device < free_us_.size(); ++device)
        free_us_[device] = std::max(free_us_[device], finish[device]);
}

}  // namespace eddy::planner::edgeflow
