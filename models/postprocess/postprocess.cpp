#include "models/postprocess/postprocess.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>
#include <vector>

#include "models/postprocess/boxes.hpp"

namespace eddy::postprocess {
namespace {

std::string describe(const TensorMeta& meta) {
    std::string text = meta.dtype == DType::f32 ? "f32 [" : "type " + std::to_string(int(meta.dtype)) + " [";
    for (size_t i = 0; i < meta.shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(meta.shape[i]);
    return text + "]";
}

/// The values of output `index`, if it is f32 of shape [1, …] with `dims` dimensions and all its bytes are there.
Result<std::span<const float>> floats_of(std::span<const HostTensor> outputs, size_t index, size_t dims,
                                         const std::string& allowed) {
    const std::string where = "output " + std::to_string(index);
    if (index >= outputs.size())
        return invalid(where + " is missing: the model gives " + std::to_string(outputs.size()) +
                       " outputs, expected " + allowed);
    const HostTensor& tensor = outputs[index];
    const TensorMeta& meta = tensor.meta;
    if (meta.dtype != DType::f32 || meta.shape.size() != dims || meta.shape[0] != 1)
        return invalid(where + " is " + describe(meta) + ", expected " + allowed);
    const auto bytes = meta.bytes();
    if (!bytes) return invalid(where + " has an impossible shape " + describe(meta));
    if (*bytes != tensor.bytes.size())
        return invalid(where + " is " + describe(meta) + " but has " + std::to_string(tensor.bytes.size()) +
                       " bytes, expected " + std::to_string(*bytes));
    // SharedBytes promises 8-byte alignment.
    return std::span(reinterpret_cast<const float*>(tensor.bytes.data()), size_t(*bytes / sizeof(float)));
}

Result<Inference> classify(const ModelCard& card, std::span<const HostTensor> outputs) {
    const std::string allowed = "f32 [1, " + std::to_string(card.labels.size()) + "] (logits)";
    const auto logits = floats_of(outputs, 0, 2, allowed);
    if (!logits) return logits.error();
    if (logits->size() != card.labels.size())
        return invalid("output 0 is " + describe(outputs[0].meta) + ", expected " + allowed);

    std::vector<ClassScore> classes;
    classes.reserve(logits->size());
    for (size_t i = 0; i < logits->size(); ++i)
        if (std::isfinite((*logits)[i])) classes.push_back({uint32_t(i), (*logits)[i]});
    if (classes.empty()) return Inference{};

    const auto better = [](const ClassScore& a, const ClassScore& b) {
        return std::make_tuple(-a.score, a.label) < std::make_tuple(-b.score, b.label);
    };
    const size_t kept = std::min(top_classes, classes.size());
    std::partial_sort(classes.begin(), classes.begin() + std::ptrdiff_t(kept), classes.end(), better);
    // Shifted by the largest logit, so that no exponential overflows and the sum is at least 1.
    const double largest = classes.front().score;
    double sum = 0;
    for (const float logit : *logits)
        if (std::isfinite(logit)) sum += std::exp(double(logit) - largest);
    classes.resize(kept);
    for (auto& entry : classes) entry.score = float(std::exp(double(entry.score) - largest) / sum);
    return Inference{std::move(classes), {}};
}

/// The part of a box [ymin, xmin, ymax, xmax] inside the frame; false if there is none.
bool clip(const float* box, Detection& into) {
    for (size_t i = 0; i < 4; ++i)
        if (!std::isfinite(box[i])) return false;
    into.y0 = std::clamp(box[0], 0.0F, 1.0F);
    into.x0 = std::clamp(box[1], 0.0F, 1.0F);
    into.y1 = std::clamp(box[2], 0.0F, 1.0F);
    into.x1 = std::clamp(box[3], 0.0F, 1.0F);
    return into.x0 < into.x1 && into.y0 < into.y1;
}

bool before(const Detection& a, const Detection& b) {
    if (a.score != b.score) return a.score > b.score;
    return std::tie(a.label, a.x0, a.y0, a.x1, a.y1) < std::tie(b.label, b.x0, b.y0, b.x1, b.y1);
}

/// Candidates in order, all above the threshold. Most scores are far below it, so the first pass is one comparison a
/// value, which also drops NaN.
std::vector<Detection> candidates(std::span<const float> boxes, std::span<const float> scores, size_t labels,
                                  float score_min) {
    std::vector<Detection> found;
    for (size_t i = 0; i < scores.size(); ++i) {
        if (!(scores[i] >= score_min) || !std::isfinite(scores[i])) continue;
        Detection candidate{.label = uint32_t(i % labels), .score = std::min(scores[i], 1.0F)};
        if (clip(&boxes[i / labels * 4], candidate)) found.push_back(candidate);
    }
    std::sort(found.begin(), found.end(), before);
    return found;
}

/// Greedy suppression over all classes at once, in order: what stays of one class does not depend on the others, so
/// the result is that of one pass per class, and it can stop at detections_max boxes.
std::vector<Detection> suppress(const std::vector<Detection>& ordered, size_t labels, float iou_max) {
    std::vector<Detection> kept;
    std::vector<std::vector<uint32_t>> of_label(labels);
    for (const auto& candidate : ordered) {
        if (kept.size() == detections_max) break;
        auto& rivals = of_label[candidate.label];
        const bool hidden =
            std::any_of(rivals.begin(), rivals.end(), [&](uint32_t i) { return iou(kept[i], candidate) > iou_max; });
        if (hidden) continue;
        rivals.push_back(uint32_t(kept.size()));
        kept.push_back(candidate);
    }
    return kept;
}

Result<Inference> detect(const ModelCard& card, std::span<const HostTensor> outputs) {
    const size_t labels = card.labels.size();
    const std::string allowed_scores = "f32 [1, n, " + std::to_string(labels) + "] (scores)";
    const auto boxes = floats_of(outputs, 0, 3, "f32 [1, n, 4] (boxes)");
    if (!boxes) return boxes.error();
    const auto scores = floats_of(outputs, 1, 3, allowed_scores);
    if (!scores) return scores.error();

    const auto& box_shape = outputs[0].meta.shape;
    const auto& score_shape = outputs[1].meta.shape;
    if (box_shape[2] != 4)
        return invalid("output 0 is " + describe(outputs[0].meta) + ", expected f32 [1, n, 4] (boxes)");
    if (uint64_t(score_shape[2]) != labels || score_shape[1] != box_shape[1])
        return invalid("output 1 is " + describe(outputs[1].meta) + ", expected " + allowed_scores +
                       " with n = " + std::to_string(box_shape[1]));
    if (scores->size() > scores_max)
        return exhausted("output 1 has " + std::to_string(scores->size()) + " scores, at most " +
                         std::to_string(scores_max) + " are allowed");
    if (scores->empty()) return Inference{};
    return Inference{{}, suppress(candidates(*boxes, *scores, labels, card.score_min), labels, card.iou_max)};
}

}  // namespace

Result<Inference> interpret(const ModelCard& card, std::span<const HostTensor> outputs) {
    switch (card.task) {
        case Task::classify: return classify(card, outputs);
        case Task::detect: return detect(card, outputs);
        case Task::raw: return Inference{};
    }
    return invalid("the model card names an unknown task");
}

}  // namespace eddy::postprocess
