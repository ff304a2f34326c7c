// What rows of each step cost on a device, as text: `eddy.row_profile/1`.
#pragma once

#include <string>

#include "eddy/result.hpp"
#include "eddy/row_profile.hpp"

namespace eddy::engine {

/// As text, with a graph or without.
inline constexpr size_t row_profile_bytes_max = 16 << 20;
/// Of one step.
inline constexpr size_t row_times_max = 256;

std::string row_profile_to_json(const RowProfile& profile);
/// Bounds every list, and refuses times that are not finite or negative, rows that do not ascend, and steps that do not
/// follow one another from operator 0 on.
Result<RowProfile> row_profile_from_json(const std::string& text);

}  // namespace eddy::engine
