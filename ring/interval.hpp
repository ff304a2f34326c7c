// Arithmetic on the identifier circle (Chord, section 4): ids grow clockwise and wrap around.
#pragma once

#include "eddy/ids.hpp"

namespace eddy::ring {

/// The identifier circle has 2^id_bits places.
inline constexpr unsigned id_bits = 160;

/// x in (a, b], going clockwise from a. With a == b this is the whole circle.
constexpr bool in_open_closed(const NodeId& a, const NodeId& x, const NodeId& b) {
    if (a == b) return true;
    if (a < b) return a < x && x <= b;
    return x > a || x <= b;
}

/// x in (a, b), going clockwise from a. With a == b this is the whole circle without a.
constexpr bool in_open(const NodeId& a, const NodeId& x, const NodeId& b) {
    if (a == b) return x != a;
    if (a < b) return a < x && x < b;
    return x > a || x < b;
}

/// id + 2^exponent, around the circle; exponent < id_bits.
constexpr NodeId plus_power_of_two(NodeId id, unsigned exponent) {
    size_t byte = id.bytes.size() - 1 - exponent / 8;
    unsigned sum = id.bytes[byte] + (1U << (exponent % 8));
    id.bytes[byte] = static_cast<uint8_t>(sum);
    while (sum > 0xff && byte > 0) {
        sum = id.bytes[--byte] + 1U;
        id.bytes[byte] = static_cast<uint8_t>(sum);
    }
    return id;
}

}  // namespace eddy::ring
