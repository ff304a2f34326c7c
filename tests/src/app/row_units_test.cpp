// Goal: units over rows are found by plan and number while the plan lives, take as long as the profile says, cut and
// put together exactly the rows that they should, and stand in with zeros of the true sizes. Method: rows and sums
// reckoned by loops over elements; random cuts; the tensors of random plans; runners over an executor that is made up.
#include "src/app/row_units.hpp"

#include <algorithm>
#include <cstring>
#include <future>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "eddy/real_clock.hpp"
#include "eddy/tensor_rows.hpp"
#include "src/app/model_runner.hpp"
#include "src/app/replay_runner.hpp"
#include "src/node/edgeflow/flow_plan.hpp"
#include "tests/planner/edgeflow/nets.hpp"
#include "tests/planner/edgeflow/random_plans.hpp"

using namespace eddy;
using namespace eddy::app;
using namespace std::chrono_literals;

namespace {

constexpr uint32_t image_rows = 9;
constexpr uint32_t channels = 4;
constexpr uint32_t columns = 8;
constexpr uint64_t row_bytes = channels * columns * sizeof(float);
const ValueId image{1}, pooled{2};

/// Value 0 is convolved to value 1, an image that is an output; value 2 is its pool, an output too.
std::shared_ptr<const graph::ModelGraph> small_graph() {
    test::NetBuilder net(image_rows);
    net.pooled(net.convolution(ValueId{0}));
    graph::ModelGraph made = net.graph();
    return std::make_shared<const graph::ModelGraph>(
        graph::ModelGraph::build(made.values(), made.operators(), made.inputs(), {image, pooled}).value());
}

/// Step 0 takes 20 + 10 a row, a unit 7 besides.
RowUnits units_with(RowUnits::Compile compile = {}) {
    const auto graph = small_graph();
    RowProfile profile = test::linear_profile(*graph, 10, 20, 7);
    profile.gather_us_per_byte = 0.002;
    REQUIRE(profile.steps.size() == 2);
    return {graph, std::make_shared<const RowProfile>(std::move(profile)), std::move(compile)};
}

UnitOrder order_of(UnitOrder::Kind kind, std::vector<RowTensor> outputs = {}, std::vector<StepRows> work = {}) {
    UnitOrder order;
    order.kind = kind;
    order.outputs = std::move(outputs);
    order.work = std::move(work);
    return order;
}

RowTensor rows_of(ValueId value, uint32_t begin, uint32_t end) {
    return {value, {begin, end}, (end - begin) * row_bytes, image_rows};
}
RowTensor sums_of(uint32_t begin, uint32_t end) { return {pooled, {begin, end}, channels * sizeof(float), image_rows}; }

HostTensor filled(TensorMeta meta, const std::vector<float>& with) {
    const uint64_t size = with.size() * sizeof(float);
    const auto bytes = allocate_bytes(size);
    std::memcpy(bytes.get(), with.data(), size);
    return {std::move(meta), {bytes, size}};
}

/// Element e of row y of channel c.
float element(uint32_t c, uint32_t y, uint32_t e) { return static_cast<float>(c * 10000 + y * 100 + e); }

/// Rows of an image, by that rule.
HostTensor image_of(const TensorMeta& whole, Rows rows) {
    std::vector<float> numbers;
    for (uint32_t c = 0; c < channels; ++c)
        for (uint32_t y = rows.begin; y < rows.end; ++y)
            for (uint32_t e = 0; e < columns; ++e) numbers.push_back(element(c, y, e));
    return filled(meta_of_rows(whole, rows), numbers);
}

/// What is summed over these rows: channel c adds c + y for each.
HostTensor sum_of(const TensorMeta& whole, Rows rows) {
    std::vector<float> numbers(channels, 0);
    for (uint32_t c = 0; c < channels; ++c)
        for (uint32_t y = rows.begin; y < rows.end; ++y) numbers[c] += static_cast<float>(c + y);
    TensorMeta meta = whole;
    if (rows != Rows{0, image_rows}) meta.rows = rows;
    return filled(std::move(meta), numbers);
}

bool equal(const HostTensor& a, const HostTensor& b) {
    return a.meta == b.meta && a.bytes.size() == b.bytes.size() &&
           std::memcmp(a.bytes.data(), b.bytes.data(), a.bytes.size()) == 0;
}

/// Parts of [0, rows), in any order.
std::vector<Rows> random_cuts(uint32_t rows) {
    auto ends = *rc::gen::container<std::vector<uint32_t>>(rc::gen::inRange<uint32_t>(1, rows));
    ends.push_back(rows);
    std::sort(ends.begin(), ends.end());
    std::vector<Rows> parts;
    for (const uint32_t end : ends)
        if (const uint32_t begin = parts.empty() ? 0 : parts.back().end; begin < end) parts.push_back({begin, end});
    for (size_t i = 0; i < parts.size(); ++i) std::swap(parts[i], parts[*rc::gen::inRange(i, parts.size())]);
    return parts;
}

class MadeUnit final : public engine::RowUnit {};

/// Makes what it is told to, and notes what it was given.
class MadeUp final : public engine::Executor {
public:
    explicit MadeUp(std::vector<HostTensor> makes) : makes_(std::move(makes)) {}
    Status prepare(uint32_t, uint32_t) override { return success(); }
    Status prepare_layers() override { return success(); }
    Result<std::vector<HostTensor>> run(uint32_t, uint32_t, std::span<const HostTensor>) override {
        return internal("layers");
    }
    Result<std::vector<HostTensor>> run(const engine::RowUnit&, std::span<const HostTensor>) override {
        if (makes_.empty()) return invalid("rows were missing");
        return makes_;
    }

private:
    std::vector<HostTensor> makes_;
};

std::shared_ptr<Replay> some_replay(double speed) {
    ModelProfile profile;
    profile.layers.resize(1);
    profile.layers[0].frontier_bytes = 12;
    return Replay::make(profile, speed).value();
}

/// What a replay gives instead of these tensors.
std::vector<HostTensor> zeros_of(RowUnits& units, std::vector<RowTensor> tensors) {
    CHECK(units.compile(PlanId{1}, {order_of(UnitOrder::Kind::capture, std::move(tensors))}).ok());
    return units.find(PlanId{1}, 0)->replayed;
}

}  // namespace

TEST_CASE("a replayed unit takes what any unit takes, and the profile's time of the rows of each of its steps") {
    RowUnits units = units_with();
    const auto replayed = [&](std::vector<StepRows> work, UnitOrder::Kind kind = UnitOrder::Kind::compute) {
        CHECK(units.compile(PlanId{1}, {order_of(kind, {}, std::move(work))}).ok());
        const auto job = units.find(PlanId{1}, 0);
        REQUIRE(job);
        CHECK_FALSE(job->unit);
        return job->replay_us;
    };
    CHECK(replayed({}) == doctest::Approx(7));
    CHECK(replayed({{0, 4}}) == doctest::Approx(7 + 20 + 40));
    CHECK(replayed({{0, image_rows}}) == doctest::Approx(7 + 20 + 90));
    CHECK(replayed({{0, 4}, {1, 3}}) == doctest::Approx(7 + 60 + 50));
    CHECK(replayed({{0, 4}}, UnitOrder::Kind::capture) == 0);
    CHECK(replayed({{0, 4}}, UnitOrder::Kind::result) == 0);
}

TEST_CASE("a replayed unit takes longer by the bytes that it puts together") {
    RowUnits units = units_with();
    UnitOrder order = order_of(UnitOrder::Kind::compute, {}, {{0, 4}});
    order.gathered_bytes = 3000;
    CHECK(units.compile(PlanId{1}, {order}).ok());
    CHECK(units.find(PlanId{1}, 0)->replay_us == doctest::Approx(7 + 20 + 40 + 6));
}

TEST_CASE("units are found by plan and number until their plan is forgotten, and by who has them even after") {
    RowUnits units = units_with();
    const auto one = order_of(UnitOrder::Kind::compute, {}, {{0, 1}});
    const auto two = order_of(UnitOrder::Kind::compute, {}, {{0, 2}});
    CHECK(units.compile(PlanId{1}, {one, two}).ok());
    CHECK(units.compile(PlanId{2}, {two}).ok());
    const auto job = units.find(PlanId{1}, 1);
    REQUIRE(job);
    CHECK(job->order.work == two.work);
    CHECK(units.find(PlanId{1}, 0)->order.work == one.work);
    CHECK_FALSE(units.find(PlanId{1}, 2));
    CHECK_FALSE(units.find(PlanId{3}, 0));
    units.forget(PlanId{1});
    CHECK_FALSE(units.find(PlanId{1}, 1));
    CHECK(job->order.work == two.work);
    CHECK(units.find(PlanId{2}, 0));
    units.forget(PlanId{1});
    units.forget(PlanId{9});
}

TEST_CASE("what computes is compiled, nothing else is, and the first that cannot be is the plan's failure") {
    std::vector<uint32_t> compiled;
    const auto made = std::make_shared<const MadeUnit>();
    RowUnits units = units_with([&](const UnitOrder& order) -> Result<std::shared_ptr<const engine::RowUnit>> {
        compiled.push_back(order.first);
        if (order.first == 13) return exhausted("no memory for operator 13");
        return std::shared_ptr<const engine::RowUnit>(made);
    });
    std::vector<UnitOrder> orders{order_of(UnitOrder::Kind::capture), order_of(UnitOrder::Kind::compute, {}, {{0, 2}}),
                                  order_of(UnitOrder::Kind::result)};
    orders[1].first = 4;
    CHECK(units.compile(PlanId{1}, orders).ok());
    CHECK(compiled == std::vector<uint32_t>{4});
    CHECK_FALSE(units.find(PlanId{1}, 0)->unit);
    CHECK(units.find(PlanId{1}, 1)->unit == made);
    CHECK(units.find(PlanId{1}, 1)->replay_us == 0);
    CHECK_FALSE(units.find(PlanId{1}, 2)->unit);
    orders.push_back(orders[1]);
    orders[1].first = 13;
    const Status failed = units.compile(PlanId{2}, orders);
    REQUIRE_FALSE(failed.ok());
    CHECK(failed.error().code == ErrorCode::exhausted);
    CHECK(failed.error().message == "no memory for operator 13");
    CHECK(compiled == std::vector<uint32_t>{4, 13});
    CHECK_FALSE(units.find(PlanId{2}, 0));
}

TEST_CASE("zeros have the sizes of rows, of whole values and of partial sums, and say which rows they are") {
    RowUnits units = units_with();
    const auto zeros =
        zeros_of(units, {rows_of(image, 2, 5), rows_of(image, 0, image_rows), sums_of(3, 4), sums_of(0, image_rows)});
    REQUIRE(zeros.size() == 4);
    CHECK(zeros[0].meta == TensorMeta{image, DType::f32, {1, channels, 3, columns}, {2, 5}});
    CHECK(zeros[1].meta == TensorMeta{image, DType::f32, {1, channels, image_rows, columns}, {}});
    CHECK(zeros[2].meta == TensorMeta{pooled, DType::f32, {1, channels, 1, 1}, {3, 4}});
    CHECK(zeros[3].meta == TensorMeta{pooled, DType::f32, {1, channels, 1, 1}, {}});
    const std::vector<uint64_t> sizes{3 * row_bytes, image_rows * row_bytes, 16, 16};
    for (size_t i = 0; i < zeros.size(); ++i) {
        CHECK(zeros[i].bytes.size() == sizes[i]);
        CHECK(std::all_of(zeros[i].bytes.data(), zeros[i].bytes.data() + sizes[i],
                          [](std::byte b) { return b == std::byte{0}; }));
    }
    CHECK(zeros_of(units, {}).empty());
}

TEST_CASE("whatever the plan, zeros are the tensors that it reckons with") {
    CHECK(rc::check("random plans of random nets", [] {
        Random random(*rc::gen::arbitrary<uint64_t>());
        const graph::ModelGraph graph =
            test::random_net(random, 3 + static_cast<int64_t>(random.below(15)), 2 + static_cast<int>(random.below(8)));
        test::ClusterSketch cluster;
        cluster.speeds.assign(1 + random.below(4), 1);
        const auto problem = test::problem_of(graph, test::linear_profile(graph, 1, 1), cluster);
        planner::edgeflow::Blocks blocks(problem);
        const auto plan = test::random_plan(blocks, random);
        RowUnits units(std::make_shared<const graph::ModelGraph>(graph), nullptr, {});
        for (uint32_t device = 0; device < cluster.speeds.size(); ++device) {
            const auto part = node::FlowPlan::make(blocks, plan, device);
            for (const auto& unit : part.units())
                for (const auto& tensor : part.outputs_of(unit)) {
                    const Rows rows{static_cast<uint32_t>(tensor.rows.begin), static_cast<uint32_t>(tensor.rows.end)};
                    const auto made = zeros_of(units, {{tensor.value, rows, tensor.bytes, tensor.all_rows}});
                    RC_ASSERT(made.front().bytes.size() == tensor.bytes);
                    RC_ASSERT(made.front().meta.bytes() == tensor.bytes);
                    RC_ASSERT(made.front().meta.value == tensor.value);
                    RC_ASSERT(made.front().meta.dtype == tensor.dtype);
                    RC_ASSERT(made.front().meta.shape == tensor.shape);
                    RC_ASSERT(resolved(made.front().meta.rows, tensor.all_rows) == rows);
                }
        }
    }));
}

TEST_CASE("what a unit made with its channels last is given on so, whole or in part") {
    const RowUnits units = units_with();
    HostTensor made = image_of(small_graph()->value(image).meta, {1, 5});
    for (const bool last : {true, false}) {
        made.meta.channels_last = last;
        const auto order = order_of(UnitOrder::Kind::compute, {rows_of(image, 1, 5), rows_of(image, 2, 4)});
        const auto parts = units.divided(order, std::span(&made, 1));
        REQUIRE(parts.ok());
        REQUIRE(parts->size() == 2);
        for (const HostTensor& part : *parts) CHECK(part.meta.channels_last == last);
    }
}

TEST_CASE("of the frame, and of what a unit made, just the rows that are wanted are cut out") {
    const RowUnits units = units_with();
    const TensorMeta whole = small_graph()->value(ValueId{0}).meta;
    CHECK(rc::check("any rows of any rows that were made", [&] {
        const auto begin = *rc::gen::inRange<uint32_t>(0, image_rows);
        const Rows made{begin, *rc::gen::inRange<uint32_t>(begin + 1, image_rows + 1)};
        std::vector<RowTensor> wanted;
        for (int count = *rc::gen::inRange(0, 4); count > 0; --count) {
            const auto first = *rc::gen::inRange(made.begin, made.end);
            wanted.push_back(rows_of(ValueId{0}, first, *rc::gen::inRange(first + 1, made.end + 1)));
        }
        const HostTensor given = image_of(whole, made);
        const auto parts = units.divided(order_of(UnitOrder::Kind::compute, wanted), std::span(&given, 1));
        RC_ASSERT(parts.ok());
        RC_ASSERT(parts->size() == wanted.size());
        for (size_t i = 0; i < wanted.size(); ++i) RC_ASSERT(equal((*parts)[i], image_of(whole, wanted[i].rows)));
    }));
    const HostTensor frame = image_of(whole, {0, image_rows});
    const auto captured = units.captured(
        order_of(UnitOrder::Kind::capture, {rows_of(ValueId{0}, 0, 3), rows_of(ValueId{0}, 2, image_rows)}),
        std::span(&frame, 1));
    REQUIRE(captured.ok());
    REQUIRE(captured->size() == 2);
    CHECK(equal((*captured)[0], image_of(whole, {0, 3})));
    CHECK(equal((*captured)[1], image_of(whole, {2, image_rows})));
}

TEST_CASE("a sum goes on as it is, and what was not made is told") {
    const RowUnits units = units_with();
    const auto graph = small_graph();
    const std::vector<HostTensor> made{image_of(graph->value(image).meta, {2, 6}),
                                       sum_of(graph->value(pooled).meta, {3, 6})};
    const auto parts =
        units.divided(order_of(UnitOrder::Kind::compute, {sums_of(3, 6), rows_of(image, 3, 4), sums_of(3, 6)}), made);
    REQUIRE(parts.ok());
    CHECK(equal((*parts)[0], made[1]));
    CHECK(equal((*parts)[1], image_of(graph->value(image).meta, {3, 4})));
    CHECK(equal((*parts)[2], made[1]));
    const auto missing = units.divided(order_of(UnitOrder::Kind::compute, {rows_of(ValueId{0}, 0, 1)}), made);
    CHECK(missing.error().message == "value 0 was not made");
    CHECK_FALSE(units.divided(order_of(UnitOrder::Kind::compute, {rows_of(image, 1, 3)}), made).ok());
}

TEST_CASE("outputs are put together of their pieces in any order, and sums are added up") {
    const RowUnits units = units_with();
    const auto graph = small_graph();
    CHECK(rc::check("any cuts", [&] {
        std::vector<HostTensor> pieces;
        for (const Rows rows : random_cuts(image_rows)) pieces.push_back(image_of(graph->value(image).meta, rows));
        for (const Rows rows : random_cuts(image_rows)) pieces.push_back(sum_of(graph->value(pooled).meta, rows));
        const auto outputs = units.outputs(pieces);
        RC_ASSERT(outputs.ok());
        RC_ASSERT(outputs->size() == 2U);
        RC_ASSERT(equal((*outputs)[0], image_of(graph->value(image).meta, {0, image_rows})));
        RC_ASSERT(equal((*outputs)[1], sum_of(graph->value(pooled).meta, {0, image_rows})));
        // Without one of them it is no output: of sums only the last may be missed, since nobody tells how many there
        // are.
        std::erase_if(pieces, [](const HostTensor& piece) { return piece.meta.value == image; });
        RC_ASSERT(!units.outputs(pieces).ok());
    }));
    const std::vector<HostTensor> gap{image_of(graph->value(image).meta, {0, image_rows}),
                                      sum_of(graph->value(pooled).meta, {0, 2}),
                                      sum_of(graph->value(pooled).meta, {3, image_rows - 1})};
    CHECK(units.outputs(gap).error().message == "value 2: row 2 is missing of its sum");
}

TEST_CASE("a replayed unit waits for its time by the speed, and hands on zeros") {
    const auto graph = small_graph();
    const auto units = std::make_shared<RowUnits>(
        graph, std::make_shared<const RowProfile>(test::linear_profile(*graph, 1000, 2000, 700)), RowUnits::Compile{});
    CHECK(units
              ->compile(PlanId{3}, {order_of(UnitOrder::Kind::compute, {rows_of(image, 2, 5)}, {{0, 3}}),
                                    order_of(UnitOrder::Kind::result)})
              .ok());
    const auto replay = some_replay(0.5);
    const auto runner = make_replay_runner(replay, units);
    const Instant began = real_now();
    const auto output = runner->run({PlanId{3}, 0, 1}, {}, false);
    CHECK(real_now() - began >= 11400us);  // twice 700 + 2000 + 3 · 1000
    REQUIRE(output.ok());
    CHECK_FALSE(output->inference.has_value());
    REQUIRE(output->outputs.size() == 1);
    CHECK(output->outputs[0].meta == TensorMeta{image, DType::f32, {1, channels, 3, columns}, {2, 5}});
    const auto ended = runner->run({PlanId{3}, 1, 2}, {}, true);
    REQUIRE(ended.ok());
    CHECK(ended->outputs.empty());
    CHECK(*ended->inference == Inference{});
    CHECK(runner->run({PlanId{3}, 2, 3}, {}, false).error().message == "the plan is over");
    units->forget(PlanId{3});
    const auto over = runner->run({PlanId{3}, 0, 1}, {}, false);
    CHECK(over.error().code == ErrorCode::unavailable);
    CHECK(over.error().message == "the plan is over");
    CHECK(make_replay_runner(replay)->run({PlanId{3}, 0, 1}, {}, false).error().message == "the plan is over");
}

TEST_CASE("a replayed unit of a day ends at once when the node does") {
    const auto graph = small_graph();
    const auto units = std::make_shared<RowUnits>(
        graph, std::make_shared<const RowProfile>(test::linear_profile(*graph, 86400e6, 0)), RowUnits::Compile{});
    CHECK(units->compile(PlanId{1}, {order_of(UnitOrder::Kind::compute, {}, {{0, 1}})}).ok());
    const auto replay = some_replay(1);
    auto run = std::async(std::launch::async, [&] {
        return make_replay_runner(replay, units)->run({PlanId{1}, 0, 1}, {}, false);
    });
    CHECK(run.wait_for(5ms) == std::future_status::timeout);
    replay->end();
    CHECK(run.get().error().message == "the node ends");
    CHECK_FALSE(make_replay_runner(replay, units)->run({PlanId{1}, 0, 1}, {}, false).ok());
}

TEST_CASE("a model's runner cuts the frame, divides what the engine made of a unit, and puts outputs together") {
    const auto graph = small_graph();
    const auto units = std::make_shared<RowUnits>(
        graph, nullptr, [](const UnitOrder&) -> Result<std::shared_ptr<const engine::RowUnit>> {
            return std::shared_ptr<const engine::RowUnit>(std::make_shared<MadeUnit>());
        });
    CHECK(units
              ->compile(PlanId{1}, {order_of(UnitOrder::Kind::capture, {rows_of(ValueId{0}, 4, 6)}),
                                    order_of(UnitOrder::Kind::compute, {rows_of(image, 1, 3), rows_of(image, 0, 2)}),
                                    order_of(UnitOrder::Kind::result)})
              .ok());
    const auto runner = [&](std::vector<HostTensor> makes) {
        return make_model_runner(std::make_unique<MadeUp>(std::move(makes)), ModelCard{}, units);
    };
    const HostTensor frame = image_of(graph->value(ValueId{0}).meta, {0, image_rows});
    const auto cut = runner({})->run({PlanId{1}, 0, 1}, std::span(&frame, 1), false);
    REQUIRE(cut.ok());
    CHECK(equal(cut->outputs.at(0), image_of(frame.meta, {4, 6})));
    const auto made = runner({image_of(graph->value(image).meta, {0, 3})})->run({PlanId{1}, 1, 2}, {}, false);
    REQUIRE(made.ok());
    CHECK(equal(made->outputs.at(0), image_of(graph->value(image).meta, {1, 3})));
    CHECK(equal(made->outputs.at(1), image_of(graph->value(image).meta, {0, 2})));
    CHECK(runner({})->run({PlanId{1}, 1, 2}, {}, false).error().message == "rows were missing");
    const std::vector<HostTensor> pieces{image_of(graph->value(image).meta, {4, image_rows}),
                                         image_of(graph->value(image).meta, {0, 4}),
                                         sum_of(graph->value(pooled).meta, {0, image_rows})};
    const auto whole = runner({})->run({PlanId{1}, 2, 3}, pieces, false);
    REQUIRE(whole.ok());
    CHECK(equal(whole->outputs.at(0), image_of(graph->value(image).meta, {0, image_rows})));
    CHECK(runner({})->run({PlanId{1}, 2, 3}, pieces, true)->inference.has_value());
    units->forget(PlanId{1});
    CHECK(runner({})->run({PlanId{1}, 0, 1}, std::span(&frame, 1), false).error().message == "the plan is over");
    CHECK(runner({})->run({PlanId{}, 0, 1}, {}, false).error().message == "layers");
}
