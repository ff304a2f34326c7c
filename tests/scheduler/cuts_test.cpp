// Goal: the cuts that a node offers are those that the header promises, and are chosen again when it pays.
// Method: by hand where the right choice is plain; on small chains against all sets there are.
#include "scheduler/cuts.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <set>

#include <doctest/doctest.h>
#include <rapidcheck.h>

using namespace eddy::scheduler;

namespace {

using Cuts = std::vector<uint16_t>;
constexpr double endless = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// Milliseconds and kilobytes; a link of 1 kB/ms.
CutCosts chain(const std::vector<double>& ms, const std::vector<uint64_t>& kb) {
    CutCosts costs;
    for (const double each : ms) costs.layer_s.push_back(each / 1000);
    for (const uint64_t each : kb) costs.frontier_bytes.push_back(each * 1000);
    costs.bytes_per_s = 1e6;
    return costs;
}

CutCosts random_chain(size_t layers) {
    CutCosts costs;
    const auto number = [] { return *rc::gen::inRange(1, 100000); };
    for (size_t i = 0; i < layers; ++i) costs.layer_s.push_back(*rc::gen::inRange(0, 5) == 0 ? 0 : number() * 1e-6);
    costs.layer_s.back() += 1e-6;
    for (size_t i = 0; i < layers; ++i) costs.frontier_bytes.push_back(static_cast<uint64_t>(number()));
    costs.frontier_bytes.push_back(7);
    costs.bytes_per_s = number() * 10.0;
    return costs;
}

double done_s(const CutCosts& costs, size_t cut) {
    double sum = 0;
    for (size_t i = 0; i < cut; ++i) sum += costs.layer_s[i];
    return sum;
}

/// All sets of at most `count_max` of `candidates` and 0, as lists of points: 0 first, the end last.
std::vector<Cuts> all_sets(const Cuts& candidates, size_t count_max, uint16_t end) {
    std::vector<Cuts> sets;
    for (uint32_t bits = 0; bits < 1U << candidates.size(); ++bits) {
        if (static_cast<size_t>(std::popcount(bits)) >= count_max) continue;
        Cuts set{0};
        for (size_t i = 0; i < candidates.size(); ++i)
            if ((bits >> i & 1) != 0) set.push_back(candidates[i]);
        set.push_back(end);
        sets.push_back(set);
    }
    std::stable_sort(sets.begin(), sets.end(), [](const Cuts& a, const Cuts& b) { return a.size() < b.size(); });
    return sets;
}

/// The header's definitions, by trying everything.
struct ByHand {
    const CutCosts& costs;
    uint16_t end = static_cast<uint16_t>(costs.layer_s.size());

    [[nodiscard]] double t(size_t cut) const { return done_s(costs, cut); }
    [[nodiscard]] double bytes(size_t cut) const { return static_cast<double>(costs.frontier_bytes[cut]); }
    [[nodiscard]] bool offerable(uint16_t cut) const {
        return bytes(cut) <= bytes(0) || bytes(cut) / costs.bytes_per_s <= t(end) - t(cut);
    }
    [[nodiscard]] double line(uint16_t a, uint16_t b, uint16_t at) const {
        return t(b) > t(a) ? bytes(a) + (bytes(b) - bytes(a)) * (t(at) - t(a)) / (t(b) - t(a)) : bytes(a);
    }
    /// Below every line past it.
    [[nodiscard]] bool corner(uint16_t cut, const Cuts& places) const {
        for (const uint16_t a : places)
            for (const uint16_t b : places)
                if (a < cut && cut < b && bytes(cut) >= line(a, b, cut) * (1 - 1e-12)) return false;
        return true;
    }
    [[nodiscard]] double excess(const Cuts& set, const Cuts& corners) const {
        double most = 1;
        for (size_t i = 1; i < set.size(); ++i)
            for (const uint16_t at : corners)
                if (set[i - 1] < at && at < set[i]) most = std::max(most, line(set[i - 1], set[i], at) / bytes(at));
        return most;
    }
    [[nodiscard]] double j(const Cuts& set) const {
        double sum = 0.01 * t(end) * static_cast<double>(set.size() - 2);
        for (size_t i = 1; i < set.size(); ++i) {
            const double run = t(set[i]) - t(set[i - 1]);
            const double moves = (bytes(set[i - 1]) + bytes(set[i])) / 2 / costs.bytes_per_s;
            sum += run * (run + moves) / t(end);
        }
        return sum;
    }

    struct Best {
        Cuts must;
        double j = endless;
    };
    [[nodiscard]] Best best(size_t count_max) const {
        Cuts places{0};
        for (uint16_t cut = 1; cut < end; ++cut)
            if (offerable(cut)) places.push_back(cut);
        places.push_back(end);
        Cuts inner(places.begin() + 1, places.end() - 1);
        Cuts corners;
        for (const uint16_t cut : inner)
            if (corner(cut, places)) corners.push_back(cut);

        Best best;
        double least = endless;
        for (const Cuts& set : all_sets(corners, count_max, end)) {
            // Of sets that suffice, the best of the smallest; else the best of all.
            if (least <= hull_excess && set.size() > best.must.size()) break;
            if (excess(set, corners) >= least) continue;
            least = excess(set, corners);
            best.must = set;
        }
        for (const Cuts& set : all_sets(inner, count_max, end))
            if (std::includes(set.begin(), set.end(), best.must.begin(), best.must.end()))
                best.j = std::min(best.j, j(set));
        return best;
    }
};

}  // namespace

TEST_CASE("equal layers between equal frontiers are cut evenly") {
    const CutCosts costs = chain(std::vector<double>(10, 10), std::vector<uint64_t>(11, 100));
    CHECK(choose_cuts(costs) == Cuts{0, 2, 4, 6, 8});
    CHECK(choose_cuts(costs, 2) == Cuts{0, 5});
    CHECK(choose_cuts(costs, 1) == Cuts{0});
}

TEST_CASE("the corner of the hull comes first, and the others divide what is left") {
    const CutCosts costs = chain(std::vector<double>(10, 10), {100, 99, 99, 10, 60, 60, 60, 60, 60, 60, 1});
    CHECK(choose_cuts(costs, 2) == Cuts{0, 3});
    CHECK(choose_cuts(costs, 3) == Cuts{0, 3, 6});
}

TEST_CASE("of more corners than may be cut at, those that matter most are taken") {
    const CutCosts costs = chain({10, 10, 10, 10}, {1000, 500, 499, 10, 1});
    CHECK(choose_cuts(costs, 3) == Cuts{0, 1, 3});
    CHECK(choose_cuts(costs, 2) == Cuts{0, 3});
}

TEST_CASE("a frontier larger than the frame is offered only where moving it takes less than what is left to compute") {
    CHECK(choose_cuts(chain({50, 50}, {10, 49, 1})) == Cuts{0, 1});
    CHECK(choose_cuts(chain({50, 50}, {10, 51, 1})) == Cuts{0});
    CHECK(choose_cuts(chain({50, 5}, {10, 10, 1})) == Cuts{0, 1});
}

TEST_CASE("layers that take no time are not worth a cut of their own") {
    CHECK(choose_cuts(chain({0, 50, 0, 50, 0}, {100, 100, 50, 50, 1, 1})) == Cuts{0, 2});
    // What is gained is twice the product of the two shares; it must be a hundredth.
    CHECK(choose_cuts(chain({0.49, 99.51}, {1, 1, 1})) == Cuts{0});
    CHECK(choose_cuts(chain({0.52, 99.48}, {1, 1, 1})) == Cuts{0, 1});
}

TEST_CASE("there are never more cuts than a node may tell its remaining time of") {
    CutCosts costs = chain(std::vector<double>(40, 10), {uint64_t{1} << 50});
    while (costs.frontier_bytes.size() < 41) costs.frontier_bytes.push_back(costs.frontier_bytes.back() / 2);
    CHECK(choose_cuts(costs, 1000).size() == cuts_max);  // each is a corner that counts
    CHECK(choose_cuts(costs, 0) == Cuts{0});
}

TEST_CASE("times that are none count as nothing, and transfers that never end are avoided") {
    CHECK(choose_cuts(chain({50, endless, not_a_number, -3, 50}, {9, 9, 9, 9, 9, 9})) == Cuts{0, 1});
    CutCosts costs = chain({0, 50}, {1000, 0, 0});
    costs.bytes_per_s = 1e-310;
    CHECK(choose_cuts(costs) == Cuts{0, 1});
}

TEST_CASE("the choice is as good as the best of all sets, and has the corners that capacity needs") {
    CHECK(rc::check("against brute force", [] {
        const CutCosts costs = random_chain(*rc::gen::inRange<size_t>(1, 10));
        const size_t count_max = *rc::gen::inRange<size_t>(1, 6);
        const ByHand by_hand{costs};
        const auto best = by_hand.best(count_max);
        Cuts chosen = choose_cuts(costs, count_max);
        chosen.push_back(by_hand.end);
        RC_ASSERT(std::includes(chosen.begin(), chosen.end(), best.must.begin(), best.must.end()));
        RC_ASSERT(std::abs(by_hand.j(chosen) - best.j) <= 1e-9 * best.j);
    }));
}

TEST_CASE("whatever the numbers, cut 0 comes first, cuts rise, and there are no more than asked for") {
    CHECK(rc::check("any chain", [] {
        const auto seconds = rc::gen::element(0.0, -1.0, 1e-9, 0.01, 1e300, endless, not_a_number);
        const auto bytes = rc::gen::element<uint64_t>(0, 1, 1000, 150528, UINT64_MAX);
        CutCosts costs;
        const auto layers = *rc::gen::inRange<size_t>(0, 40);
        for (size_t i = 0; i < layers; ++i) costs.layer_s.push_back(*seconds);
        for (size_t i = 0; i <= layers; ++i) costs.frontier_bytes.push_back(*bytes);
        costs.bytes_per_s = *rc::gen::element(0.0, -5.0, 1e-310, 1.0, 1e6, 1e300, endless, not_a_number);
        const auto count_max = *rc::gen::element<size_t>(0, 1, 2, 5, 15, 16, 1000);
        const Cuts cuts = choose_cuts(costs, count_max);
        RC_ASSERT(!cuts.empty());
        RC_ASSERT(cuts[0] == 0);
        RC_ASSERT(cuts.size() <= std::clamp<size_t>(count_max, 1, cuts_max));
        RC_ASSERT(std::adjacent_find(cuts.begin(), cuts.end(), std::greater_equal<>()) == cuts.end());
        RC_ASSERT(layers == 0 || cuts.back() < layers);
        RC_ASSERT(rechoose_cuts(cuts, costs, count_max) == cuts);
    }));
}

TEST_CASE("without a link or without times there is nothing to choose") {
    CutCosts costs = chain(std::vector<double>(10, 10), std::vector<uint64_t>(11, 100));
    CHECK(choose_cuts(costs).size() == 5);
    for (const double unknown : {0.0, -1.0, not_a_number}) {
        costs.bytes_per_s = unknown;
        CHECK(choose_cuts(costs) == Cuts{0});
    }
    costs.bytes_per_s = endless;
    CHECK(choose_cuts(costs) == Cuts{0, 2, 4, 6, 8});
    costs.layer_s.assign(10, 0);
    CHECK(choose_cuts(costs) == Cuts{0});
    CHECK(choose_cuts({{}, {300}, 1e6}) == Cuts{0});
}

TEST_CASE("device and link slower by one factor: the same cuts") {
    CHECK(rc::check("scaled", [] {
        const CutCosts costs = random_chain(*rc::gen::inRange<size_t>(1, 30));
        CutCosts slower = costs;
        for (double& layer_s : slower.layer_s) layer_s *= 4;
        slower.bytes_per_s /= 4;
        RC_ASSERT(choose_cuts(slower) == choose_cuts(costs));
        RC_ASSERT(rechoose_cuts(choose_cuts(costs), slower) == choose_cuts(costs));
    }));
}

TEST_CASE("cuts are kept while measurements vary, and replaced once others are clearly better") {
    // The frontier shrinks in the middle; the link decides whether it pays to go there.
    const CutCosts then = chain(std::vector<double>(10, 10), {100, 90, 80, 70, 60, 50, 40, 30, 20, 10, 1});
    const Cuts cuts = choose_cuts(then);
    REQUIRE(cuts.size() == 5);
    CHECK(rechoose_cuts({0}, then) == cuts);  // one cut only: nothing divides the work
    CHECK(rechoose_cuts({}, then) == cuts);
    CHECK(rechoose_cuts({0, 10}, then) == cuts);  // of another chain
    CutCosts now = then;
    now.layer_s[1] *= 1.3;
    REQUIRE(choose_cuts(now) != cuts);
    CHECK(rechoose_cuts(cuts, now) == cuts);
    now.layer_s[1] *= 20;
    CHECK(rechoose_cuts(cuts, now) == choose_cuts(now));
    // A corner of the hull that the cuts pass by.
    CutCosts corner = then;
    const auto between = static_cast<uint16_t>(cuts[2] + 1);
    REQUIRE(std::count(cuts.begin(), cuts.end(), between) == 0);
    corner.frontier_bytes[between] = 5;
    CHECK(rechoose_cuts(cuts, corner) == choose_cuts(corner));
}

TEST_CASE("cuts are changed only for others that are better by the margins, and never given up for worse ones") {
    CHECK(rc::check("two chains", [] {
        const auto layers = *rc::gen::inRange<size_t>(2, 20);
        const CutCosts then = random_chain(layers);
        const CutCosts now = random_chain(layers);
        const Cuts before = choose_cuts(then);
        const Cuts after = rechoose_cuts(before, now);
        RC_ASSERT(after == before || after == choose_cuts(now));
        RC_ASSERT(rechoose_cuts(after, now) == after);
        const ByHand by_hand{now};
        Cuts kept = before;
        Cuts best = choose_cuts(now);
        kept.push_back(by_hand.end);
        best.push_back(by_hand.end);
        if (after == before) RC_ASSERT(by_hand.j(kept) <= worth_of_j * by_hand.j(best) * (1 + 1e-9));
    }));
}
