// What a model costs on a device, layer by layer (`eddy.profile/1`). Planners and the scheduler see a model only so.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "eddy/ids.hpp"
#include "eddy/time.hpp"

namespace eddy {

/// One layer of the chain. Layer 0 is the normalisation of the 8-bit frame.
struct LayerProfile {
    std::string name;
    Usec time{0};  ///< median on this device, one lane
    uint64_t parameters = 0;
    uint64_t flops = 0;           ///< multiply and add count as two
    uint64_t frontier_bytes = 0;  ///< of the frontier *before* this layer; layer 0: the 8-bit frame
    uint32_t frontier_tensors = 1;
    uint64_t weight_bytes = 0;
    friend bool operator==(const LayerProfile&, const LayerProfile&) = default;
};

/// Layers [first, last) of a chain; none if they are equal.
struct LayerRange {
    uint16_t first = 0;
    uint16_t last = UINT16_MAX;  ///< beyond the chain's end: to it
    [[nodiscard]] bool contains(uint16_t layer) const { return first <= layer && layer < last; }
    friend bool operator==(const LayerRange&, const LayerRange&) = default;
};

struct ModelProfile {
    std::string model;   ///< file name without folder, for people
    std::string device;  ///< processor and lane count the times were measured on
    ContentHash model_hash;
    ContentHash chain_hash;  ///< equal on two nodes that number the layers alike
    std::vector<LayerProfile> layers;

    /// γ_n of the paper: measured computing delay per parameter, seconds.
    [[nodiscard]] double gamma_s_per_parameter() const {
        double time_s = 0;
        uint64_t parameters = 0;
        for (const auto& layer : layers) {
            time_s += to_seconds(layer.time);
            parameters += layer.parameters;
        }
        return parameters == 0 ? 0 : time_s / static_cast<double>(parameters);
    }
    friend bool operator==(const ModelProfile&, const ModelProfile&) = default;
};

}  // namespace eddy
