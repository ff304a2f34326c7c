// What the profilers share. Internal to models/torch.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "eddy/random.hpp"
#include "eddy/tensor.hpp"
#include "models/torch/executor.hpp"
#include "models/torch/model.hpp"

namespace eddy::torch_exec {

inline HostTensor noise_frame(const Model& model) {
    const graph::Value& value = model.graph().value(ValueId{0});
    auto bytes = allocate_bytes(value.bytes);
    Random random(1);
    for (uint64_t i = 0; i < value.bytes; ++i) bytes.get()[i] = static_cast<std::byte>(random.below(256));
    return {value.meta, {std::move(bytes), value.bytes}};
}

/// Of at least one.
template <class T>
T median(std::vector<T> samples) {
    const auto middle = samples.begin() + static_cast<ptrdiff_t>(samples.size() / 2);
    std::nth_element(samples.begin(), middle, samples.end());
    return *middle;
}

/// As profiles name what they were measured on.
inline std::string measured_device(uint32_t threads) {
    return device_description() + ", " + std::to_string(threads) + " per lane";
}

}  // namespace eddy::torch_exec
