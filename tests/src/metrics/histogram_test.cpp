#include "src/metrics/histogram.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <doctest/doctest.h>
#include <rapidcheck.h>

using eddy::metrics::Histogram;

namespace {

/// The definition, on the sorted values themselves.
double exact(std::vector<uint64_t> values, double fraction) {
    std::sort(values.begin(), values.end());
    const auto rank = static_cast<size_t>(std::ceil(fraction * static_cast<double>(values.size())));
    return static_cast<double>(values.at(std::max<size_t>(rank, 1) - 1));
}

}  // namespace

TEST_CASE("percentiles of any durations from a microsecond to a day are within 1 %") {
    CHECK(rc::check("percentiles", [] {
        const auto values = *rc::gen::nonEmpty(
            rc::gen::container<std::vector<uint64_t>>(rc::gen::mapcat(rc::gen::inRange<int>(0, 37), [](int bits) {
                return rc::gen::inRange<uint64_t>(uint64_t{1} << bits, (uint64_t{2} << bits));
            })));
        Histogram histogram;
        for (const uint64_t value : values) histogram.record(value);
        for (const double fraction : {0.0, 0.01, 0.5, 0.9, 0.99, 1.0}) {
            const double expected = exact(values, fraction);
            RC_ASSERT(std::abs(histogram.percentile(fraction) - expected) <= 0.01 * expected);
        }
        RC_ASSERT(histogram.max() == *std::max_element(values.begin(), values.end()));
        RC_ASSERT(histogram.min() == *std::min_element(values.begin(), values.end()));
        RC_ASSERT(histogram.count() == values.size());
    }));
}

TEST_CASE("the mean is exact, and the smallest values have buckets of their own") {
    Histogram histogram;
    for (const uint64_t value : {0, 1, 2, 63, 64}) histogram.record(value);
    CHECK(histogram.mean() == 26.0);
    CHECK(histogram.percentile(0.2) == 0);
    CHECK(histogram.percentile(0.4) == 1);
    CHECK(histogram.percentile(0.8) == 63);
    CHECK(histogram.percentile(1.0) == 64);
}

TEST_CASE("an empty histogram says zero, and an absurd value does not break it") {
    Histogram histogram;
    CHECK(histogram.percentile(0.5) == 0);
    CHECK(histogram.mean() == 0);
    CHECK(histogram.min() == 0);
    histogram.record(UINT64_MAX);
    CHECK(histogram.percentile(0.5) == static_cast<double>(UINT64_MAX));
    CHECK(histogram.max() == UINT64_MAX);
}

TEST_CASE("merging two histograms is recording the values of both") {
    CHECK(rc::check("merge", [](const std::vector<uint32_t>& a, const std::vector<uint32_t>& b) {
        Histogram left, right, both;
        for (const uint32_t value : a) left.record(value), both.record(value);
        for (const uint32_t value : b) right.record(value), both.record(value);
        left.merge(right);
        RC_ASSERT(left.count() == both.count());
        RC_ASSERT(left.max() == both.max());
        RC_ASSERT(left.min() == both.min());
        RC_ASSERT(left.percentile(0.5) == both.percentile(0.5));
        RC_ASSERT(std::abs(left.mean() - both.mean()) <= 1e-9 * both.mean());
    }));
}
