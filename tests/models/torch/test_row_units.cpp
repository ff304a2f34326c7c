// Goal: units that make some rows give, put together, what the whole model gives, however rows and blocks are divided;
// and say what is wrong with what they are asked for or given. Method: see divided_run.hpp; here small models of
// everything that has a row rule, test_row_units_real.cpp has large ones.
#include <algorithm>
#include <map>
#include <set>

#include <rapidcheck.h>

#include "divided_run.hpp"
#include "eddy/partial_sums.hpp"
#include "eddy/tensor_rows.hpp"
#include "models/graph/row_steps.hpp"
#include "models/torch/row_plan.hpp"
#include "models/torch/unit.hpp"
#include "models/torch/unit_cache.hpp"
#include "reference.hpp"

using namespace eddy;
using namespace eddy::test;
using namespace eddy::torch_exec;
using graph::RowRange;
using graph::RowRule;
using graph::ValueRows;

namespace {

struct Small {
    explicit Small(const std::string& name)
        : model(must_load(made_model(name))),
          frame(noise_frame(*model, 5)),
          expected(reference_forward(made_model(name), model->card(), frame)) {}
    [[nodiscard]] const graph::ModelGraph& graph() const { return model->graph(); }
    [[nodiscard]] uint32_t operators() const { return static_cast<uint32_t>(graph().operators().size()); }
    /// The first operator of this kind.
    [[nodiscard]] uint32_t find(const std::string& kind) const {
        for (uint32_t op = 0; op < operators(); ++op)
            if (graph().operators()[op].kind == kind) return op;
        FAIL("no " << kind);
        return 0;
    }
    [[nodiscard]] Result<UnitSpec> spec(uint32_t first, uint32_t last, std::vector<ValueRows> wanted) const {
        return row_unit(graph(), model->row_rules(), first, last, wanted);
    }
    [[nodiscard]] std::shared_ptr<const Unit> unit(uint32_t first, uint32_t last, std::vector<ValueRows> wanted) const {
        const auto made = spec(first, last, std::move(wanted));
        if (!made) FAIL(made.error().message);
        const auto compiled = Unit::compile(model, *made);
        if (!compiled) FAIL(compiled.error().message);
        return *compiled;
    }
    /// All of this value.
    [[nodiscard]] HostTensor value(ValueId id) const {
        const RowRule& rule = model->row_rules()[graph().value(id).producer];
        const bool is_sum = rule.kind == RowRule::Kind::reduction;
        const int64_t rows = is_sum ? rule.inputs.front().rows : row_count(graph().value(id));
        return unit(0, graph().value(id).producer + 1, {{id, {0, rows}}})->run(std::span(&frame, 1)).value().front();
    }

    std::shared_ptr<const Model> model;
    HostTensor frame;
    std::vector<HostTensor> expected;
};

void check_random_divisions(const std::string& name) {
    const Small small(name);
    CHECK(rc::check("any division of " + name, [&] {
        Division division;
        division.devices = *rc::gen::inRange<uint32_t>(1, 7);
        division.seed = *rc::gen::arbitrary<uint64_t>();
        Random random(division.seed);
        division.borders = random_blocks(*small.model, *rc::gen::inRange<uint32_t>(1, 13), random);
        RC_ASSERT(relative_error(run_divided(small.model, small.frame, division), small.expected) <= 1e-4);
    }));
}

std::string refusal(const Result<std::vector<HostTensor>>& result) { return result ? "" : result.error().message; }

void check_contains(const std::string& text, const std::string& part) {
    CHECK_MESSAGE(text.find(part) != std::string::npos, "\"" << text << "\" lacks \"" << part << "\"");
}

}  // namespace

TEST_CASE("any division of convolutions, pools, branches and a gate agrees with the whole") {
    check_random_divisions("Windows");
    check_divisions(made_model("Windows"), 1, 3);
}

TEST_CASE("any division of what makes more rows than it is given agrees with the whole") {
    check_random_divisions("Grows");
    check_divisions(made_model("Grows"), 1, 3);
}

TEST_CASE("any division agrees with the whole without oneDNN, too") {
    allow_onednn(false);
    check_divisions(made_model("Windows"), 8, 21);
    check_divisions(made_model("Grows"), 8, 22);
    check_divisions(made_model("resnet18"), 3, 23);
    allow_onednn(true);
}

TEST_CASE("the models of these tests have what they are meant to try") {
    std::map<std::string, std::set<RowRule::Kind>> kinds;
    for (const char* name : {"Windows", "Grows"}) {
        const auto model = must_load(made_model(name));
        for (size_t op = 0; op < model->graph().operators().size(); ++op)
            kinds[model->graph().operators()[op].kind].insert(model->row_rules()[op].kind);
    }
    using Kind = RowRule::Kind;
    const auto has = [&](const std::string& kind, Kind rule) { return kinds[kind].count(rule) != 0; };
    for (const char* kind :
         {"eddy::normalise", "aten::max_pool2d", "aten::avg_pool2d", "aten::cat", "aten::chunk", "aten::batch_norm",
          "aten::hardswish", "aten::softmax", "aten::constant_pad_nd", "aten::mul"})
        CHECK_MESSAGE(has(kind, Kind::window), kind);
    CHECK((has("aten::conv2d", Kind::window) || has("aten::_convolution", Kind::window)));
    CHECK((has("aten::conv_transpose2d", Kind::transposed) || has("aten::_convolution", Kind::transposed)));
    CHECK(has("aten::avg_pool2d", Kind::reduction));
    CHECK(has("aten::adaptive_avg_pool2d", Kind::reduction));
    CHECK(has("aten::adaptive_avg_pool2d", Kind::bins));
    CHECK(has("aten::mean", Kind::reduction));
    CHECK(has("aten::sum", Kind::reduction));
    CHECK(has("aten::upsample_nearest2d", Kind::nearest));
    CHECK(has("aten::upsample_bilinear2d", Kind::bilinear));
    CHECK(has("aten::upsample_bilinear2d", Kind::bilinear_corners));
}

TEST_CASE("values have as many rows for tensors as for the graph") {
    for (const char* name : {"Windows", "Grows", "vit_small"}) {
        const auto model = must_load(made_model(name));
        for (const graph::Value& value : model->graph().values())
            CHECK(row_layout(value.meta)->rows == static_cast<uint32_t>(row_count(value)));
    }
}

TEST_CASE("a unit whose rows are everything is the one that a chain has") {
    const Small small("Windows");
    const uint32_t stem = small.find("aten::batch_norm");
    const ValueId made = small.graph().operators()[stem].outputs.front();
    const int64_t rows = row_count(small.graph().value(made));
    const auto spec = small.spec(0, stem + 1, {{made, {0, rows}}});
    REQUIRE(spec.ok());
    CHECK(spec->rows.everything());
    CHECK(*spec == unit_between(small.graph(), 0, stem + 1));
    UnitCache cache(small.model, uint64_t{1} << 30);
    REQUIRE(cache.get(*spec).ok());
    const auto part = small.spec(0, stem + 1, {{made, {0, rows - 1}}});
    REQUIRE(part.ok());
    CHECK_FALSE(part->rows.everything());
    CHECK(cache.find(*part) == nullptr);
    REQUIRE(cache.get(*part).ok());
    CHECK(cache.stats().units == 2);
}

TEST_CASE("operators that make nothing of what is wanted are left out, with what they would need") {
    const Small small("Windows");
    // The model's second output hangs on the stem alone.
    const auto spec =
        small.spec(0, small.operators(), {{small.graph().outputs()[1], {2, 3}}, {small.graph().outputs()[0], {}}});
    REQUIRE(spec.ok());
    CHECK(spec->operators.size() < small.operators() / 2);
    CHECK(spec->outputs == std::vector<ValueId>{small.graph().outputs()[1]});
    CHECK(spec->inputs == std::vector<ValueId>{ValueId{0}});
    CHECK(spec->rows.inputs.front().size() < row_count(small.graph().value(ValueId{0})) / 2);
}

TEST_CASE("outputs tell their rows, and a piece that is just what is needed is not copied") {
    const Small small("Windows");
    const uint32_t relu = small.find("aten::hardswish");
    const graph::Operator& op = small.graph().operators()[relu];
    const HostTensor input = small.value(op.inputs.front());
    const HostTensor whole = small.value(op.outputs.front());
    const auto unit = small.unit(relu, relu + 1, {{op.outputs.front(), {4, 9}}});
    CHECK(unit->spec().rows.inputs.front() == RowRange{4, 9});
    const auto part = take_rows(input.meta, input, {4, 9});
    REQUIRE(part.ok());
    for (const HostTensor& piece : {input, *part}) {
        const uint64_t before = fingerprint({&piece, 1});
        const auto made = unit->run(std::span(&piece, 1));
        REQUIRE(made.ok());
        CHECK(channels_first(made->front()).meta == meta_of_rows(whole.meta, {4, 9}));
        CHECK(relative_error(*made, std::vector{*take_rows(whole.meta, whole, {4, 9})}) <= 1e-6);
        CHECK(fingerprint({&piece, 1}) == before);
    }
}

TEST_CASE("what convolutions make keeps its channels last on the way to the next unit, and is not copied there") {
    const Small small("Windows");
    const ValueId made = small.graph().operators()[small.find("aten::batch_norm")].outputs.front();
    const HostTensor whole = small.value(made);
#if EDDY_ONEDNN && defined(__x86_64__)
    CHECK(whole.meta.channels_last);
#endif
    const uint32_t next = small.find("aten::hardswish");
    REQUIRE(small.graph().operators()[next].inputs.front() == made);
    const auto unit = small.unit(next, next + 1, {{small.graph().operators()[next].outputs.front(), {4, 9}}});
    const HostTensor dense = channels_first(whole);
    CHECK_FALSE(dense.meta.channels_last);
    const auto of = [&](const HostTensor& piece) { return unit->run(std::span(&piece, 1)).value(); };
    CHECK(relative_error(of(whole), of(dense)) == 0);
    // Rows of both, in one tensor.
    const std::vector<HostTensor> mixed{*take_rows(whole.meta, whole, {0, 6}), *take_rows(dense.meta, dense, {6, 12})};
    CHECK(relative_error(*unit->run(mixed), of(dense)) == 0);
}

TEST_CASE("partial sums of global pooling, mean and sum add up to the whole result") {
    const Small small("Windows");
    Random random(8);
    int tried = 0;
    for (uint32_t op = 0; op < small.operators(); ++op) {
        const RowRule& rule = small.model->row_rules()[op];
        if (rule.kind != RowRule::Kind::reduction) continue;
        ++tried;
        const ValueId id = small.graph().operators()[op].outputs.front();
        const HostTensor input = small.value(small.graph().operators()[op].inputs.front());
        const HostTensor whole = small.value(id);
        CHECK(whole.meta == small.graph().value(id).meta);
        const int64_t rows = rule.inputs.front().rows;
        std::vector<HostTensor> parts;
        for (int64_t row = 0; row < rows;) {
            const int64_t end = row + 1 + static_cast<int64_t>(random.below(static_cast<uint64_t>(rows - row)));
            // The last part from more operators than one, where the sum's input is made in the unit as well.
            const bool deep = end == rows;
            const auto unit = small.unit(deep ? 0 : op, op + 1, {{id, {row, end}}});
            auto part = unit->run(std::vector{deep ? small.frame : input});
            REQUIRE(part.ok());
            if (row != 0 || end != rows)
                CHECK(part->front().meta.rows == Rows{static_cast<uint32_t>(row), static_cast<uint32_t>(end)});
            CHECK(part->front().meta.shape == whole.meta.shape);
            parts.push_back(part->front());
            row = end;
        }
        const auto sum = add_partial_sums(whole.meta, static_cast<uint32_t>(rows), parts);
        REQUIRE(sum.ok());
        CHECK_MESSAGE(relative_error(std::vector{*sum}, std::vector{whole}) <= 1e-5,
                      small.graph().operators()[op].kind);
    }
    CHECK(tried == 4);
}

TEST_CASE("whoever uses a sum adds up its parts, which must be all and disjoint") {
    const Small small("Windows");
    const uint32_t mean = small.find("aten::mean");
    const ValueId id = small.graph().operators()[mean].outputs.front();
    const HostTensor input = small.value(small.graph().operators()[mean].inputs.front());
    const auto part = [&](RowRange rows) {
        return small.unit(mean, mean + 1, {{id, rows}})->run(std::span(&input, 1)).value().front();
    };
    const uint32_t next = mean + 1;
    const ValueId made = small.graph().operators()[next].outputs.front();
    REQUIRE(small.graph().operators()[next].inputs == std::vector<ValueId>{id});
    const auto unit = small.unit(next, next + 1, {{made, {0, 1}}});
    const auto rows = static_cast<int64_t>(row_layout(input.meta)->rows);
    const std::vector<HostTensor> parts{part({5, rows}), part({0, 2}), part({2, 5})};
    const auto made_of_parts = unit->run(parts);
    REQUIRE(made_of_parts.ok());
    CHECK(relative_error(*made_of_parts, std::vector{small.value(made)}) <= 1e-5);
    const std::string name = "value " + std::to_string(id.value) + ": ";
    CHECK(refusal(unit->run(std::vector{parts[0], parts[1]})) == "unit: " + name + "row 2 is missing of its sum");
    CHECK(refusal(unit->run(std::vector{parts[0], parts[1], part({1, 5})})) ==
          "unit: " + name + "row 1 is summed twice");
}

TEST_CASE("a partial sum is nobody's input in the unit that makes it") {
    const Small small("Windows");
    const uint32_t mean = small.find("aten::mean");
    const ValueId id = small.graph().operators()[mean].outputs.front();
    const ValueId made = small.graph().operators()[mean + 1].outputs.front();
    const auto spec = small.spec(mean, mean + 2, {{id, {0, 3}}, {made, {0, 1}}});
    REQUIRE_FALSE(spec.ok());
    check_contains(spec.error().message, "summed in part");
    check_contains(small.spec(mean, mean + 1, {{id, {0, 3}}, {id, {3, 4}}}).error().message, "two different sums");
    check_contains(small.spec(mean, mean + 1, {{id, {0, 300}}}).error().message, "rows, wanted are 0 to 300");
    UnitSpec forged{{mean, mean + 1}, {small.graph().operators()[mean].inputs.front()}, {made}};
    forged.rows = {{{0, 3}, {0, 1}}, {{0, 3}}, {{0, 1}}};
    check_contains(Unit::compile(small.model, forged).error().message, "are needed");
}

TEST_CASE("pieces that are missing, of another shape or beyond the value are refused with the reason") {
    const Small small("Windows");
    const uint32_t op = small.find("aten::max_pool2d");
    const ValueId id = small.graph().operators()[op].inputs.front();
    const HostTensor input = small.value(id);
    const auto unit = small.unit(op, op + 1, {{small.graph().operators()[op].outputs.front(), {3, 6}}});
    REQUIRE(unit->spec().rows.inputs.front() == RowRange{5, 12});
    const std::string name = "unit: value " + std::to_string(id.value) + ": ";
    const auto piece = [&](Rows rows) { return *take_rows(input.meta, input, rows); };
    CHECK(unit->run(std::vector{piece({4, 9}), piece({9, 13})}).ok());
    CHECK(refusal(unit->run(std::vector{piece({5, 8}), piece({9, 13})})) == name + "row 8 is missing of rows 5 to 12");
    CHECK(refusal(unit->run(std::vector{piece({6, 12})})) == name + "row 5 is missing of rows 5 to 12");
    CHECK(refusal(unit->run({})) == name + "row 5 is missing of rows 5 to 12");
    CHECK(refusal(unit->run(std::vector{small.frame})) == name + "row 5 is missing of rows 5 to 12");
    HostTensor spoilt = piece({5, 12});
    spoilt.meta.shape[3] += 1;
    check_contains(refusal(unit->run(std::vector{piece({5, 12}), spoilt})), "type, shape or bytes");
    spoilt = piece({5, 12});
    spoilt.meta.rows = {20, 27};
    check_contains(refusal(unit->run(std::vector{spoilt})), "a piece claims rows 20 to 27");
}

TEST_CASE("what cannot be divided is not, and rows that do not exist are refused") {
    const Small small("swin_small");
    const graph::ModelGraph& graph = small.graph();
    bool tried = false;
    for (uint32_t op = 0; op < small.operators(); ++op) {
        const graph::Value& value = graph.value(graph.operators()[op].outputs.front());
        if (small.model->row_rules()[op].divisible() || row_count(value) < 2) continue;
        tried = true;
        check_contains(small.spec(op, op + 1, {{value.meta.value, {0, 1}}}).error().message, "can only make all rows");
        UnitSpec forged{{op}, graph.operators()[op].inputs, {value.meta.value}};
        for (const ValueId id : forged.inputs) forged.rows.inputs.push_back({0, row_count(graph.value(id))});
        forged.rows.operators = forged.rows.outputs = {{0, 1}};
        check_contains(Unit::compile(small.model, forged).error().message, "can only make all");
        break;
    }
    CHECK(tried);
    const ValueId normalised = graph.operators().front().outputs.front();
    check_contains(small.spec(0, 1, {{normalised, {0, 65}}}).error().message, "has 64 rows");
    check_contains(small.spec(0, 1, {{normalised, {-1, 6}}}).error().message, "has 64 rows");
    check_contains(small.spec(0, 1, {{ValueId{0}, {0, 6}}}).error().message, "not made");
    check_contains(small.spec(0, 1, {{ValueId{99999}, {0, 6}}}).error().message, "not made");
    check_contains(small.spec(1, 0, {}).error().message, "not a run");
    check_contains(small.spec(0, 99999, {}).error().message, "not a run");
    check_contains(small.spec(0, 1, {{normalised, {3, 3}}}).error().message, "nothing is wanted");
}

TEST_CASE("a forged spec is refused, not miscomputed") {
    const Small small("Windows");
    const uint32_t op = small.find("aten::max_pool2d");
    const auto good = small.spec(op, op + 1, {{small.graph().operators()[op].outputs.front(), {3, 6}}});
    REQUIRE(good.ok());
    const auto refused = [&](const auto& spoil) {
        UnitSpec spec = *good;
        spoil(spec);
        const auto unit = Unit::compile(small.model, spec);
        return unit ? std::string() : unit.error().message;
    };
    CHECK(refused([](UnitSpec&) {}).empty());
    check_contains(refused([](UnitSpec& s) { s.rows.inputs.front() = {6, 12}; }), "rows 5 to 12 of value");
    check_contains(refused([](UnitSpec& s) { s.rows.inputs.front() = {5, 99}; }), "rows, and not those");
    check_contains(refused([](UnitSpec& s) { s.rows.inputs.front() = {5, 5}; }), "rows, and not those");
    check_contains(refused([](UnitSpec& s) { s.rows.outputs.front() = {2, 6}; }), "not made");
    check_contains(refused([](UnitSpec& s) { s.rows.operators.front() = {0, 0}; }), "are wanted");
    check_contains(refused([](UnitSpec& s) { s.rows.operators.front() = {9, 99}; }), "are wanted");
    check_contains(refused([](UnitSpec& s) { s.rows.inputs.clear(); }), "some operators and values only");
    check_contains(refused([](UnitSpec& s) { s.rows.operators.clear(); }), "some operators and values only");
}

TEST_CASE("of the ways to treat spare rows the cheapest is taken") {
    const Small small("resnet18");
    Random random(12);
    std::set<double> costs;
    for (int round = 0; round < 20; ++round) {
        const auto first = static_cast<uint32_t>(random.below(small.operators() / 2));
        const auto last = first + 1 + static_cast<uint32_t>(random.below(20));
        const ValueId made = small.graph().operators()[last - 1].outputs.front();
        const int64_t rows = row_count(small.graph().value(made));
        const auto begin = static_cast<int64_t>(random.below(static_cast<uint64_t>(rows)));
        const auto spec = small.spec(first, last, {{made, {begin, begin + (rows - begin + 1) / 2}}});
        if (!spec || spec->rows.everything()) continue;
        const auto plan = plan_rows(small.graph(), small.model->row_rules(), *spec);
        REQUIRE(plan.ok());
        for (const Spare spare : {Spare::carried, Spare::weighed, Spare::avoided}) {
            const auto other = plan_rows(small.graph(), small.model->row_rules(), *spec, spare);
            REQUIRE(other.ok());
            CHECK(plan->flops <= other->flops);
            costs.insert(other->flops - plan->flops);
        }
    }
    CHECK(costs.size() > 10);
}
