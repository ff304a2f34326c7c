// What each layer costs on this device: measured, and kept on disk as `eddy.profile/1`.
#pragma once

#include <cstdint>
#include <string>

#include "eddy/profile.hpp"
#include "eddy/result.hpp"
#include "models/engine/engine.hpp"
#include "models/torch/executor.hpp"

namespace eddy::torch_exec {

using engine::ProfileOptions;

/// Times every layer by itself on a frame of noise, and the whole model. The sum of the layers' times is scaled to
/// the whole's, which saves the conversions between them. Blocks for about a second or as `options` allow.
Result<ModelProfile> measure_profile(const std::shared_ptr<UnitCache>& cache, const ProfileOptions& options);

/// The profile kept for this model, chain, device and thread count, or a fresh one that is kept from now on. A file
/// that is corrupt or does not fit is measured anew and replaced; a folder that cannot be written is only logged.
Result<ModelProfile> load_or_measure_profile(const std::shared_ptr<UnitCache>& cache, const ProfileOptions& options);

}  // namespace eddy::torch_exec
