// From the optimum of a way master to what people and tools read.
#pragma once

#include <span>

#include "planner/capacity.hpp"
#include "planner/way_master.hpp"

namespace eddy::planner {

/// `throughput_per_s` by source. Sources of one device share its ways in proportion.
Operation operation_of(const WayMaster& master, std::span<const double> throughput_per_s);

}  // namespace eddy::planner
