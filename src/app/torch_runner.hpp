// Runs layers through LibTorch, and post-processes where the model ends.
#pragma once

#include <memory>

#include "models/torch/executor.hpp"
#include "src/app/compute_lane.hpp"

namespace eddy::app {

[[nodiscard]] std::unique_ptr<Runner> make_torch_runner(std::shared_ptr<torch_exec::UnitCache> cache, uint32_t threads);

}  // namespace eddy::app
