// Goal: agreement() is 1 exactly when two lists say the same, and falls with every box that differs.
// Method: cases worked out by hand, and properties of random lists.
#include <algorithm>
#include <vector>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "models/postprocess/agreement.hpp"
#include "models/postprocess/boxes.hpp"

using namespace eddy;
using namespace eddy::postprocess;

namespace {

Detection box(uint32_t label, float x0, float y0, float x1, float y1) { return {label, 0.9F, x0, y0, x1, y1}; }

rc::Gen<std::vector<Detection>> lists() {
    const auto one = rc::gen::map(
        rc::gen::tuple(rc::gen::inRange(0, 2), rc::gen::inRange(0, 8), rc::gen::inRange(0, 8), rc::gen::inRange(1, 8)),
        [](const auto& t) {
            const auto [label, x, y, size] = t;
            return box(uint32_t(label), float(x) / 16, float(y) / 16, float(x + size) / 16, float(y + size) / 16);
        });
    return rc::gen::container<std::vector<Detection>>(one);
}

}  // namespace

TEST_CASE("intersection over union is 1 for equal boxes, 0 for apart or touching ones, and the share between") {
    const auto unit = box(0, 0, 0, 0.5F, 0.5F);
    CHECK(iou(unit, unit) == 1.0F);
    CHECK(iou(unit, box(0, 0.5F, 0, 1, 0.5F)) == 0.0F);
    CHECK(iou(unit, box(0, 0.6F, 0.6F, 1, 1)) == 0.0F);
    CHECK(iou(unit, box(1, 0, 0, 0.25F, 0.5F)) == 0.5F);
    CHECK(iou(unit, box(0, 0.25F, 0, 0.75F, 0.5F)) == doctest::Approx(1.0 / 3));
    CHECK(iou(box(0, 0.5F, 0.5F, 0.5F, 0.5F), box(0, 0.5F, 0.5F, 0.5F, 0.5F)) == 0.0F);
}

TEST_CASE("two empty lists agree, and an empty one agrees with no other") {
    const std::vector one{box(0, 0, 0, 1, 1)};
    CHECK(agreement({}, {}, 0.9F).fraction() == 1.0);
    CHECK(agreement(one, {}, 0.9F) == Agreement{0, 1});
    CHECK(agreement({}, one, 0.9F).fraction() == 0.0);
}

TEST_CASE("a box of another class, one that moved, one too many and one too few all count against agreement") {
    const std::vector expected{box(0, 0, 0, 0.5F, 0.5F), box(1, 0.5F, 0.5F, 1, 1)};
    CHECK(agreement(expected, expected, 0.9F).complete());
    CHECK(agreement(expected, std::vector{expected[0], box(0, 0.5F, 0.5F, 1, 1)}, 0.9F) == Agreement{1, 2});
    CHECK(agreement(expected, std::vector{expected[0], box(1, 0.6F, 0.5F, 1, 1)}, 0.9F) == Agreement{1, 2});
    CHECK(agreement(expected, std::vector{expected[0], box(1, 0.6F, 0.5F, 1, 1)}, 0.79F) == Agreement{2, 2});
    CHECK(agreement(expected, std::vector{expected[1], expected[0], box(2, 0, 0, 1, 1)}, 0.9F) == Agreement{2, 3});
    CHECK(agreement(expected, std::vector{expected[1]}, 0.9F).fraction() == 0.5);
}

TEST_CASE("each box is matched once, with the best overlap first") {
    const auto a = box(0, 0, 0, 0.4F, 0.4F), near_a = box(0, 0, 0, 0.4F, 0.44F), far = box(0, 0, 0, 0.4F, 0.6F);
    CHECK(agreement(std::vector{a, a}, std::vector{a}, 0.5F) == Agreement{1, 2});
    // In the order of the lists, `far` would take near_a (0.73); by overlap it takes itself and leaves near_a to `a`.
    CHECK(agreement(std::vector{far, a}, std::vector{near_a, far}, 0.7F) == Agreement{2, 2});
    CHECK(agreement(std::vector{near_a, far}, std::vector{far, a}, 0.7F) == Agreement{2, 2});
    // Best first, even where it costs a match: near_a takes itself, which leaves `a` with `far` (0.67).
    CHECK(agreement(std::vector{a, near_a}, std::vector{near_a, far}, 0.7F) == Agreement{1, 2});
}

TEST_CASE("a list agrees with any order of itself, and never beyond what labels allow") {
    const bool held = rc::check("bounds of agreement", [] {
        const auto some = *lists(), others = *lists();
        auto turned = some;
        std::reverse(turned.begin(), turned.end());
        RC_ASSERT(agreement(some, turned, 1.0F).complete());

        size_t possible = 0;
        for (uint32_t label = 0; label < 2; ++label) {
            const auto has = [&](const Detection& d) { return d.label == label; };
            possible += size_t(std::min(std::count_if(some.begin(), some.end(), has),
                                        std::count_if(others.begin(), others.end(), has)));
        }
        const auto loose = agreement(some, others, 0.0F), strict = agreement(some, others, 0.75F);
        RC_ASSERT(loose.matched == possible);
        RC_ASSERT(strict.matched <= possible);
        RC_ASSERT(strict.total == std::max(some.size(), others.size()));

        // A box that only has one possible partner finds it, whatever else is in the lists.
        const auto extra = box(7, 0, 0, 1, 1);
        auto more = some, other_more = others;
        more.push_back(extra);
        other_more.insert(other_more.begin(), extra);
        RC_ASSERT(agreement(more, other_more, 0.75F).matched == strict.matched + 1);
    });
    CHECK(held);
}
