// The layered graph of a cluster: a frame is at (device, layer) and either has the layer computed there or moves on,
// before that layer, to another device (Feng, Llorca, Tulino, Molisch, arXiv 1708.09561; Zhang et al., arXiv
// 1805.10527). A *way* is one frame's path from its source's device, through all layers, and of the result straight
// back.
//
// Plain values, no state. Work is in seconds of a full core, data in megabytes.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "eddy/experiment.hpp"
#include "eddy/profile.hpp"
#include "eddy/result.hpp"
#include "planner/lp.hpp"

namespace eddy::planner {

inline constexpr size_t nowhere = std::numeric_limits<size_t>::max();

/// What frames use up. `egress` and `ingress` are all that a device sends and receives (links = direct).
struct Resource {
    enum class Kind : uint8_t { processor, link, egress, ingress } kind = Kind::processor;
    size_t from = 0;  ///< the device; of a link and of an ingress, the sender and nowhere
    size_t to = 0;    ///< of a link and of an ingress: the receiver
    friend auto operator<=>(const Resource&, const Resource&) = default;
};

struct LayeredGraph {
    size_t devices = 0;
    bool direct = false;
    std::vector<double> layer_s;      ///< by layer, on a full core
    std::vector<double> frontier_mb;  ///< by layer: before it
    double result_mb = 0;
    std::vector<LayerRange> runs;     ///< by device: the layers it has the model and memory for; within the chain
    std::vector<size_t> next;         ///< by device: its successor on the ring
    std::vector<size_t> homes;        ///< devices with sources, ascending; sources of one device share their ways
    std::vector<size_t> home_of;      ///< by source: index in `homes`
    std::vector<Resource> resources;  ///< processors by device, then links, then egress and ingress
    std::vector<size_t> link;         ///< from · devices + to: index in `resources`, or nowhere

    std::vector<double> capacity;      ///< by resource: full cores, MB/s
    std::vector<double> rate_per_s;    ///< by source: offered
    std::vector<double> link_delay_s;  ///< from · devices + to, one way
    std::vector<double> speed;         ///< by device: of one lane

    [[nodiscard]] size_t layers() const { return layer_s.size(); }
    [[nodiscard]] size_t egress(size_t device) const { return resources.size() - 2 * devices + device; }
    [[nodiscard]] size_t ingress(size_t device) const { return resources.size() - devices + device; }
    /// Whether ways and what they use are the same: all but the members from `capacity` on.
    [[nodiscard]] bool same_ways(const LayeredGraph& other) const;
};

/// Fails, in words, on what no checked experiment or measured profile has.
Result<LayeredGraph> layered_graph(const Experiment& experiment, const ModelProfile& profile, double result_bytes);

struct Hop {
    size_t cut = 0;  ///< before this layer; layers(): the result
    size_t from = 0;
    size_t to = 0;
    friend auto operator<=>(const Hop&, const Hop&) = default;
};
struct Way {
    std::vector<size_t> device_of_layer;
    std::vector<Hop> hops;
    friend auto operator<=>(const Way&, const Way&) = default;
};

/// What one frame on this way uses of each resource; ascending, each resource once.
std::vector<lp::Entry> usage(const LayeredGraph& graph, const Way& way);

/// What a way is charged: for a second of work on each device, and on each link (from · devices + to) for a megabyte
/// and for each message.
struct Charges {
    std::vector<double> work;
    std::vector<double> data;
    std::vector<double> message;  ///< empty: nothing
};
/// `prices` by resource.
Charges charges_of(const LayeredGraph& graph, std::span<const double> prices);

struct CheapestWay {
    double cost = 0;
    Way way;
};
/// From homes[home]; no frame comes back to its home before its result does, unless the last device on the ring cannot
/// finish it: it then ends at home. Infinitely dear if there is none.
CheapestWay cheapest_way(const LayeredGraph& graph, const Charges& charges, size_t home);

}  // namespace eddy::planner
