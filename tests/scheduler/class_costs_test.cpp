// Goal: the constants of layered's scores are what the head of class_costs.hpp says, whatever was measured.
// Method: against every way a frame can take, on chains of nodes that tell each other their D; extremes.
#include "scheduler/class_costs.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <doctest/doctest.h>
#include <rapidcheck.h>

using namespace eddy;
using namespace eddy::scheduler;

namespace {

constexpr double endless = std::numeric_limits<double>::infinity();
constexpr double shortest_s = 1e-6;  // nothing takes no time
constexpr uint16_t layers = 12;

double number(int64_t bound) { return static_cast<double>(*rc::gen::inRange<int64_t>(0, bound)); }
bool one_in(int n) { return *rc::gen::inRange(0, n) == 0; }

std::vector<uint16_t> random_cuts() {
    std::vector<uint16_t> cuts{0};
    for (uint16_t layer = 1; layer < layers; ++layer)
        if (one_in(3)) cuts.push_back(layer);
    return cuts;
}

/// A node on its own: times in whole milliseconds, so that they come through msg::Remaining as they are.
ClassInputs random_node(const std::vector<uint16_t>& cuts, bool computes, bool link) {
    ClassInputs node;
    node.cuts = cuts;
    node.computes = computes;
    if (computes) node.before_s.push_back(0);
    for (size_t c = 0; computes && c < cuts.size(); ++c)
        node.before_s.push_back(node.before_s.back() + (1 + number(50)) / 1000);
    for (size_t c = 0; link && c < cuts.size(); ++c) node.transfer_s.push_back((1 + number(50)) / 1000);
    return node;
}

std::vector<msg::Remaining> told(const ClassCosts& costs) {
    std::vector<msg::Remaining> list;
    for (size_t c = 0; c < costs.classes; ++c)
        if (std::isfinite(costs.remaining_s[c]))
            list.push_back({costs.cut[c], Usec(std::llround(costs.remaining_s[c] * 1e6)), 0});
    return list;
}

size_t class_at(const std::vector<uint16_t>& cuts, uint16_t layer) {
    size_t c = 0;
    while (c + 1 < cuts.size() && cuts[c + 1] <= layer) ++c;
    return c;
}

double run_s(const ClassInputs& node, size_t from, size_t to) {
    return node.before_s[to] - node.before_s[from] + run_overhead * node.before_s.back();
}

/// The shortest of all ways from cut `c` of node `n`: every run and every hop is tried. The next node takes a frame for
/// one at its own last cut at or before it, as far as its D is known from there.
double shortest_way_s(const std::vector<ClassInputs>& nodes, size_t n, size_t c) {
    const ClassInputs& node = nodes[n];
    if (c == node.cuts.size()) return 0;
    double best = endless;
    for (size_t to = c + 1; node.computes && to <= node.cuts.size(); ++to)
        best = std::min(best, run_s(node, c, to) + shortest_way_s(nodes, n, to));
    if (node.transfer_s.empty() || n + 1 == nodes.size()) return best;
    for (size_t there = class_at(nodes[n + 1].cuts, node.cuts[c]) + 1; there-- > 0;) {
        const double after = shortest_way_s(nodes, n + 1, there);
        if (after == endless) continue;
        return std::min(best, node.transfer_s[c] + after);
    }
    return best;
}

bool close(double a, double b) { return a == b || std::abs(a - b) < 1e-5; }

}  // namespace

TEST_CASE("D is the shortest of all ways: runs at every node and hops between them") {
    CHECK(rc::check("one to three nodes", [] {
        std::vector<ClassInputs> nodes;
        const size_t count = 1 + static_cast<size_t>(number(3));
        const auto cuts = random_cuts();
        const std::vector<uint16_t> few(cuts.begin(), cuts.begin() + std::min<std::ptrdiff_t>(5, std::ssize(cuts)));
        for (size_t n = 0; n < count; ++n) {
            const auto own = one_in(2) ? few : std::vector<uint16_t>{0, 3, 7};
            nodes.push_back(random_node(own, !one_in(4), n + 1 < count && !one_in(5)));
        }
        for (size_t n = count; n-- > 0;) {
            const ClassCosts costs = class_costs(nodes[n], layers);
            for (size_t c = 0; c < costs.classes; ++c)
                RC_ASSERT(close(costs.remaining_s[c], shortest_way_s(nodes, n, c)));
            if (n > 0) nodes[n - 1].next = told(costs);
        }
    }));
}

TEST_CASE("a bias is V times the time lost, none along a shortest way, and what cannot be done has no rate") {
    CHECK(rc::check("any node", [] {
        ClassInputs node = random_node(random_cuts(), !one_in(4), !one_in(4));
        for (uint16_t layer = 0; !one_in(4) && layer < layers; layer += 4)
            node.next.push_back({layer, from_ms(number(100)), 0});
        const ClassCosts costs = class_costs(node, layers);
        const auto& d = costs.remaining_s;
        const double whole_s = node.computes ? run_s(node, 0, node.cuts.size()) : d[0];
        const auto right = [&](const ClassCosts::Action& action, size_t c, double takes_s, double after_s) {
            RC_ASSERT(action.bias <= 0);
            if (after_s == endless || takes_s == endless) {
                RC_ASSERT(action.per_s == 0 && action.bias == 0);
                return endless;
            }
            RC_ASSERT(std::abs(action.per_s * takes_s - 1) < 1e-5);
            const double lost_s = takes_s + after_s - d[c];
            RC_ASSERT(std::abs(action.bias + bias_frames * lost_s / whole_s) < 1e-4 * (1 + std::abs(action.bias)));
            return -static_cast<double>(action.bias);
        };
        for (size_t c = 0; c < costs.classes; ++c) {
            double least = endless;
            RC_ASSERT(costs.fastest_run[c] ==
                      std::max_element(costs.run[c].begin(), costs.run[c].end(), [](const auto& a, const auto& b) {
                          return a.per_s < b.per_s;
                      })->per_s);
            for (size_t to = c + 1; to <= costs.classes; ++to) {
                const double takes_s = node.computes ? run_s(node, c, to) : endless;
                least = std::min(least, right(costs.run[c][to], c, takes_s, to < costs.classes ? d[to] : 0));
            }
            const double takes_s = node.transfer_s.empty() ? endless : node.transfer_s[c];
            least = std::min(least, right(costs.hop[c], c, takes_s, remaining_at(node.next, node.cuts[c])));
            RC_ASSERT((d[c] == endless ? least == endless : std::abs(least) < 1e-5));
        }
        RC_ASSERT(costs.model_s == (node.computes ? run_s(node, 0, node.cuts.size()) : endless));
    }));
}

TEST_CASE("a frame that is further on takes no longer, where all hops take as long") {
    CHECK(rc::check("equal transfers", [] {
        ClassInputs node = random_node(random_cuts(), true, true);
        std::fill(node.transfer_s.begin(), node.transfer_s.end(), 0.02);
        double left_ms = 200;
        for (uint16_t layer = 0; layer < layers; layer += 3)
            node.next.push_back({layer, from_ms(left_ms), 0}), left_ms -= number(40);
        const ClassCosts costs = class_costs(node, layers);
        for (size_t c = 1; c < costs.classes; ++c) RC_ASSERT(costs.remaining_s[c] <= costs.remaining_s[c - 1]);
    }));
}

TEST_CASE("where nothing can be done nothing has a rate, and the way is endless") {
    for (const bool link : {false, true}) {
        const ClassCosts costs =
            class_costs({{0, 4}, {}, link ? std::vector{0.01, 0.01} : std::vector<double>{}, {}, false}, 0);
        CHECK(costs.remaining_s[0] == endless);
        CHECK(costs.remaining_s[1] == endless);
        CHECK(costs.model_s == endless);
        CHECK(costs.hop[0].per_s == 0);
        CHECK(costs.run[0][2].per_s == 0);
    }
}

TEST_CASE("extremes that were measured make numbers all the same") {
    CHECK(rc::check("zero times, endless and absurd ones", [] {
        const auto extreme = [] {
            return *rc::gen::element(0.0, std::numeric_limits<double>::denorm_min(), 1e-12, shortest_s, 1.0, 1e9);
        };
        ClassInputs node = random_node(random_cuts(), true, true);
        for (size_t i = 1; i < node.before_s.size(); ++i) node.before_s[i] = node.before_s[i - 1] + extreme();
        for (double& each : node.transfer_s) each = extreme();
        for (const uint16_t layer : {0, 5})
            node.next.push_back({layer, *rc::gen::element(Usec{0}, Usec{1}, from_seconds(1e9), Usec::max()), 0});
        const ClassCosts costs = class_costs(node, layers);
        RC_ASSERT(costs.model_s >= shortest_s);
        for (size_t c = 0; c < costs.classes; ++c) {
            RC_ASSERT(costs.remaining_s[c] >= shortest_s);
            RC_ASSERT(std::isfinite(costs.remaining_s[c]));
            std::vector<ClassCosts::Action> actions(
                costs.run[c].begin() + static_cast<std::ptrdiff_t>(c) + 1,
                costs.run[c].begin() + static_cast<std::ptrdiff_t>(costs.classes) + 1);
            actions.push_back(costs.hop[c]);
            for (const auto& action : actions) {
                RC_ASSERT(std::isfinite(action.bias) && action.bias <= 0);
                RC_ASSERT(std::isfinite(action.per_s) && action.per_s > 0 && action.per_s <= 1.001F / shortest_s);
            }
        }
    }));
}

TEST_CASE("a frame belongs to the last cut at or before its layer") {
    const ClassCosts costs = class_costs({{0, 4, 8}, {0, 1, 2, 3}, {}, {}, true}, 12);
    const size_t expected[] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2};
    for (uint16_t layer = 0; layer <= 12; ++layer) CHECK(costs.class_of(layer) == expected[layer]);
    CHECK(costs.cut[3] == 12);
}

TEST_CASE("the time to finish is that of the last entry at or before a layer, and endless before the first") {
    const std::vector<msg::Remaining> list{{2, from_ms(9), 0}, {5, from_ms(3), 0}};
    CHECK(remaining_at(list, 1) == endless);
    CHECK(remaining_at(list, 2) == doctest::Approx(0.009));
    CHECK(remaining_at(list, 4) == doctest::Approx(0.009));
    CHECK(remaining_at(list, 65535) == doctest::Approx(0.003));
    CHECK(remaining_at({}, 0) == endless);
}

TEST_CASE("runs of layers that are not run here are no ways, whatever they would take") {
    ClassInputs node{{0, 4, 8}, {0, 1, 2, 3}, {0.5, 0.5, 0.5}, {}, true};
    for (const uint16_t layer : {0, 4, 8}) node.next.push_back({layer, from_seconds(10), 0});
    CHECK(class_costs(node, 12).whole);
    node.layers = {4, 8};
    const ClassCosts costs = class_costs(node, 12);
    CHECK_FALSE(costs.whole);
    for (size_t from = 0; from < 3; ++from)
        for (size_t to = from + 1; to <= 3; ++to) CHECK((costs.run[from][to].per_s > 0) == (from == 1 && to == 2));
    CHECK(costs.fastest_run[0] == 0);
    for (size_t c = 0; c < 3; ++c) CHECK(costs.remaining_s[c] == doctest::Approx(10.5));
    CHECK(costs.model_s == doctest::Approx(3 * 1.02));
    node.layers = {4, 12};
    CHECK(class_costs(node, 12).remaining_s[1] == doctest::Approx(2 + 3 * 0.02));
    CHECK(class_costs(node, 12).remaining_s[0] == doctest::Approx(10.5));
}
