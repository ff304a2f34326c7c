// Several nodes' plans over rows joined in memory: messages, compilations and units end in any order, tensors count as
// a node's own, and each unit is checked to be given the inputs that it was compiled for.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "eddy/random.hpp"
#include "src/node/edgeflow/row_flows.hpp"
#include "tests/planner/edgeflow/nets.hpp"
#include "tests/planner/edgeflow/random_plans.hpp"
#include "tests/support/recording_sink.hpp"

namespace eddy::test {

struct RowNode {
    NodeId id;
    testing::RecordingSink sink;
    node::Buffers buffers;
    std::unique_ptr<node::RowFlows> flows;
    std::map<FrameId, std::pair<TensorRef, uint32_t>> ledger;  ///< own frames: what was captured, attempts
    std::vector<FrameId> broken;
    uint64_t jobs = 0, offences = 0;
    size_t running = 0, compiles_seen = 0;
    bool lost = false;
};

class RowWorld {
public:
    struct Parcel {
        size_t from = 0;
        node::RowsOut out;
        [[nodiscard]] const msg::Rows* rows() const { return std::get_if<msg::Rows>(&out.message); }
    };

    RowWorld(const graph::ModelGraph& graph, size_t nodes, uint64_t seed, size_t lanes = 1)
        : graph_(std::make_shared<const graph::ModelGraph>(graph)), lanes_(lanes), random_(seed) {
        for (size_t i = 0; i < nodes; ++i) {
            auto& node = nodes_.emplace_back();
            node.id = testing::node_id(static_cast<uint8_t>(10 + i));
            node::RowFlowsConfig config;
            config.self = node.id;
            config.graph = graph_;
            config.rows = std::make_shared<const RowProfile>(linear_profile(graph, 10, 2));
            config.bytes_max = 1 << 26;
            config.connected = [this, i](const NodeId& other) { return linked(i, index(other)); };
            node.flows = std::make_unique<node::RowFlows>(config, node.buffers);
        }
    }
    RowWorld(const RowWorld&) = delete;
    RowWorld& operator=(const RowWorld&) = delete;

    RowNode& node(size_t i) { return nodes_[i]; }
    node::RowFlows& flows(size_t i) { return *nodes_[i].flows; }
    [[nodiscard]] size_t nodes() const { return nodes_.size(); }
    [[nodiscard]] bool idle() const { return parcels.empty() && compiles.empty() && jobs.empty(); }
    [[nodiscard]] size_t index(const NodeId& id) const { return id.bytes[0] - size_t{10}; }
    [[nodiscard]] bool linked(size_t a, size_t b) const { return cut.count(std::minmax(a, b)) == 0; }
    [[nodiscard]] FrameId frame(size_t source, uint64_t k) const {
        return {{nodes_[source].id, StreamId{0}}, Incarnation{1}, k};
    }
    TensorRef tensor(const RowTensor& like);

    void propose(size_t source, RowPlan plan);
    void capture(size_t source, uint64_t k);
    void begin(const FrameId& id);
    /// The frame has its end.
    void settle(const FrameId& id);
    /// It vanishes with all it has, and the others find out.
    void lose(size_t gone);
    void tick();

    /// One thing happens. What is said of plans keeps its order between two nodes, rows come in any.
    void step();
    void run() {
        while (!idle()) step();
    }
    void deliver(size_t which);
    /// Tensors arrive as copies of the receiver's own.
    void give(size_t to, size_t from, const Message& message, std::vector<TensorRef> tensors = {});
    void compiled(size_t which, const std::string& failure = "");
    void computed(size_t which, const std::string& failure = "", Usec busy = Usec{10});
    const UnitOrder& order(size_t at, const Job& job);
    void start(size_t at);
    /// Everything is as if no frame had ever been.
    [[nodiscard]] bool clean();
    [[nodiscard]] Random& random() { return random_; }
    [[nodiscard]] const graph::ModelGraph& graph() const { return *graph_; }

    std::vector<Parcel> parcels;
    std::vector<std::pair<size_t, PlanId>> compiles;
    std::vector<std::pair<size_t, Job>> jobs;
    std::set<FrameId> results;
    std::set<std::pair<size_t, size_t>> cut;  ///< who is not connected
    Instant now{};
    bool alone = false;

private:
    /// What follows from an event at this node.
    void after(size_t i);

    std::shared_ptr<const graph::ModelGraph> graph_;
    size_t lanes_;
    Random random_;
    std::deque<RowNode> nodes_;
    uint64_t buffers_ = 0;
};

inline RowPlan row_plan(const planner::edgeflow::Plan& plan, uint32_t window) {
    RowPlan told;
    told.window = window;
    for (const auto& block : plan.blocks)
        told.blocks.push_back(
            {block.first, block.last, {block.bounds.begin(), block.bounds.end()}, block.boundary_first});
    return told;
}

/// Plans of all its nodes for a small net, at random.
struct RandomRows {
    RowWorld world;
    size_t source;

    explicit RandomRows(uint64_t seed, size_t lanes = 1) : RandomRows(seed, Random(seed), lanes) {}
    RowPlan plan(uint32_t window) {
        ClusterSketch cluster;
        cluster.speeds.assign(world.nodes(), 1);
        cluster.source = source;
        const auto problem = problem_of(world.graph(), linear_profile(world.graph(), 10, 2), cluster);
        planner::edgeflow::Blocks blocks(problem);
        return row_plan(random_plan(blocks, world.random()), window);
    }
    /// Until the source's last plan is in use; nothing else is under way.
    void use(RowPlan plan) {
        world.propose(source, std::move(plan));
        world.run();
        REQUIRE(world.flows(source).current() != nullptr);
    }

private:
    RandomRows(uint64_t seed, Random random, size_t lanes)
        : world(random_net(random, 4 + static_cast<int64_t>(random.below(8)), 2 + static_cast<int>(random.below(6))),
                2 + random.below(3), seed, lanes),
          source(random.below(world.nodes())) {}
};

}  // namespace eddy::test
