// From a model's outputs to the small result that travels to the source: top classes, or boxes after non-maximum
// suppression. Pure functions, called on a compute lane where the model ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "eddy/inference.hpp"
#include "eddy/model_card.hpp"
#include "eddy/result.hpp"
#include "eddy/tensor.hpp"

namespace eddy::postprocess {

/// Classes reported of a classifier, best first.
inline constexpr size_t top_classes = 5;
static_assert(top_classes <= classes_max);

/// Bound of anchors × labels of a detector (SSDLite: 172,530); more is refused before anything is allocated.
inline constexpr uint64_t scores_max = uint64_t{1} << 22;

/// What `outputs`, in the order of the model's return values, say by the card. The tensors are only read.
///
/// classify: output 0 is f32 [1, labels]; softmax over its finite values, the best `top_classes`.
/// detect:   output 0 is f32 [1, n, 4] (ymin, xmin, ymax, xmax in fractions of the frame), output 1 is
///           f32 [1, n, labels]. Boxes are clipped to the frame; scores above 1 count as 1. A box stays if its score is
///           at least card.score_min and no better box of its class overlaps it by more than card.iou_max; the best
///           detections_max of all classes are given. What is not finite, or shows nothing of the frame, is skipped.
/// raw:      nothing is known of the outputs, so the result is empty.
///
/// Both lists are ordered by score (descending), then label, then box, so equal outputs give equal results.
/// Errors: `invalid` for a missing output, another type or shape, or bytes that do not fit the shape; `exhausted`
/// beyond scores_max. Further outputs are ignored.
Result<Inference> interpret(const ModelCard& card, std::span<const HostTensor> outputs);

}  // namespace eddy::postprocess
