// What each layer costs on this device: measured, and kept on disk as `eddy.profile/1`.
#pragma once

#include <cstdint>
#include <string>

#include "eddy/log.hpp"
#include "eddy/profile.hpp"
#include "eddy/result.hpp"
#include "models/torch/executor.hpp"

namespace eddy::torch_exec {

struct ProfileOptions {
    uint32_t repeats = 15;    ///< per layer; the median counts
    uint32_t warm_up = 3;     ///< runs before these
    double seconds_max = 10;  ///< no further repeats after this long; at least one is made
    std::string cache_dir;    ///< empty: neither read nor written
    uint32_t threads = 1;     ///< per lane; part of the cache's key
    LogFn log;                ///< may be empty
};

/// Times every layer by itself on a frame of noise, and the whole model. The sum of the layers' times is scaled to
/// the whole's, which saves the conversions between them. Blocks for about a second or as `options` allow.
Result<ModelProfile> measure_profile(const std::shared_ptr<UnitCache>& cache, const ProfileOptions& options);

/// The profile kept for this model, chain, device and thread count, or a fresh one that is kept from now on. A file
/// that is corrupt or does not fit is measured anew and replaced; a folder that cannot be written is only logged.
Result<ModelProfile> load_or_measure_profile(const std::shared_ptr<UnitCache>& cache, const ProfileOptions& options);

/// `eddy.profile/1`. Reading bounds every list and refuses what is not finite or negative.
std::string profile_to_json(const ModelProfile& profile);
Result<ModelProfile> profile_from_json(const std::string& text);

}  // namespace eddy::torch_exec
