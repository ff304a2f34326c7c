// What `eddy model inspect` prints.
#pragma once

#include <string>

#include "eddy/profile.hpp"
#include "models/torch/model.hpp"

namespace eddy::torch_exec {

/// A table for people: the card, one line a layer, totals; times and γ if `profile` is given.
std::string inspect_text(const Model& model, const ModelProfile* profile = nullptr);
/// The same as one JSON object, schema `eddy.inspect/1`; `profile` adds what `eddy.profile/1` says.
std::string inspect_json(const Model& model, const ModelProfile* profile = nullptr);

}  // namespace eddy::torch_exec
