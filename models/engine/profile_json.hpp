// What each layer costs on a device, as text: `eddy.profile/1`.
#pragma once

#include <string>

#include "eddy/profile.hpp"
#include "eddy/result.hpp"

namespace eddy::engine {

std::string profile_to_json(const ModelProfile& profile);
/// Bounds every list and refuses what is not finite or negative.
Result<ModelProfile> profile_from_json(const std::string& text);

}  // namespace eddy::engine
