// Recorded profiles (`eddy.profile/1`) that somebody named: in an experiment, or for a node to replay.
#pragma once

#include <string>

#include "eddy/profile.hpp"
#include "eddy/result.hpp"
#include "eddy/row_profile.hpp"
#include "models/engine/graph_json.hpp"

namespace eddy::app {

/// Reads the file, at most 1 MiB of it. Errors name the file, and how one is recorded where it is none.
[[nodiscard]] Result<ModelProfile> recorded_profile(const std::string& path);
/// The same of an `eddy.row_profile/1`, at most 16 MiB.
[[nodiscard]] Result<RowProfile> recorded_row_profile(const std::string& path);
/// The same with the model's graph, which it holds too.
[[nodiscard]] Result<engine::RowModel> recorded_row_model(const std::string& path);

}  // namespace eddy::app
