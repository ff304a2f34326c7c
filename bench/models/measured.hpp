// What the benchmarks of models share.
#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

#include "eddy/random.hpp"
#include "models/torch/model.hpp"

namespace eddy::torch_exec {

inline double median(std::vector<double> numbers) {
    std::sort(numbers.begin(), numbers.end());
    return numbers[numbers.size() / 2];
}

/// Ends the program with the error.
template <class T>
T must(Result<T> result) {
    if (!result) {
        std::fprintf(stderr, "bench: %s\n", result.error().message.c_str());
        std::exit(1);
    }
    return *std::move(result);
}

inline HostTensor noise_frame(const Model& model) {
    const graph::Value& value = model.graph().value(ValueId{0});
    auto bytes = allocate_bytes(value.bytes);
    Random random(1);
    for (uint64_t i = 0; i < value.bytes; ++i) bytes.get()[i] = static_cast<std::byte>(random.below(256));
    return {value.meta, {std::move(bytes), value.bytes}};
}

}  // namespace eddy::torch_exec
