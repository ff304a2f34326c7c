// What the tests of this room share.
#pragma once

#include <cmath>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "eddy/random.hpp"
#include "eddy/tensor_rows.hpp"
#include "models/torch/model.hpp"

namespace eddy::test {

inline std::string made_model(const std::string& name) { return std::string(EDDY_TEST_MODELS) + "/" + name + ".pt"; }
inline std::string real_model(const std::string& name) {
    return std::string(EDDY_SOURCE_DIR) + "/build/models/" + name + ".pt";
}

inline std::shared_ptr<const torch_exec::Model> must_load(const std::string& path) {
    auto model = torch_exec::Model::load(path);
    if (!model) FAIL(model.error().message);
    return *model;
}

inline HostTensor noise_frame(const torch_exec::Model& model, uint64_t seed) {
    const graph::Value& value = model.graph().value(ValueId{0});
    auto bytes = allocate_bytes(value.bytes);
    Random random(seed);
    for (uint64_t i = 0; i < value.bytes; ++i) bytes.get()[i] = static_cast<std::byte>(random.below(256));
    return {value.meta, {std::move(bytes), value.bytes}};
}

/// FNV-1a over the tensors' bytes: tells whether anybody wrote to them.
inline uint64_t fingerprint(std::span<const HostTensor> tensors) {
    uint64_t hash = 0xcbf29ce484222325ULL;
    for (const HostTensor& tensor : tensors)
        for (size_t i = 0; i < tensor.bytes.size(); ++i)
            hash = (hash ^ static_cast<uint64_t>(tensor.bytes.data()[i])) * 0x100000001b3ULL;
    return hash;
}

/// The same numbers, channels not last.
inline HostTensor channels_first(const HostTensor& tensor) {
    HostTensor all = tensor;  // of itself
    all.meta.rows = {};
    auto made = assemble_rows(all.meta, {}, std::span(&all, 1)).value();
    made.meta.rows = tensor.meta.rows;
    return made;
}

/// max|a - b| / max|b| over all tensors, whatever order their channels come in; infinite if shapes differ, anything is not finite, or b is all zero.
inline double relative_error(std::span<const HostTensor> a, std::span<const HostTensor> b) {
    if (a.size() != b.size()) return INFINITY;
    double worst = 0;
    for (size_t t = 0; t < a.size(); ++t) {
        if (a[t].meta.shape != b[t].meta.shape || a[t].meta.dtype != b[t].meta.dtype) return INFINITY;
        if (a[t].meta.dtype != DType::f32) {
            if (std::memcmp(a[t].bytes.data(), b[t].bytes.data(), a[t].bytes.size()) != 0) return INFINITY;
            continue;
        }
        const HostTensor one = channels_first(a[t]);
        const HostTensor other = channels_first(b[t]);
        const auto* x = reinterpret_cast<const float*>(one.bytes.data());
        const auto* y = reinterpret_cast<const float*>(other.bytes.data());
        double difference = 0;
        double scale = 0;
        for (size_t i = 0; i < a[t].bytes.size() / sizeof(float); ++i) {
            if (!std::isfinite(x[i]) || !std::isfinite(y[i])) return INFINITY;
            difference = std::max(difference, std::abs(double{x[i]} - double{y[i]}));
            scale = std::max(scale, std::abs(double{y[i]}));
        }
        worst = std::max(worst, scale > 0 ? difference / scale : INFINITY);
    }
    return worst;
}

}  // namespace eddy::test
