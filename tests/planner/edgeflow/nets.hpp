// Small nets, profiles and clusters for tests of EdgeFlow's planners.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "eddy/random.hpp"
#include "eddy/row_layout.hpp"
#include "eddy/row_order.hpp"
#include "models/graph/row_steps.hpp"
#include "planner/edgeflow/problem.hpp"

namespace eddy::test {

/// Builds a graph operator by operator; value 0 is the input, an image. What nothing uses is an output.
class NetBuilder {
public:
    explicit NetBuilder(int64_t rows, int64_t channels = 4) {
        values_.push_back(value(0, graph::no_operator, {1, channels, rows, 8}));
    }
    [[nodiscard]] int64_t rows(ValueId id) const { return values_[id.value].meta.shape[2]; }

    ValueId convolution(ValueId input, int64_t kernel = 3, int64_t stride = 1, int64_t channels = 4) {
        const int64_t padding = kernel / 2;
        const int64_t made = (rows(input) + 2 * padding - kernel) / stride + 1;
        graph::Operator op;
        op.kind = "aten::conv2d";
        op.attributes = {{"stride", {stride}}, {"padding", {padding}}, {"dilation", {1}}, {"groups", {1}}};
        op.weights = {{"weight", {channels, 4, kernel, kernel}, DType::f32}};
        op.weight_bytes = static_cast<uint64_t>(channels * 16 * kernel * kernel);
        return add(std::move(op), {input}, {1, channels, made, 8});
    }
    ValueId relu(ValueId input) { return same("aten::relu", {input}); }
    ValueId sum(ValueId one, ValueId other) { return same("aten::add", {one, other}); }
    ValueId scaled(ValueId image, ValueId gate) { return same("aten::mul", {image, gate}); }
    /// Global average pooling.
    ValueId pooled(ValueId input) {
        graph::Operator op;
        op.kind = "aten::mean";
        op.attributes = {{"dim", {2, 3}}, {"keepdim", {1}}};
        return add(std::move(op), {input}, {1, values_[input.value].meta.shape[1], 1, 1});
    }
    /// What nobody has a rule for: needs everything.
    ValueId whole(ValueId input, std::vector<int64_t> shape = {1, 10}) {
        graph::Operator op;
        op.kind = "aten::linear";
        op.weight_bytes = 4000;
        return add(std::move(op), {input}, std::move(shape));
    }

    [[nodiscard]] graph::ModelGraph graph() const {
        std::vector<bool> used(values_.size(), false);
        for (const graph::Operator& op : operators_)
            for (const ValueId input : op.inputs) used[input.value] = true;
        std::vector<ValueId> outputs;
        for (uint32_t id = 1; id < values_.size(); ++id)
            if (!used[id]) outputs.push_back(ValueId{id});
        return graph::ModelGraph::build(values_, operators_, {ValueId{0}}, outputs).value();
    }

private:
    static graph::Value value(uint32_t id, uint32_t producer, std::vector<int64_t> shape) {
        graph::Value made;
        made.meta.value = ValueId{id};
        made.meta.shape = std::move(shape);
        made.bytes = made.meta.bytes().value();
        made.producer = producer;
        return made;
    }
    ValueId same(const char* kind, std::vector<ValueId> inputs) {
        graph::Operator op;
        op.kind = kind;
        auto shape = values_[inputs.front().value].meta.shape;
        return add(std::move(op), std::move(inputs), std::move(shape));
    }
    ValueId add(graph::Operator op, std::vector<ValueId> inputs, std::vector<int64_t> shape) {
        const auto id = static_cast<uint32_t>(values_.size());
        op.inputs = std::move(inputs);
        op.outputs = {ValueId{id}};
        values_.push_back(value(id, static_cast<uint32_t>(operators_.size()), std::move(shape)));
        operators_.push_back(std::move(op));
        return ValueId{id};
    }

    std::vector<graph::Value> values_;
    std::vector<graph::Operator> operators_;
};

/// What a unit gives, or gets. A part of a pool's sum is as large as all of it.
inline TensorMeta meta_of(const graph::ModelGraph& graph, const RowTensor& tensor) {
    const TensorMeta& whole = graph.value(tensor.value).meta;
    TensorMeta meta = row_layout(whole)->rows == 1 ? whole : meta_of_rows(whole, tensor.rows);
    meta.rows = tensor.rows;
    return meta;
}

/// Every row of a step takes `row_us`, a step `step_us` besides.
inline RowProfile linear_profile(const graph::ModelGraph& graph, double row_us, double step_us, double unit_us = 0) {
    RowProfile profile;
    profile.model = "made.pt";
    profile.unit_us = unit_us;
    for (const graph::RowStep& step : graph::row_steps(graph, graph::row_rules(graph))) {
        StepTimes times{step.first, step.last, {}};
        for (const int64_t rows : {int64_t{1}, step.rows})
            if (times.times.empty() || times.times.back().rows < rows)
                times.times.push_back({static_cast<uint32_t>(rows), step_us + row_us * static_cast<double>(rows)});
        profile.steps.push_back(std::move(times));
    }
    return profile;
}

struct ClusterSketch {
    std::vector<double> speeds{1, 1};
    double bytes_per_us = 125;
    double delay_us = 0;
    planner::edgeflow::MessageCost message{0, 0};
    double dispatch_us = 0;
    size_t source = 0;
};

inline planner::edgeflow::Problem::Parts parts_of(const graph::ModelGraph& graph, RowProfile profile,
                                                  const ClusterSketch& cluster) {
    planner::edgeflow::Problem::Parts parts{graph, {std::move(profile)}, {}, {}, cluster.message, cluster.source};
    parts.dispatch_us = cluster.dispatch_us;
    for (const double speed : cluster.speeds)
        parts.devices.push_back({"d" + std::to_string(parts.devices.size()), 0, speed, UINT64_MAX, true});
    parts.links.assign(cluster.speeds.size() * cluster.speeds.size(), {cluster.bytes_per_us, cluster.delay_us});
    return parts;
}

inline planner::edgeflow::Problem problem_of(const graph::ModelGraph& graph, RowProfile profile,
                                             const ClusterSketch& cluster) {
    return planner::edgeflow::Problem::make(parts_of(graph, std::move(profile), cluster)).value();
}

/// Convolutions with strides, residual sums, gates by global pools, at times an end that needs everything.
inline graph::ModelGraph random_net(Random& random, int64_t rows, int operators) {
    NetBuilder net(rows);
    std::vector<ValueId> images{ValueId{0}};
    for (int i = 0; i < operators; ++i) {
        const ValueId last = images.back();
        const ValueId any = images[random.below(images.size())];
        switch (random.below(7)) {
            case 0:
            case 1: images.push_back(net.convolution(last, 3, net.rows(last) > 4 && random.chance(0.4) ? 2 : 1)); break;
            case 2: images.push_back(net.convolution(last, random.chance(0.5) ? 1 : 5)); break;
            case 3: images.push_back(net.relu(last)); break;
            case 4:
                if (any != last && net.rows(any) == net.rows(last)) images.push_back(net.sum(last, any));
                break;
            case 5:  // an image that nobody can divide, as by permuting
                if (random.chance(0.3)) images.push_back(net.whole(last, {1, 4, net.rows(last), 8}));
                break;
            default:
                if (net.rows(last) > 1) images.push_back(net.scaled(last, net.pooled(last)));
        }
    }
    if (images.size() == 1) images.push_back(net.convolution(images.back()));
    if (random.chance(0.5)) net.whole(random.chance(0.5) ? net.pooled(images.back()) : images.back());
    return net.graph();
}

}  // namespace eddy::test
