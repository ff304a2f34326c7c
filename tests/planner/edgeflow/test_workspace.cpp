// Goal: a unit's workspace is its inputs and the most of what it makes that is needed at a time: no less, or a device
// runs out of memory; no more, or plans that would fit are thrown away. Method: small nets reckoned by hand; on random
// nets and plans, operators run one after the other with a list of what is alive.
#include <algorithm>
#include <set>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "models/graph/block_rows.hpp"
#include "nets.hpp"
#include "planner/edgeflow/blocks.hpp"
#include "random_plans.hpp"

using namespace eddy;
using namespace eddy::planner::edgeflow;
using namespace eddy::test;
using graph::RowRange;
using graph::ValueRows;

namespace {

constexpr int64_t image_rows = 12;
constexpr uint64_t row_bytes = 4 * 8 * sizeof(float);
constexpr uint64_t image_bytes = image_rows * row_bytes;

Problem alone(const graph::ModelGraph& graph) {
    ClusterSketch cluster;
    cluster.speeds = {1};
    return problem_of(graph, linear_profile(graph, 1, 0), cluster);
}

/// Of the whole net as one block, these of its rows.
uint64_t workspace_of(const graph::ModelGraph& graph, RowRange rows = {0, image_rows}) {
    const Problem problem = alone(graph);
    Blocks blocks(problem);
    return blocks.share(0, problem.step_count(), rows, true).workspace_bytes;
}

uint64_t bytes_of(const Problem& problem, const ValueRows& rows) {
    return problem.row_bytes(rows.value) * static_cast<uint64_t>(rows.rows.size());
}

struct Judged {
    uint64_t most = 0;     ///< of what is made, at a time
    uint64_t all = 0;      ///< of what is made
    uint64_t largest = 0;  ///< inputs and outputs of an operator
};

/// Operators one after the other; what no later one reads, and nobody else is given, is gone after each.
Judged run(const Problem& problem, const BlockFacts& facts, const graph::BlockRows& walked) {
    const auto& operators = problem.graph().operators();
    const auto bytes = [&](ValueId id) {
        for (const auto* list : {&walked.made, &walked.inputs})
            for (const ValueRows& each : *list)
                if (each.value == id) return bytes_of(problem, each);
        return uint64_t{0};
    };
    const auto is_given = [&](ValueId id) {
        return std::any_of(facts.outputs.begin(), facts.outputs.end(), [&](const auto& o) { return o.value == id; });
    };
    const auto is_read_after = [&](ValueId id, size_t place) {
        for (size_t later = place + 1; later < facts.operators.size(); ++later) {
            const auto& inputs = operators[facts.operators[later]].inputs;
            if (!walked.operators[later].empty() && std::find(inputs.begin(), inputs.end(), id) != inputs.end())
                return true;
        }
        return false;
    };
    Judged judged;
    for (const ValueRows& made : walked.made) judged.all += bytes_of(problem, made);
    std::set<ValueId> alive;
    for (size_t place = 0; place < facts.operators.size(); ++place) {
        if (walked.operators[place].empty()) continue;
        const graph::Operator& op = operators[facts.operators[place]];
        uint64_t around = 0;
        for (const ValueId id : op.inputs) around += bytes(id);
        for (const ValueId id : op.outputs) around += bytes(id);
        judged.largest = std::max(judged.largest, around);
        alive.insert(op.outputs.begin(), op.outputs.end());
        uint64_t now = 0;
        for (const ValueId id : alive) now += bytes(id);
        judged.most = std::max(judged.most, now);
        std::erase_if(alive, [&](ValueId id) { return !is_given(id) && !is_read_after(id, place); });
    }
    return judged;
}

}  // namespace

TEST_CASE("one operator needs what it reads and what it makes") {
    NetBuilder net(image_rows);
    net.convolution(ValueId{0}, 1);
    CHECK(workspace_of(net.graph()) == 2 * image_bytes);
    CHECK(workspace_of(net.graph(), {3, 7}) == 2 * 4 * row_bytes);
    CHECK(workspace_of(net.graph(), {}) == 0);
}

TEST_CASE("a chain of equal values needs its input and two of them at a time, however long it is") {
    NetBuilder net(image_rows);
    ValueId last = net.convolution(net.convolution(net.convolution(ValueId{0}, 1), 1), 1);
    CHECK(workspace_of(net.graph()) == 3 * image_bytes);
    for (int i = 0; i < 20; ++i) last = net.relu(net.convolution(last, 1));
    CHECK(workspace_of(net.graph()) == 3 * image_bytes);
    CHECK(workspace_of(net.graph(), {0, 1}) == 3 * row_bytes);
}

TEST_CASE("rows that a neighbour makes as well count") {
    NetBuilder net(image_rows);
    net.convolution(net.convolution(ValueId{0}));
    // Rows 4 to 6 of the last need 3 to 7 of what is between, and these 2 to 8 of the input.
    CHECK(workspace_of(net.graph(), {4, 6}) == (2 + 4 + 6) * row_bytes);
}

TEST_CASE("what a later operator adds is kept until then") {
    NetBuilder net(image_rows);
    const ValueId kept = net.convolution(ValueId{0}, 1);
    const ValueId last = net.convolution(net.convolution(net.convolution(kept, 1), 1), 1);
    net.convolution(net.convolution(net.sum(last, kept), 1), 1);
    CHECK(workspace_of(net.graph()) == 4 * image_bytes);
}

TEST_CASE("what others are given is kept to the end") {
    NetBuilder net(image_rows);
    const ValueId first = net.convolution(ValueId{0}, 1);
    const ValueId last = net.convolution(net.convolution(net.convolution(first, 1), 1), 1);
    const graph::ModelGraph made = net.graph();
    const auto both = graph::ModelGraph::build(made.values(), made.operators(), made.inputs(), {first, last}).value();
    CHECK(workspace_of(made) == 3 * image_bytes);
    CHECK(workspace_of(both) == 4 * image_bytes);
}

TEST_CASE("a large value in the midst of small ones is what counts") {
    NetBuilder net(image_rows);
    const ValueId wide = net.convolution(ValueId{0}, 1, 1, 40);
    net.convolution(net.convolution(net.convolution(wide, 1), 1), 1);
    CHECK(workspace_of(net.graph()) == image_bytes + 10 * image_bytes + image_bytes);
}

TEST_CASE("no more than everything, no less than the largest operator, and just what is alive at a time") {
    CHECK(rc::check("random nets and plans", [] {
        Random random(*rc::gen::inRange<uint64_t>(0, 1'000'000'000));
        const graph::ModelGraph graph =
            random_net(random, 3 + static_cast<int64_t>(random.below(20)), 2 + static_cast<int>(random.below(12)));
        ClusterSketch cluster;
        cluster.speeds.assign(1 + random.below(4), 1);
        const Problem problem = problem_of(graph, linear_profile(graph, 1, 0), cluster);
        Blocks blocks(problem);
        for (const Block& block : random_plan(blocks, random).blocks)
            for (size_t device = 0; device < cluster.speeds.size(); ++device) {
                const BlockFacts& facts = blocks.facts(block.first, block.last);
                const Share& share = blocks.share(block, device);
                const bool sums = std::any_of(facts.outputs.begin(), facts.outputs.end(),
                                              [](const auto& o) { return o.sharing == Sharing::partial; });
                uint64_t inputs = 0;
                for (const ValueRows& input : share.inputs) inputs += bytes_of(problem, input);
                RC_ASSERT(share.workspace_bytes >= inputs);
                if (sums || share.outputs.empty()) continue;  // sums are made of what the block makes, besides
                const auto walked = graph::block_rows(graph, problem.rules(), facts.operators, share.outputs);
                RC_ASSERT(walked.ok());
                const Judged judged = run(problem, facts, *walked);
                RC_ASSERT(share.workspace_bytes <= inputs + judged.all);
                RC_ASSERT(share.workspace_bytes >= judged.largest);
                RC_ASSERT(share.workspace_bytes == inputs + judged.most);
            }
    }));
}
