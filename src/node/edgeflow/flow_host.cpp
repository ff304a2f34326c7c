#include "src/node/edgeflow/flow_host.hpp"

#include <algorithm>
#include <set>

#include "eddy/assert.hpp"

namespace eddy::node {

using planner::edgeflow::Blocks;
using planner::edgeflow::Plan;
using planner::edgeflow::Problem;

FlowHost::FlowHost(NodeId self, std::shared_ptr<const graph::ModelGraph> graph, ContentHash chain_hash,
                   uint64_t bytes_max)
    : self_(self), graph_(std::move(graph)), chain_hash_(chain_hash), bytes_max_(bytes_max) {}

Status FlowHost::check(const PlanKey& key, const RowPlan& plan) const {
    if (!graph_) return unsupported("this node has no model");
    if (plan.chain_hash != chain_hash_) return unsupported("this node has another model");
    if (plan.devices.empty() || plan.devices.size() > plan_devices_max)
        return invalid("a plan for " + std::to_string(plan.devices.size()) + " devices");
    if (plan.window == 0 || plan.window > plan_window_max)
        return invalid("a window of " + std::to_string(plan.window) + " frames");
    if (plan.blocks.size() > plan_blocks_max) return invalid("too many blocks");
    if (std::set(plan.devices.begin(), plan.devices.end()).size() != plan.devices.size())
        return invalid("a node is named twice");
    for (const NodeId& needed : {self_, key.source})
        if (std::find(plan.devices.begin(), plan.devices.end(), needed) == plan.devices.end())
            return invalid("the plan is not for node " + short_name(needed));
    return success();
}

Result<const FlowPlan*> FlowHost::prepare(const PlanKey& key, const RowPlan& told) {
    const auto known = entries_.find(key);
    if (known != entries_.end()) {
        if (known->second.plan != told) return invalid("another plan under the same number");
        return &known->second.flow->plan();
    }
    if (auto checked = check(key, told); !checked) return checked.error();
    const auto place = [&](const NodeId& node) {
        return static_cast<uint32_t>(std::find(told.devices.begin(), told.devices.end(), node) - told.devices.begin());
    };
    const auto earlier = plans_of(key.source);
    if (!earlier.empty() && earlier.back().epoch > key.epoch) return invalid("a plan older than the last one");
    if (earlier.size() >= plans_of_a_source) return exhausted("too many plans of this source");
    auto problem = Problem::of_structure(*graph_, told.devices.size(), place(key.source));
    if (!problem) return problem.error();
    Blocks blocks(*problem);
    Plan plan;
    for (const RowBlock& block : told.blocks)
        plan.blocks.push_back({block.first, block.last, {block.bounds.begin(), block.bounds.end()},
                               block.boundary_first});
    if (auto checked = check_plan(blocks, plan); !checked) return checked.error();
    FlowPlan mine = FlowPlan::make(blocks, plan, place(self_));
    // That a frame is over travels beside the rows of the next one, and may come behind them.
    const uint32_t room = mine.is_source() ? told.window : 2 * told.window;
    const uint64_t bytes = mine.frame_bytes() * room + mine.workspace_bytes();
    if (bytes > bytes_max_ - reserved_bytes_)
        return exhausted("it would take " + std::to_string(bytes >> 20) + " MiB for " + std::to_string(room) +
                         " frames, " + std::to_string((bytes_max_ - reserved_bytes_) >> 20) + " MiB are free");
    reserved_bytes_ += bytes;
    Entry entry{told, std::make_unique<Flow>(std::move(mine), room), bytes, false};
    return &entries_.emplace(key, std::move(entry)).first->second.flow->plan();
}

void FlowHost::compiled(const PlanKey& key) {
    const auto found = entries_.find(key);
    if (found != entries_.end()) found->second.ready = true;
}

bool FlowHost::ready(const PlanKey& key) const {
    const auto found = entries_.find(key);
    return found != entries_.end() && found->second.ready;
}

Flow* FlowHost::flow(const PlanKey& key) {
    const auto found = entries_.find(key);
    return found == entries_.end() || !found->second.ready ? nullptr : found->second.flow.get();
}

const NodeId& FlowHost::node_of(const PlanKey& key, uint32_t device) const {
    return entries_.at(key).plan.devices.at(device);
}

std::optional<uint32_t> FlowHost::device_of(const PlanKey& key, const NodeId& node) const {
    const auto found = entries_.find(key);
    if (found == entries_.end()) return std::nullopt;
    const auto& devices = found->second.plan.devices;
    const auto at = std::find(devices.begin(), devices.end(), node);
    if (at == devices.end()) return std::nullopt;
    return static_cast<uint32_t>(at - devices.begin());
}

std::vector<TensorRef> FlowHost::retire(const PlanKey& key) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) return {};
    std::vector<TensorRef> released = found->second.flow->drop_all();
    reserved_bytes_ -= found->second.reserved_bytes;
    entries_.erase(found);
    return released;
}

std::vector<PlanKey> FlowHost::plans_of(const NodeId& source, uint32_t up_to) const {
    std::vector<PlanKey> keys;
    for (auto it = entries_.lower_bound({source, 0}); it != entries_.end() && it->first.source == source; ++it)
        if (it->first.epoch <= up_to) keys.push_back(it->first);
    return keys;
}

std::vector<PlanKey> FlowHost::plans_with(const NodeId& node) const {
    std::vector<PlanKey> keys;
    for (const auto& [key, entry] : entries_)
        if (device_of(key, node)) keys.push_back(key);
    return keys;
}

void FlowHost::check_invariants() const {
    uint64_t bytes = 0;
    for (const auto& [key, entry] : entries_) {
        entry.flow->check_invariants();
        bytes += entry.reserved_bytes;
    }
    EDDY_ASSERT(bytes == reserved_bytes_ && bytes <= bytes_max_);
}

}  // namespace eddy::node
