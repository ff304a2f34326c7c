// Operators with what a row of their output reads, by definition: loops over kernel taps, windows, bins and the taps of
// an interpolation. For the properties of row rules; called inside of a rapidcheck property.
#pragma once

#include <cmath>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <rapidcheck.h>

#include "models/graph/rows.hpp"
#include "random_graph.hpp"

namespace eddy::test {

using Numbers = std::vector<int64_t>;

/// Both bounds included.
inline int64_t pick(int64_t low, int64_t high) { return *rc::gen::inRange<int64_t>(low, high + 1); }

inline Numbers image(int64_t rows, int64_t channels = 4, int64_t columns = 5) { return {1, channels, rows, columns}; }

/// A graph of this operator alone, on inputs of these shapes.
inline graph::ModelGraph graph_of(graph::Operator op, const std::vector<Numbers>& inputs,
                                  const std::vector<Numbers>& outputs, DType type = DType::f32) {
    Parts parts;
    const auto add = [&](const Numbers& shape, uint32_t producer) {
        const auto id = static_cast<uint32_t>(parts.values.size());
        parts.values.push_back(make_value(id, producer, shape, type));
        return ValueId{id};
    };
    op.inputs.clear();
    op.outputs.clear();
    for (const Numbers& shape : inputs) op.inputs.push_back(add(shape, graph::no_operator));
    for (const Numbers& shape : outputs) op.outputs.push_back(add(shape, 0));
    parts.inputs = op.inputs;
    parts.outputs = op.outputs;
    parts.operators = {std::move(op)};
    return graph::ModelGraph::build(parts.values, parts.operators, parts.inputs, parts.outputs).value();
}

inline graph::RowRule rule_of(graph::Operator op, const std::vector<Numbers>& inputs,
                              const std::vector<Numbers>& outputs, DType type = DType::f32) {
    return graph::row_rules(graph_of(std::move(op), inputs, outputs, type)).front();
}

inline graph::Operator make_op(std::string kind, std::map<std::string, Numbers> attributes = {},
                               std::vector<graph::Parameter> weights = {}) {
    graph::Operator op;
    op.kind = std::move(kind);
    op.attributes = std::move(attributes);
    op.weights = std::move(weights);
    return op;
}

struct RowCase {
    graph::Operator op;
    int64_t in = 1;
    int64_t out = 1;
    /// The input's rows that row y of the output reads. Windows tell all their taps: those outside are padding.
    std::function<Numbers(int64_t y)> reads;
    int64_t padding_below = 0;  ///< taps further below are an overhang
    [[nodiscard]] graph::RowRule rule() const { return rule_of(op, {image(in)}, {image(out)}); }
};

struct Taps {
    int64_t kernel = 1;
    int64_t stride = 1;
    int64_t padding = 0;
    int64_t dilation = 1;
    [[nodiscard]] int64_t at(int64_t y, int64_t t) const { return y * stride - padding + t * dilation; }
    [[nodiscard]] Numbers of(int64_t y) const {
        Numbers rows;
        for (int64_t t = 0; t < kernel; ++t) rows.push_back(at(y, t));
        return rows;
    }
};

/// One number, or one for rows and another for columns.
inline Numbers by_axis(int64_t rows) { return *rc::gen::arbitrary<bool>() ? Numbers{rows} : Numbers{rows, rows + 1}; }

inline std::vector<graph::Parameter> kernels(int64_t rows) {
    return {{"weight", {4, 4, rows, 3}, DType::f32}, {"bias", {4}, DType::f32}};
}

inline RowCase convolution_case(int64_t in, Taps taps) {
    RowCase made;
    made.in = in;
    if (taps.at(0, taps.kernel - 1) >= in + taps.padding) taps.kernel = 1;
    made.out = 0;
    while (taps.at(made.out, taps.kernel - 1) < in + taps.padding) ++made.out;
    made.padding_below = taps.padding;
    made.op = make_op(*rc::gen::element<std::string>("aten::conv2d", "aten::convolution", "aten::_convolution"),
                      {{"stride", by_axis(taps.stride)},
                       {"padding", by_axis(taps.padding)},
                       {"dilation", by_axis(taps.dilation)},
                       {"groups", {1}}},
                      kernels(taps.kernel));
    if (made.op.kind != "aten::conv2d") made.op.attributes["transposed"] = {0};
    made.reads = [taps](int64_t y) { return taps.of(y); };
    return made;
}

/// With ceil_mode there is one more window if the last one leaves rows over, and if it starts in the input, or in the
/// padding above it.
inline RowCase pool_case(int64_t in, Taps taps, bool ceil_mode, bool average) {
    if (average) taps.dilation = 1;
    taps.padding = std::min(taps.padding, taps.kernel / 2);
    if (taps.at(0, taps.kernel - 1) >= in + taps.padding) taps = {1, taps.stride, 0, 1};
    RowCase made;
    made.in = in;
    made.out = 0;
    while (taps.at(made.out, taps.kernel - 1) < in + taps.padding) ++made.out;
    const bool leaves_rows = taps.at(made.out - 1, taps.kernel - 1) < in + taps.padding - 1;
    if (ceil_mode && leaves_rows && taps.at(made.out, 0) < in) ++made.out;
    made.padding_below = taps.padding;
    const bool same = taps.stride == taps.kernel && *rc::gen::arbitrary<bool>();
    made.op =
        make_op(average ? "aten::avg_pool2d" : "aten::max_pool2d", {{"kernel_size", by_axis(taps.kernel)},
                                                                    {"stride", same ? Numbers{} : by_axis(taps.stride)},
                                                                    {"padding", by_axis(taps.padding)},
                                                                    {"ceil_mode", {ceil_mode ? 1 : 0}}});
    if (!average) made.op.attributes["dilation"] = by_axis(taps.dilation);
    made.reads = [taps](int64_t y) { return taps.of(y); };
    return made;
}

/// Nothing if no row would be left.
inline std::optional<RowCase> transposed_case(int64_t in, Taps taps, int64_t output_padding) {
    RowCase made;
    made.in = in;
    made.out = taps.at(in - 1, taps.kernel - 1) - taps.padding + 1 + output_padding;
    if (made.out < 1) return std::nullopt;
    made.op = make_op(*rc::gen::element<std::string>("aten::conv_transpose2d", "aten::convolution"),
                      {{"stride", by_axis(taps.stride)},
                       {"padding", by_axis(taps.padding)},
                       {"dilation", by_axis(taps.dilation)},
                       {"output_padding", by_axis(output_padding)}},
                      kernels(taps.kernel));
    if (made.op.kind == "aten::convolution") made.op.attributes["transposed"] = {1};
    made.reads = [in, taps](int64_t y) {
        Numbers rows;
        for (int64_t i = 0; i < in; ++i)
            for (int64_t t = 0; t < taps.kernel; ++t)
                if (taps.at(i, t) == y) rows.push_back(i);
        return rows;
    };
    return made;
}

/// Row i, [i, i + 1) of the input, is read by the bins that it overlaps.
inline RowCase adaptive_case(int64_t in, int64_t out) {
    RowCase made{make_op("aten::adaptive_avg_pool2d", {{"output_size", {out, 5}}}), in, out, {}};
    made.reads = [in, out](int64_t y) {
        Numbers rows;
        for (int64_t i = 0; i < in; ++i)
            if (i * out < (y + 1) * in && (i + 1) * out > y * in) rows.push_back(i);
        return rows;
    };
    return made;
}

enum class Mode { nearest, bilinear, corners };

/// What LibTorch does, in single precision. `scale`: as the model states it; without, it is that of the sizes.
inline Numbers interpolation_reads(Mode mode, int64_t in, int64_t out, std::optional<double> scale, int64_t y) {
    float step = scale ? static_cast<float>(1.0 / *scale) : static_cast<float>(in) / static_cast<float>(out);
    if (mode == Mode::corners) step = out > 1 ? static_cast<float>(in - 1) / static_cast<float>(out - 1) : 0.0F;
    const auto row = static_cast<float>(y);
    float position = row * step;
    if (mode == Mode::bilinear) position = std::max(step * (row + 0.5F) - 0.5F, 0.0F);
    const int64_t first = std::min(static_cast<int64_t>(std::floor(position)), in - 1);
    if (mode == Mode::nearest) return {first};
    return {first, std::min(first + 1, in - 1)};
}

inline RowCase interpolation_case(Mode mode, int64_t in, int64_t out, std::optional<double> scale) {
    RowCase made{
        make_op(mode == Mode::nearest ? "aten::upsample_nearest2d" : "aten::upsample_bilinear2d"), in, out, {}};
    if (mode != Mode::nearest) made.op.attributes["align_corners"] = {mode == Mode::corners ? 1 : 0};
    if (!scale) made.op.attributes["output_size"] = {out, 5};
    made.reads = [=](int64_t y) { return interpolation_reads(mode, in, out, scale, y); };
    return made;
}

}  // namespace eddy::test
