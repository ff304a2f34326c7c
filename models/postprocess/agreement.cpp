#include "models/postprocess/agreement.hpp"

#include <algorithm>
#include <tuple>
#include <vector>

#include "models/postprocess/boxes.hpp"

namespace eddy::postprocess {

Agreement agreement(std::span<const Detection> expected, std::span<const Detection> found, float iou_min) {
    struct Pair {
        float overlap;
        size_t expected, found;
    };
    std::vector<Pair> pairs;
    for (size_t i = 0; i < expected.size(); ++i) {
        for (size_t j = 0; j < found.size(); ++j) {
            if (expected[i].label != found[j].label) continue;
            const float overlap = iou(expected[i], found[j]);
            if (overlap >= iou_min) pairs.push_back({overlap, i, j});
        }
    }
    std::sort(pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) {
        return std::make_tuple(-a.overlap, a.expected, a.found) < std::make_tuple(-b.overlap, b.expected, b.found);
    });

    Agreement result{.matched = 0, .total = std::max(expected.size(), found.size())};
    std::vector<bool> expected_used(expected.size()), found_used(found.size());
    for (const auto& pair : pairs) {
        if (expected_used[pair.expected] || found_used[pair.found]) continue;
        expected_used[pair.expected] = found_used[pair.found] = true;
        ++result.matched;
    }
    return result;
}

}  // namespace eddy::postprocess
