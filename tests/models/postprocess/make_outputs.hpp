// Model outputs made by hand for the tests of this folder.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "eddy/model_card.hpp"
#include "eddy/tensor.hpp"

namespace eddy::postprocess {

inline HostTensor tensor_of(std::vector<int64_t> shape, const std::vector<float>& values) {
    const size_t size = values.size() * sizeof(float);
    auto bytes = allocate_bytes(size);
    if (size > 0) std::memcpy(bytes.get(), values.data(), size);
    HostTensor tensor;
    tensor.meta.shape = std::move(shape);
    tensor.bytes = SharedBytes(std::move(bytes), size);
    return tensor;
}

inline ModelCard card_of(Task task, size_t labels) {
    ModelCard card{.name = "test", .task = task, .height = 8, .width = 8};
    for (size_t i = 0; i < labels; ++i) card.labels.push_back("label_" + std::to_string(i));
    return card;
}

}  // namespace eddy::postprocess
