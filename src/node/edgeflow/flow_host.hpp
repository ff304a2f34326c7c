// The plans that a device takes part in: its own, and those of other sources. Each is checked against the model, gets
// memory reserved for its window of frames, has its units compiled, and is ready then; frames flow under it until its
// source retires it, replaces it by a later one, or is lost.
//
// Bounded: plans_of_a_source at a time of each source, and the memory given at the beginning. What comes from peers is
// checked here; errors are in words that go back to the source.
//
// Pure; one owner, one thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "eddy/row_plan.hpp"
#include "src/node/edgeflow/flow.hpp"

namespace eddy::node {

class FlowHost {
public:
    /// The one that frames go by, and the next, while units are compiled.
    static constexpr size_t plans_of_a_source = 2;

    /// `graph` may be empty: this device has no model, and takes part in nothing. `bytes_max`: of tensors of all plans.
    FlowHost(NodeId self, std::shared_ptr<const graph::ModelGraph> graph, ContentHash chain_hash, uint64_t bytes_max);

    /// A plan that its source asks this device to take part in; its units are to be compiled then. The same again is as
    /// good. Errors: why not.
    Result<const FlowPlan*> prepare(const PlanKey& key, const RowPlan& plan);
    /// All units of it are compiled.
    void compiled(const PlanKey& key);
    [[nodiscard]] bool ready(const PlanKey& key) const;

    /// Nothing: not known, or not ready.
    [[nodiscard]] Flow* flow(const PlanKey& key);
    /// Which node is a device of a plan that is known.
    [[nodiscard]] const NodeId& node_of(const PlanKey& key, uint32_t device) const;
    [[nodiscard]] std::optional<uint32_t> device_of(const PlanKey& key, const NodeId& node) const;

    /// The plan is over; what its frames held is the caller's.
    std::vector<TensorRef> retire(const PlanKey& key);
    /// Of this source, those with an epoch up to this one.
    [[nodiscard]] std::vector<PlanKey> plans_of(const NodeId& source, uint32_t up_to = UINT32_MAX) const;
    /// Those in which the node takes part.
    [[nodiscard]] std::vector<PlanKey> plans_with(const NodeId& node) const;
    [[nodiscard]] uint64_t reserved_bytes() const { return reserved_bytes_; }
    [[nodiscard]] size_t plans() const { return entries_.size(); }
    [[nodiscard]] uint64_t held_tensors(const PlanKey& key) const { return entries_.at(key).flow->held_tensors(); }

    void check_invariants() const;

private:
    struct Entry {
        RowPlan plan;
        std::unique_ptr<Flow> flow;
        uint64_t reserved_bytes = 0;
        bool ready = false;
    };
    [[nodiscard]] Status check(const PlanKey& key, const RowPlan& plan) const;

    NodeId self_;
    std::shared_ptr<const graph::ModelGraph> graph_;
    ContentHash chain_hash_;
    uint64_t bytes_max_;
    uint64_t reserved_bytes_ = 0;
    std::map<PlanKey, Entry> entries_;
};

}  // namespace eddy::node
