// Adding up what several nodes made of one sum or mean over rows: global pooling, and the like.
//
// A *partial sum* of a value has the value's type and shape, and `meta.rows` are the rows of the operator's input that
// were summed; it is scaled so that the plain sum of all of them is the whole result. It comes from another node:
// hostile until checked. Pure; nothing that is given is altered; what is given back may share its bytes.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "eddy/tensor_rows.hpp"

namespace eddy {

/// The sum of the partial sums of this value, f32, among the pieces given; each of `summed_rows` rows in just one of
/// them. They are added in the order of their rows, so that every node comes to the same. The whole result, alone, is
/// such a sum, too.
inline Result<HostTensor> add_partial_sums(const TensorMeta& whole, uint32_t summed_rows,
                                           std::span<const HostTensor> pieces) {
    const auto size = whole.bytes();
    if (!size) return invalid(detail::name_of(whole) + " has an impossible shape");
    const auto found = detail::pieces_of(whole.value, pieces);
    uint32_t row = 0;
    for (const HostTensor* piece : found) {
        const Rows rows = resolved(piece->meta.rows, summed_rows);
        if (rows.begin >= rows.end || rows.end > summed_rows)
            return invalid(detail::name_of(whole) + " is a sum of " + std::to_string(summed_rows) +
                           " rows; a part of it claims " + detail::in_words(rows));
        if (piece->meta.dtype != whole.dtype || piece->meta.shape != whole.shape || piece->bytes.size() != *size ||
            piece->meta.channels_last)
            return invalid("a part of the sum " + detail::name_of(whole) + " has not its type, shape or bytes");
        if (rows.begin < row)
            return invalid(detail::name_of(whole) + ": row " + std::to_string(rows.begin) + " is summed twice");
        if (rows.begin > row) break;
        row = rows.end;
    }
    if (row < summed_rows)
        return invalid(detail::name_of(whole) + ": row " + std::to_string(row) + " is missing of its sum");
    TensorMeta meta = whole;
    meta.rows = {};
    if (found.size() == 1) return HostTensor{std::move(meta), found.front()->bytes};
    if (whole.dtype != DType::f32) return invalid(detail::name_of(whole) + ": only sums of f32 are added up");
    auto bytes = allocate_bytes(*size);
    auto* sum = reinterpret_cast<float*>(bytes.get());
    std::memcpy(sum, found.front()->bytes.data(), *size);
    for (size_t i = 1; i < found.size(); ++i) {
        const auto* part = reinterpret_cast<const float*>(found[i]->bytes.data());
        for (uint64_t e = 0; e < *size / sizeof(float); ++e) sum[e] += part[e];
    }
    return HostTensor{std::move(meta), {std::move(bytes), *size}};
}

}  // namespace eddy
