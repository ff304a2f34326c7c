// Runs layers through the engine, and post-processes where the model ends.
#pragma once

#include <memory>

#include "models/engine/engine.hpp"
#include "src/app/compute_lane.hpp"

namespace eddy::app {

[[nodiscard]] std::unique_ptr<Runner> make_model_runner(std::unique_ptr<engine::Executor> executor, ModelCard card);

}  // namespace eddy::app
