// Some rows of a tensor: cutting them out and putting pieces together. A *row* is an index along H of a tensor
// [1, C, H, W], or of a frame, u8 [H, W, 3]; any other tensor is one row (models/graph/rows.hpp says the same). Rows of
// an image lie apart in memory, a stretch in each channel.
//
// A *piece* of a value is a HostTensor with the value's type and shape, but for as many rows as `meta.rows` tells. It
// comes from another node: nothing of it is believed before check_piece. Pure; nothing that is given is altered; what
// is given back may share its bytes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "eddy/result.hpp"
#include "eddy/tensor.hpp"

namespace eddy {

/// Where the rows of a dense tensor are: `planes` one after the other, of `rows` rows each.
struct RowLayout {
    std::optional<size_t> axis;  ///< of the shape; none: the tensor is one row
    uint64_t planes = 1;
    uint32_t rows = 1;
    uint64_t row_bytes = 0;
};

/// Nothing if the shape is impossible or too large.
inline std::optional<RowLayout> row_layout(const TensorMeta& meta) {
    const auto bytes = meta.bytes();
    if (!bytes) return std::nullopt;
    RowLayout layout;
    layout.row_bytes = *bytes;
    if (*bytes == 0) return layout;
    if (meta.shape.size() == 4 && meta.shape[0] == 1) {
        layout.axis = 2;
        layout.planes = static_cast<uint64_t>(meta.shape[1]);
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

/// What a piece with these rows of `whole` looks like; all rows are told by the default. `rows`: within the tensor's.
inline TensorMeta meta_of_rows(const TensorMeta& whole, Rows rows) {
    const auto layout = row_layout(whole);
    EDDY_ASSERT(layout);
    rows = resolved(rows, layout->rows);
    EDDY_ASSERT(rows.begin <= rows.end && rows.end <= layout->rows);
    TensorMeta meta = whole;
    meta.rows = {};
    if (rows == Rows{0, layout->rows}) return meta;
    meta.shape[*layout->axis] = rows.end - rows.begin;
    meta.rows = rows;
    return meta;
}

namespace detail {

inline std::string name_of(const TensorMeta& meta) { return "value " + std::to_string(meta.value.value); }
inline std::string in_words(Rows rows) {
    return "rows " + std::to_string(rows.begin) + " to " + std::to_string(rows.end);
}

inline void copy_rows(const RowLayout& layout, const std::byte* from, Rows held, std::byte* to, Rows made, Rows rows) {
    const uint64_t bytes = (rows.end - rows.begin) * layout.row_bytes;
    for (uint64_t plane = 0; plane < layout.planes; ++plane) {
        const uint64_t source = plane * (held.end - held.begin) + (rows.begin - held.begin);
        const uint64_t target = plane * (made.end - made.begin) + (rows.begin - made.begin);
        std::memcpy(to + target * layout.row_bytes, from + source * layout.row_bytes, bytes);
    }
}

/// The pieces of this value, in the order of their first rows.
inline std::vector<const HostTensor*> pieces_of(ValueId value, std::span<const HostTensor> pieces) {
    std::vector<const HostTensor*> found;
    for (const HostTensor& piece : pieces)
        if (piece.meta.value == value) found.push_back(&piece);
    std::stable_sort(found.begin(), found.end(),
                     [](const auto* a, const auto* b) { return a->meta.rows.begin < b->meta.rows.begin; });
    return found;
}

}  // namespace detail

/// Is this some rows of `whole`, at least one, as its `meta.rows` says?
inline Status check_piece(const TensorMeta& whole, const HostTensor& piece) {
    const auto layout = row_layout(whole);
    if (!layout) return invalid(detail::name_of(whole) + " has an impossible shape");
    const Rows rows = resolved(piece.meta.rows, layout->rows);
    if (rows.begin >= rows.end || rows.end > layout->rows)
        return invalid(detail::name_of(whole) + " has " + std::to_string(layout->rows) + " rows; a piece claims " +
                       detail::in_words(rows));
    const TensorMeta meta = meta_of_rows(whole, rows);
    if (piece.meta.dtype != meta.dtype || piece.meta.shape != meta.shape || piece.bytes.size() != meta.bytes())
        return invalid("a tensor has not the type, shape or bytes of " + detail::in_words(rows) + " of " +
                       detail::name_of(whole));
    return success();
}

/// These rows of a piece that holds them; the piece itself if it holds no others.
inline Result<HostTensor> take_rows(const TensorMeta& whole, const HostTensor& piece, Rows wanted) {
    if (auto checked = check_piece(whole, piece); !checked) return checked.error();
    const RowLayout layout = *row_layout(whole);
    const Rows held = resolved(piece.meta.rows, layout.rows);
    wanted = resolved(wanted, layout.rows);
    if (wanted.begin >= wanted.end || wanted.begin < held.begin || wanted.end > held.end)
        return invalid(detail::name_of(whole) + ": " + detail::in_words(wanted) + " of a piece that holds " +
                       detail::in_words(held));
    TensorMeta meta = meta_of_rows(whole, wanted);
    if (wanted == held) return HostTensor{std::move(meta), piece.bytes};
    const uint64_t size = *meta.bytes();
    auto bytes = allocate_bytes(size);
    detail::copy_rows(layout, piece.bytes.data(), held, bytes.get(), wanted, wanted);
    return HostTensor{std::move(meta), {std::move(bytes), size}};
}

/// Rows `part` of what is wanted, to be taken from this piece, which holds `held`.
struct RowPart {
    const HostTensor* piece = nullptr;
    Rows held;
    Rows part;
};

/// Of which pieces of this value, among those given in any order, exactly these rows are put together; they may hold
/// more, and rows may come twice (then they are equal). In the order of the rows, each once; one piece that is just
/// what is wanted is preferred. Invalid: a piece that is not what it claims, or a row that none of them has, which is
/// named.
inline Result<std::vector<RowPart>> row_parts(const TensorMeta& whole, Rows wanted,
                                              std::span<const HostTensor> pieces) {
    const auto layout = row_layout(whole);
    if (!layout) return invalid(detail::name_of(whole) + " has an impossible shape");
    wanted = resolved(wanted, layout->rows);
    if (wanted.begin >= wanted.end || wanted.end > layout->rows)
        return invalid(detail::name_of(whole) + " has " + std::to_string(layout->rows) + " rows; wanted are " +
                       detail::in_words(wanted));
    const auto found = detail::pieces_of(whole.value, pieces);
    for (const HostTensor* piece : found) {
        if (auto checked = check_piece(whole, *piece); !checked) return checked.error();
    }
    for (const HostTensor* piece : found)
        if (resolved(piece->meta.rows, layout->rows) == wanted) return std::vector{RowPart{piece, wanted, wanted}};
    std::vector<RowPart> parts;
    uint32_t row = wanted.begin;
    for (const HostTensor* piece : found) {
        const Rows held = resolved(piece->meta.rows, layout->rows);
        if (held.begin > row) break;
        if (held.end <= row || row >= wanted.end) continue;
        parts.push_back({piece, held, {row, std::min(held.end, wanted.end)}});
        row = parts.back().part.end;
    }
    if (row < wanted.end)
        return invalid(detail::name_of(whole) + ": row " + std::to_string(row) + " is missing of " +
                       detail::in_words(wanted));
    return parts;
}

/// These rows as row_parts finds them. A piece that is just what is wanted is not copied.
inline Result<HostTensor> assemble_rows(const TensorMeta& whole, Rows wanted, std::span<const HostTensor> pieces) {
    const auto parts = row_parts(whole, wanted, pieces);
    if (!parts) return parts.error();
    const RowLayout layout = *row_layout(whole);
    wanted = resolved(wanted, layout.rows);
    TensorMeta meta = meta_of_rows(whole, wanted);
    if (parts->front().held == wanted) return HostTensor{std::move(meta), parts->front().piece->bytes};
    const uint64_t size = *meta.bytes();
    auto bytes = allocate_bytes(size);
    for (const RowPart& each : *parts)
        detail::copy_rows(layout, each.piece->bytes.data(), each.held, bytes.get(), wanted, each.part);
    return HostTensor{std::move(meta), {std::move(bytes), size}};
}

}  // namespace eddy
