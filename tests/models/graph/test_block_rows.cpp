// Goal: walking back finds for every value of a block the rows that must be made of it or come from outside, no fewer
// and no more. Method: random graphs with residual sums, concatenations, broadcasts and pools, walked back row by row
// over what operators read by definition; then forwards, looking whether every row that is read is there.
#include <doctest/doctest.h>

#include "models/graph/block_rows.hpp"
#include "row_cases.hpp"

using namespace eddy;
using namespace eddy::graph;
using namespace eddy::test;

namespace {

/// What one row of an operator's output takes of one of its inputs.
struct Use {
    std::function<Numbers(int64_t y)> reads;   ///< by definition
    std::function<RowRange(int64_t y)> needs;  ///< what of these is within the input, and all between
};

RowRange within(const Numbers& taps, int64_t rows) {
    const auto [least, greatest] = std::minmax_element(taps.begin(), taps.end());
    if (taps.empty()) return {};
    return {std::clamp<int64_t>(*least, 0, rows), std::clamp<int64_t>(*greatest + 1, 0, rows)};
}

class Net {
public:
    explicit Net(int64_t rows) {
        parts_.values.push_back(make_value(0, no_operator, image(rows)));
        parts_.inputs = {ValueId{0}};
    }

    void add_random() {
        const auto last = static_cast<int64_t>(parts_.values.size()) - 1;
        const ValueId from{static_cast<uint32_t>(pick(std::max<int64_t>(0, last - 3), last))};
        const int64_t in = rows(from);
        const Taps taps = random_taps(in);
        switch (pick(0, 8)) {
            case 0:
            case 1: return add(convolution_case(in, taps), from, 4);
            case 2: return add(pool_case(in, taps, *rc::gen::arbitrary<bool>(), false), from, channels(from));
            case 3:
                if (auto made = transposed_case(in, {taps.kernel, taps.stride, taps.padding, 1}, 0); made && in < 20)
                    return add(*made, from, 4);
                return;
            case 4: return add(adaptive_case(in, pick(2, 12)), from, channels(from));
            case 5:
                if (in < 20) add_resized(from, *rc::gen::element(Mode::nearest, Mode::bilinear, Mode::corners));
                return;
            case 6: return add_global_pool(from);
            case 7: return add_joined(make_op("aten::add"), from, false);
            default: return add_joined(make_op("aten::cat", {{"dim", {1}}}), from, true);
        }
    }

    void add(Operator op, const std::vector<ValueId>& inputs, const std::vector<Numbers>& shapes,
             std::vector<Use> uses) {
        const auto index = static_cast<uint32_t>(parts_.operators.size());
        op.inputs = inputs;
        for (const Numbers& shape : shapes) {
            op.outputs.push_back(ValueId{static_cast<uint32_t>(parts_.values.size())});
            parts_.values.push_back(make_value(op.outputs.back().value, index, shape));
        }
        parts_.operators.push_back(std::move(op));
        uses_.push_back(std::move(uses));
    }

    [[nodiscard]] ModelGraph graph() const {
        const ValueId last{static_cast<uint32_t>(parts_.values.size()) - 1};
        return ModelGraph::build(parts_.values, parts_.operators, parts_.inputs, {last}).value();
    }
    [[nodiscard]] const Use& use(uint32_t op, size_t input) const { return uses_.at(op).at(input); }
    [[nodiscard]] ValueId last() const { return ValueId{static_cast<uint32_t>(parts_.values.size()) - 1}; }

private:
    [[nodiscard]] const Numbers& shape(ValueId id) const { return parts_.values[id.value].meta.shape; }
    [[nodiscard]] int64_t rows(ValueId id) const { return shape(id)[2]; }
    [[nodiscard]] int64_t channels(ValueId id) const { return shape(id)[1]; }

    /// Windows are never in padding alone: what they need then are the rows between the first and the last tap.
    static Taps random_taps(int64_t in) {
        Taps taps{pick(1, 4), pick(1, 3), 0, pick(1, 2)};
        taps.padding = pick(0, taps.kernel - 1);
        if (taps.at(0, taps.kernel - 1) >= in + taps.padding) return {1, taps.stride, 0, 1};
        return taps;
    }

    static Use row_by_row() {
        return {[](int64_t y) { return Numbers{y}; }, [](int64_t y) { return RowRange{y, y + 1}; }};
    }
    static Use of_one_row() {
        return {[](int64_t) { return Numbers{0}; }, [](int64_t) { return RowRange{0, 1}; }};
    }

    void add(const RowCase& made, ValueId from, int64_t out_channels) {
        const Use use{made.reads, [made](int64_t y) { return within(made.reads(y), made.in); }};
        add(made.op, {from}, {image(made.out, out_channels)}, {use});
    }

    void add_resized(ValueId from, Mode mode) {
        const RowCase made = interpolation_case(mode, rows(from), rows(from) * pick(1, 3), {});
        const Use use{made.reads, [rule = made.rule()](int64_t y) {
                          return needed_rows(rule, 0, {y, y + 1}).value().rows;
                      }};
        add(made.op, {from}, {image(made.out, channels(from))}, {use});
    }

    void add_global_pool(ValueId from) {
        const int64_t in = rows(from);
        Numbers all(static_cast<size_t>(in));
        for (int64_t row = 0; row < in; ++row) all[static_cast<size_t>(row)] = row;
        add(make_op("aten::adaptive_avg_pool2d", {{"output_size", {1, 5}}}), {from}, {image(1, channels(from))},
            {{[all](int64_t) { return all; },
              [in](int64_t) {
                  return RowRange{0, in};
              }}});
    }

    /// With any earlier value that fits: `cat` needs equal rows, a sum equal channels and equal rows or a single one.
    void add_joined(Operator op, ValueId from, bool is_cat) {
        std::vector<ValueId> others;
        for (uint32_t v = 0; v < parts_.values.size(); ++v) {
            const ValueId id{v};
            const bool one = !is_cat && rows(id) == 1;
            if (id != from && (rows(id) == rows(from) || one) && (is_cat || channels(id) == channels(from)))
                others.push_back(id);
        }
        if (others.empty()) return;
        const ValueId other = *rc::gen::elementOf(others);
        const int64_t made = is_cat ? channels(from) + channels(other) : channels(from);
        const Use second = rows(other) == rows(from) ? row_by_row() : of_one_row();
        add(std::move(op), {from, other}, {image(rows(from), made)}, {row_by_row(), second});
        if (!is_cat || made % 2 != 0) return;
        const Numbers half = image(rows(from), made / 2);
        add(make_op("aten::chunk", {{"dim", {1}}}), {last()}, {half, half}, {row_by_row()});
    }

    Parts parts_;
    std::vector<std::vector<Use>> uses_;  ///< by operator, by input
};

struct Walked {
    std::vector<RowRange> values;
    std::vector<RowRange> operators;  ///< of the graph
};

Walked walked_by_definition(const Net& net, const ModelGraph& graph, const std::vector<uint32_t>& block,
                            const std::vector<ValueRows>& wanted) {
    Walked walked{std::vector<RowRange>(graph.values().size()), std::vector<RowRange>(graph.operators().size())};
    for (const ValueRows& want : wanted)
        walked.values[want.value.value] = hull(walked.values[want.value.value], want.rows);
    for (auto index = block.rbegin(); index != block.rend(); ++index) {
        const Operator& op = graph.operators()[*index];
        RowRange& made = walked.operators[*index];
        for (const ValueId id : op.outputs) made = hull(made, walked.values[id.value]);
        for (size_t i = 0; i < op.inputs.size(); ++i) {
            RowRange& needed = walked.values[op.inputs[i].value];
            for (int64_t y = made.begin; y < made.end; ++y) needed = hull(needed, net.use(*index, i).needs(y));
        }
    }
    return walked;
}

std::vector<ValueRows> random_wishes(const ModelGraph& graph, const std::vector<uint32_t>& block) {
    std::vector<ValueRows> wanted;
    for (const uint32_t index : block)
        for (const ValueId id : graph.operators()[index].outputs) {
            if (pick(0, 3) != 0) continue;
            const int64_t begin = pick(0, row_count(graph.value(id)));
            wanted.push_back({id, {begin, pick(begin, row_count(graph.value(id)))}});
            if (pick(0, 3) == 0) wanted.push_back({id, {0, 1}});
        }
    return wanted;
}

/// Every row that is read is there.
void check_forwards(const Net& net, const ModelGraph& graph, const std::vector<uint32_t>& block,
                    const BlockRows& rows) {
    std::vector<RowRange> there(graph.values().size());
    for (const ValueRows& input : rows.inputs) there[input.value.value] = input.rows;
    for (size_t place = 0; place < block.size(); ++place) {
        const Operator& op = graph.operators()[block[place]];
        const RowRange made = rows.operators[place];
        for (size_t i = 0; i < op.inputs.size(); ++i)
            for (int64_t y = made.begin; y < made.end; ++y)
                for (const int64_t row : net.use(block[place], i).reads(y))
                    if (RowRange{row, row + 1}.within(row_count(graph.value(op.inputs[i]))))
                        RC_ASSERT(hull(there[op.inputs[i].value], {row, row + 1}) == there[op.inputs[i].value]);
        for (const ValueId id : op.outputs) there[id.value] = made;
    }
    for (const ValueRows& made : rows.made)
        RC_ASSERT(hull(there[made.value.value], made.rows) == there[made.value.value]);
}

/// A convolution, a flattening, a linear layer.
Net classifier() {
    Net net(8);
    net.add(make_op("aten::relu"), {ValueId{0}}, {image(8)}, {});
    net.add(make_op("aten::flatten"), {ValueId{1}}, {{1, 160}}, {});
    net.add(make_op("aten::roll"), {ValueId{1}}, {image(8), {7, 7}}, {});
    net.add(make_op("aten::relu"), {ValueId{3}}, {image(8)}, {});
    return net;
}

Result<BlockRows> walk(const ModelGraph& graph, const std::vector<uint32_t>& block,
                       const std::vector<ValueRows>& wanted) {
    return block_rows(graph, row_rules(graph), block, wanted);
}

std::string refusal(const ModelGraph& graph, const std::vector<uint32_t>& block, const std::vector<ValueRows>& wanted) {
    const auto rows = walk(graph, block, wanted);
    return rows ? "" : rows.error().message;
}

}  // namespace

TEST_CASE("walking back through any block finds the rows that walking back row by row finds") {
    CHECK(rc::check("any graph, any block, any rows wanted", [] {
        Net net(pick(1, 20));
        for (int64_t more = pick(1, 14); more > 0; --more) net.add_random();
        if (net.last().value == 0) return;
        const ModelGraph graph = net.graph();
        for (const RowRule& rule : row_rules(graph)) RC_ASSERT(rule.divisible());
        std::vector<uint32_t> block;
        const bool all = *rc::gen::arbitrary<bool>();
        for (uint32_t i = 0; i < graph.operators().size(); ++i)
            if (all || pick(0, 3) != 0) block.push_back(i);
        const auto wanted = random_wishes(graph, block);
        const BlockRows rows = walk(graph, block, wanted).value();
        const Walked expected = walked_by_definition(net, graph, block, wanted);

        const Boundary boundary = graph.boundary_of(block);
        RC_ASSERT(rows.inputs.size() == boundary.inputs.size());
        for (size_t i = 0; i < rows.inputs.size(); ++i) {
            RC_ASSERT(rows.inputs[i].value == boundary.inputs[i]);
            RC_ASSERT(rows.inputs[i].rows == expected.values[boundary.inputs[i].value]);
        }
        size_t made = 0;
        for (size_t place = 0; place < block.size(); ++place) {
            RC_ASSERT(rows.operators[place] == expected.operators[block[place]]);
            for (const ValueId id : graph.operators()[block[place]].outputs) {
                RC_ASSERT(rows.made.at(made).value == id);
                RC_ASSERT(rows.made[made++].rows == expected.values[id.value]);
            }
        }
        RC_ASSERT(made == rows.made.size());
        check_forwards(net, graph, block, rows);
    }));
}

TEST_CASE("two convolutions of three rows need a halo of two on each side, and none beyond the border") {
    Net net(16);
    const auto attributes = std::map<std::string, Numbers>{{"stride", {1}}, {"padding", {1}}, {"dilation", {1}}};
    for (uint32_t i = 0; i < 2; ++i)
        net.add(make_op("aten::conv2d", attributes, kernels(3)), {ValueId{i}}, {image(16)}, {});
    const ModelGraph graph = net.graph();
    const BlockRows inner = walk(graph, {0, 1}, {{ValueId{2}, {4, 8}}}).value();
    CHECK(inner.inputs == std::vector<ValueRows>{{ValueId{0}, {2, 10}}});
    CHECK(inner.made == std::vector<ValueRows>{{ValueId{1}, {3, 9}}, {ValueId{2}, {4, 8}}});
    CHECK(inner.operators == std::vector<RowRange>{{3, 9}, {4, 8}});
    const BlockRows outer = walk(graph, {0, 1}, {{ValueId{2}, {0, 4}}}).value();
    CHECK(outer.inputs == std::vector<ValueRows>{{ValueId{0}, {0, 6}}});
    const BlockRows second = walk(graph, {1}, {{ValueId{2}, {0, 4}}}).value();
    CHECK(second.inputs == std::vector<ValueRows>{{ValueId{1}, {0, 5}}});
}

TEST_CASE("who makes nothing needs nothing, not even of a whole operator") {
    const ModelGraph graph = classifier().graph();
    const BlockRows rows = walk(graph, {0, 1, 2, 3}, {{ValueId{2}, {1, 1}}, {ValueId{5}, {4, 4}}}).value();
    CHECK(rows.inputs == std::vector<ValueRows>{{ValueId{0}, {}}});
    for (const RowRange made : rows.operators) CHECK(made == RowRange{});
    CHECK(walk(graph, {}, {}).value() == BlockRows{});
}

TEST_CASE("a whole operator makes all rows of all it makes, and needs all rows") {
    const ModelGraph graph = classifier().graph();
    const BlockRows flat = walk(graph, {0, 1}, {{ValueId{2}, {0, 1}}}).value();
    CHECK(flat.inputs == std::vector<ValueRows>{{ValueId{0}, {0, 8}}});
    CHECK(flat.operators == std::vector<RowRange>{{0, 8}, {0, 1}});
    // Of two outputs, the second has a single row: wanting it means making eight of the first.
    CHECK(walk(graph, {2}, {{ValueId{4}, {0, 1}}}).value().operators == std::vector<RowRange>{{0, 8}});
    CHECK(walk(graph, {2, 3}, {{ValueId{5}, {0, 8}}}).value().operators == std::vector<RowRange>{{0, 8}, {0, 8}});
    CHECK(refusal(graph, {2}, {{ValueId{3}, {0, 7}}}).find("operator 2 (aten::roll) can only make all") !=
          std::string::npos);
    CHECK(refusal(graph, {2}, {{ValueId{3}, {0, 7}}, {ValueId{4}, {0, 1}}}).find("value 3") != std::string::npos);
    // Within a block all is made as soon as some is needed.
    CHECK(walk(graph, {2, 3}, {{ValueId{5}, {2, 8}}}).value().operators == std::vector<RowRange>{{0, 8}, {2, 8}});
}

TEST_CASE("blocks and wishes that the graph does not know are refused") {
    const ModelGraph graph = classifier().graph();
    CHECK(refusal(graph, {0, 1}, {{ValueId{1}, {2, 8}}}).empty());
    for (const std::vector<uint32_t>& bad : {std::vector<uint32_t>{1, 0}, {0, 0}, {0, 4}, {9}})
        CHECK(refusal(graph, bad, {}).find("ascending") != std::string::npos);
    for (const uint32_t bad : {0U, 3U, 6U, 99U})
        CHECK(refusal(graph, {0, 1}, {{ValueId{bad}, {0, 1}}}).find("not made in the block") != std::string::npos);
    for (const RowRange bad : {RowRange{-1, 2}, RowRange{0, 9}, RowRange{3, 2}})
        CHECK(refusal(graph, {0, 1}, {{ValueId{1}, bad}}).find("has 8 rows") != std::string::npos);
    std::vector<RowRule> rules = row_rules(graph);
    const std::vector<uint32_t> block{1};
    const std::vector<ValueRows> wanted{{ValueId{2}, {0, 1}}};
    CHECK(block_rows(graph, rules, block, wanted).ok());
    rules[1].inputs.clear();
    CHECK_FALSE(block_rows(graph, rules, block, wanted).ok());
    rules.pop_back();
    CHECK(block_rows(graph, rules, block, wanted).error().message.find("not those of this graph") != std::string::npos);
}
