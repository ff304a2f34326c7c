// A cluster in one process: devices that make rows of a model's blocks, and get the rows they lack from each other as
// pieces, cut anew, in any order, some of them twice.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "models/torch/model.hpp"
#include "support.hpp"

namespace eddy::test {

struct Division {
    uint32_t devices = 2;
    std::vector<uint32_t> borders;  ///< of blocks: operators, ascending, 0 first, all of them last
    uint64_t seed = 1;              ///< of everything that is random: who makes which rows, and how pieces are cut
};

/// What all devices come to, in the order of the model's outputs. Fails the test if a unit refuses or fails.
std::vector<HostTensor> run_divided(const std::shared_ptr<const torch_exec::Model>& model, const HostTensor& frame,
                                    const Division& division);

/// Every step a block; also where a whole operator makes several rows, here and below.
std::vector<uint32_t> step_by_step(const torch_exec::Model& model);
/// Up to `blocks` blocks between random operators.
std::vector<uint32_t> random_blocks(const torch_exec::Model& model, uint32_t blocks, Random& random);

/// Step by step and in blocks, on 1 to 6 devices: all agree with LibTorch's own run of the file to 1e-4.
void check_divisions(const std::string& path, uint32_t divisions, uint64_t seed);

}  // namespace eddy::test
