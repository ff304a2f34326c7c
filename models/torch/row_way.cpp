#include "models/torch/row_way.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace eddy::torch_exec {

namespace {

using graph::NeededRows;
using graph::RowRange;
using graph::RowRule;
using Kind = RowRule::Kind;

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }
int64_t ceil_div(int64_t a, int64_t b) { return -floor_div(-a, b); }

const graph::Operator& operator_of(const RowJob& job) { return job.graph.operators()[job.op]; }

const std::vector<int64_t>* numbers(const RowJob& job, const char* name) {
    const auto& attributes = operator_of(job).attributes;
    const auto found = attributes.find(name);
    return found == attributes.end() ? nullptr : &found->second;
}

bool flag(const RowJob& job, const char* name) {
    const auto* list = numbers(job, name);
    return list != nullptr && !list->empty() && list->front() != 0;
}

/// A list of one number, or of one for rows and one for columns, with another number for rows.
std::vector<int64_t> with_rows(const RowJob& job, const char* name, int64_t rows) {
    const auto* list = numbers(job, name);
    return {rows, list == nullptr || list->empty() ? rows : list->back()};
}

std::string in_words(RowRange rows) { return std::to_string(rows.begin) + " to " + std::to_string(rows.end); }

Error cannot(const RowJob& job) {
    return unsupported("operator " + std::to_string(job.op) + " (" + operator_of(job).kind + ") cannot make rows " +
                       in_words(job.wanted) + " by themselves");
}

RowWay as_it_is(const RowJob& job, RowRange made) {
    RowWay way;
    way.cuts.resize(job.inputs.size());
    way.made = way.kept = made;
    return way;
}

bool is_sum(const RowJob& job) { return job.rule.kind == Kind::reduction; }

Result<NeededRows> needed_of(const RowJob& job, size_t input) {
    if (is_sum(job)) return NeededRows{job.wanted};
    return needed_rows(job.rule, input, job.wanted);
}

Status check(const RowJob& job) {
    if (job.inputs.size() != job.rule.inputs.size()) return invalid("its inputs are not those of its rule");
    const int64_t all = is_sum(job) ? job.rule.inputs.front().rows : job.rule.output_rows;
    if (job.wanted.empty() || !job.wanted.within(all))
        return invalid("rows " + in_words(job.wanted) + " of " + std::to_string(all) + " are wanted");
    for (size_t i = 0; i < job.inputs.size(); ++i) {
        const auto needed = needed_of(job, i);
        if (!needed) return needed.error();
        const RowRange right = job.inputs[i].right;
        if (hull(right, needed->rows) != hull(right, {}))
            return invalid("rows " + in_words(needed->rows) + " of value " +
                           std::to_string(operator_of(job).inputs[i].value) + " are needed, there are " +
                           in_words(right));
    }
    return success();
}

/// All rows of everything: there is nothing to arrange.
bool is_complete(const RowJob& job) {
    for (size_t i = 0; i < job.inputs.size(); ++i)
        if (job.inputs[i].held != RowRange{0, job.rule.inputs[i].rows}) return false;
    return is_sum(job) || job.wanted == RowRange{0, job.rule.output_rows};
}

/// More spare rows than this cost more than a copy of the rows that are needed.
int64_t spare_max(const RowJob& job) {
    if (job.spare == Spare::carried) return std::numeric_limits<int64_t>::max();
    if (job.spare == Spare::none) return 0;
    double bytes = 0;
    for (size_t i = 0; i < job.inputs.size(); ++i) {
        if (job.rule.inputs[i].whole) continue;
        const auto needed = needed_of(job, i);
        const graph::Value& value = job.graph.value(operator_of(job).inputs[i]);
        if (needed) bytes += static_cast<double>(value.bytes) * row_fraction(needed->rows, job.rule.inputs[i].rows);
    }
    const double flops = static_cast<double>(operator_of(job).flops) / static_cast<double>(job.rule.output_rows);
    const double rows = bytes * (job.spare == Spare::avoided ? 1 : flops_per_copied_byte) / std::max(flops, 1e-9);
    return rows < 1e9 ? static_cast<int64_t>(rows) : std::numeric_limits<int64_t>::max();
}

/// Row y reads row y of every input that is no broadcast operand: all must hold the same.
RowWay aligned(const RowJob& job) {
    RowRange common{0, job.rule.output_rows};
    for (size_t i = 0; i < job.inputs.size(); ++i)
        if (const RowRange held = job.inputs[i].held; !job.rule.inputs[i].whole)
            common = {std::max(common.begin, held.begin), std::min(common.end, held.end)};
    if (common.size() - job.wanted.size() > spare_max(job)) common = job.wanted;
    RowWay way = as_it_is(job, common);
    for (size_t i = 0; i < job.inputs.size(); ++i)
        if (!job.rule.inputs[i].whole && job.inputs[i].held != common) way.cuts[i] = RowCut{common};
    return way;
}

// --- windows -------------------------------------------------------------------------------------------------------

/// A slab for an operator on windows, the padding it is given, and what it makes of it.
struct Fit {
    RowCut cut;
    int64_t padding = 0;
    RowRange made;
};

class Windows {
public:
    Windows(const RowJob& job, const NeededRows& needed)
        : job_(job),
          rule_(job.rule),
          needed_(needed),
          ceil_mode_(flag(job, "ceil_mode")),
          is_pool_(numbers(job, "kernel_size") != nullptr) {}

    [[nodiscard]] Result<RowWay> way() const {
        const RowRange held = job_.inputs.front().held;
        if (job_.spare == Spare::none && !is_pool_ && !needed_.rows.empty()) return exact();
        std::optional<Fit> best;
        bool copied = false;
        if (!needed_.rows.empty()) {
            // With its own padding it is likely to make as many rows as others that its result is added to.
            best = avoids_spare() ? best_fit({held}) : fit({held});
            if (!best || spare(*best) > spare_max(job_)) {
                const auto exact = best_fit({needed_.rows});
                if (exact && (!best || spare(*exact) < spare(*best))) {
                    best = exact;
                    copied = needed_.rows != held;
                }
            }
        }
        if (!best) {
            best = fit(from_a_window_on());
            copied = true;
        }
        if (!best) return cannot(job_);
        RowWay way = as_it_is(job_, best->made);
        if (copied) way.cuts.front() = best->cut;
        if (best->padding != rule_.padding_above) way.replaced["padding"] = with_rows(job_, "padding", best->padding);
        return way;
    }

private:
    /// As LibTorch counts them.
    [[nodiscard]] int64_t rows_out(int64_t rows, int64_t padding) const {
        const int64_t slack = rows + 2 * padding - rule_.dilation * (rule_.kernel - 1) - 1;
        int64_t count = floor_div(slack + (ceil_mode_ ? rule_.stride - 1 : 0), rule_.stride) + 1;
        if (ceil_mode_ && (count - 1) * rule_.stride >= rows + padding) --count;
        return count;
    }

    [[nodiscard]] std::optional<Fit> fit_with(const RowCut& cut, int64_t padding) const {
        const int64_t begin = cut.rows.begin - cut.above;
        const int64_t first = begin + rule_.padding_above - padding;
        if (first < 0 || first % rule_.stride != 0) return std::nullopt;
        const int64_t rows = cut.above + cut.rows.size() + cut.below;
        const RowRange made{first / rule_.stride, first / rule_.stride + rows_out(rows, padding)};
        if (made.begin > job_.wanted.begin || made.end < job_.wanted.end || made.end > rule_.output_rows)
            return std::nullopt;
        return Fit{cut, padding, made};
    }

    /// With the operator's own padding if the slab begins where that of a window may. Otherwise with the least that
    /// brings one there; not where padding is real, as there would be another amount of it.
    [[nodiscard]] std::optional<Fit> fit(const RowCut& cut) const {
        if (const auto own = fit_with(cut, rule_.padding_above)) return own;
        return fit_with_least_padding(cut);
    }
    [[nodiscard]] std::optional<Fit> fit_with_least_padding(const RowCut& cut) const {
        if (needed_.padding_above != 0 || needed_.padding_below != 0 || needed_.overhang != 0) return std::nullopt;
        const int64_t padding = (cut.rows.begin - cut.above + rule_.padding_above) % rule_.stride;
        if (is_pool_ && 2 * padding > rule_.kernel) return std::nullopt;
        return fit_with(cut, padding);
    }
    [[nodiscard]] std::optional<Fit> best_fit(const RowCut& cut) const {
        const auto own = fit_with(cut, rule_.padding_above);
        const auto least = fit_with_least_padding(cut);
        if (!own || !least) return own ? own : least;
        return spare(*least) < spare(*own) ? least : own;
    }

    /// The rows that are needed, below as many of zeros as it takes for the first to lie where a window may begin. If
    /// none is needed, all windows lie in padding, and next to a border: one row there stands for the tensor.
    [[nodiscard]] RowCut from_a_window_on() const {
        if (!needed_.rows.empty()) return {needed_.rows, needed_.rows.begin % rule_.stride};
        const bool above = job_.wanted.begin * rule_.stride < rule_.padding_above;
        const int64_t row = above ? 0 : rule_.inputs.front().rows - 1;
        return {{row, row}, row % rule_.stride, 1};
    }

    /// Of the rows that are needed and those of padding, which are zeros.
    [[nodiscard]] RowWay exact() const {
        RowWay way = as_it_is(job_, job_.wanted);
        const RowCut cut{needed_.rows, needed_.padding_above, needed_.padding_below};
        const int64_t own = rule_.padding_above;
        if (cut == RowCut{job_.inputs.front().held, own, own}) return way;
        way.cuts.front() = cut;
        if (own != 0) way.replaced["padding"] = with_rows(job_, "padding", 0);
        return way;
    }

    [[nodiscard]] bool avoids_spare() const { return job_.spare == Spare::avoided || job_.spare == Spare::none; }
    [[nodiscard]] int64_t spare(const Fit& each) const { return each.made.size() - job_.wanted.size(); }

    const RowJob& job_;
    const RowRule& rule_;
    const NeededRows& needed_;
    bool ceil_mode_;
    bool is_pool_;
};

/// constant_pad_nd copies anyway: exactly the rows wanted, cutting off what the slab holds besides.
RowWay padded(const RowJob& job, const NeededRows& needed) {
    RowWay way = as_it_is(job, job.wanted);
    const RowRange held = job.inputs.front().held;
    std::vector<int64_t> pad = *numbers(job, "pad");
    if (needed.rows.empty()) {
        way.cuts.front() = RowCut{{}, 1};
        pad[2] = job.wanted.size();
        pad[3] = -1;
    } else {
        pad[2] = needed.padding_above - (needed.rows.begin - held.begin);
        pad[3] = needed.padding_below - (held.end - needed.rows.end);
    }
    way.replaced["pad"] = std::move(pad);
    return way;
}

Result<RowWay> by_windows(const RowJob& job) {
    const RowRule& rule = job.rule;
    if (rule.kernel == 1 && rule.stride == 1 && rule.padding_above == 0 && rule.padding_below == 0) return aligned(job);
    if (job.inputs.size() != 1) return cannot(job);
    const auto needed = needed_rows(rule, 0, job.wanted);
    if (!needed) return needed.error();
    if (operator_of(job).kind == "aten::constant_pad_nd") return padded(job, *needed);
    if (rule.padding_above != rule.padding_below) return cannot(job);
    return Windows(job, *needed).way();
}

// --- transposed convolution ------------------------------------------------------------------------------------------

/// As it is if that makes what is wanted. Otherwise without padding, which would take off rows at both ends, and from
/// rows of zeros, which add nothing, above and below if there are rows that no row of the input adds to.
Result<RowWay> transposed(const RowJob& job) {
    const RowRule& rule = job.rule;
    const auto needed = needed_rows(rule, 0, job.wanted);
    if (!needed) return needed.error();
    const int64_t reach = rule.dilation * (rule.kernel - 1);
    const int64_t more =
        rule.output_rows - ((rule.inputs.front().rows - 1) * rule.stride - 2 * rule.padding_above + reach + 1);
    const auto rows_of = [&](RowRange slab, int64_t padding) {
        const int64_t first = slab.begin * rule.stride - rule.padding_above + padding;
        return RowRange{first, first + (slab.size() - 1) * rule.stride - 2 * padding + reach + 1 + more};
    };
    const auto is_enough = [&](RowRange made) { return made.begin <= job.wanted.begin && job.wanted.end <= made.end; };
    const RowRange held = job.inputs.front().held;
    const RowRange plain = rows_of(held, rule.padding_above);
    if (!held.empty() && is_enough(plain) && plain.size() <= 2 * job.wanted.size()) return as_it_is(job, plain);

    const int64_t top = floor_div(job.wanted.begin + rule.padding_above, rule.stride);
    const int64_t bottom = ceil_div(job.wanted.end + rule.padding_above - reach - 1 - more, rule.stride) + 1;
    const RowRange rows = needed->rows.empty() ? RowRange{top, top} : needed->rows;
    const RowRange slab{std::min(rows.begin, top), std::max({rows.end, bottom, std::min(rows.begin, top) + 1})};
    RowWay way = as_it_is(job, rows_of(slab, 0));
    if (!is_enough(way.made)) return cannot(job);
    if (slab != held) way.cuts.front() = RowCut{rows, rows.begin - slab.begin, slab.end - rows.end};
    way.replaced["padding"] = with_rows(job, "padding", 0);
    way.kept = job.wanted;
    return way;
}

// --- the rest --------------------------------------------------------------------------------------------------------

/// Sums the rows alone. What divides by the number of rows divides by that of those at hand, so that is made good.
RowWay partial_sum(const RowJob& job) {
    RowWay way = as_it_is(job, job.wanted);
    if (job.inputs.front().held != job.wanted) way.cuts.front() = RowCut{job.wanted};
    const std::string& kind = operator_of(job).kind;
    if (kind == "aten::avg_pool2d") way.replaced["kernel_size"] = with_rows(job, "kernel_size", job.wanted.size());
    if (kind != "aten::sum" && numbers(job, "divisor_override") == nullptr)
        way.factor = row_fraction(job.wanted, job.rule.inputs.front().rows);
    return way;
}

RowWay by_our_own(const RowJob& job, RowWay::Run run) {
    RowWay way = as_it_is(job, job.wanted);
    way.run = run;
    return way;
}

Result<RowWay> way_of(const RowJob& job) {
    switch (job.rule.kind) {
        case Kind::whole: return as_it_is(job, job.wanted);
        case Kind::window: return by_windows(job);
        case Kind::transposed: return transposed(job);
        case Kind::bins: return by_our_own(job, RowWay::Run::bins);
        case Kind::nearest: return by_our_own(job, RowWay::Run::nearest);
        case Kind::bilinear: return by_our_own(job, RowWay::Run::bilinear);
        case Kind::bilinear_corners: return by_our_own(job, RowWay::Run::bilinear_corners);
        case Kind::reduction: return partial_sum(job);
    }
    return cannot(job);
}

}  // namespace

Result<RowWay> row_way(const RowJob& job) {
    if (auto checked = check(job); !checked) return checked.error();
    if (is_complete(job) && (!is_sum(job) || job.wanted == RowRange{0, job.rule.inputs.front().rows}))
        return as_it_is(job, job.wanted);
    return way_of(job);
}

}  // namespace eddy::torch_exec
