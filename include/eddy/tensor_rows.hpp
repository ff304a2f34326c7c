// Some rows of a tensor (eddy/row_layout.hpp): cutting them out and putting pieces together.
//
// A *piece* of a value is a HostTensor with the value's type and shape, but for as many rows as `meta.rows` tells. It
// comes from another node: nothing of it is believed before check_piece. Pure; nothing that is given is altered; what
// is given back may share its bytes.
//
// `whole` is what the model says of a value. Pieces of it may have their channels last or not, each as it likes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "eddy/result.hpp"
#include "eddy/row_layout.hpp"
#include "eddy/tensor.hpp"

namespace eddy {

namespace detail {

inline std::string name_of(const TensorMeta& meta) { return "value " + std::to_string(meta.value.value); }
inline std::string in_words(Rows rows) {
    return "rows " + std::to_string(rows.begin) + " to " + std::to_string(rows.end);
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
    if (piece.meta.dtype != meta.dtype || piece.meta.shape != meta.shape || piece.bytes.size() != meta.bytes() ||
        (piece.meta.channels_last && !row_layout(piece.meta)))
        return invalid("a tensor has not the type, shape or bytes of " + detail::in_words(rows) + " of " +
                       detail::name_of(whole));
    return success();
}

/// These rows of a piece that holds them, laid out as it is; the piece itself if it holds no others. Rows that lie
/// together are shared, unless they would keep more than twice their bytes in memory.
inline Result<HostTensor> take_rows(const TensorMeta& whole, const HostTensor& piece, Rows wanted) {
    if (auto checked = check_piece(whole, piece); !checked) return checked.error();
    const RowLayout layout = *row_layout(piece.meta);
    const uint32_t all = row_layout(whole)->rows;
    const Rows held = resolved(piece.meta.rows, all);
    wanted = resolved(wanted, all);
    if (wanted.begin >= wanted.end || wanted.begin < held.begin || wanted.end > held.end)
        return invalid(detail::name_of(whole) + ": " + detail::in_words(wanted) + " of a piece that holds " +
                       detail::in_words(held));
    TensorMeta meta = meta_of_rows(whole, wanted);
    meta.channels_last = piece.meta.channels_last;
    if (wanted == held) return HostTensor{std::move(meta), piece.bytes};
    const uint64_t size = *meta.bytes();
    const uint64_t offset = (wanted.begin - held.begin) * layout.row_bytes;
    if (layout.planes == 1 && offset % 8 == 0 && 2 * size >= piece.bytes.size())
        return HostTensor{std::move(meta), {{piece.bytes.owner(), piece.bytes.data() + offset}, size}};
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

/// These rows as row_parts finds them, channels not last. A piece that is just what is wanted is not copied.
inline Result<HostTensor> assemble_rows(const TensorMeta& whole, Rows wanted, std::span<const HostTensor> pieces) {
    const auto parts = row_parts(whole, wanted, pieces);
    if (!parts) return parts.error();
    TensorMeta meta = meta_of_rows(whole, wanted);
    const RowLayout layout = *row_layout(meta);
    wanted = resolved(wanted, row_layout(whole)->rows);
    const HostTensor& first = *parts->front().piece;
    if (parts->front().held == wanted && !first.meta.channels_last) return HostTensor{std::move(meta), first.bytes};
    const uint64_t size = *meta.bytes();
    auto bytes = allocate_bytes(size);
    for (const auto& [piece, held, part] : *parts) {
        if (piece->meta.channels_last)
            detail::copy_rows_channels_first(whole, piece->bytes.data(), held, bytes.get(), wanted, part);
        else
            detail::copy_rows(layout, piece->bytes.data(), held, bytes.get(), wanted, part);
    }
    return HostTensor{std::move(meta), {std::move(bytes), size}};
}

}  // namespace eddy
