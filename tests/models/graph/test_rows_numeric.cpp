// Goal: rows made from the rows needed, with the padding that is told, are the rows of the whole result, to the bit.
// Method: naive operators on small tensors of a few channels and two columns, once on all of the input, once on a slab
// with just those rows.
#include <cmath>
#include <limits>

#include <doctest/doctest.h>

#include "row_cases.hpp"

using namespace eddy;
using namespace eddy::graph;
using namespace eddy::test;

namespace {

constexpr int64_t channels = 4;
constexpr int64_t columns = 2;

struct Tensor {
    explicit Tensor(int64_t count) : rows(count), data(static_cast<size_t>(channels * count * columns)) {}
    float& at(int64_t c, int64_t y, int64_t x) { return data.at(static_cast<size_t>((c * rows + y) * columns + x)); }
    [[nodiscard]] float at(int64_t c, int64_t y, int64_t x) const {
        return data.at(static_cast<size_t>((c * rows + y) * columns + x));
    }
    int64_t rows = 0;
    std::vector<float> data;
};

Tensor random_tensor(int64_t rows) {
    Random random(static_cast<uint64_t>(pick(0, 1 << 30)));
    Tensor tensor(rows);
    for (float& value : tensor.data) value = static_cast<float>(random.uniform(-1, 1));
    return tensor;
}

/// The rows needed, between rows of padding.
Tensor slab_of(const Tensor& whole, const NeededRows& needed, float padding) {
    Tensor slab(needed.padding_above + needed.rows.size() + needed.padding_below);
    for (float& value : slab.data) value = padding;
    for (int64_t c = 0; c < channels; ++c)
        for (int64_t y = 0; y < needed.rows.size(); ++y)
            for (int64_t x = 0; x < columns; ++x)
                slab.at(c, needed.padding_above + y, x) = whole.at(c, needed.rows.begin + y, x);
    return slab;
}

/// An operator on windows: the element of channel c and column x whose window starts at this row of the tensor.
/// `image`: the rows of the tensor that are no padding; `border`: where padding ends.
struct View {
    const Tensor& tensor;
    RowRange image;
    int64_t border = 0;
};
using AtWindow = std::function<float(const View&, int64_t start, int64_t c, int64_t x)>;

void check_windows_numerically(const RowCase& made, const Taps& taps, float padding, const AtWindow& element) {
    const Tensor in = random_tensor(made.in);
    const View whole{in, {0, made.in}, made.in + taps.padding};
    const int64_t begin = pick(0, made.out - 1);
    const RowRange range{begin, pick(begin + 1, made.out)};
    const NeededRows needed = needed_rows(made.rule(), 0, range).value();
    const Tensor slab = slab_of(in, needed, padding);
    const RowRange real{needed.padding_above, needed.padding_above + needed.rows.size()};
    const View part{slab, real, slab.rows};
    for (int64_t y = range.begin; y < range.end; ++y)
        for (int64_t c = 0; c < channels; ++c)
            for (int64_t x = 0; x < columns; ++x)
                RC_ASSERT(element(part, (y - range.begin) * taps.stride, c, x) ==
                          element(whole, y * taps.stride - taps.padding, c, x));
}

/// [out channel][in channel of its group][tap].
struct Filter {
    Filter(int64_t taps, int64_t group_count)
        : kernel(taps), groups(group_count), values(random_tensor(taps * channels)) {}
    [[nodiscard]] float at(int64_t out, int64_t in, int64_t t) const { return values.at(out, in * kernel + t, 0); }
    [[nodiscard]] int64_t channels_per_group() const { return channels / groups; }
    int64_t kernel;
    int64_t groups;
    Tensor values;
};

/// Without padding, from a tensor that holds rows from `first` on; row 0 is the first of `rows`.
Tensor transposed_convolution(const Tensor& in, const Taps& taps, const Filter& filter, int64_t rows, int64_t origin) {
    Tensor out(rows);
    for (int64_t o = 0; o < channels; ++o)
        for (int64_t i = 0; i < in.rows; ++i)
            for (int64_t t = 0; t < taps.kernel; ++t) {
                const int64_t y = i * taps.stride + t * taps.dilation - origin;
                if (y < 0 || y >= rows) continue;
                for (int64_t each = 0; each < filter.channels_per_group(); ++each) {
                    const int64_t group = o / filter.channels_per_group();
                    const int64_t c = group * filter.channels_per_group() + each;
                    for (int64_t x = 0; x < columns; ++x) out.at(o, y, x) += filter.at(o, each, t) * in.at(c, i, x);
                }
            }
    return out;
}

Taps random_taps() { return {pick(1, 4), pick(1, 3), pick(0, 3), pick(1, 3)}; }

}  // namespace

TEST_CASE("rows of a convolution are those of the whole, for any stride, padding, dilation and groups") {
    CHECK(rc::check("any convolution", [] {
        Taps taps = random_taps();
        const RowCase made = convolution_case(pick(1, 12), taps);
        taps.kernel = made.rule().kernel;
        const Filter filter(taps.kernel, *rc::gen::element<int64_t>(1, 2, 4));
        check_windows_numerically(made, taps, 0, [&](const View& view, int64_t start, int64_t o, int64_t x) {
            float sum = 0;
            for (int64_t each = 0; each < filter.channels_per_group(); ++each)
                for (int64_t t = 0; t < taps.kernel; ++t) {
                    const int64_t c = o / filter.channels_per_group() * filter.channels_per_group() + each;
                    const int64_t row = start + t * taps.dilation;
                    if (row >= 0 && row < view.tensor.rows) sum += filter.at(o, each, t) * view.tensor.at(c, row, x);
                }
            return sum;
        });
    }));
}

TEST_CASE("rows of a max pool, padded with what is below any number, are those of the whole") {
    CHECK(rc::check("any pool", [] {
        constexpr float least = -std::numeric_limits<float>::infinity();
        const RowCase made = pool_case(pick(1, 12), random_taps(), *rc::gen::arbitrary<bool>(), false);
        const RowRule rule = made.rule();
        const Taps taps{rule.kernel, rule.stride, rule.padding_above, rule.dilation};
        check_windows_numerically(made, taps, least, [&](const View& view, int64_t start, int64_t c, int64_t x) {
            float greatest = least;
            for (int64_t t = 0; t < taps.kernel; ++t) {
                const int64_t row = start + t * taps.dilation;
                if (row >= 0 && row < view.tensor.rows) greatest = std::max(greatest, view.tensor.at(c, row, x));
            }
            return greatest;
        });
    }));
}

TEST_CASE("rows of an average pool are those of the whole, whether or not padding counts") {
    CHECK(rc::check("any pool", [] {
        const bool padding_counts = *rc::gen::arbitrary<bool>();
        const RowCase made = pool_case(pick(1, 12), random_taps(), *rc::gen::arbitrary<bool>(), true);
        const RowRule rule = made.rule();
        if (rule.kind == RowRule::Kind::reduction) return;
        const Taps taps{rule.kernel, rule.stride, rule.padding_above, 1};
        check_windows_numerically(made, taps, 0, [&](const View& view, int64_t start, int64_t c, int64_t x) {
            const int64_t end = std::min(start + taps.kernel, view.border);
            const RowRange inside{std::max(start, view.image.begin), std::min(end, view.image.end)};
            float sum = 0;
            for (int64_t row = inside.begin; row < inside.end; ++row) sum += view.tensor.at(c, row, x);
            return sum / static_cast<float>(padding_counts ? end - start : inside.size());
        });
    }));
}

TEST_CASE("rows of a transposed convolution are cut out of what the rows needed make without padding") {
    CHECK(rc::check("any transposed convolution", [] {
        const Taps taps = random_taps();
        const auto made = transposed_case(pick(1, 10), taps, pick(0, 2));
        if (!made) return;
        const RowRule rule = made->rule();
        const Filter filter(taps.kernel, *rc::gen::element<int64_t>(1, 2, 4));
        const Tensor in = random_tensor(made->in);
        const Tensor whole = transposed_convolution(in, taps, filter, made->out, taps.padding);
        const int64_t begin = pick(0, made->out - 1);
        const RowRange range{begin, pick(begin + 1, made->out)};
        const NeededRows needed = needed_rows(rule, 0, range).value();
        const int64_t first_row = needed.rows.begin * rule.stride - rule.padding_above;
        const Tensor part =
            transposed_convolution(slab_of(in, needed, 0), taps, filter, range.size(), range.begin - first_row);
        for (int64_t c = 0; c < channels; ++c)
            for (int64_t y = 0; y < range.size(); ++y)
                for (int64_t x = 0; x < columns; ++x) RC_ASSERT(part.at(c, y, x) == whole.at(c, range.begin + y, x));
    }));
}

TEST_CASE("rows of an interpolation are those of the whole, with the corners aligned or not") {
    CHECK(rc::check("any interpolation", [] {
        const int64_t in = pick(1, 12);
        const int64_t out = pick(1, 30);
        const Mode mode = *rc::gen::element(Mode::nearest, Mode::bilinear, Mode::corners);
        const RowCase made = interpolation_case(mode, in, out, {});
        const Tensor tensor = random_tensor(in);
        const int64_t begin = pick(0, out - 1);
        const RowRange range{begin, pick(begin + 1, out)};
        const NeededRows needed = needed_rows(made.rule(), 0, range).value();
        const Tensor slab = slab_of(tensor, needed, 0);
        const auto element = [&](const Tensor& from, int64_t first_row, int64_t y, int64_t c, int64_t x) {
            const Numbers read = made.reads(y);
            const float share = static_cast<float>(y % 7) / 7;  // any weights will do, as long as they are y's
            return (1 - share) * from.at(c, read.front() - first_row, x) +
                   share * from.at(c, read.back() - first_row, x);
        };
        for (int64_t y = range.begin; y < range.end; ++y)
            for (int64_t c = 0; c < channels; ++c)
                for (int64_t x = 0; x < columns; ++x)
                    RC_ASSERT(element(slab, needed.rows.begin, y, c, x) == element(tensor, 0, y, c, x));
    }));
}

TEST_CASE("rows of an adaptive pool are those of the whole") {
    CHECK(rc::check("any adaptive pool", [] {
        const RowCase made = adaptive_case(pick(1, 12), pick(2, 15));
        const Tensor in = random_tensor(made.in);
        const int64_t begin = pick(0, made.out - 1);
        const RowRange range{begin, pick(begin + 1, made.out)};
        const NeededRows needed = needed_rows(made.rule(), 0, range).value();
        const Tensor slab = slab_of(in, needed, 0);
        const auto mean = [&](const Tensor& from, int64_t first_row, int64_t y) {
            float sum = 0;
            for (const int64_t row : made.reads(y)) sum += from.at(1, row - first_row, 1);
            return sum / static_cast<float>(made.reads(y).size());
        };
        for (int64_t y = range.begin; y < range.end; ++y) RC_ASSERT(mean(slab, needed.rows.begin, y) == mean(in, 0, y));
    }));
}
