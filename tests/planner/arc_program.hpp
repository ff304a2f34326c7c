// The bound by brute force: the linear program over every arc of the layered graph, source by source, straight from its
// definition, and a dense simplex with Bland's rule. Shares no code with planner/.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <vector>

#include "eddy/experiment.hpp"
#include "eddy/profile.hpp"

namespace eddy::test {

/// Maximises c·x with A x ≤ b and x ≥ 0, where b ≥ 0. Bland's rule does not care how small a pivot is, so the
/// arithmetic is wide, and b is moved by different, tiny amounts that make ties of the ratio test rare.
inline double dense_simplex(const std::vector<std::vector<double>>& a, const std::vector<double>& b,
                            const std::vector<double>& c) {
    constexpr long double zero = 1e-13L;
    constexpr long double nudge = 1e-11L;
    const size_t rows = a.size();
    const size_t columns = c.size() + rows;
    std::vector<std::vector<long double>> table;  // one more row, the objective's; one more column, the right side
    std::vector<size_t> basis;
    for (size_t i = 0; i < rows; ++i) {
        table.emplace_back(a[i].begin(), a[i].end());
        table.back().resize(columns + 1, 0);
        table.back()[c.size() + i] = 1;
        table.back()[columns] = b[i] + nudge * static_cast<long double>(1 + i * 7919 % 1009) / 1009;
        basis.push_back(c.size() + i);
    }
    table.emplace_back(c.begin(), c.end());
    table.back().resize(columns + 1, 0);
    const auto& profit = table.back();
    for (;;) {
        const auto enter = static_cast<size_t>(
            std::find_if(profit.begin(), profit.end() - 1, [](long double x) { return x > zero; }) - profit.begin());
        if (enter == columns) return static_cast<double>(-profit[columns]);
        size_t leave = rows;
        const auto ratio = [&](size_t i) { return table[i][columns] / table[i][enter]; };
        for (size_t i = 0; i < rows; ++i) {
            if (table[i][enter] <= zero) continue;
            if (leave == rows || ratio(i) < ratio(leave) || (ratio(i) == ratio(leave) && basis[i] < basis[leave]))
                leave = i;
        }
        if (leave == rows) return -1;  // no limit
        const long double pivot = table[leave][enter];
        for (long double& value : table[leave]) value /= pivot;
        for (size_t i = 0; i <= rows; ++i) {
            const long double factor = table[i][enter];
            if (i == leave || factor == 0) continue;
            for (size_t k = 0; k <= columns; ++k) table[i][k] -= factor * table[leave][k];
            table[i][enter] = 0;
        }
        basis[leave] = enter;
    }
}

class ArcProgram {
public:
    ArcProgram(const Experiment& experiment, const ModelProfile& profile, double result_bytes)
        : experiment_(experiment),
          profile_(profile),
          devices_(experiment.devices.size()),
          result_bytes_(result_bytes) {}

    /// θ; -1 without a limit.
    double theta() {
        const size_t layers = profile_.layers.size();
        const size_t scale = column();
        for (size_t j = 0; j < experiment_.sources.size(); ++j) {
            const size_t home = experiment_.sources[j].device;
            // node(n, l) conserves frames: out − in ≤ 0. The home's first has the offered frames as its only source.
            const auto node = [&](size_t n, size_t l) {
                return "frame " + std::to_string((j * (devices_ + 1) + n) * 100 + l);
            };
            const size_t again = devices_;  // home, at the end of the ring
            for (size_t n = 0; n < devices_; ++n)
                for (size_t l = 0; l < layers; ++l) {
                    if (experiment_.devices[n].has_model)
                        arc(node(n, l), node(n, l + 1),
                            {{"core " + std::to_string(n), to_seconds(profile_.layers[l].time)}});
                    for (size_t m = 0; m < devices_; ++m)
                        if (m != n && m != home && (experiment_.links == ExperimentLinks::direct || successor(n) == m))
                            arc(node(n, l), node(m, l),
                                transfer(n, m, static_cast<double>(profile_.layers[l].frontier_bytes)));
                }
            const bool ring = experiment_.links == ExperimentLinks::ring;
            for (size_t l = 0; ring && l < layers; ++l) {
                for (size_t n = 0; n < devices_; ++n)
                    if (n != home && successor(n) == home && !experiment_.devices[n].has_model)
                        arc(node(n, l), node(again, l),
                            transfer(n, home, static_cast<double>(profile_.layers[l].frontier_bytes)));
                if (experiment_.devices[home].has_model)
                    arc(node(again, l), node(again, l + 1),
                        {{"core " + std::to_string(home), to_seconds(profile_.layers[l].time)}});
            }
            const std::string done = "done " + std::to_string(j);
            if (ring) arc(node(again, layers), done, Uses{});
            for (size_t n = 0; n < devices_; ++n)
                arc(node(n, layers), done, n == home ? Uses{} : transfer(n, home, result_bytes_));
            // Frames begin at home, and as many must be done.
            rows_[node(home, 0)][scale] -= experiment_.sources[j].rate_per_s;
            rows_[done][scale] += experiment_.sources[j].rate_per_s;
        }
        return solve(scale);
    }

private:
    using Uses = std::vector<std::pair<std::string, double>>;
    size_t column() { return columns_++; }

    [[nodiscard]] size_t successor(size_t n) const {
        size_t best = n;
        for (size_t m = 0; m < devices_; ++m) {
            const auto& here = experiment_.devices[n].id;
            const auto distance = [&](size_t k) {
                const auto& id = experiment_.devices[k].id;
                return std::pair(!(id > here), id);  // those behind come after those ahead
            };
            if (m != n && (best == n || distance(m) < distance(best))) best = m;
        }
        return best;
    }
    [[nodiscard]] double width(size_t from, size_t to) const {
        return experiment_.link_between(from, to).mbit_per_s * 1e6 / 8;
    }
    [[nodiscard]] Uses transfer(size_t from, size_t to, double bytes) const {
        Uses uses{{"link " + std::to_string(from * devices_ + to), bytes}};
        if (experiment_.links == ExperimentLinks::direct) {
            uses.emplace_back("out " + std::to_string(from), bytes);
            uses.emplace_back("in " + std::to_string(to), bytes);
        }
        return uses;
    }
    void arc(const std::string& from, const std::string& to, const Uses& uses) {
        const size_t at = column();
        rows_[from][at] += 1;
        rows_[to][at] -= 1;
        for (const auto& [resource, amount] : uses) rows_[resource][at] += amount;
    }
    [[nodiscard]] double limit(const std::string& row) const {
        const size_t blank = row.find(' ');
        const size_t number = std::stoul(row.substr(blank + 1));
        const std::string kind = row.substr(0, blank);
        if (kind == "core") return experiment_.devices[number].speed * experiment_.devices[number].lanes;
        if (kind == "link") return width(number / devices_, number % devices_);
        double widest = 0;
        for (size_t m = 0; m < devices_; ++m) {
            if (m == number) continue;
            if (kind == "out") widest = std::max(widest, width(number, m));
            if (kind == "in") widest = std::max(widest, width(m, number));
        }
        return widest;
    }
    [[nodiscard]] double solve(size_t scale) const {
        std::vector<std::vector<double>> a;
        std::vector<double> b;
        for (const auto& [name, entries] : rows_) {
            const double right = limit(name);
            const double unit = right > 0 ? right : 1;  // rows of one size, for the pivots' sake
            a.emplace_back(columns_, 0);
            for (const auto& [at, value] : entries) a.back()[at] = value / unit;
            b.push_back(right / unit);
        }
        std::vector<double> c(columns_, 0);
        c[scale] = 1;
        return dense_simplex(std::move(a), std::move(b), std::move(c));
    }

    const Experiment& experiment_;
    const ModelProfile& profile_;
    size_t devices_;
    double result_bytes_;
    size_t columns_ = 0;
    std::map<std::string, std::map<size_t, double>> rows_;
};

}  // namespace eddy::test
