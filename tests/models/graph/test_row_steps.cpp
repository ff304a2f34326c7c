// Goal: a step is what a compiler makes one of, and no border is lost that a plan needs. Method: a small net by hand,
// and random graphs for what holds of any.
#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "models/graph/row_steps.hpp"
#include "row_cases.hpp"

using namespace eddy;
using namespace eddy::graph;
using namespace eddy::test;

namespace {

class Net {
public:
    explicit Net(std::vector<int64_t> shape) {
        parts_.values.push_back(make_value(0, no_operator, std::move(shape)));
        parts_.inputs = {ValueId{0}};
    }
    ValueId add(Operator op, const std::vector<ValueId>& inputs, std::vector<int64_t> shape) {
        const ValueId made{static_cast<uint32_t>(parts_.values.size())};
        op.inputs = inputs;
        op.outputs = {made};
        parts_.values.push_back(
            make_value(made.value, static_cast<uint32_t>(parts_.operators.size()), std::move(shape)));
        parts_.operators.push_back(std::move(op));
        parts_.outputs = {made};
        return made;
    }
    [[nodiscard]] ModelGraph graph() const {
        return ModelGraph::build(parts_.values, parts_.operators, parts_.inputs, parts_.outputs).value();
    }

private:
    Parts parts_;
};

Operator convolution() {
    return make_op("aten::conv2d", {{"stride", {1, 1}}, {"padding", {1, 1}}, {"dilation", {1, 1}}, {"groups", {1}}},
                   kernels(3));
}

Operator mean() { return make_op("aten::mean", {{"dim", {2, 3}}, {"keepdim", {1}}}); }

std::vector<RowStep> steps_of(const ModelGraph& graph) { return row_steps(graph, row_rules(graph)); }

}  // namespace

TEST_CASE("a convolution takes its activation and the residual sum with it, the next one begins a step") {
    Net net(image(8));
    const ValueId first = net.add(convolution(), {ValueId{0}}, image(8));
    const ValueId bent = net.add(make_op("aten::relu"), {first}, image(8));
    const ValueId second = net.add(convolution(), {bent}, image(8));
    const ValueId sum = net.add(make_op("aten::add"), {second, bent}, image(8));
    net.add(make_op("aten::relu"), {sum}, image(8));
    CHECK(steps_of(net.graph()) ==
          std::vector<RowStep>{{0, 2, RowStep::Kind::rows, 8}, {2, 5, RowStep::Kind::rows, 8}});
}

TEST_CASE("a reduction stands alone, and what needs everything is never joined to what does not") {
    Net net(image(8));
    const ValueId made = net.add(convolution(), {ValueId{0}}, image(8));
    const ValueId pooled = net.add(mean(), {made}, {1, 4, 1, 1});
    const ValueId gate = net.add(make_op("aten::sigmoid"), {pooled}, {1, 4, 1, 1});
    const ValueId gated = net.add(make_op("aten::mul"), {made, gate}, image(8));
    const ValueId flat = net.add(make_op("aten::flatten"), {gated}, {1, 160});
    net.add(make_op("aten::linear"), {flat}, {1, 10});
    const auto steps = steps_of(net.graph());
    REQUIRE(steps.size() == 6);
    CHECK(steps[1] == RowStep{1, 2, RowStep::Kind::reduction, 8});
    CHECK(steps[2].rows == 1);
    CHECK(steps[3] == RowStep{3, 4, RowStep::Kind::rows, 8});
    CHECK(steps[4].kind == RowStep::Kind::whole);
    CHECK(steps[5].kind == RowStep::Kind::whole);
}

TEST_CASE("every operator is in exactly one step, whatever the graph") {
    CHECK(rc::check("any graph", [] {
        const Parts parts = random_parts(static_cast<uint64_t>(pick(0, 1 << 30)), 20, 4);
        const auto built = ModelGraph::build(parts.values, parts.operators, parts.inputs, parts.outputs);
        RC_PRE(built.ok());
        const auto rules = row_rules(*built);
        uint32_t next = 0;
        for (const RowStep& step : row_steps(*built, rules)) {
            RC_ASSERT(step.first == next);
            RC_ASSERT(step.last > step.first);
            RC_ASSERT(step.rows >= 1);
            for (uint32_t op = step.first; op < step.last; ++op)
                RC_ASSERT(rules[op].divisible() == (step.kind != RowStep::Kind::whole));
            next = step.last;
        }
        RC_ASSERT(next == built->operators().size());
    }));
}
