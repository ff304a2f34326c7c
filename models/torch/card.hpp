// `eddy.json` inside a model file (schema `eddy.model/1`) <-> ModelCard.
#pragma once

#include <string>

#include "eddy/model_card.hpp"
#include "eddy/result.hpp"

namespace eddy::torch_exec {

inline constexpr uint32_t frame_extent_max = 4096;  ///< pixels, height and width
inline constexpr size_t labels_max = 65536;

/// Every key is checked: type, range, what is allowed. Errors name the key.
Result<ModelCard> card_from_json(const std::string& text);
/// The same checks for a card that was not read from JSON.
Status check_card(const ModelCard& card);

}  // namespace eddy::torch_exec
