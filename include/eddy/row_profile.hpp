// What making some of a model's rows costs on a device, step by step (`eddy.row_profile/1`): what EdgeFlow plans with.
// Plain values.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "eddy/ids.hpp"

namespace eddy {

/// Rows made at once, and the median time of that on this device, one lane.
struct RowTime {
    uint32_t rows = 0;
    double time_us = 0;
    friend bool operator==(const RowTime&, const RowTime&) = default;
};

/// One of graph::row_steps. `times` ascend by rows; the last is that of all rows. A whole step has that one alone.
struct StepTimes {
    uint32_t first = 0;  ///< operators [first, last)
    uint32_t last = 0;
    std::vector<RowTime> times;
    friend bool operator==(const StepTimes&, const StepTimes&) = default;
};

/// So many rows of a step.
struct StepRows {
    uint32_t step = 0;
    uint32_t rows = 0;
    friend bool operator==(const StepRows&, const StepRows&) = default;
};

/// Time to make so many rows at once, interpolated between what was measured; 0 for none. `times` is not empty.
[[nodiscard]] inline double time_us(const StepTimes& step, uint32_t rows) {
    const std::vector<RowTime>& times = step.times;
    if (rows == 0) return 0;
    const auto above = std::find_if(times.begin(), times.end(), [&](const RowTime& t) { return t.rows >= rows; });
    if (above == times.end()) return times.back().time_us;
    if (above->rows == rows || times.size() == 1) return above->time_us * std::min(1.0, double{1} * rows / above->rows);
    // Below the fewest rows that were measured the first two go on in a straight line: fewer rows are never free.
    const auto high = above == times.begin() ? above + 1 : above;
    const RowTime& low = *(high - 1);
    const double slope = (high->time_us - low.time_us) / (double{1} * high->rows - low.rows);
    const double least = rows < low.rows ? low.time_us * rows / low.rows : 0;
    return std::max(least, low.time_us + slope * (double{1} * rows - low.rows));
}

struct RowProfile {
    std::string model;   ///< file name without folder, for people
    std::string device;  ///< processor and lane count the times were measured on
    ContentHash model_hash;
    /// What each execution unit takes besides its steps.
    double unit_us = 0;
    /// What it takes to put an input together that comes in several pieces, by the bytes of the input.
    double gather_us_per_byte = 0;
    std::vector<StepTimes> steps;
    friend bool operator==(const RowProfile&, const RowProfile&) = default;
};

/// What an execution unit takes that makes so many rows of steps, and puts inputs of so many bytes together.
[[nodiscard]] inline double time_us(const RowProfile& profile, const std::vector<StepRows>& work,
                                    uint64_t gathered_bytes) {
    double us = profile.unit_us + profile.gather_us_per_byte * static_cast<double>(gathered_bytes);
    for (const StepRows& part : work) us += time_us(profile.steps.at(part.step), part.rows);
    return us;
}

}  // namespace eddy
