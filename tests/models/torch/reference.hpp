// The whole model as LibTorch runs it, unoptimised: what every result is compared with.
#pragma once

#include <string>
#include <vector>

#include "eddy/model_card.hpp"
#include "eddy/tensor.hpp"

namespace eddy::test {

/// Tensors of the module's result, containers unfolded, in order. Throws if LibTorch does.
std::vector<HostTensor> reference_forward(const std::string& path, const ModelCard& card, const HostTensor& frame);

/// What is compiled from now on may use oneDNN, or must do without.
void allow_onednn(bool allowed);

}  // namespace eddy::test
