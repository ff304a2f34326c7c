// Where a node has the graph of its model and the costs of its rows from.
#pragma once

#include <memory>
#include <string>

#include "models/engine/engine.hpp"
#include "models/engine/graph_json.hpp"

namespace eddy::app {

/// What somebody recorded of the costs of rows, if it is of this model. Errors name the file.
[[nodiscard]] Result<RowProfile> recorded_row_profile_of(const engine::Model& model, const std::string& recorded);

/// Of a model that computes here: `recorded`, a file that somebody named; else the one kept for this model and device;
/// else measured now, which takes up to half a minute, and kept. Error: `recorded` is none of this model.
[[nodiscard]] Result<engine::RowModel> row_model_of(const engine::Model& model, const std::string& recorded,
                                                    uint32_t threads, const LogFn& log);

}  // namespace eddy::app
