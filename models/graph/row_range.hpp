// Stretches of rows, and what part of an operator's work they are.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>

namespace eddy::graph {

/// Rows [begin, end), none if they are equal; begin is never larger in what this room gives.
struct RowRange {
    int64_t begin = 0;
    int64_t end = 0;

    [[nodiscard]] bool empty() const { return begin >= end; }
    [[nodiscard]] int64_t size() const { return empty() ? 0 : end - begin; }
    /// Is it one of `all` rows: 0 <= begin <= end <= all?
    [[nodiscard]] bool within(int64_t all) const { return 0 <= begin && begin <= end && end <= all; }
    friend auto operator<=>(const RowRange&, const RowRange&) = default;
};

/// The least range that holds both; of two empty ones [0, 0).
[[nodiscard]] inline RowRange hull(RowRange a, RowRange b) {
    if (a.empty() && b.empty()) return {};
    if (a.empty()) return b;
    if (b.empty()) return a;
    return {std::min(a.begin, b.begin), std::max(a.end, b.end)};
}

/// What part of `all` rows these are, 0 … 1: the work of an operator, and so its time, goes by the output rows it makes
/// (a partial sum's by the input rows it sums), the bytes of a tensor by its rows.
[[nodiscard]] inline double row_fraction(RowRange rows, int64_t all) {
    return all <= 0 ? 0 : static_cast<double>(rows.size()) / static_cast<double>(all);
}

}  // namespace eddy::graph
