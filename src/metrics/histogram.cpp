#include "src/metrics/histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace eddy::metrics {

size_t Histogram::index_of(uint64_t value) {
    // Below 2^sub_bits every value has a bucket of its own; above, each octave is cut into 2^sub_bits equal ones.
    value = std::min(value, (uint64_t{1} << (sub_bits + octaves)) - 1);
    constexpr uint64_t mask = (uint64_t{1} << sub_bits) - 1;
    if (value <= mask) return value;
    const auto octave = static_cast<unsigned>(std::bit_width(value)) - sub_bits;
    return (static_cast<size_t>(octave) << sub_bits) + ((value >> (octave - 1)) & mask);
}

double Histogram::midpoint_of(size_t index) {
    const size_t octave = index >> sub_bits;
    const uint64_t sub = index & ((uint64_t{1} << sub_bits) - 1);
    if (octave == 0) return static_cast<double>(sub);
    const uint64_t low = ((uint64_t{1} << sub_bits) + sub) << (octave - 1);
    const uint64_t width = uint64_t{1} << (octave - 1);
    return static_cast<double>(low) + static_cast<double>(width - 1) / 2;
}

void Histogram::record(uint64_t value) {
    ++counts_[index_of(value)];
    ++count_;
    sum_ += static_cast<double>(value);
    min_ = std::min(min_, value);
    max_ = std::max(max_, value);
}

void Histogram::merge(const Histogram& other) {
    for (size_t i = 0; i < buckets; ++i) counts_[i] += other.counts_[i];
    count_ += other.count_;
    sum_ += other.sum_;
    min_ = std::min(min_, other.min_);
    max_ = std::max(max_, other.max_);
}

double Histogram::mean() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }

double Histogram::percentile(double fraction) const {
    if (count_ == 0) return 0;
    const double wanted = std::ceil(std::clamp(fraction, 0.0, 1.0) * static_cast<double>(count_));
    const auto rank = std::max<uint64_t>(1, static_cast<uint64_t>(wanted));
    uint64_t seen = 0;
    for (size_t i = 0; i < buckets; ++i) {
        seen += counts_[i];
        if (seen < rank) continue;
        if (i + 1 == buckets) break;  // has no upper end
        return std::clamp(midpoint_of(i), static_cast<double>(min_), static_cast<double>(max_));
    }
    return static_cast<double>(max_);
}

}  // namespace eddy::metrics
