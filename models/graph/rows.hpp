// Which rows of its inputs an operator needs to make some rows of its output. Read off kinds, attributes and shapes
// alone, by integer arithmetic, so that every device comes to the same.
//
// A *row* is an index along H of a tensor [1, C, H, W], or of a frame, u8 [H, W, 3]. Any other tensor is one row. An
// operator without a rule here (linear, attention, permute, an unknown kind, attributes that are missing or do not
// explain the output's shape) is *whole*: it needs all rows of all inputs, and one device makes all it makes. What is
// not surely divisible is whole.
//
// Padding is real only at the tensor's own border, so a device that makes some rows has it above, below, both or
// neither: `NeededRows` counts its rows. What they hold is the operator's own affair: 0 for a convolution, −∞ for a max
// pool, 0 that counts or nothing at all for an average pool (`count_include_pad`), the given number for
// constant_pad_nd.
//
// Pure; plain values; no row number or extent is above 2^31.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "eddy/result.hpp"
#include "models/graph/graph.hpp"
#include "models/graph/row_range.hpp"

namespace eddy::graph {

/// Extents, strides and the like above this are not reckoned with: such an operator is whole.
inline constexpr int64_t extent_max = int64_t{1} << 31;
/// Interpolation takes place in single precision, which numbers no more rows than these.
inline constexpr int64_t interpolated_rows_max = int64_t{1} << 24;

/// At least 1.
[[nodiscard]] int64_t row_count(const Value& value);

/// How the rows of an operator's output depend on those of its inputs. Made by row_rules().
struct RowRule {
    enum class Kind : uint8_t {
        whole,
        /// Row y reads the rows y·stride − padding_above + t·dilation, 0 <= t < kernel: convolution, pooling; with the
        /// defaults below row y reads row y: activation, batch norm, sum, concatenation of channels; constant padding
        /// reads row y − padding_above, which is negative where rows are cut off.
        window,
        /// Row y is made from the rows i with i·stride − padding_above + t·dilation = y for some t < kernel: transposed
        /// convolution. Rows without any i are bias alone. There is no padding: what lies outside adds nothing. Made
        /// without padding from the rows [i, j), its first row is row i·stride − padding_above of the whole.
        transposed,
        /// Row y is the mean of the rows ⌊y·H/O⌋ … ⌈(y+1)·H/O⌉ − 1 of H, O being the output's rows: adaptive pooling.
        bins,
        /// Row y is row ⌊y/s⌋. The graph does not tell the scale s, but O = ⌊s·H⌋: needed is what any such s reads.
        nearest,
        /// Row y lies between the rows ⌊p⌋ and ⌊p⌋ + 1, p = (y + ½)/s − ½, at least 0; s likewise.
        bilinear,
        /// Row y lies between the rows ⌊p⌋ and ⌊p⌋ + 1, p = y·(H − 1)/(O − 1): bilinear with align_corners.
        bilinear_corners,
        /// The output is one row, a sum or mean over all rows of the input: global pooling. A device that has only some
        /// of them can make a partial sum; partial sums are added, then divided by the number of all elements.
        reduction,
    };
    struct Input {
        int64_t rows = 0;
        bool whole = true;  ///< all rows are needed for any row of the output: a broadcast operand, or the kind says so
        friend bool operator==(const Input&, const Input&) = default;
    };

    Kind kind = Kind::whole;
    std::vector<Input> inputs;  ///< as Operator::inputs
    int64_t output_rows = 1;    ///< of every output; of a whole operator: of the first
    int64_t kernel = 1;
    int64_t stride = 1;
    int64_t dilation = 1;
    int64_t padding_above = 0;
    int64_t padding_below = 0;

    [[nodiscard]] bool divisible() const { return kind != Kind::whole; }
    friend bool operator==(const RowRule&, const RowRule&) = default;
};

/// Can any operator of this kind be divided? Whether one can is up to its attributes and shapes, too.
[[nodiscard]] bool has_row_rule(std::string_view kind);

/// By operator.
[[nodiscard]] std::vector<RowRule> row_rules(const ModelGraph& graph);

/// For kind `window`, the windows of the rows made cover, from above: `padding_above` rows of padding, `rows`,
/// `padding_below` rows of padding, `overhang` rows that are not even padding. For other kinds only `rows`.
struct NeededRows {
    RowRange rows;
    int64_t padding_above = 0;
    int64_t padding_below = 0;
    int64_t overhang = 0;  ///< of pools with ceil_mode: no average counts them
    friend bool operator==(const NeededRows&, const NeededRows&) = default;
};

/// What of an input is needed to make these rows of every output; for no rows nothing. `rows` may be empty also
/// because windows lie in padding alone. Invalid: an input or rows that the operator does not have, a part of the rows
/// of a whole operator.
[[nodiscard]] Result<NeededRows> needed_rows(const RowRule& rule, size_t input, RowRange made);

}  // namespace eddy::graph
