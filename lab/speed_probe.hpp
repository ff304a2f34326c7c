// How exact the waits of devices that replay are, while all of them wait at the same time.
#pragma once

#include <vector>

#include "eddy/result.hpp"
#include "lab/place.hpp"

namespace eddy::lab {

/// In each place a process waits again and again for the model's time there (0: none), for about a second and at least
/// three times. By device: the mean time a wait really took.
[[nodiscard]] Result<std::vector<double>> probe_waits(const std::vector<Place>& places,
                                                      const std::vector<double>& model_s);

}  // namespace eddy::lab
