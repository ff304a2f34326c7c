// Arithmetic of boxes, in fractions of the frame. Pure.
#pragma once

#include <algorithm>

#include "eddy/inference.hpp"

namespace eddy::postprocess {

inline float area(const Detection& box) { return (box.x1 - box.x0) * (box.y1 - box.y0); }

/// Intersection over union, in [0, 1]; 0 where boxes only touch or have no area. Labels do not matter.
inline float iou(const Detection& a, const Detection& b) {
    const float width = std::min(a.x1, b.x1) - std::max(a.x0, b.x0);
    const float height = std::min(a.y1, b.y1) - std::max(a.y0, b.y0);
    if (!(width > 0) || !(height > 0)) return 0;
    const float both = width * height;
    return std::min(1.0F, both / (area(a) + area(b) - both));
}

}  // namespace eddy::postprocess
