// All planners under one interface, to be compared side by side.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "planner/edgeflow/fused_blocks.hpp"

namespace eddy::planner::edgeflow {

enum class Planner : uint8_t {
    one_device,      ///< everything on the device that alone is soonest
    equal,           ///< step by step, as many rows for everyone
    proportional,    ///< step by step, rows in proportion to speeds
    progressive_lp,  ///< the paper's, as we reconstruct it
    fused_blocks,    ///< ours
};

inline constexpr std::array planners{Planner::one_device, Planner::equal, Planner::proportional,
                                     Planner::progressive_lp, Planner::fused_blocks};

/// "one-device", "equal", "proportional", "progressive-lp", "fused-blocks".
[[nodiscard]] std::string_view name_of(Planner planner);
[[nodiscard]] std::optional<Planner> planner_named(std::string_view name);

/// Errors as of plan_fused_blocks; rules of thumb fail where their plan does not fit the devices' memory. `options` are
/// those of fused_blocks; others have none.
[[nodiscard]] Result<Planned> plan_with(Planner planner, const Problem& problem,
                                        const FusedBlocksOptions& options = {});

}  // namespace eddy::planner::edgeflow
