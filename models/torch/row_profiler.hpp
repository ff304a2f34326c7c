// What making some rows of each step costs on this device: measured.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "eddy/result.hpp"
#include "eddy/row_profile.hpp"
#include "models/engine/engine.hpp"
#include "models/graph/row_steps.hpp"
#include "models/torch/model.hpp"

namespace eddy::torch_exec {

/// Times each of graph::row_steps for several numbers of rows from the middle of its tensors, on real activations of a
/// frame of noise, as a step within a longer unit; and, in turns with the steps, the whole model. Times are scaled so
/// that those of all rows add up to the whole's, which saves the conversions between steps. Of `options`, `cache_dir`
/// is not used; each number of rows is measured at least once, however little `seconds_max` is. Blocks for that long,
/// and as long as it takes to compile each step for each number of rows. Nothing compiled is kept. Unsupported: a model
/// that keeps the weights of some layers only.
Result<RowProfile> measure_row_profile(const std::shared_ptr<const Model>& model,
                                       const engine::ProfileOptions& options);

/// The numbers of rows that a step is measured with: ascending, distinct, the last all of them; at least six if there
/// are so many. Of a whole step that alone.
std::vector<int64_t> measured_rows(const graph::RowStep& step);

}  // namespace eddy::torch_exec
