// An experiment together with what its model costs, for every command that takes an EXPERIMENT.toml. Reads files; a
// model without a recorded profile is measured on this device, about a second, and kept as `eddy model inspect
// --profile` keeps it. Call from any thread.
#pragma once

#include <filesystem>
#include <string>

#include "eddy/experiment.hpp"
#include "eddy/profile.hpp"
#include "eddy/result.hpp"

namespace eddy::cli {

struct LoadedExperiment {
    Experiment experiment;
    ModelProfile profile;
};

/// Errors name the file that is wrong, and in it line and key; `invalid` or `unsupported` if a file is to blame.
[[nodiscard]] Result<LoadedExperiment> load_experiment_with_profile(const std::filesystem::path& path);

/// Prints the error, and gives the exit code: exit_usage if what the user wrote is to blame, else exit_failed.
int complain_of(const Error& error);

}  // namespace eddy::cli
