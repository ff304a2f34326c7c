// Goal: what interpret() says is what the card promises, for every input that a model could produce.
// Method: cases worked out by hand; then random outputs against suppression written the obvious way, class by class.
#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "models/postprocess/boxes.hpp"
#include "models/postprocess/postprocess.hpp"
#include "tests/models/postprocess/make_outputs.hpp"

using namespace eddy;
using namespace eddy::postprocess;

namespace {

constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();

/// Detector outputs: boxes as ymin, xmin, ymax, xmax, scores row by row.
std::vector<HostTensor> outputs_of(size_t labels, const std::vector<float>& boxes, const std::vector<float>& scores) {
    const auto n = int64_t(boxes.size() / 4);
    return {tensor_of({1, n, 4}, boxes), tensor_of({1, n, int64_t(labels)}, scores)};
}

Inference must(Result<Inference> result) {
    REQUIRE_MESSAGE(result.ok(), (result.ok() ? "" : result.error().message));
    return std::move(result).value();
}

std::string refusal(const Result<Inference>& result, ErrorCode code = ErrorCode::invalid) {
    REQUIRE(!result.ok());
    CHECK(result.error().code == code);
    return result.error().message;
}

bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

bool ordered(const Detection& a, const Detection& b) {
    return std::make_tuple(-a.score, a.label, a.x0, a.y0, a.x1, a.y1) <
           std::make_tuple(-b.score, b.label, b.x0, b.y0, b.x1, b.y1);
}

/// Suppression as a textbook writes it: one class after the other, then the best of all. One float more or less than
/// the thresholds matters, so the arithmetic of the overlap is the room's own.
std::vector<Detection> textbook(const ModelCard& card, const std::vector<float>& boxes,
                                const std::vector<float>& scores) {
    const size_t labels = card.labels.size();
    std::vector<Detection> all;
    for (size_t label = 0; label < labels; ++label) {
        std::vector<Detection> waiting;
        for (size_t box = 0; box < boxes.size() / 4; ++box) {
            const float score = scores[box * labels + label];
            if (!std::isfinite(score) || score < card.score_min) continue;
            const float* b = &boxes[box * 4];
            if (!std::isfinite(b[0] + b[1] + b[2] + b[3])) continue;
            const auto inside = [](float v) { return std::min(1.0F, std::max(0.0F, v)); };
            const Detection d{uint32_t(label), std::min(score, 1.0F), inside(b[1]),
                              inside(b[0]),    inside(b[3]),          inside(b[2])};
            if (d.x1 > d.x0 && d.y1 > d.y0) waiting.push_back(d);
        }
        while (!waiting.empty()) {
            const Detection best = *std::min_element(waiting.begin(), waiting.end(), ordered);
            all.push_back(best);
            bool taken = false;
            std::erase_if(waiting, [&](const Detection& d) {
                if (!taken && d == best) return taken = true;
                return iou(best, d) > card.iou_max;
            });
        }
    }
    std::sort(all.begin(), all.end(), ordered);
    if (all.size() > detections_max) all.resize(detections_max);
    return all;
}

}  // namespace

TEST_CASE("a classifier's logits become the five best classes with softmax scores") {
    const auto card = card_of(Task::classify, 7);
    const auto result = must(interpret(card, std::vector{tensor_of({1, 7}, {0, 3, 1, 2, -50, 2, 0.5F})}));
    REQUIRE(result.classes.size() == 5);
    CHECK(result.detections.empty());
    const std::vector<uint32_t> labels{1, 3, 5, 2, 6};  // equal logits: the lower label first
    for (size_t i = 0; i < 5; ++i) CHECK(result.classes[i].label == labels[i]);
    const double sum = 1 + std::exp(3) + std::exp(1) + 2 * std::exp(2) + std::exp(-50) + std::exp(0.5);
    CHECK(result.classes[0].score == doctest::Approx(std::exp(3) / sum));
    CHECK(result.classes[4].score == doctest::Approx(std::exp(0.5) / sum));
}

TEST_CASE("huge logits do not overflow, and fewer than five classes are all given") {
    const auto result = must(interpret(card_of(Task::classify, 2), std::vector{tensor_of({1, 2}, {-3e38F, 3e38F})}));
    CHECK(result.classes == std::vector<ClassScore>{{1, 1.0F}, {0, 0.0F}});
}

TEST_CASE("logits that are not finite are skipped") {
    const auto card = card_of(Task::classify, 4);
    const auto result = must(interpret(card, std::vector{tensor_of({1, 4}, {nan_value, 1, infinity, 1})}));
    CHECK(result.classes == std::vector<ClassScore>{{1, 0.5F}, {3, 0.5F}});
    const std::vector<float> none(4, nan_value);
    CHECK(must(interpret(card, std::vector{tensor_of({1, 4}, none)})) == Inference{});
}

TEST_CASE("a weaker box of the same class that overlaps too much is suppressed, another class is not") {
    const auto card = card_of(Task::detect, 2);
    const std::vector<float> boxes{0.1F, 0.2F, 0.5F, 0.6F,   //
                                   0.1F, 0.2F, 0.5F, 0.62F,  //
                                   0.1F, 0.6F, 0.5F, 1.0F};
    const std::vector<float> scores{0.8F, 0.1F, 0.9F, 0.7F, 0.6F, 0.4F};
    const auto result = must(interpret(card, outputs_of(2, boxes, scores)));
    CHECK(result.classes.empty());
    CHECK(result.detections == std::vector<Detection>{{0, 0.9F, 0.2F, 0.1F, 0.62F, 0.5F},
                                                      {1, 0.7F, 0.2F, 0.1F, 0.62F, 0.5F},
                                                      {0, 0.6F, 0.6F, 0.1F, 1.0F, 0.5F}});
}

TEST_CASE("the thresholds of the card are inclusive: a score at the minimum stays, an overlap at the maximum too") {
    auto card = card_of(Task::detect, 1);
    card.score_min = 0.25F;
    card.iou_max = 0.5F;
    const float below = std::nextafter(0.25F, 0.0F);
    const std::vector<float> boxes{0, 0, 0.5F, 0.5F, /* half of it: */ 0, 0, 0.25F, 0.5F, 0.75F, 0.75F, 1, 1};
    const auto result = must(interpret(card, outputs_of(1, boxes, {0.5F, 0.25F, below})));
    REQUIRE(result.detections.size() == 2);
    CHECK(result.detections[1].score == 0.25F);
    card.iou_max = std::nextafter(0.5F, 0.0F);
    CHECK(must(interpret(card, outputs_of(1, boxes, {0.5F, 0.25F, below}))).detections.size() == 1);
}

TEST_CASE("boxes are clipped to the frame, and those that show nothing of it are skipped") {
    const auto card = card_of(Task::detect, 1);
    const std::vector<float> boxes{-0.5F, 0.5F,      0.5F,     7,     // partly outside
                                   1.1F,  0.1F,      1.5F,     0.2F,  // wholly outside
                                   0.9F,  0.1F,      0.8F,     0.2F,  // upside down
                                   0.5F,  0.5F,      0.5F,     0.6F,  // flat
                                   0.1F,  nan_value, 0.2F,     0.2F,  //
                                   0.1F,  0.1F,      infinity, 0.2F};
    const auto result = must(interpret(card, outputs_of(1, boxes, std::vector<float>(6, 0.9F))));
    CHECK(result.detections == std::vector<Detection>{{0, 0.9F, 0.5F, 0, 1, 0.5F}});
}

TEST_CASE("scores that are not finite are skipped, and a score above one counts as one") {
    const auto card = card_of(Task::detect, 3);
    const auto result = must(interpret(card, outputs_of(3, {0, 0, 1, 1}, {nan_value, infinity, 1.5F})));
    CHECK(result.detections == std::vector<Detection>{{2, 1.0F, 0, 0, 1, 1}});
}

TEST_CASE("at most detections_max boxes are given, the best of them") {
    const auto card = card_of(Task::detect, 3);
    constexpr size_t anchors = 40 * 40;
    std::vector<float> boxes, scores;
    for (size_t i = 0; i < anchors; ++i) {
        const float y = float(i / 40) / 40, x = float(i % 40) / 40;
        boxes.insert(boxes.end(), {y, x, y + 0.02F, x + 0.02F});
        for (size_t label = 0; label < 3; ++label)
            scores.push_back(0.5F + 0.4F * float((i * 7 + label) % anchors) / anchors);
    }
    const auto result = must(interpret(card, outputs_of(3, boxes, scores)));
    CHECK(result.detections.size() == detections_max);
    CHECK(result.detections == textbook(card, boxes, scores));
}

TEST_CASE("a detector that found nothing, or has no anchors, gives an empty result") {
    const auto card = card_of(Task::detect, 2);
    CHECK(must(interpret(card, outputs_of(2, {0, 0, 1, 1}, {0.1F, 0.2F}))) == Inference{});
    CHECK(must(interpret(card, outputs_of(2, {}, {}))) == Inference{});
}

TEST_CASE("nothing is made of a raw model's outputs") {
    CHECK(must(interpret(card_of(Task::raw, 0), std::vector{tensor_of({2}, {1, 2})})) == Inference{});
    CHECK(must(interpret(card_of(Task::raw, 0), {})) == Inference{});
}

TEST_CASE("outputs that do not fit the card are refused with what was found and what is allowed") {
    const auto classifier = card_of(Task::classify, 3);
    CHECK(says(refusal(interpret(classifier, {})), "output 0 is missing"));
    const auto four = refusal(interpret(classifier, std::vector{tensor_of({1, 4}, {1, 2, 3, 4})}));
    CHECK(says(four, "f32 [1, 4]"));
    CHECK(says(four, "f32 [1, 3]"));
    refusal(interpret(classifier, std::vector{tensor_of({3}, {1, 2, 3})}));
    refusal(interpret(classifier, std::vector{tensor_of({3, 1}, {1, 2, 3})}));
    refusal(interpret(classifier, std::vector{tensor_of({1, -3}, {1, 2, 3})}));
    CHECK(says(refusal(interpret(classifier, std::vector{tensor_of({1, 3}, {1, 2})})), "8 bytes, expected 12"));
    auto wide = tensor_of({1, 3}, {1, 2, 3, 4, 5, 6});
    wide.meta.dtype = DType::f64;
    refusal(interpret(classifier, std::vector{wide}));

    const auto detector = card_of(Task::detect, 2);
    const auto boxes = tensor_of({1, 1, 4}, {0, 0, 1, 1});
    CHECK(says(refusal(interpret(detector, std::vector{boxes})), "output 1 is missing"));
    refusal(interpret(detector, std::vector{boxes, tensor_of({1, 1, 3}, {1, 1, 1})}));
    refusal(interpret(detector, std::vector{boxes, tensor_of({1, 2, 2}, {1, 1, 1, 1})}));
    refusal(interpret(detector, std::vector{tensor_of({1, 1, 5}, {0, 0, 1, 1, 1}), tensor_of({1, 1, 2}, {1, 1})}));
    refusal(interpret(card_of(Task::detect, 0), std::vector{boxes, tensor_of({1, 1, 2}, {1, 1})}));
}

TEST_CASE("more scores than the bound are refused") {
    const size_t labels = 4096, n = scores_max / labels + 1;
    const auto result = interpret(card_of(Task::detect, labels),
                                  outputs_of(labels, std::vector<float>(n * 4, 0), std::vector<float>(n * labels, 0)));
    CHECK(says(refusal(result, ErrorCode::exhausted), std::to_string(scores_max)));
}

TEST_CASE("random outputs give what suppression class by class gives") {
    // A coarse grid makes equal scores, equal boxes and overlaps at the threshold common.
    const bool held = rc::check("interpret equals the textbook", [] {
        const size_t labels = *rc::gen::inRange<size_t>(1, 4);
        const size_t anchors = *rc::gen::inRange<size_t>(0, 40);
        const auto coordinate = rc::gen::map(rc::gen::inRange(-2, 11), [](int v) { return float(v) / 8; });
        const auto score = rc::gen::weightedOneOf<float>(
            {{9, rc::gen::map(rc::gen::inRange(0, 17), [](int v) { return float(v) / 16; })},
             {1, rc::gen::element(nan_value, infinity, -infinity, 2.0F)}});
        const auto boxes = *rc::gen::container<std::vector<float>>(anchors * 4, coordinate);
        const auto scores = *rc::gen::container<std::vector<float>>(anchors * labels, score);
        auto card = card_of(Task::detect, labels);
        card.score_min = *rc::gen::element(0.0F, 0.25F, 0.5F);
        card.iou_max = *rc::gen::element(0.0F, 0.25F, 0.5F, 1.0F);

        const auto result = interpret(card, outputs_of(labels, boxes, scores));
        RC_ASSERT(result.ok());
        RC_ASSERT(result->detections == textbook(card, boxes, scores));
    });
    CHECK(held);
}

TEST_CASE("the order of a detector's anchors does not change the result") {
    const bool held = rc::check("permuted anchors give equal lists", [] {
        const size_t anchors = *rc::gen::inRange<size_t>(1, 30);
        std::vector<size_t> order(anchors);
        for (size_t i = 0; i < anchors; ++i) order[i] = i;
        const auto values = *rc::gen::container<std::vector<float>>(
            anchors * 6, rc::gen::map(rc::gen::inRange(0, 9), [](int v) { return float(v) / 8; }));
        const auto keys = *rc::gen::container<std::vector<int>>(anchors, rc::gen::arbitrary<int>());
        std::sort(order.begin(), order.end(),
                  [&](size_t a, size_t b) { return std::tie(keys[a], a) < std::tie(keys[b], b); });
        const auto made = [&](auto index) {
            std::vector<float> boxes, scores;
            for (size_t i = 0; i < anchors; ++i) {
                const float* v = &values[index(i) * 6];
                boxes.insert(boxes.end(), v, v + 4);
                scores.insert(scores.end(), v + 4, v + 6);
            }
            return must(interpret(card_of(Task::detect, 2), outputs_of(2, boxes, scores)));
        };
        RC_ASSERT(made([](size_t i) { return i; }) == made([&](size_t i) { return order[i]; }));
    });
    CHECK(held);
}
