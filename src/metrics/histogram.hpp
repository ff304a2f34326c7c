// Durations in log-linear buckets (as HdrHistogram has them): any percentile to within 1 % from 18 kB, however many are
// recorded. Plain value; one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace eddy::metrics {

class Histogram {
public:
    /// `value` in any unit (here microseconds). From 2^41 on (25 days of them) values share the last bucket.
    void record(uint64_t value);
    void merge(const Histogram& other);

    [[nodiscard]] uint64_t count() const { return count_; }
    [[nodiscard]] double mean() const;                   ///< exact; 0 if empty
    [[nodiscard]] uint64_t max() const { return max_; }  ///< exact; 0 if empty
    [[nodiscard]] uint64_t min() const { return count_ == 0 ? 0 : min_; }
    /// The smallest recorded value that `fraction` (0 … 1) of all values do not exceed, within 1 %; 0 if empty.
    [[nodiscard]] double percentile(double fraction) const;

private:
    /// 2^6 buckets an octave: half a bucket is at most 1/128 of its values.
    static constexpr unsigned sub_bits = 6;
    static constexpr unsigned octaves = 35;
    static constexpr size_t buckets = (octaves + 1) << sub_bits;
    static size_t index_of(uint64_t value);
    static double midpoint_of(size_t index);

    std::array<uint64_t, buckets> counts_{};
    uint64_t count_ = 0;
    uint64_t min_ = UINT64_MAX;
    uint64_t max_ = 0;
    double sum_ = 0;
};

}  // namespace eddy::metrics
