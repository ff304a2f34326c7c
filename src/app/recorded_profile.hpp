// Recorded profiles (`eddy.profile/1`) that somebody named: in an experiment, or for a node to replay.
#pragma once

#include <string>

#include "eddy/profile.hpp"
#include "eddy/result.hpp"

namespace eddy::app {

/// Reads the file, at most 1 MiB of it. Errors name the file, and how one is recorded where it is none.
[[nodiscard]] Result<ModelProfile> recorded_profile(const std::string& path);

}  // namespace eddy::app
