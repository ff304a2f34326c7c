#include "src/node/edgeflow/flow_plan.hpp"

#include <algorithm>
#include <set>

#include "eddy/row_layout.hpp"

namespace eddy::node {

using planner::edgeflow::Blocks;
using planner::edgeflow::Message;
using planner::edgeflow::Need;
using planner::edgeflow::Plan;
using planner::edgeflow::Problem;
using planner::edgeflow::Unit;
using planner::edgeflow::UnitGraph;

class FlowPlanMaker {
public:
    FlowPlanMaker(Blocks& blocks, const Plan& plan, uint32_t device)
        : blocks_(blocks), problem_(blocks.problem()), plan_(plan), graph_(planner::edgeflow::units_of(blocks, plan)) {
        made_.device_ = device;
        made_.source_ = static_cast<uint32_t>(problem_.source());
        made_.workspace_bytes_ = graph_.memory[device].workspace_bytes;
        partial_.resize(problem_.graph().values().size());
        for (const auto& block : plan.blocks)
            for (const auto& output : blocks.facts(block.first, block.last).outputs)
                partial_[output.value.value] = output.sharing == planner::edgeflow::Sharing::partial;
    }

    FlowPlan run() {
        for (uint32_t number = 0; number < graph_.units.size(); ++number)
            if (graph_.units[number].device == made_.device_) add_unit(number);
        if (made_.is_source()) add_frame();
        for (FlowUnit& unit : made_.units_) find_inputs(unit);
        for (FlowUnit& unit : made_.units_) find_work(unit);
        for (const FlowTensor& tensor : made_.tensors_) made_.frame_bytes_ += tensor.bytes;
        return std::move(made_);
    }

private:
    /// Of a pool's sums the rows say what was summed: the tensor is as large whatever they are.
    [[nodiscard]] FlowTensor tensor_of(const graph::ValueRows& piece) const {
        const auto& value = problem_.graph().value(piece.value);
        const int64_t rows = graph::row_count(value);
        const int64_t counted = rows == 1 ? 1 : piece.rows.size();
        int64_t all = rows;
        if (partial_[piece.value.value]) all = problem_.rules()[value.producer].inputs.front().rows;
        std::vector<int64_t> shape = value.meta.shape;
        if (rows > 1) shape[row_layout(value.meta)->axis.value()] = piece.rows.size();
        const bool sum = value.producer != graph::no_operator &&
                         problem_.rules()[value.producer].kind == graph::RowRule::Kind::reduction;
        return {piece.value,
                piece.rows,
                problem_.row_bytes(piece.value) * static_cast<uint64_t>(counted),
                static_cast<uint32_t>(all),
                0,
                value.meta.dtype,
                std::move(shape),
                sum};
    }

    uint32_t add_tensor(const graph::ValueRows& piece) {
        made_.tensors_.push_back(tensor_of(piece));
        return static_cast<uint32_t>(made_.tensors_.size()) - 1;
    }

    void add_unit(uint32_t number) {
        const Unit& unit = graph_.units[number];
        FlowUnit made;
        made.number = number;
        made.block = unit.block;
        for (const uint32_t index : unit.messages) {
            const Message& message = graph_.messages[index];
            FlowSend send{index, message.to, {}};
            for (const graph::ValueRows& rows : message.rows) send.tensors.push_back(tensor_of(rows));
            made.sends.push_back(std::move(send));
        }
        made_.units_.push_back(std::move(made));
    }

    /// The frame is there when it is captured; what others get of it the capture must cut out.
    void add_frame() {
        FlowUnit& capture = made_.units_.front();
        const ValueId frame = problem_.graph().inputs().front();
        capture.makes = {add_tensor({frame, {0, graph::row_count(problem_.graph().value(frame))}})};
        if (capture.sends.empty()) return;
        capture.inputs = capture.makes;
        ++made_.tensors_[capture.makes.front()].uses;
    }

    [[nodiscard]] FlowUnit& unit_numbered(uint32_t number) {
        return *std::lower_bound(made_.units_.begin(), made_.units_.end(), number,
                                 [](const FlowUnit& unit, uint32_t wanted) { return unit.number < wanted; });
    }

    void find_inputs(FlowUnit& unit) {
        const auto place = static_cast<uint32_t>(&unit - made_.units_.data());
        if (unit.number == 0) return;
        std::set<std::pair<bool, uint32_t>> providers;
        std::set<uint32_t> inputs;
        for (const Need& need : graph_.units[unit.number].needs) {
            providers.emplace(need.remote, need.from);
            inputs.insert(need.remote ? arrived(need) : made_here(need));
        }
        for (const auto& [remote, from] : providers)
            (remote ? made_.arrivals_.at(from).next : unit_numbered(from).next).push_back(place);
        unit.waits = static_cast<uint32_t>(providers.size());
        unit.inputs.assign(inputs.begin(), inputs.end());
        for (const uint32_t tensor : inputs) ++made_.tensors_[tensor].uses;
    }

    /// The tensor of a message that holds these rows.
    uint32_t arrived(const Need& need) {
        const auto [arrival, fresh] = made_.arrivals_.try_emplace(need.from);
        const Message& message = graph_.messages[need.from];
        if (fresh) {
            arrival->second.from = graph_.units[message.unit].device;
            for (const graph::ValueRows& rows : message.rows) arrival->second.tensors.push_back(add_tensor(rows));
        }
        for (const uint32_t tensor : arrival->second.tensors)
            if (holds(made_.tensors_[tensor], need)) return tensor;
        EDDY_ASSERT(false);
        return 0;
    }

    /// The tensor that a unit here leaves for others here: all of its rows of the value that any of them needs.
    uint32_t made_here(const Need& need) {
        FlowUnit& maker = unit_numbered(need.from);
        for (const uint32_t tensor : maker.makes)
            if (made_.tensors_[tensor].value == need.value) return tensor;
        graph::RowRange rows;
        for (const Unit& unit : graph_.units)
            for (const Need& each : unit.needs)
                if (!each.remote && each.from == need.from && each.value == need.value) rows = hull(rows, each.rows);
        maker.makes.push_back(add_tensor({need.value, rows}));
        return maker.makes.back();
    }

    void find_work(FlowUnit& unit) {
        const Unit& whole = graph_.units[unit.number];
        if (unit.number == 0 || unit.block == plan_.blocks.size()) return;
        const auto& block = plan_.blocks[unit.block];
        unit.first = problem_.steps()[block.first].first;
        unit.last = problem_.steps()[block.last - 1].last;
        unit.work = blocks_.share(block.first, block.last, whole.part, whole.lead).work;
        unit.gathered_bytes = whole.gathered_bytes;
        for (const FlowTensor& tensor : made_.outputs_of(unit)) {
            const auto same = [&](const graph::ValueRows& each) { return each.value == tensor.value; };
            const auto known = std::find_if(unit.wanted.begin(), unit.wanted.end(), same);
            if (known == unit.wanted.end())
                unit.wanted.push_back({tensor.value, tensor.rows});
            else
                known->rows = hull(known->rows, tensor.rows);
        }
        // A pool that is not divided is one row for who gets it, and all rows of its input for who makes it.
        for (graph::ValueRows& each : unit.wanted) {
            const graph::RowRule& rule = problem_.rules()[problem_.graph().value(each.value).producer];
            const bool pool = rule.kind == graph::RowRule::Kind::reduction;
            if (pool && !partial_[each.value.value]) each.rows = {0, rule.inputs.front().rows};
        }
    }

    static bool holds(const FlowTensor& tensor, const Need& need) {
        return tensor.value == need.value && tensor.rows.begin <= need.rows.begin && need.rows.end <= tensor.rows.end;
    }

    Blocks& blocks_;
    const Problem& problem_;
    const Plan& plan_;
    UnitGraph graph_;
    std::vector<bool> partial_;  ///< by value: what travels are sums
    FlowPlan made_;
};

std::vector<FlowTensor> FlowPlan::outputs_of(const FlowUnit& unit) const {
    std::vector<FlowTensor> outputs;
    if (unit.number != 0)
        for (const uint32_t tensor : unit.makes) outputs.push_back(tensors_[tensor]);
    for (const FlowSend& send : unit.sends) outputs.insert(outputs.end(), send.tensors.begin(), send.tensors.end());
    return outputs;
}

FlowPlan FlowPlan::make(Blocks& blocks, const Plan& plan, uint32_t device) {
    return FlowPlanMaker(blocks, plan, device).run();
}

}  // namespace eddy::node
