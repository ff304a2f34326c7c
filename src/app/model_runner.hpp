// Runs layers through the engine, and post-processes where the model ends.
#pragma once

#include <memory>

#include "models/engine/engine.hpp"
#include "src/app/compute_lane.hpp"
#include "src/app/row_units.hpp"

namespace eddy::app {

/// `rows`: the units of plans over rows; null: there are none.
[[nodiscard]] std::unique_ptr<Runner> make_model_runner(std::unique_ptr<engine::Executor> executor, ModelCard card,
                                                        std::shared_ptr<const RowUnits> rows);

}  // namespace eddy::app
