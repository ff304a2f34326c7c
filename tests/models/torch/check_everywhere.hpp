// Goal: wherever a model is cut, its parts give what the whole gives. Method: for each architecture the model runs
// operator by operator once, as units of one; the values so made are what every prefix must give and every suffix may
// start from. Then random compositions of several cuts run from end to end. All is compared with LibTorch's own plain
// run of the file, and no run may alter what it was given.
#pragma once

#include <cstdint>
#include <string>

namespace eddy::test {

/// Checks (doctest) every cut with at most frontier_tensors_max tensors and 20 seeded compositions of several cuts.
void check_everywhere(const std::string& path, uint64_t seed);

}  // namespace eddy::test
