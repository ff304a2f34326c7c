// How far two lists of detections of one frame agree: the check that a frame computed around the ring says what the
// whole model says. Pure.
#pragma once

#include <cstddef>
#include <span>

#include "eddy/inference.hpp"

namespace eddy::postprocess {

struct Agreement {
    size_t matched = 0;  ///< pairs, one box of each list
    size_t total = 0;    ///< boxes of the longer list: what only one side saw counts against

    /// Share of matched boxes; 1 where both lists are empty.
    [[nodiscard]] double fraction() const {
        return total == 0 ? 1.0 : static_cast<double>(matched) / static_cast<double>(total);
    }
    /// Nothing is missing, nothing is extra.
    [[nodiscard]] bool complete() const { return matched == total; }
    friend bool operator==(const Agreement&, const Agreement&) = default;
};

/// Pairs boxes of the same label whose IoU is at least `iou_min`, the best overlap first (then the earlier box of
/// `expected`, then of `found`); each box is used once. Scores are not compared. Time and memory grow with the
/// product of the sizes; lists out of interpret() have at most detections_max boxes.
Agreement agreement(std::span<const Detection> expected, std::span<const Detection> found, float iou_min);

}  // namespace eddy::postprocess
