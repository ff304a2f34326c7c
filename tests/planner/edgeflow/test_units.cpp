// Goal: whatever the plan, every unit gets exactly the rows it needs, nobody is sent a row twice or one that it has,
// and the source ends with the whole result. Method: random nets, clusters and plans; needs are compared with what
// walking back through the unit's operators asks for.
#include <algorithm>
#include <map>
#include <set>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "nets.hpp"
#include "planner/edgeflow/critical_path.hpp"
#include "planner/edgeflow/timeline.hpp"
#include "planner/edgeflow/units.hpp"
#include "random_plans.hpp"

using namespace eddy;
using namespace eddy::planner::edgeflow;
using namespace eddy::test;
using graph::RowRange;

namespace {

constexpr double gather_us_per_byte = 0.01;

struct Case {
    uint64_t seed;
    Random random;
    Problem problem;
    Blocks blocks;
    Plan plan;
    UnitGraph units;

    explicit Case(uint64_t from)
        : seed(from),
          random(from),
          problem(make_problem(random)),
          blocks(problem),
          plan(random_plan(blocks, random)),
          units(units_of(blocks, plan)) {}

    static Problem make_problem(Random& random) {
        const graph::ModelGraph graph =
            random_net(random, 3 + static_cast<int64_t>(random.below(20)), 2 + static_cast<int>(random.below(10)));
        ClusterSketch cluster;
        cluster.speeds.assign(1 + random.below(6), 1);
        cluster.source = random.below(cluster.speeds.size());
        cluster.message = {5, 0.001};
        RowProfile profile = linear_profile(graph, 10, 2);
        profile.gather_us_per_byte = gather_us_per_byte;
        return problem_of(graph, profile, cluster);
    }
};

/// Rows as a set, so that nothing of the production code judges itself.
std::set<int64_t> rows_of(RowRange range) {
    std::set<int64_t> rows;
    for (int64_t row = range.begin; row < range.end; ++row) rows.insert(row);
    return rows;
}

template <class Check>
void for_any_plan(const char* what, Check check) {
    CHECK(rc::check(what, [&] {
        const auto seed = *rc::gen::inRange<uint64_t>(0, 1'000'000'000);
        Case made(seed);
        RC_ASSERT(check_plan(made.blocks, made.plan).ok());
        check(made);
    }));
}

}  // namespace

TEST_CASE("a unit is given each row that it needs, once") {
    for_any_plan("any plan", [](Case& made) {
        for (size_t index = 1; index + 1 < made.units.units.size(); ++index) {
            const Unit& unit = made.units.units[index];
            const Block& block = made.plan.blocks[unit.block];
            std::map<ValueId, std::multiset<int64_t>> given;
            for (const Need& need : unit.needs)
                for (const int64_t row : rows_of(need.rows)) given[need.value].insert(row);
            const Share& share = made.blocks.share(block.first, block.last, unit.part, unit.lead);
            RC_ASSERT(given.size() == share.inputs.size());
            for (const graph::ValueRows& input : share.inputs) {
                const auto& rows = given[input.value];
                const std::set<int64_t> distinct(rows.begin(), rows.end());
                RC_ASSERT(rows.size() == distinct.size());
                // Of a pool all sums are needed, and they are numbered by the rows that they add up.
                const uint32_t producer = made.problem.graph().value(input.value).producer;
                const bool pool = producer != graph::no_operator &&
                                  made.problem.rules()[producer].kind == graph::RowRule::Kind::reduction;
                if (!pool) RC_ASSERT(distinct == rows_of(input.rows));
                if (pool && distinct.size() > 1)
                    RC_ASSERT(distinct == rows_of({0, made.problem.rules()[producer].inputs.front().rows}));
            }
        }
    });
}

TEST_CASE("a unit puts together what it needs of a value in several pieces, and that takes its time") {
    bool any = false;
    for_any_plan("any plan", [&](Case& made) {
        for (size_t index = 1; index + 1 < made.units.units.size(); ++index) {
            const Unit& unit = made.units.units[index];
            std::map<ValueId, int> pieces;
            for (const Need& need : unit.needs) ++pieces[need.value];
            const Block& block = made.plan.blocks[unit.block];
            const Share& share = made.blocks.share(block.first, block.last, unit.part, unit.lead);
            uint64_t bytes = 0;
            for (const graph::ValueRows& input : share.inputs) {
                const graph::Value& value = made.problem.graph().value(input.value);
                if (pieces[input.value] < 2) continue;
                bytes += graph::row_count(value) == 1 ? value.bytes
                                                      : value.bytes * static_cast<uint64_t>(input.rows.size()) /
                                                            static_cast<uint64_t>(graph::row_count(value));
            }
            RC_ASSERT(unit.gathered_bytes == bytes);
            const Device& on = made.problem.device(unit.device);
            const double us = made.problem.unit_us(on, share.cost_us.front(), bytes);
            RC_ASSERT(std::abs(unit.cost_us - us) < 1e-6);
            RC_ASSERT(made.problem.unit_us(on, 0, bytes) >= gather_us_per_byte * static_cast<double>(bytes));
            any = any || bytes > 0;
        }
    });
    CHECK(any);
}

TEST_CASE("each unit takes what its steps do by its device's speed, and its dispatch at any speed") {
    NetBuilder net(8);
    net.convolution(ValueId{0});
    ClusterSketch cluster;
    cluster.speeds = {0.5, 2};
    cluster.dispatch_us = 60;
    const Problem problem = problem_of(net.graph(), linear_profile(net.graph(), 20, 10, 4), cluster);
    Blocks blocks(problem);
    const UnitGraph units = units_of(blocks, {{{0, problem.step_count(), {0, 4, 8}}}});
    REQUIRE(units.units.size() == 4);
    CHECK(units.units[1].cost_us == doctest::Approx(60 + (4 + 10 + 4 * 20) / 0.5));
    CHECK(units.units[2].cost_us == doctest::Approx(60 + (4 + 10 + 4 * 20) / 2.0));
    CHECK(units.units.back().cost_us == 0);
}

TEST_CASE("what a unit needs was made by the unit, or brought by the message, that it names") {
    for_any_plan("any plan", [](Case& made) {
        for (uint32_t index = 0; index < made.units.units.size(); ++index) {
            const Unit& unit = made.units.units[index];
            for (const Need& need : unit.needs) {
                const auto wanted = rows_of(need.rows);
                std::set<int64_t> there;
                if (need.remote) {
                    const Message& message = made.units.messages[need.from];
                    RC_ASSERT(message.to == unit.device);
                    RC_ASSERT(message.unit < index);
                    for (const graph::ValueRows& rows : message.rows)
                        if (rows.value == need.value) there.merge(rows_of(rows.rows));
                } else {
                    RC_ASSERT(need.from < index);
                    const Unit& maker = made.units.units[need.from];
                    RC_ASSERT(maker.device == unit.device);
                    if (need.from == 0) continue;  // the capture has all of the frame
                    const Block& block = made.plan.blocks[maker.block];
                    for (const graph::ValueRows& output :
                         made.blocks.share(block.first, block.last, maker.part, maker.lead).outputs)
                        if (output.value == need.value) there.merge(rows_of(output.rows));
                }
                RC_ASSERT(std::includes(there.begin(), there.end(), wanted.begin(), wanted.end()));
            }
        }
    });
}

TEST_CASE("nobody is sent a row twice, or one that it makes itself") {
    for_any_plan("any plan", [](Case& made) {
        std::map<std::pair<uint32_t, ValueId>, std::set<int64_t>> has;
        for (uint32_t index = 1; index + 1 < made.units.units.size(); ++index) {
            const Unit& unit = made.units.units[index];
            const Block& block = made.plan.blocks[unit.block];
            for (const graph::ValueRows& output :
                 made.blocks.share(block.first, block.last, unit.part, unit.lead).outputs)
                has[{unit.device, output.value}].merge(rows_of(output.rows));
        }
        for (const Message& message : made.units.messages) {
            RC_ASSERT(message.to != made.units.units[message.unit].device);
            RC_ASSERT(!message.rows.empty());
            for (const graph::ValueRows& rows : message.rows)
                for (const int64_t row : rows_of(rows.rows))
                    RC_ASSERT(has[std::pair(message.to, rows.value)].insert(row).second);
        }
    });
}

TEST_CASE("every message is sent by the unit that it names, and needed by somebody") {
    for_any_plan("any plan", [](Case& made) {
        std::multiset<uint32_t> sent;
        std::set<uint32_t> needed;
        for (uint32_t index = 0; index < made.units.units.size(); ++index) {
            for (const uint32_t message : made.units.units[index].messages) {
                RC_ASSERT(made.units.messages[message].unit == index);
                sent.insert(message);
            }
            for (const Need& need : made.units.units[index].needs)
                if (need.remote) needed.insert(need.from);
        }
        RC_ASSERT(sent.size() == made.units.messages.size());
        RC_ASSERT(needed.size() == made.units.messages.size());
    });
}

TEST_CASE("the source ends with every row of every output") {
    for_any_plan("any plan", [](Case& made) {
        const Unit& result = made.units.units.back();
        RC_ASSERT(result.device == made.problem.source());
        std::map<ValueId, int64_t> count;
        for (const Need& need : result.needs) count[need.value] += need.rows.size();
        for (const ValueId output : made.problem.graph().outputs()) {
            const graph::Value& value = made.problem.graph().value(output);
            const graph::RowRule& rule = made.problem.rules()[value.producer];
            const int64_t rows = graph::row_count(value);
            RC_ASSERT(count[output] == rows ||
                      (rule.kind == graph::RowRule::Kind::reduction && count[output] == rule.inputs.front().rows));
        }
    });
}

TEST_CASE("any plan can be carried out, and takes at least its longest device and its fullest port") {
    for_any_plan("any plan", [](Case& made) {
        const Timeline timeline = simulate(made.problem, made.units);
        std::vector<double> computes(made.problem.devices(), 0);
        std::vector<uint64_t> sends(made.problem.devices(), 0);
        for (const Unit& unit : made.units.units) computes[unit.device] += unit.cost_us;
        for (const Message& message : made.units.messages)
            sends[made.units.units[message.unit].device] += message.bytes;
        for (size_t device = 0; device < made.problem.devices(); ++device) {
            RC_ASSERT(timeline.latency_us >= computes[device] - 1e-6);
            RC_ASSERT(timeline.latency_us >= static_cast<double>(sends[device]) / 125 - 1e-6);
            RC_ASSERT(std::abs(timeline.compute_us[device] - computes[device]) < 1e-6);
        }
        for (const Unit& unit : made.units.units)
            for (const Need& need : unit.needs) {
                const size_t index = static_cast<size_t>(&unit - made.units.units.data());
                const double there =
                    need.remote ? timeline.messages[need.from].end_us : timeline.units[need.from].end_us;
                RC_ASSERT(timeline.units[index].begin_us >= there - 1e-6);
            }
    });
}

TEST_CASE("boundaries that go first are what others need, the rest is neither lost nor made twice") {
    NetBuilder net(12);
    net.convolution(net.convolution(ValueId{0}));
    const Problem problem = problem_of(net.graph(), linear_profile(net.graph(), 10, 0), {});
    Blocks blocks(problem);
    const Plan plan{{{0, 1, {0, 6, 12}, true}, {1, 2, {0, 6, 12}, false}}};
    const UnitGraph units = units_of(blocks, plan);
    std::vector<RowRange> upper;
    std::vector<RowRange> lower;
    for (const Unit& unit : units.units)
        if (unit.block == 0 && unit.cost_us > 0) (unit.device == 0 ? upper : lower).push_back(unit.part);
    CHECK(upper == std::vector<RowRange>{{5, 6}, {0, 5}});
    CHECK(lower == std::vector<RowRange>{{6, 7}, {7, 12}});

    // Between two others, of two rows each is needed by somebody: nothing is left to make later.
    ClusterSketch three;
    three.speeds = {1, 1, 1};
    const Problem narrow = problem_of(net.graph(), linear_profile(net.graph(), 10, 0), three);
    Blocks narrow_blocks(narrow);
    const Plan thin{{{0, 1, {0, 5, 7, 12}, true}, {1, 2, {0, 5, 7, 12}, false}}};
    size_t units_between = 0;
    for (const Unit& unit : units_of(narrow_blocks, thin).units) units_between += unit.block == 0 && unit.device == 1;
    CHECK(units_between == 1);
}

TEST_CASE("who owns only rows that nobody reads has nothing to do, and is sent nothing") {
    NetBuilder net(8);
    net.convolution(net.convolution(ValueId{0}), 1, 2);  // the second reads rows 0 to 6
    ClusterSketch cluster;
    cluster.speeds = {1, 1, 1};
    const Problem problem = problem_of(net.graph(), linear_profile(net.graph(), 10, 0), cluster);
    Blocks blocks(problem);
    const UnitGraph units = units_of(blocks, {{{0, 1, {0, 7, 8, 8}, false}, {1, 2, {0, 4, 4, 4}, false}}});
    for (const Unit& unit : units.units) CHECK(unit.device != 1);
    for (const Message& message : units.messages) CHECK(message.to != 1);
    CHECK(simulate(problem, units).latency_us > 0);
}

TEST_CASE("a pool is summed where its rows are, and only sums travel") {
    NetBuilder net(8);
    net.whole(net.pooled(net.convolution(ValueId{0})));
    const Problem problem = problem_of(net.graph(), linear_profile(net.graph(), 10, 0), {});
    Blocks blocks(problem);
    const Plan plan{{{0, 2, {0, 4, 8}, false}, {2, 3, {0, 1, 1}, false}}};
    REQUIRE(check_plan(blocks, plan).ok());
    const UnitGraph units = units_of(blocks, plan);
    // The lower half of the frame with one row above it; then one sum of 4 channels.
    REQUIRE(units.messages.size() == 2);
    CHECK(units.messages[0].bytes == 5 * 4 * 8 * 4);
    CHECK(units.messages[1].bytes == 4 * 4);
}

TEST_CASE("plans that do not fit the problem are refused with the reason") {
    NetBuilder net(8);
    net.convolution(net.convolution(ValueId{0}));
    auto parts = parts_of(net.graph(), linear_profile(net.graph(), 10, 0), {});
    parts.devices[1].has_model = false;
    const Problem problem = Problem::make(std::move(parts)).value();
    Blocks blocks(problem);
    const auto refused = [&](const Plan& plan) {
        const Status status = check_plan(blocks, plan);
        return status.ok() ? std::string() : status.error().message;
    };
    CHECK(refused({{{0, 2, {0, 8, 8}, false}}}).empty());
    CHECK(refused({{{0, 1, {0, 8, 8}, false}}}).find("last steps") != std::string::npos);
    CHECK(refused({{{1, 2, {0, 8, 8}, false}}}).find("leave out") != std::string::npos);
    CHECK(refused({{{0, 3, {0, 8, 8}, false}}}).find("beyond") != std::string::npos);
    CHECK(refused({{{0, 2, {0, 8, 9}, false}}}).find("8 rows") != std::string::npos);
    CHECK(refused({{{0, 2, {0, 8}, false}}}).find("2 devices") != std::string::npos);
    CHECK(refused({{{0, 2, {0, 9, 8}, false}}}).find("descend") != std::string::npos);
    CHECK(refused({{{0, 2, {0, 4, 8}, false}}}).find("d1 has not the model") != std::string::npos);
}

TEST_CASE("the critical path has no gaps, goes from the capture to the result, and is as long as the latency") {
    for_any_plan("any plan", [](Case& made) {
        const Timeline timeline = simulate(made.problem, made.units);
        double at_us = 0;
        for (const PathPiece& piece : critical_path(made.units, timeline)) {
            RC_ASSERT(std::abs(piece.begin_us - at_us) < 1e-6);
            RC_ASSERT(piece.end_us > piece.begin_us);
            at_us = piece.end_us;
        }
        RC_ASSERT(std::abs(at_us - timeline.latency_us) < 1e-6);
    });
}
