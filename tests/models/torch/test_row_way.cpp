// Goal: whatever an operator is, whatever its slab holds besides what is needed, and whether copies are dear or not,
// the rows wanted come out as those of the whole. Method: each tap of each row wanted is followed into the slab that
// row_way chooses: a tap in the tensor must meet its own row, a tap in padding must meet padding.
#include <set>

#include <doctest/doctest.h>

#include "models/torch/row_way.hpp"
#include "tests/models/graph/row_cases.hpp"

using namespace eddy;
using namespace eddy::graph;
using namespace eddy::test;
using namespace eddy::torch_exec;

namespace {

/// [low, high) around the range, within `all`.
RowRange around(RowRange rows, int64_t all) { return {pick(0, rows.begin), pick(rows.end, all)}; }

/// What an operator is run on.
struct Given {
    RowRange rows;  ///< as rows of the value; may reach beyond it
    RowRange real;  ///< those that are no filler
    RowRange right;
    [[nodiscard]] bool is_right(int64_t row) const {
        return std::max(real.begin, right.begin) <= row && row < std::min(real.end, right.end);
    }
};

struct Tried {
    RowWay way;
    Given given;
    RowRange wanted;
};

RowRange random_rows(int64_t all) {
    const int64_t begin = pick(0, all - 1);
    return {begin, pick(begin + 1, all)};
}

/// Asks for random rows, of a slab that holds what they need, rows that are right and rows that are not. Copies are
/// dear if the operator computes nothing, and cheap if it computes a great deal or spare rows are to be avoided.
Tried try_rows(RowCase made) {
    made.op.flops = *rc::gen::element<uint64_t>(0, 1000, uint64_t{1} << 50);
    const ModelGraph graph = graph_of(made.op, {image(made.in)}, {image(made.out)});
    const RowRule rule = row_rules(graph).front();
    Tried tried;
    tried.wanted = random_rows(made.out);
    const RowRange needed = needed_rows(rule, 0, tried.wanted).value().rows;
    Slab slab;
    if (!needed.empty()) {
        slab.right = around(needed, made.in);
        slab.held = around(slab.right, made.in);
    }
    const auto spare = *rc::gen::element(Spare::carried, Spare::weighed, Spare::avoided, Spare::none);
    const auto way = row_way({graph, 0, rule, std::span(&slab, 1), tried.wanted, spare});
    if (!way) RC_FAIL(way.error().message);
    tried.way = *way;
    tried.given = {slab.held, slab.held, slab.right};
    if (way->cuts.front()) {
        const RowCut& cut = *way->cuts.front();
        RC_ASSERT(cut.above >= 0);
        RC_ASSERT(cut.below >= 0);
        RC_ASSERT(hull(slab.held, cut.rows) == hull(slab.held, {}));
        tried.given.rows = {cut.rows.begin - cut.above, cut.rows.begin + cut.rows.size() + cut.below};
        tried.given.real = cut.rows;
    }
    RC_ASSERT(!tried.given.rows.empty());
    RC_ASSERT(hull(tried.way.made, tried.wanted) == tried.way.made);
    RC_ASSERT(hull(tried.way.kept, tried.wanted) == tried.way.kept);
    return tried;
}

int64_t padding_of(const RowWay& way, const RowRule& rule) {
    const auto replaced = way.replaced.find("padding");
    return replaced == way.replaced.end() ? rule.padding_above : replaced->second.front();
}

/// The rows that LibTorch makes of so many; by going through them.
int64_t rows_out(int64_t in, const Taps& taps, bool ceil_mode) {
    int64_t out = 0;
    while (taps.at(out, taps.kernel - 1) < in + taps.padding) ++out;
    if (!ceil_mode) return out;
    const bool leaves_rows = out == 0 || taps.at(out - 1, taps.kernel - 1) < in + taps.padding - 1;
    return leaves_rows && taps.at(out, 0) < in ? out + 1 : out;
}

void check_windows(const RowCase& made, bool ceil_mode) {
    const RowRule rule = made.rule();
    if (rule.kind != RowRule::Kind::window) return;
    const Tried tried = try_rows(made);
    const Taps taps{rule.kernel, rule.stride, padding_of(tried.way, rule), rule.dilation};
    const Given& given = tried.given;
    const bool is_pool = made.op.attributes.count("kernel_size") != 0;
    if (is_pool) RC_ASSERT(2 * taps.padding <= std::max(taps.kernel, 2 * rule.padding_above));
    RC_ASSERT(tried.way.made.size() == rows_out(given.rows.size(), taps, ceil_mode));
    RC_ASSERT(tried.way.kept == tried.way.made);
    for (int64_t y = tried.wanted.begin; y < tried.wanted.end; ++y)
        for (int64_t t = 0; t < rule.kernel; ++t) {
            const int64_t meant = y * rule.stride - rule.padding_above + t * rule.dilation;
            const int64_t met = taps.at(y - tried.way.made.begin, t);
            if (0 <= meant && meant < made.in) {
                RC_ASSERT(met >= 0);
                RC_ASSERT(met < given.rows.size());
                RC_ASSERT(given.rows.begin + met == meant);
                RC_ASSERT(given.is_right(meant));
                continue;
            }
            // A convolution's padding is zeros, and so are rows that are no rows of the value.
            const int64_t row = given.rows.begin + met;
            const bool zeros = !is_pool && (row < given.real.begin || row >= given.real.end);
            RC_ASSERT((met < 0 || met >= given.rows.size() || zeros));
            // An average tells padding from what is beyond it.
            if (is_pool) RC_ASSERT((meant < made.in + rule.padding_below) == (met < given.rows.size() + taps.padding));
        }
}

Taps random_taps() { return {pick(1, 4), pick(1, 3), pick(0, 3), pick(1, 3)}; }

/// Rows as they are, each of three.
RowCase three_by_three(int64_t rows) {
    RowCase made;
    made.in = made.out = rows;
    made.op = make_op("aten::conv2d", {{"stride", {1}}, {"padding", {1}}, {"dilation", {1}}}, kernels(3));
    return made;
}

}  // namespace

TEST_CASE("each tap of a convolution's rows meets what it meets in the whole") {
    CHECK(rc::check("any convolution", [] { check_windows(convolution_case(pick(1, 14), random_taps()), false); }));
}

TEST_CASE("each tap of a pool's rows meets what it meets in the whole, overhang included") {
    CHECK(rc::check("any pool", [] {
        const bool ceil_mode = *rc::gen::arbitrary<bool>();
        check_windows(pool_case(pick(1, 14), random_taps(), ceil_mode, *rc::gen::arbitrary<bool>()), ceil_mode);
    }));
}

TEST_CASE("a row of a transposed convolution is made of just the rows that add to it") {
    CHECK(rc::check("any transposed convolution", [] {
        const auto made = transposed_case(pick(1, 10), random_taps(), pick(0, 2));
        if (!made) return;
        const RowRule rule = made->rule();
        const Tried tried = try_rows(*made);
        const int64_t padding = padding_of(tried.way, rule);
        const int64_t reach = rule.dilation * (rule.kernel - 1);
        const int64_t more = made->out - ((made->in - 1) * rule.stride - 2 * rule.padding_above + reach + 1);
        const int64_t out = (tried.given.rows.size() - 1) * rule.stride - 2 * padding + reach + 1 + more;
        RC_ASSERT(tried.way.made.size() == out);
        for (int64_t y = tried.wanted.begin; y < tried.wanted.end; ++y) {
            std::multiset<int64_t> met;
            for (int64_t r = 0; r < tried.given.rows.size(); ++r)
                for (int64_t t = 0; t < rule.kernel; ++t) {
                    const int64_t row = tried.given.rows.begin + r;
                    if (r * rule.stride - padding + t * rule.dilation != y - tried.way.made.begin) continue;
                    if (row < tried.given.real.begin || row >= tried.given.real.end) continue;  // zeros
                    RC_ASSERT(tried.given.is_right(row));
                    met.insert(row);
                }
            const Numbers meant = made->reads(y);
            RC_ASSERT(met == std::multiset<int64_t>(meant.begin(), meant.end()));
        }
    }));
}

TEST_CASE("constant padding gives exactly the rows wanted, also where it cuts rows off") {
    CHECK(rc::check("any padding", [] {
        const int64_t in = pick(1, 12);
        const int64_t above = pick(-3, 3);
        const int64_t below = pick(-3, 3);
        if (in + above + below < 1) return;
        RowCase made{make_op("aten::constant_pad_nd", {{"pad", {0, 0, above, below}}}), in, in + above + below, {}};
        if (made.rule().kind != RowRule::Kind::window) return;
        const Tried tried = try_rows(made);
        Numbers pad{0, 0, above, below};
        if (tried.way.replaced.count("pad") != 0) pad = tried.way.replaced.at("pad");
        RC_ASSERT(tried.way.made.size() == tried.given.rows.size() + pad[2] + pad[3]);
        for (int64_t y = tried.wanted.begin; y < tried.wanted.end; ++y) {
            const int64_t met = y - tried.way.made.begin - pad[2];
            // Rows that are cut off are not met.
            const bool inside =
                std::max<int64_t>(0, -pad[2]) <= met && met < tried.given.rows.size() + std::min<int64_t>(0, pad[3]);
            RC_ASSERT(inside == (0 <= y - above && y - above < in));
            if (inside) RC_ASSERT(tried.given.is_right(tried.given.rows.begin + met));
        }
    }));
}

TEST_CASE("operands of a sum are cut to the rows that all of them hold, broadcast ones are not") {
    Operator op = make_op("aten::add");
    const ModelGraph graph = graph_of(op, {image(10), image(10), image(1)}, {image(10)});
    const RowRule rule = row_rules(graph).front();
    const std::vector<Slab> slabs{{{2, 9}, {3, 8}}, {{3, 8}, {3, 8}}, {{0, 1}, {0, 1}}};
    const auto way = row_way({graph, 0, rule, slabs, {4, 6}});
    REQUIRE(way.ok());
    CHECK(way->made == RowRange{3, 8});
    CHECK(way->cuts == std::vector<std::optional<RowCut>>{RowCut{{3, 8}}, std::nullopt, std::nullopt});
}

TEST_CASE("a copy is made only if the spare rows would cost more") {
    RowCase made = three_by_three(100);
    const Slab slab{{0, 60}, {0, 60}};
    for (const bool dear : {true, false}) {
        made.op.flops = dear ? uint64_t{1} << 40 : 1;
        const ModelGraph graph = graph_of(made.op, {image(100)}, {image(100)});
        const auto way = row_way({graph, 0, row_rules(graph).front(), std::span(&slab, 1), {0, 10}});
        REQUIRE(way.ok());
        CHECK(way->cuts.front().has_value() == dear);
        CHECK(way->made == (dear ? RowRange{0, 11} : RowRange{0, 60}));
        CHECK(way->replaced.empty());
    }
}

TEST_CASE("rows that are needed and not right are told") {
    const RowCase made = three_by_three(20);
    const ModelGraph graph = graph_of(made.op, {image(20)}, {image(20)});
    const RowRule rule = row_rules(graph).front();
    const auto refused = [&](Slab slab, RowRange wanted) {
        const auto way = row_way({graph, 0, rule, std::span(&slab, 1), wanted});
        return way ? std::string() : way.error().message;
    };
    CHECK(refused({{0, 20}, {5, 10}}, {6, 9}).empty());
    CHECK(refused({{0, 20}, {5, 10}}, {6, 10}) == "rows 5 to 11 of value 0 are needed, there are 5 to 10");
    CHECK(refused({}, {6, 10}) == "rows 5 to 11 of value 0 are needed, there are 0 to 0");
    CHECK(refused({{0, 20}, {0, 20}}, {6, 21}) == "rows 6 to 21 of 20 are wanted");
    CHECK(refused({{0, 20}, {0, 20}}, {6, 6}) == "rows 6 to 6 of 20 are wanted");
}
