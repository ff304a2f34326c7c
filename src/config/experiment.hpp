// Reads an experiment's TOML file into include/eddy/experiment.hpp's Experiment, or says everything that is wrong with
// it. Stateless; call from any thread. Library exceptions stop here.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "eddy/experiment.hpp"
#include "eddy/result.hpp"
#include "src/config/key_help.hpp"

namespace eddy::config {

/// The whole file, checked: every default is filled in (ids, weights too), names of devices are indices, paths are
/// absolute (relative ones start at the file's folder), changes are in the order of time. `count` is expanded: "d"
/// three times is d1, d2, d3.
///
/// Error `invalid`: one line a problem, all of them, in the file's order, each in the form
///   fig3-two.toml:12: [[device]] speed: found -1, allowed: a number above 0 and at most 1000
/// The profile or model must exist; what is in it is for others to check.
Result<Experiment> load_experiment(const std::filesystem::path& file);

/// The same for text already read; `file` gives the experiment's name, the name in messages and the folder of paths.
Result<Experiment> parse_experiment(std::string_view text, const std::filesystem::path& file);

/// Everything a user may write, in the order of the reference.
std::vector<KeyHelp> experiment_keys();

/// The reference of all keys as commented TOML text.
std::string experiment_reference();

}  // namespace eddy::config
