// Goal: the rows an operator is said to need are those it reads, with padding only at the tensor's own border, and what
// is not surely divisible is whole. Method: against definitions, row by row (row_cases.hpp); examples for kinds and odd
// attributes; the largest extents, where sanitizers find an overflow.
#include <limits>

#include <doctest/doctest.h>

#include "row_cases.hpp"

using namespace eddy;
using namespace eddy::graph;
using namespace eddy::test;
using Kind = RowRule::Kind;

namespace {

Taps random_taps() { return {pick(1, 5), pick(1, 4), pick(0, 4), pick(1, 3)}; }

/// All ranges of a few rows, some of many.
std::vector<RowRange> ranges_of(int64_t rows) {
    std::vector<RowRange> ranges;
    if (rows <= 24) {
        for (int64_t begin = 0; begin < rows; ++begin)
            for (int64_t end = begin + 1; end <= rows; ++end) ranges.push_back({begin, end});
        return ranges;
    }
    for (int i = 0; i < 20; ++i) {
        const int64_t begin = pick(0, rows - 1);
        ranges.push_back({begin, std::min(begin + pick(1, 40), rows)});
    }
    return ranges;
}

/// Counts, one by one, the rows that windows span: padding above, input, padding below, overhang.
void check_windows(const RowCase& made, const RowRule& rule, RowRange range) {
    const NeededRows needed = needed_rows(rule, 0, range).value();
    const int64_t first = made.reads(range.begin).front();
    NeededRows counted;
    counted.rows.begin = std::clamp<int64_t>(first, 0, made.in);
    for (int64_t row = first; row <= made.reads(range.end - 1).back(); ++row) {
        if (row < 0)
            ++counted.padding_above;
        else if (row < made.in)
            ++counted.rows.end;
        else
            ++(row < made.in + made.padding_below ? counted.padding_below : counted.overhang);
    }
    counted.rows.end += counted.rows.begin;
    RC_ASSERT(needed == counted);
}

void check_windows(const RowCase& made) {
    const RowRule rule = made.rule();
    for (const RowRange range : ranges_of(made.out)) check_windows(made, rule, range);
}

void check_reads(const RowCase& made, const RowRule& rule, RowRange range, bool both_ends_are_read) {
    const NeededRows needed = needed_rows(rule, 0, range).value();
    RC_ASSERT(needed.rows.within(made.in));
    RC_ASSERT(needed.padding_above == 0 && needed.padding_below == 0 && needed.overhang == 0);
    RowRange read;
    for (int64_t y = range.begin; y < range.end; ++y)
        for (const int64_t row : made.reads(y)) read = hull(read, {row, row + 1});
    RC_ASSERT(hull(read, needed.rows).size() == needed.rows.size());
    if (both_ends_are_read) RC_ASSERT(read.size() == needed.rows.size());
}

void check_reads(const RowCase& made, bool both_ends_are_read) {
    const RowRule rule = made.rule();
    for (const RowRange range : ranges_of(made.out)) check_reads(made, rule, range, both_ends_are_read);
}

Operator convolution(Numbers stride = {1}, Numbers padding = {1}, Numbers dilation = {1}) {
    return make_op("aten::conv2d", {{"stride", stride}, {"padding", padding}, {"dilation", dilation}}, kernels(3));
}

Kind kind_of(const Operator& op, const std::vector<Numbers>& inputs, const std::vector<Numbers>& outputs,
             DType type = DType::f32) {
    const RowRule rule = rule_of(op, inputs, outputs, type);
    REQUIRE(rule.inputs.size() == inputs.size());
    CHECK(rule.divisible() == (rule.kind != Kind::whole));
    if (!rule.divisible())
        for (const auto& input : rule.inputs) CHECK(input.whole);
    return rule.kind;
}

/// Of an operator that leaves the shape as it is.
Kind kind_of(const Operator& op) { return kind_of(op, {image(8)}, {image(8)}); }

Operator without(Operator op, const char* attribute) {
    op.attributes.erase(attribute);
    return op;
}
Operator with(Operator op, const char* attribute, Numbers numbers) {
    op.attributes[attribute] = std::move(numbers);
    return op;
}

}  // namespace

TEST_CASE("a convolution needs the rows its windows span, and padding where they leave the input") {
    CHECK(rc::check("any taps, any rows", [] {
        const RowCase made = convolution_case(pick(1, 20), random_taps());
        check_windows(made);
    }));
}

TEST_CASE("a pool needs the rows its windows span, and with ceil_mode the last may reach beyond the padding") {
    CHECK(rc::check("any taps, any rows", [] {
        const bool ceil_mode = *rc::gen::arbitrary<bool>();
        const RowCase made = pool_case(pick(1, 20), random_taps(), ceil_mode, *rc::gen::arbitrary<bool>());
        const RowRule rule = made.rule();
        if (rule.kind == Kind::reduction) return;  // one window over everything
        check_windows(made);
        if (!ceil_mode) RC_ASSERT(needed_rows(rule, 0, {0, made.out}).value().overhang == 0);
    }));
    const Operator pool =
        make_op("aten::max_pool2d",
                {{"kernel_size", {3}}, {"stride", {2}}, {"padding", {0}}, {"dilation", {1}}, {"ceil_mode", {1}}});
    CHECK(needed_rows(rule_of(pool, {image(2)}, {image(1)}), 0, {0, 1}).value() == NeededRows{{0, 2}, 0, 0, 1});
}

TEST_CASE("a transposed convolution needs the rows that add to those it makes") {
    CHECK(rc::check("any taps, any rows", [] {
        const Taps taps = random_taps();
        const auto made = transposed_case(pick(1, 12), taps, pick(0, 3));
        if (!made) return;
        // Taps with gaps may miss all of a short range that they surround.
        check_reads(*made, taps.dilation == 1);
    }));
}

TEST_CASE("an adaptive pool needs the rows that its bins overlap") {
    CHECK(rc::check("any sizes, any rows", [] {
        const RowCase made = adaptive_case(pick(1, 30), pick(2, 30));
        check_reads(made, true);
    }));
}

TEST_CASE("an interpolation needs what it reads, whatever scale led to its size, in single precision") {
    CHECK(rc::check("any sizes, any rows", [] {
        const int64_t most = *rc::gen::element<int64_t>(9, 300, 1 << 20);
        const int64_t in = pick(1, most);
        const int64_t out = std::min(in * pick(1, 5) + (*rc::gen::arbitrary<bool>() ? pick(0, in) : 0), most * 2);
        std::optional<double> scale;
        if (*rc::gen::arbitrary<bool>())
            scale = (static_cast<double>(out) + static_cast<double>(pick(0, 99)) / 100) / static_cast<double>(in);
        const Mode mode = *rc::gen::element(Mode::nearest, Mode::bilinear, Mode::corners);
        const bool grows = *rc::gen::arbitrary<bool>();
        if (!grows) scale.reset();
        const RowCase made = interpolation_case(mode, grows ? in : out, grows ? out : in, scale);
        check_reads(made, false);
    }));
}

TEST_CASE("an interpolation that enlarges needs at most one row above and below what the sizes' own scale reads") {
    CHECK(rc::check("any sizes, any rows", [] {
        const int64_t in = pick(1, 100);
        const int64_t out = in * pick(1, 4) + pick(0, in - 1);
        const Mode mode = *rc::gen::element(Mode::nearest, Mode::bilinear, Mode::corners);
        const RowCase made = interpolation_case(mode, in, out, {});
        const RowRule rule = made.rule();
        for (const RowRange range : ranges_of(out)) {
            const RowRange needed = needed_rows(rule, 0, range).value().rows;
            RC_ASSERT(needed.begin >= made.reads(range.begin).front() - 1);
            RC_ASSERT(needed.end <= made.reads(range.end - 1).back() + 2);
        }
    }));
    const RowRule doubled = interpolation_case(Mode::nearest, 50, 100, {}).rule();
    CHECK(needed_rows(doubled, 0, {20, 40}).value().rows == RowRange{9, 20});
    CHECK(needed_rows(doubled, 0, {21, 41}).value().rows == RowRange{10, 21});
    const RowRule smooth = interpolation_case(Mode::bilinear, 50, 100, {}).rule();
    CHECK(needed_rows(smooth, 0, {20, 40}).value().rows == RowRange{9, 21});
    const RowRule corners = interpolation_case(Mode::corners, 11, 101, {}).rule();
    CHECK(needed_rows(corners, 0, {0, 1}).value().rows == RowRange{0, 2});
    CHECK(needed_rows(corners, 0, {91, 101}).value().rows == RowRange{9, 11});
}

TEST_CASE("constant padding moves rows down, and cutting off moves them up") {
    CHECK(rc::check("any pads, any rows", [] {
        const int64_t in = pick(1, 10);
        const int64_t above = pick(-4, 4);
        const int64_t below = pick(-4, 4);
        if (in + above + below < 1) return;
        RowCase made{make_op("aten::constant_pad_nd", {{"pad", {0, 0, above, below}}}), in, in + above + below, {}};
        made.reads = [above](int64_t y) { return Numbers{y - above}; };
        made.padding_below = below;
        check_windows(made);
    }));
    CHECK(rule_of(make_op("aten::constant_pad_nd", {{"pad", {1, 2}}}), {image(8)}, {image(8, 4, 8)}).padding_above ==
          0);
    CHECK(kind_of(make_op("aten::constant_pad_nd", {{"pad", {0, 0, 1}}}), {image(8)}, {image(9)}) == Kind::whole);
    CHECK(kind_of(make_op("aten::constant_pad_nd", {{"pad", {0, 0, 1, 1}}}), {image(8)}, {image(9)}) == Kind::whole);
    CHECK(kind_of(make_op("aten::constant_pad_nd", {{"pad", {0, 0, 0, 0, 0, 0, 1, -1}}})) == Kind::whole);
    CHECK(kind_of(make_op("aten::constant_pad_nd", {})) == Kind::whole);
    const int64_t far = extent_max * 2;
    CHECK(kind_of(make_op("aten::constant_pad_nd", {{"pad", {0, 0, far, -far}}})) == Kind::whole);
    CHECK(kind_of(make_op("aten::constant_pad_nd", {{"pad", {0, 0, -far, far}}})) == Kind::whole);
    CHECK(kind_of(make_op("aten::pad", {{"pad", {0, 0, 1, 1}}}), {image(8)}, {image(10)}) == Kind::whole);
}

TEST_CASE("what works element by element needs the rows it makes, of images; what is broadcast it needs whole") {
    const Operator add = make_op("aten::add", {{"alpha", {1}}});
    const RowRule sum = rule_of(add, {image(8), image(8)}, {image(8)});
    CHECK(needed_rows(sum, 1, {2, 5}).value() == NeededRows{{2, 5}});
    const RowRule scaled = rule_of(make_op("aten::mul"), {image(8), image(1, 4, 1)}, {image(8)});
    CHECK(scaled.inputs == std::vector<RowRule::Input>{{8, false}, {1, true}});
    CHECK(needed_rows(scaled, 0, {2, 5}).value().rows == RowRange{2, 5});
    CHECK(needed_rows(scaled, 1, {2, 5}).value().rows == RowRange{0, 1});
    for (const Numbers& small : {Numbers{}, Numbers{5}, Numbers{1, 5}, Numbers{4, 1, 1}, image(1), Numbers{1, 1, 1, 1}})
        CHECK(rule_of(add, {small, image(8)}, {image(8)}).inputs.front() == RowRule::Input{1, true});
    // Rows of these would have to be taken apart along another axis than images are.
    for (const Numbers& odd : {Numbers{8, 5}, Numbers{4, 8, 5}, Numbers{4, 8, 1}, Numbers{3}, image(3), image(8, 3),
                               Numbers{1, 1, 4, 8, 5}, Numbers{0}})
        CHECK(kind_of(add, {image(8), odd}, {image(8)}) == Kind::whole);
    CHECK(kind_of(add, {image(8)}, {{2, 4, 8, 5}}) == Kind::whole);
    CHECK(kind_of(add, {Numbers{8, 1, 3}, image(6, 8, 3)}, {image(6, 8, 3)}) == Kind::window);
    CHECK(kind_of(add, {Numbers{8, 1, 3}, image(6, 8, 3)}, {image(6, 8, 3)}, DType::u8) == Kind::whole);
    CHECK(kind_of(add, {image(1, 1, 1)}, {image(1)}) == Kind::window);
    const auto weighted = [&](const Numbers& shape) {
        Operator op = add;
        op.weights = {{"other", shape, DType::f32}};
        return kind_of(op);
    };
    CHECK(weighted({1, 4, 1, 1}) == Kind::window);
    CHECK(weighted({}) == Kind::window);
    CHECK(weighted({1, 4, 8, 5}) == Kind::whole);
    CHECK(weighted({8, 1}) == Kind::whole);
}

TEST_CASE("activations, norms, channels put together and taken apart keep rows") {
    for (const char* kind : {"relu", "relu6", "hardtanh", "hardswish", "hardsigmoid", "sigmoid", "silu", "leaky_relu",
                             "elu", "tanh", "gelu", "clamp", "sub", "div", "contiguous"})
        CHECK(kind_of(make_op(std::string("aten::") + kind)) == Kind::window);
    const Operator norm = make_op("aten::batch_norm", {{"training", {0}}}, {{"running_mean", {4}, DType::f32}});
    CHECK(kind_of(norm) == Kind::window);
    CHECK(kind_of(with(norm, "training", {1})) == Kind::whole);
    CHECK(kind_of(without(norm, "training")) == Kind::whole);
    CHECK(kind_of(make_op("aten::batch_norm", {{"training", {0}}}, {{"input", {4}, DType::f32}})) == Kind::whole);
    CHECK(kind_of(make_op("aten::prelu", {}, {{"weight", {4}, DType::f32}})) == Kind::window);
    CHECK(kind_of(make_op("aten::prelu", {}, {{"self", {4}, DType::f32}})) == Kind::whole);
    CHECK(kind_of(make_op("aten::prelu"), {image(8), {4}}, {image(8)}) == Kind::whole);
    for (const int64_t axis : {1, 3, -1, -3, 0})
        CHECK(kind_of(make_op("aten::softmax", {{"dim", {axis}}})) == Kind::window);
    for (const int64_t axis : {2, -2, 4, -5})
        CHECK(kind_of(make_op("aten::softmax", {{"dim", {axis}}})) == Kind::whole);

    const auto cat = [](int64_t axis) { return make_op("aten::cat", {{"dim", {axis}}}); };
    CHECK(rule_of(cat(1), {image(8), image(8, 2)}, {image(8, 6)}).inputs ==
          std::vector<RowRule::Input>{{8, false}, {8, false}});
    CHECK(kind_of(cat(-3), {image(8), image(8, 2)}, {image(8, 6)}) == Kind::window);
    CHECK(kind_of(cat(3), {image(8), image(8)}, {image(8, 4, 10)}) == Kind::window);
    CHECK(kind_of(cat(2), {image(8), image(8)}, {image(16)}) == Kind::whole);
    CHECK(kind_of(cat(1), {image(8), {1, 4, 7, 5}}, {image(8, 8)}) == Kind::whole);
    CHECK(kind_of(cat(1), {image(8), {0}}, {image(8)}) == Kind::whole);
    CHECK(kind_of(make_op("aten::cat", {{"dim", {1}}}, {{"", image(8), DType::f32}}), {image(8)}, {image(8, 8)}) ==
          Kind::whole);
    const auto chunk = [](int64_t axis) { return make_op("aten::chunk", {{"dim", {axis}}}); };
    CHECK(kind_of(chunk(1), {image(8)}, {image(8, 2), image(8, 2)}) == Kind::window);
    CHECK(kind_of(chunk(2), {image(8)}, {image(4), image(4)}) == Kind::whole);
    CHECK(kind_of(chunk(1), {image(8)}, {image(8, 2), {1, 2, 7, 5}}) == Kind::whole);
    CHECK(kind_of(make_op("aten::select", {{"dim", {1}}}), {image(8)}, {{1, 8, 5}}) == Kind::whole);
}

TEST_CASE("the frame's rows are those of its normalised image") {
    const auto normalise = [](const Numbers& frame, const Numbers& made, DType type) {
        return kind_of(make_op("eddy::normalise"), {frame}, {made}, type);
    };
    CHECK(normalise({8, 5, 3}, {1, 3, 8, 5}, DType::u8) == Kind::window);
    CHECK(normalise({8, 5, 3}, {1, 3, 8, 5}, DType::f32) == Kind::whole);
    CHECK(normalise({8, 5, 3}, {1, 3, 5, 8}, DType::u8) == Kind::whole);
    CHECK(normalise({8, 5, 4}, {1, 3, 8, 5}, DType::u8) == Kind::whole);
    const Value frame = make_value(0, no_operator, {8, 5, 3}, DType::u8);
    CHECK(row_count(frame) == 8);
    for (const Numbers& one : {Numbers{8, 5, 3}, Numbers{1, 10}, Numbers{}, Numbers{2, 4, 8, 5}, Numbers{1, 4, 0, 5}})
        CHECK(row_count(make_value(0, no_operator, one)) == 1);
}

TEST_CASE("global pooling can be a sum of parts, and needs all rows") {
    const auto adaptive = [](Numbers size) { return make_op("aten::adaptive_avg_pool2d", {{"output_size", size}}); };
    const RowRule rule = rule_of(adaptive({1, 1}), {image(8)}, {image(1, 4, 1)});
    CHECK(rule.kind == Kind::reduction);
    CHECK(rule.output_rows == 1);
    CHECK(rule.inputs.front() == RowRule::Input{8, true});
    CHECK(needed_rows(rule, 0, {0, 1}).value() == NeededRows{{0, 8}});
    CHECK(kind_of(adaptive({1, 5}), {image(8)}, {image(1)}) == Kind::reduction);
    CHECK(kind_of(adaptive({3, 5}), {image(8)}, {image(3)}) == Kind::bins);
    CHECK(kind_of(adaptive({3, 5}), {image(8)}, {image(4)}) == Kind::whole);
    CHECK(kind_of(adaptive({3}), {image(8)}, {image(3)}) == Kind::whole);
    CHECK(kind_of(adaptive({3, 5}), {image(8)}, {image(3, 5)}) == Kind::whole);
    CHECK(kind_of(adaptive({3, 5}), {{4, 8, 5}}, {{4, 3, 5}}) == Kind::whole);

    const auto mean = [](Numbers axes, int64_t keep) {
        return make_op("aten::mean", {{"dim", axes}, {"keepdim", {keep}}});
    };
    CHECK(kind_of(mean({2, 3}, 1), {image(8)}, {image(1, 4, 1)}) == Kind::reduction);
    CHECK(kind_of(mean({-1, -2}, 0), {image(8)}, {{1, 4}}) == Kind::reduction);
    CHECK(kind_of(mean({2}, 0), {image(8)}, {{1, 4, 5}}) == Kind::reduction);
    CHECK(kind_of(mean({3}, 1), {image(8)}, {image(8, 4, 1)}) == Kind::whole);
    CHECK(kind_of(mean({1, 2, 3}, 1), {image(8)}, {image(1, 1, 1)}) == Kind::whole);
    CHECK(kind_of(mean({0, 2}, 1), {image(8)}, {image(1)}) == Kind::whole);
    CHECK(kind_of(mean({2, 3}, 1), {image(8)}, {{1, 4}}) == Kind::whole);
    CHECK(kind_of(mean({2, 9}, 1), {image(8)}, {image(1)}) == Kind::whole);
    CHECK(kind_of(with(mean({2, 3}, 0), "dtype", {6}), {image(8)}, {{1, 4}}) == Kind::whole);

    const auto pool = [](int64_t kernel, int64_t padding) {
        return make_op("aten::avg_pool2d",
                       {{"kernel_size", {kernel}}, {"stride", {}}, {"padding", {padding}}, {"ceil_mode", {0}}});
    };
    CHECK(kind_of(pool(8, 0), {image(8)}, {image(1, 4, 1)}) == Kind::reduction);
    CHECK(kind_of(pool(7, 0), {image(8)}, {image(1, 4, 1)}) == Kind::window);
    CHECK(kind_of(pool(8, 1), {image(8)}, {image(1, 4, 1)}) == Kind::window);
}

TEST_CASE("an operator whose attributes are missing, odd or at odds with the shapes is whole") {
    CHECK(kind_of(convolution()) == Kind::window);
    for (const char* missing : {"stride", "padding", "dilation"})
        CHECK(kind_of(without(convolution(), missing)) == Kind::whole);
    CHECK(kind_of(convolution({0})) == Kind::whole);
    CHECK(kind_of(convolution({1, 1, 1})) == Kind::whole);
    CHECK(kind_of(convolution({})) == Kind::whole);
    CHECK(kind_of(convolution({1}, {-1})) == Kind::whole);
    CHECK(kind_of(convolution({1}, {1}, {0})) == Kind::whole);
    CHECK(kind_of(convolution({extent_max + 1}, {1}), {image(8)}, {image(1)}) == Kind::whole);
    CHECK(kind_of(convolution({1}, {0})) == Kind::whole);
    CHECK(kind_of(convolution({1}, {1}, {8}), {image(8)}, {image(1)}) == Kind::whole);
    CHECK(kind_of(convolution({9}, {1}, {5}), {image(8)}, {image(1)}) == Kind::whole);
    Operator op = convolution();
    op.weights[0].shape = {4, 4, 3};
    CHECK(kind_of(op) == Kind::whole);
    op.weights.erase(op.weights.begin());
    CHECK(kind_of(op) == Kind::whole);
    CHECK(kind_of(convolution(), {image(8), {4, 4, 3, 3}}, {image(8)}) == Kind::whole);
    op = convolution();
    op.weights.push_back({"input", image(8), DType::f32});
    CHECK(kind_of(op) == Kind::whole);
    op = convolution();
    op.kind = "aten::_convolution";
    CHECK(kind_of(op) == Kind::whole);
    CHECK(kind_of(with(op, "transposed", {0})) == Kind::window);
    CHECK(kind_of(with(op, "transposed", {2})) == Kind::whole);
    CHECK(kind_of(with(op, "transposed", {1})) == Kind::whole);
    op = with(op, "output_padding", {0, 0});
    CHECK(kind_of(with(op, "transposed", {1})) == Kind::transposed);
    CHECK(kind_of(with(op, "transposed", {1}), {image(8)}, {image(9)}) == Kind::whole);

    const Operator pool =
        make_op("aten::max_pool2d",
                {{"kernel_size", {3}}, {"stride", {1}}, {"padding", {1}}, {"dilation", {1}}, {"ceil_mode", {0}}});
    CHECK(kind_of(pool) == Kind::window);
    for (const char* missing : {"kernel_size", "stride", "padding", "dilation", "ceil_mode"})
        CHECK(kind_of(without(pool, missing)) == Kind::whole);
    CHECK(kind_of(with(with(pool, "padding", {2}), "dilation", {2})) == Kind::whole);
    CHECK(kind_of(pool, {image(8)}, {image(9)}) == Kind::whole);
    CHECK(kind_of(pool, {image(8)}, {image(8), image(8)}) == Kind::whole);

    const Operator resize = make_op("aten::upsample_bilinear2d", {{"align_corners", {0}}});
    CHECK(kind_of(resize, {image(8)}, {image(16)}) == Kind::bilinear);
    CHECK(kind_of(without(resize, "align_corners"), {image(8)}, {image(16)}) == Kind::whole);
    CHECK(kind_of(with(resize, "output_size", {15, 5}), {image(8)}, {image(16)}) == Kind::whole);
    CHECK(kind_of(resize, {image(8)}, {image(16, 3)}) == Kind::whole);
    const int64_t many = interpolated_rows_max;
    CHECK(kind_of(resize, {image(8, 1, 1)}, {image(many, 1, 1)}) == Kind::bilinear);
    CHECK(kind_of(resize, {image(8, 1, 1)}, {image(many + 1, 1, 1)}) == Kind::whole);

    for (const char* kind : {"linear", "matmul", "layer_norm", "group_norm", "permute", "view", "flatten", "conv3d",
                             "upsample_bicubic2d", "max_pool2d_with_indices", "roll", "unknown"})
        CHECK(kind_of(make_op(std::string("aten::") + kind)) == Kind::whole);
}

TEST_CASE("that a kind has a rule does not say that every operator of it fits the rule") {
    for (const char* kind : {"aten::conv2d", "aten::cat", "aten::mean", "aten::relu", "eddy::normalise"})
        CHECK(has_row_rule(kind));
    CHECK(kind_of(convolution({0})) == Kind::whole);
    for (const char* kind : {"aten::sort", "aten::matmul", "aten::flatten", "relu", ""})
        CHECK_FALSE(has_row_rule(kind));
}

TEST_CASE("rows that an operator does not have, or part of a whole operator's, are refused") {
    const auto message = [](const RowRule& rule, size_t input, RowRange made) {
        const auto needed = needed_rows(rule, input, made);
        return needed ? std::string() : needed.error().message;
    };
    const RowRule rule = rule_of(convolution(), {image(8)}, {image(8)});
    CHECK(message(rule, 0, {0, 8}).empty());
    CHECK(needed_rows(rule, 0, {3, 3}).value() == NeededRows{});
    CHECK(message(rule, 1, {0, 8}).find("no input 1") != std::string::npos);
    for (const RowRange bad : {RowRange{-1, 3}, RowRange{0, 9}, RowRange{5, 4}})
        CHECK(message(rule, 0, bad).find("makes 8 rows") != std::string::npos);
    const RowRule whole = rule_of(make_op("aten::roll"), {image(8), {3}}, {image(8)});
    CHECK(whole.output_rows == 8);
    CHECK(message(whole, 0, {0, 7}).find("all of its 8 rows") != std::string::npos);
    CHECK(needed_rows(whole, 0, {4, 4}).value() == NeededRows{});
    CHECK(needed_rows(whole, 0, {0, 8}).value() == NeededRows{{0, 8}});
    CHECK(needed_rows(whole, 1, {0, 8}).value() == NeededRows{{0, 1}});
}

TEST_CASE("no extent up to the largest makes the arithmetic overflow") {
    const int64_t most = extent_max;
    const auto last_row = [&](RowRule rule) {
        rule.inputs = {{most, false}};
        rule.output_rows = most;
        return needed_rows(rule, 0, {most - 1, most}).value();
    };
    CHECK(last_row({.kind = Kind::window, .kernel = most, .stride = most, .dilation = most}).rows ==
          RowRange{most, most});
    const RowRule deep{.kind = Kind::window, .kernel = most, .stride = 1, .dilation = most, .padding_above = most};
    CHECK(last_row(deep).padding_above == 1);
    CHECK(last_row({.kind = Kind::transposed, .kernel = most, .stride = most, .dilation = most}).rows ==
          RowRange{0, 1});
    CHECK(last_row({.kind = Kind::bins}).rows == RowRange{most - 1, most});
    const RowRule up{.kind = Kind::bilinear, .inputs = {{1 << 24, false}}, .output_rows = 1 << 24};
    CHECK(needed_rows(up, 0, {0, 1 << 24}).value().rows == RowRange{0, 1 << 24});
    const Numbers tall{1, 1, 1 << 28, 1};  // as large as a tensor may be
    const Operator op = convolution({most}, {most}, {most});
    CHECK(kind_of(op, {tall}, {image(1, 1, 1)}, DType::u8) == Kind::window);
    for (const int64_t bad : {std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::min()})
        for (const char* name : {"stride", "padding", "dilation"})
            CHECK(kind_of(with(op, name, {bad}), {tall}, {image(1, 1, 1)}, DType::u8) == Kind::whole);
}
