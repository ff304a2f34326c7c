// Where a tensor's rows are in memory, what some of them look like, and copying them. A *row* is an index along H of a
// tensor [1, C, H, W], or of a frame, u8 [H, W, 3]; any other tensor is one row (models/graph/rows.hpp says the same).
// Rows of an image lie apart in memory, a stretch in each channel, unless its channels come last. Pure.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <type_traits>

#include "eddy/tensor.hpp"

namespace eddy {

/// Where the rows of a dense tensor are: `planes` one after the other, of `rows` rows each.
struct RowLayout {
    std::optional<size_t> axis;  ///< of the shape; none: the tensor is one row
    uint64_t planes = 1;
    uint32_t rows = 1;
    uint64_t row_bytes = 0;
};

/// Nothing if the shape is impossible or too large, or cannot have its channels last.
inline std::optional<RowLayout> row_layout(const TensorMeta& meta) {
    const auto bytes = meta.bytes();
    if (!bytes) return std::nullopt;
    RowLayout layout;
    layout.row_bytes = *bytes;
    const bool is_image = meta.shape.size() == 4 && meta.shape[0] == 1;
    if (meta.channels_last && !is_image) return std::nullopt;
    if (*bytes == 0) return layout;
    if (is_image) {
        layout.axis = 2;
        if (!meta.channels_last) layout.planes = static_cast<uint64_t>(meta.shape[1]);
    } else if (meta.dtype == DType::u8 && meta.shape.size() == 3 && meta.shape[2] == 3) {
        layout.axis = 0;
    } else {
        return layout;
    }
    layout.rows = static_cast<uint32_t>(meta.shape[*layout.axis]);
    layout.row_bytes = *bytes / layout.planes / layout.rows;
    return layout;
}

/// The end said in numbers.
constexpr Rows resolved(Rows rows, uint32_t all) { return {rows.begin, rows.end == UINT32_MAX ? all : rows.end}; }

/// What a piece with these rows of `whole` looks like, channels not last; all rows are told by the default. `rows`:
/// within the tensor's.
inline TensorMeta meta_of_rows(const TensorMeta& whole, Rows rows) {
    const auto layout = row_layout(whole);
    EDDY_ASSERT(layout);
    rows = resolved(rows, layout->rows);
    EDDY_ASSERT(rows.begin <= rows.end && rows.end <= layout->rows);
    TensorMeta meta = whole;
    meta.rows = {};
    meta.channels_last = false;
    if (rows == Rows{0, layout->rows}) return meta;
    meta.shape[*layout->axis] = rows.end - rows.begin;
    meta.rows = rows;
    return meta;
}

namespace detail {

inline void copy_rows(const RowLayout& layout, const std::byte* from, Rows held, std::byte* to, Rows made, Rows rows) {
    const uint64_t bytes = (rows.end - rows.begin) * layout.row_bytes;
    for (uint64_t plane = 0; plane < layout.planes; ++plane) {
        const uint64_t source = plane * (held.end - held.begin) + (rows.begin - held.begin);
        const uint64_t target = plane * (made.end - made.begin) + (rows.begin - made.begin);
        std::memcpy(to + target * layout.row_bytes, from + source * layout.row_bytes, bytes);
    }
}

/// The same from channels that come last to channels that do not. `whole`: of the value.
inline void copy_rows_channels_first(const TensorMeta& whole, const std::byte* from, Rows held, std::byte* to,
                                     Rows made, Rows rows) {
    const auto channels = static_cast<uint64_t>(whole.shape[1]);
    const auto columns = static_cast<uint64_t>(whole.shape[3]);
    const uint64_t pixels = (rows.end - rows.begin) * columns;
    const uint64_t plane = (made.end - made.begin) * columns;
    const auto copy = [&](auto size) {
        from += (rows.begin - held.begin) * columns * channels * size();
        to += (rows.begin - made.begin) * columns * size();
        for (uint64_t channel = 0; channel < channels; ++channel)
            for (uint64_t pixel = 0; pixel < pixels; ++pixel)
                std::memcpy(to + (channel * plane + pixel) * size(), from + (pixel * channels + channel) * size(),
                            size());
    };
    switch (bytes_per_element(whole.dtype)) {
        case 1: return copy(std::integral_constant<size_t, 1>{});
        case 2: return copy(std::integral_constant<size_t, 2>{});
        case 4: return copy(std::integral_constant<size_t, 4>{});
        default: return copy(std::integral_constant<size_t, 8>{});
    }
}

}  // namespace detail

}  // namespace eddy
