// Arithmetic on the identifier circle (Chord, section 4): ids grow clockwise and wrap around.
#pragma once

#include "eddy/ids.hpp"

namespace eddy::ring {

/// x in (a, b], going clockwise from a. With a == b this is the whole circle.
constexpr bool in_open_closed(const NodeId& a, const NodeId& x, const NodeId& b) {
    if (a == b) return true;
    if (a < b) return a < x && x <= b;
    return x > a || x <= b;
}

}  // namespace eddy::ring
