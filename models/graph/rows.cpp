#include "models/graph/rows.hpp"

#include <algorithm>
#include <string>

namespace eddy::graph {

namespace {

using Kind = RowRule::Kind;

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }
int64_t ceil_div(int64_t a, int64_t b) { return floor_div(a, b) + (a % b == 0 ? 0 : 1); }

RowRange clip(RowRange rows, int64_t all) {
    return {std::clamp<int64_t>(rows.begin, 0, all), std::clamp<int64_t>(rows.end, 0, all)};
}

NeededRows under_windows(const RowRule& rule, int64_t rows, RowRange made) {
    const int64_t reach = rule.dilation * (rule.kernel - 1);
    const RowRange span{made.begin * rule.stride - rule.padding_above,
                        (made.end - 1) * rule.stride - rule.padding_above + reach + 1};
    const int64_t border = rows + rule.padding_below;
    NeededRows needed;
    needed.rows = clip(span, rows);
    needed.padding_above = std::max<int64_t>(0, std::min<int64_t>(span.end, 0) - span.begin);
    needed.padding_below = std::max<int64_t>(0, std::min(span.end, border) - std::max(span.begin, rows));
    needed.overhang = std::max<int64_t>(0, span.end - border);
    return needed;
}

RowRange added_up(const RowRule& rule, int64_t rows, RowRange made) {
    const int64_t reach = rule.dilation * (rule.kernel - 1);
    return clip({ceil_div(made.begin + rule.padding_above - reach, rule.stride),
                 floor_div(made.end - 1 + rule.padding_above, rule.stride) + 1},
                rows);
}

/// A scale s with ⌊s·rows⌋ = out lies in [out / rows, (out + 1) / rows), so a position lies between where rows / (out +
/// 1) and where rows / out put it. Single precision moves it by less than one part in 2^20: from a whole number to
/// below it, but not across one that is further away. Numerators are as exact as that, so they are what is widened.
RowRange interpolated(const RowRule& rule, int64_t rows, RowRange made) {
    constexpr int precision = 20;
    const auto lowest = [](int64_t numerator) { return numerator - (numerator >> precision) - 1; };
    const auto highest = [](int64_t numerator) { return numerator + (numerator >> precision); };
    const int64_t out = rule.output_rows;
    const int64_t last = made.end - 1;
    if (rule.kind == Kind::nearest)
        return clip({floor_div(lowest(made.begin * rows), out + 1), highest(last * rows) / out + 1}, rows);
    if (rule.kind == Kind::bilinear) {
        const int64_t high = (highest((2 * last + 1) * rows) - out) / (2 * out);  // no position is above row 0
        return clip({floor_div(lowest((2 * made.begin + 1) * rows) - (out + 1), 2 * (out + 1)), high + 2}, rows);
    }
    const int64_t steps = std::max<int64_t>(out - 1, 1);
    return clip({floor_div(lowest(made.begin * (rows - 1)), steps), highest(last * (rows - 1)) / steps + 2}, rows);
}

}  // namespace

Result<NeededRows> needed_rows(const RowRule& rule, size_t input, RowRange made) {
    if (input >= rule.inputs.size()) return invalid("the operator has no input " + std::to_string(input));
    if (!made.within(rule.output_rows))
        return invalid("the operator makes " + std::to_string(rule.output_rows) + " rows, not " +
                       std::to_string(made.begin) + " to " + std::to_string(made.end));
    if (made.empty()) return NeededRows{};
    if (!rule.divisible() && made.size() != rule.output_rows)
        return invalid("the operator can only make all of its " + std::to_string(rule.output_rows) + " rows");
    const int64_t rows = rule.inputs[input].rows;
    if (rule.inputs[input].whole) return NeededRows{{0, rows}};
    switch (rule.kind) {
        case Kind::whole:
        case Kind::reduction: break;
        case Kind::window: return under_windows(rule, rows, made);
        case Kind::transposed: return NeededRows{added_up(rule, rows, made)};
        case Kind::bins:
            return NeededRows{{made.begin * rows / rule.output_rows, ceil_div(made.end * rows, rule.output_rows)}};
        case Kind::nearest:
        case Kind::bilinear:
        case Kind::bilinear_corners: return NeededRows{interpolated(rule, rows, made)};
    }
    return NeededRows{{0, rows}};
}

}  // namespace eddy::graph
