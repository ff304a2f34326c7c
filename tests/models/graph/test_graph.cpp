// Goal: frontiers and boundaries are what their definition says. Method: random graphs against a brute-force reading of
// the definition, operator by operator.
#include <set>

#include <doctest/doctest.h>

#include "random_graph.hpp"

using namespace eddy;
using namespace eddy::graph;
using namespace eddy::test;

namespace {

bool is_output(const ModelGraph& graph, ValueId id) {
    return std::find(graph.outputs().begin(), graph.outputs().end(), id) != graph.outputs().end();
}

/// Made before the cut (or given), and wanted at or after it.
std::vector<ValueId> live_by_definition(const ModelGraph& graph, uint32_t cut) {
    std::set<ValueId> made(graph.inputs().begin(), graph.inputs().end());
    for (uint32_t i = 0; i < cut; ++i)
        made.insert(graph.operators()[i].outputs.begin(), graph.operators()[i].outputs.end());
    std::set<ValueId> wanted(graph.outputs().begin(), graph.outputs().end());
    for (uint32_t i = cut; i < graph.operators().size(); ++i)
        wanted.insert(graph.operators()[i].inputs.begin(), graph.operators()[i].inputs.end());
    std::vector<ValueId> live;
    std::set_intersection(made.begin(), made.end(), wanted.begin(), wanted.end(), std::back_inserter(live));
    return live;
}

Boundary boundary_by_definition(const ModelGraph& graph, const std::vector<uint32_t>& inside) {
    std::set<ValueId> made;
    std::set<ValueId> read_inside;
    std::set<ValueId> read_outside(graph.outputs().begin(), graph.outputs().end());
    for (uint32_t i = 0; i < graph.operators().size(); ++i) {
        const Operator& op = graph.operators()[i];
        const bool in = std::find(inside.begin(), inside.end(), i) != inside.end();
        if (in) made.insert(op.outputs.begin(), op.outputs.end());
        (in ? read_inside : read_outside).insert(op.inputs.begin(), op.inputs.end());
    }
    Boundary boundary;
    std::set_difference(read_inside.begin(), read_inside.end(), made.begin(), made.end(),
                        std::back_inserter(boundary.inputs));
    std::set_intersection(made.begin(), made.end(), read_outside.begin(), read_outside.end(),
                          std::back_inserter(boundary.outputs));
    return boundary;
}

std::string refusal(const Parts& parts) {
    const auto built = ModelGraph::build(parts.values, parts.operators, parts.inputs, parts.outputs);
    return built ? "" : built.error().message;
}

}  // namespace

TEST_CASE("the frontier of every cut is what was made before it and is wanted after it") {
    for (uint64_t seed = 1; seed <= 150; ++seed) {
        CAPTURE(seed);
        const ModelGraph graph = random_graph(seed, 2 + seed % 40, 1 + seed % 12);
        for (uint32_t cut = 0; cut + 1 < graph.cuts(); ++cut) {
            CAPTURE(cut);
            const auto expected = live_by_definition(graph, cut);
            REQUIRE(graph.frontier(cut) == expected);
            REQUIRE(graph.frontier_tensors(cut) == expected.size());
            uint64_t bytes = 0;
            for (const ValueId id : expected) bytes += graph.value(id).bytes;
            REQUIRE(graph.frontier_bytes(cut) == bytes);
        }
        REQUIRE(graph.frontier(graph.cuts() - 1) == graph.outputs());
    }
}

TEST_CASE("the boundary of any set of operators is what it reads from outside and what outside reads of it") {
    for (uint64_t seed = 1; seed <= 150; ++seed) {
        CAPTURE(seed);
        const ModelGraph graph = random_graph(seed, 3 + seed % 30, 1 + seed % 9);
        Random random(seed);
        std::vector<uint32_t> inside;
        for (uint32_t i = 0; i < graph.operators().size(); ++i)
            if (random.chance(0.4)) inside.push_back(i);
        REQUIRE(graph.boundary_of(inside) == boundary_by_definition(graph, inside));
    }
}

TEST_CASE("a run between two cuts reads only the first cut's frontier and covers the second's") {
    for (uint64_t seed = 1; seed <= 60; ++seed) {
        const ModelGraph graph = random_graph(seed, 20, 6);
        Random random(seed);
        const auto first = static_cast<uint32_t>(random.below(20));
        std::vector<uint32_t> inside;
        for (uint32_t i = first; i < 20; ++i) inside.push_back(i);
        const auto frontier = graph.frontier(first);
        for (const ValueId id : graph.boundary_of(inside).inputs)
            CHECK(std::find(frontier.begin(), frontier.end(), id) != frontier.end());
        for (const ValueId id : graph.boundary_of(inside).outputs) CHECK(is_output(graph, id));
    }
}

TEST_CASE("a graph that breaks its own rules is refused") {
    const Parts good = random_parts(5, 6, 3);
    CHECK(refusal(good).empty());
    Parts reads_early = good;
    reads_early.operators[1].inputs = {reads_early.operators[4].outputs[0]};
    CHECK(refusal(reads_early).find("before it is made") != std::string::npos);
    Parts two_makers = good;
    two_makers.operators[3].outputs.push_back(two_makers.operators[2].outputs[0]);
    CHECK(refusal(two_makers).find("does not own") != std::string::npos);
    Parts wrong_bytes = good;
    wrong_bytes.values[2].bytes += 1;
    CHECK(refusal(wrong_bytes).find("value 2") != std::string::npos);
    Parts orphan = good;
    orphan.values.push_back(make_value(static_cast<uint32_t>(orphan.values.size()), 0, {1}));
    CHECK(refusal(orphan).find("is not made") != std::string::npos);
    Parts no_output = good;
    no_output.outputs.clear();
    CHECK(refusal(no_output).find("no outputs") != std::string::npos);
    Parts unknown_output = good;
    unknown_output.outputs = {ValueId{999}};
    CHECK(refusal(unknown_output).find("999") != std::string::npos);
    Parts empty = good;
    empty.operators.clear();
    CHECK(refusal(empty).find("no operators") != std::string::npos);
}
