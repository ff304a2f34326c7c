#include "scheduler/cuts.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>

#include "eddy/assert.hpp"

namespace eddy::scheduler {
namespace {

/// Of the whole time: what one more cut must gain.
constexpr double cut_price = 0.01;
constexpr double unreachable = std::numeric_limits<double>::infinity();

double sane(double seconds) { return std::isfinite(seconds) && seconds > 0 ? seconds : 0; }

double total_of(const std::vector<double>& layer_s) {
    return std::accumulate(layer_s.begin(), layer_s.end(), 0.0, [](double sum, double s) { return sum + sane(s); });
}

/// A place where the chain may be cut, or its end.
struct Place {
    uint16_t cut = 0;
    double done_s = 0;
    double transfer_s = 0;
};

/// The frame, the cuts worth offering, the result.
std::vector<Place> places_of(const CutCosts& costs) {
    EDDY_ASSERT(costs.frontier_bytes.size() == costs.layer_s.size() + 1 && costs.layer_s.size() < UINT16_MAX);
    const double total_s = total_of(costs.layer_s);
    std::vector<Place> places;
    double done_s = 0;
    for (size_t cut = 0; cut <= costs.layer_s.size(); ++cut) {
        const double transfer_s = static_cast<double>(costs.frontier_bytes[cut]) / costs.bytes_per_s;
        const bool end = cut == 0 || cut == costs.layer_s.size();
        if (end || costs.frontier_bytes[cut] <= costs.frontier_bytes[0] || transfer_s <= total_s - done_s)
            places.push_back({static_cast<uint16_t>(cut), done_s, transfer_s});
        if (cut < costs.layer_s.size()) done_s += sane(costs.layer_s[cut]);
    }
    return places;
}

/// On the line from a to b, at the work of `at` between them.
double transfer_between(const Place& a, const Place& b, const Place& at) {
    const double run_s = b.done_s - a.done_s;
    return run_s > 0 ? a.transfer_s + (b.transfer_s - a.transfer_s) * (at.done_s - a.done_s) / run_s : a.transfer_s;
}

/// The corners of the lower convex hull, with both ends.
std::vector<Place> hull_of(const std::vector<Place>& places) {
    std::vector<Place> hull;
    for (const Place& place : places) {
        while (hull.size() > 1 && hull.back().transfer_s >= transfer_between(hull[hull.size() - 2], place, hull.back()))
            hull.pop_back();
        hull.push_back(place);
    }
    return hull;
}

/// How far the line past the corners between these two lies above the hull.
double excess(const std::vector<Place>& hull, size_t first, size_t last) {
    double most = 1;
    for (size_t i = first + 1; i < last; ++i) {
        const double line = transfer_between(hull[first], hull[last], hull[i]);
        if (line > hull[i].transfer_s) most = std::max(most, line / hull[i].transfer_s);
    }
    return most;
}

/// Chains of 1, 2, … `runs_max` runs from the first to the last of `size` places, each the best of its length: `join`
/// makes the cost of a chain out of that before its last run and that of the run. A chain is given by its places; empty
/// if there is none of finite cost.
struct Chain {
    double cost = unreachable;
    std::vector<size_t> at;
};
template <class Run, class Join>
std::vector<Chain> best_chains(size_t size, size_t runs_max, Run run, Join join) {
    std::vector<double> best(size, unreachable);
    best[0] = 0;
    std::vector<std::vector<size_t>> before;
    std::vector<Chain> chains;
    for (size_t runs = 1; runs <= runs_max; ++runs) {
        std::vector<double> next(size, unreachable);
        auto& from = before.emplace_back(size, 0);
        for (size_t last = runs; last < size; ++last) {
            for (size_t first = runs - 1; first < last; ++first) {
                if (best[first] == unreachable) continue;
                const std::optional<double> cost = run(first, last);
                if (!cost || join(best[first], *cost) >= next[last]) continue;
                next[last] = join(best[first], *cost);
                from[last] = first;
            }
        }
        best = std::move(next);
        Chain& chain = chains.emplace_back();
        if (best[size - 1] == unreachable) continue;
        chain.cost = best[size - 1];
        chain.at.push_back(size - 1);
        for (size_t i = runs; i > 0; --i) chain.at.push_back(before[i - 1][chain.at.back()]);
        std::reverse(chain.at.begin(), chain.at.end());
    }
    return chains;
}

/// The cuts that capacity needs, as many runs as they make, 0 and the end among them.
std::vector<uint16_t> needed(const std::vector<Place>& places, size_t runs_max) {
    const std::vector<Place> hull = hull_of(places);
    const auto run = [&](size_t first, size_t last) { return std::optional(excess(hull, first, last)); };
    const auto worse = [](double a, double b) { return std::max(a, b); };
    const Chain* best = nullptr;
    const auto chains = best_chains(hull.size(), runs_max, run, worse);
    for (const Chain& chain : chains) {
        if (best != nullptr && (best->cost <= hull_excess || chain.cost >= best->cost)) continue;
        best = &chain;
    }
    std::vector<uint16_t> cuts{hull.front().cut};
    for (const size_t i : best->at)
        if (i > 0) cuts.push_back(hull[i].cut);
    return cuts;
}

/// What a run between two places adds to J.
double run_cost(const Place& a, const Place& b, double total_s) {
    const double run_s = b.done_s - a.done_s;
    const double price = cut_price * total_s;
    if (run_s == 0) return price;  // whatever its transfers take, which may be for ever
    return run_s * (run_s + (a.transfer_s + b.transfer_s) / 2) / total_s + price;
}

/// Both measures of cuts that were chosen at other times: their places, whether or not they would be offered now.
struct Worth {
    double excess = 1;
    double j = 0;
};
Worth worth(const std::vector<uint16_t>& cuts, const CutCosts& costs, const std::vector<Place>& offered) {
    std::vector<Place> chosen;
    double done_s = 0;
    auto next = cuts.begin();
    for (size_t cut = 0; cut <= costs.layer_s.size(); ++cut) {
        const bool end = cut == costs.layer_s.size();
        if (end || (next != cuts.end() && *next == cut)) {
            const double transfer_s = static_cast<double>(costs.frontier_bytes[cut]) / costs.bytes_per_s;
            chosen.push_back({static_cast<uint16_t>(cut), done_s, transfer_s});
            if (!end) ++next;
        }
        if (!end) done_s += sane(costs.layer_s[cut]);
    }
    Worth result;
    for (size_t i = 1; i < chosen.size(); ++i) result.j += run_cost(chosen[i - 1], chosen[i], done_s);
    for (const Place& corner : hull_of(offered)) {
        const auto after = std::find_if(chosen.begin() + 1, chosen.end() - 1,
                                        [&](const Place& place) { return place.cut >= corner.cut; });
        const double line = transfer_between(*(after - 1), *after, corner);
        if (line > corner.transfer_s) result.excess = std::max(result.excess, line / corner.transfer_s);
    }
    return result;
}

}  // namespace

std::vector<uint16_t> choose_cuts(const CutCosts& costs, size_t count_max) {
    const std::vector<Place> places = places_of(costs);
    const double total_s = places.back().done_s;
    if (!(costs.bytes_per_s > 0) || total_s == 0) return {0};
    count_max = std::clamp<size_t>(count_max, 1, cuts_max);

    const std::vector<uint16_t> must = needed(places, count_max);
    const auto run = [&](size_t first, size_t last) -> std::optional<double> {
        const Place& a = places[first];
        const Place& b = places[last];
        // It may not pass by a cut that is needed.
        if (std::upper_bound(must.begin(), must.end(), a.cut) != std::lower_bound(must.begin(), must.end(), b.cut))
            return std::nullopt;
        return run_cost(a, b, total_s);
    };
    const auto chains = best_chains(places.size(), count_max, run, std::plus<>());
    const auto best =
        std::min_element(chains.begin(), chains.end(), [](const Chain& a, const Chain& b) { return a.cost < b.cost; });
    std::vector<uint16_t> cuts{0};
    for (const size_t i : best->at)
        if (i > 0 && i + 1 < places.size()) cuts.push_back(places[i].cut);
    return cuts;
}

std::vector<uint16_t> rechoose_cuts(const std::vector<uint16_t>& current, const CutCosts& now, size_t count_max) {
    auto best = choose_cuts(now, count_max);
    if (best == current || current.empty() || current.back() >= now.layer_s.size()) return best;
    const std::vector<Place> offered = places_of(now);
    const Worth of_current = worth(current, now, offered);
    const Worth of_best = worth(best, now, offered);
    const bool worth_it =
        of_current.excess > worth_of_excess * of_best.excess || of_current.j > worth_of_j * of_best.j;
    return worth_it ? best : current;
}

}  // namespace eddy::scheduler
