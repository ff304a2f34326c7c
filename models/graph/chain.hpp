// The chain: which cuts of a model graph become the borders of its layers. Derived from the graph alone, by integer
// arithmetic, so that every device numbers the layers alike; `describe_chain` is what the chain's hash is taken over.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "eddy/messages.hpp"
#include "eddy/profile.hpp"
#include "models/graph/graph.hpp"

namespace eddy::graph {

/// The wire numbers layers with 16 bits; far fewer are useful, since every layer is compiled for itself.
inline constexpr uint32_t layers_max = 96;

/// Operators [first, last) between two chosen cuts. Layer 0 is the normalisation of the 8-bit frame.
struct Layer {
    std::string name;  ///< of the heaviest operator, made unique by the layer's number where it is shown
    uint32_t first = 0;
    uint32_t last = 0;
    uint64_t parameters = 0;
    uint64_t weight_bytes = 0;
    uint64_t flops = 0;
    friend bool operator==(const Layer&, const Layer&) = default;
};

class Chain {
public:
    /// Cuts become borders when few tensors cross them and no operator is parted from the one it is fused with
    /// (batch norm, activation, residual sum); long stretches without such a cut are divided at the best legal one,
    /// and the cheapest neighbours are joined while there are more than `layers_limit`.
    static Chain derive(const ModelGraph& graph, uint32_t layers_limit = layers_max);

    [[nodiscard]] const std::vector<Layer>& layers() const { return layers_; }
    /// Border b of 0 … layers().size() lies before layer b; its frontier is the graph's at this cut.
    [[nodiscard]] uint32_t cut(uint32_t border) const {
        return border < layers_.size() ? layers_[border].first : layers_.back().last;
    }

private:
    std::vector<Layer> layers_;
};

/// A cut that a message can carry: at most frontier_tensors_max tensors and work_bytes_max bytes.
bool legal_cut(const ModelGraph& graph, uint32_t cut);

/// Text equal on two devices exactly if they number layers, operators and values alike.
std::string describe_chain(const ModelGraph& graph, const Chain& chain);

/// One entry per layer; times are zero until they are measured.
std::vector<LayerProfile> layer_costs(const ModelGraph& graph, const Chain& chain);

}  // namespace eddy::graph
