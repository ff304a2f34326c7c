#include "scheduler/cuts.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "eddy/assert.hpp"

namespace eddy::scheduler {
namespace {

/// Of the whole time: what one more cut must gain.
constexpr double cut_price = 0.01;
/// Layers of a smaller share are not watched: their measured times vary, and where they are cut matters little.
constexpr double watched_share = 0.05;
constexpr double unreachable = std::numeric_limits<double>::infinity();

double sane(double seconds) { return std::isfinite(seconds) && seconds > 0 ? seconds : 0; }

/// Work done and transfer time at each place where the chain may be cut, both ends included.
class Points {
public:
    explicit Points(const CutCosts& costs) : done_s_{0}, bytes_per_s_(costs.bytes_per_s) {
        EDDY_ASSERT(costs.frontier_bytes.size() == costs.layer_s.size() + 1 && costs.layer_s.size() < UINT16_MAX);
        for (const double layer_s : costs.layer_s) done_s_.push_back(done_s_.back() + sane(layer_s));
        for (const uint64_t bytes : costs.frontier_bytes)
            transfer_s_.push_back(static_cast<double>(bytes) / bytes_per_s_);
    }

    [[nodiscard]] size_t layers() const { return done_s_.size() - 1; }
    [[nodiscard]] double total_s() const { return done_s_.back(); }
    [[nodiscard]] bool cuttable() const { return bytes_per_s_ > 0 && total_s() > 0; }
    [[nodiscard]] bool worth_offering(size_t cut) const {
        return transfer_s_[cut] <= transfer_s_[0] || transfer_s_[cut] <= total_s() - done_s_[cut];
    }
    /// Its part of J without the price of its cuts.
    [[nodiscard]] double run(size_t first, size_t last) const {
        const double run_s = done_s_[last] - done_s_[first];
        if (run_s == 0) return 0;  // whatever its transfers take, which may be for ever
        return run_s * (run_s + (transfer_s_[first] + transfer_s_[last]) / 2) / total_s();
    }

private:
    std::vector<double> done_s_;
    std::vector<double> transfer_s_;
    double bytes_per_s_;
};

double total_of(const std::vector<double>& layer_s) {
    return std::accumulate(layer_s.begin(), layer_s.end(), 0.0, [](double sum, double s) { return sum + sane(s); });
}

bool differs(double then, double now, double margin) {
    return std::max(then, now) > std::min(then, now) * (1 + margin);
}

}  // namespace

std::vector<uint16_t> choose_cuts(const CutCosts& costs, size_t count_max) {
    const Points points(costs);
    std::vector<uint16_t> cuts{0};
    if (!points.cuttable()) return cuts;
    count_max = std::clamp<size_t>(count_max, 1, cuts_max);

    std::vector<size_t> places{0};
    for (size_t cut = 1; cut < points.layers(); ++cut)
        if (points.worth_offering(cut)) places.push_back(cut);
    const size_t end = places.size();
    places.push_back(points.layers());

    // best[i]: of the sets of `count` cuts the last of which is places[i], the least cost of the runs before it; for
    // i = end, of the whole chain. from[count][i]: the cut before it.
    std::vector<double> best(places.size(), unreachable);
    best[0] = 0;
    std::vector<std::vector<size_t>> from;
    double least = unreachable;
    size_t least_count = 0;
    for (size_t count = 1; count <= count_max; ++count) {
        std::vector<double> next(places.size(), unreachable);
        auto& before = from.emplace_back(places.size(), 0);
        for (size_t last = 1; last <= end; ++last) {
            for (size_t first = count - 1; first < last; ++first) {
                const double cost = best[first] + points.run(places[first], places[last]);
                if (cost >= next[last]) continue;
                next[last] = cost;
                before[last] = first;
            }
        }
        const double whole = next[end] + cut_price * points.total_s() * static_cast<double>(count - 1);
        if (whole < least) {
            least = whole;
            least_count = count;
        }
        best = std::move(next);
    }

    size_t at = end;
    for (size_t count = least_count; count > 1; --count) {
        at = from[count - 1][at];
        cuts.push_back(static_cast<uint16_t>(places[at]));
    }
    std::reverse(cuts.begin() + 1, cuts.end());
    return cuts;
}

double cost_of_cuts(const CutCosts& costs, const std::vector<uint16_t>& cuts) {
    const Points points(costs);
    if (!points.cuttable()) return 0;
    double cost = cut_price * points.total_s() * static_cast<double>(cuts.size() - 1);
    for (size_t i = 0; i < cuts.size(); ++i)
        cost += points.run(cuts[i], i + 1 < cuts.size() ? cuts[i + 1] : points.layers());
    return cost;
}

bool moved(const CutCosts& then, const CutCosts& now, double margin) {
    if (then.frontier_bytes != now.frontier_bytes || then.layer_s.size() != now.layer_s.size()) return true;
    const bool linked = now.bytes_per_s > 0;
    if (linked != (then.bytes_per_s > 0)) return true;
    const double total_then = total_of(then.layer_s);
    const double total_now = total_of(now.layer_s);
    if ((total_then > 0) != (total_now > 0)) return true;
    if (!linked || total_now == 0) return false;
    if (differs(total_then * then.bytes_per_s, total_now * now.bytes_per_s, margin)) return true;
    for (size_t i = 0; i < now.layer_s.size(); ++i) {
        const double share_then = sane(then.layer_s[i]) / total_then;
        const double share_now = sane(now.layer_s[i]) / total_now;
        if (std::max(share_then, share_now) > watched_share && differs(share_then, share_now, margin)) return true;
    }
    return false;
}

}  // namespace eddy::scheduler
