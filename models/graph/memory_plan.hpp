// What of a model a device has memory for. Layers that do not fit are not run there, so a device gets fewer of them,
// or none and only relays; the rest of the model is for others in the ring.
//
//   memory_mb  >=  weights as loaded + weights as compiled + workspace of the lanes + custody + queues
//
// *Which layers.* One run of consecutive layers, since a frame passes a node once: the run that holds most of the
// model's time, of those that fit; of equals the one with more layers, then the earlier one. Time is what a device
// contributes. In most networks early layers hold much of it and few weights, so this tends to be a front part, with
// which a source can work on its own frames; but a frame may as well leave a device as it came.
//
// *What shrinks first.* Custody and queues, down to what keeps frames moving: shorter queues cost some throughput, a
// layer that is not there costs the layer. Custody that the user stated is kept to. What is left beyond all that holds
// runs of layers that are compiled in one piece, which are faster than single ones.
//
// *What is estimated.* Compiled weights are laid out for the processor and take an eighth more (as the executor
// estimates them). Workspace is bounded by what lies before and after a layer, twice: plain and in the processor's
// layout; what an operator needs for itself is not known. Not counted is the program, `program_mb`.
//
// Pure; plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "eddy/config.hpp"
#include "eddy/experiment.hpp"
#include "eddy/profile.hpp"

namespace eddy::graph {

/// Beside memory_mb, resident: the program with LibTorch and its threads, and without it, of a node with no model.
/// Measured on amd64 (Debian 12, LibTorch 1.13): 173 MiB, of which 111 are pages of libraries that the system may take
/// back, and 51.
inline constexpr uint64_t program_mb = 180;
inline constexpr uint64_t relay_program_mb = 50;

struct MemoryNeeds {
    uint64_t memory_bytes = 0;
    std::optional<uint64_t> custody_bytes;  ///< as stated; absent: an eighth of memory, or less
    uint32_t lanes = 1;
    uint32_t own_frames = 0;  ///< of own sources, that reservoirs may hold and that must be under way at least
};
[[nodiscard]] MemoryNeeds memory_needs(const NodeConfig& config);
/// Of one device of an experiment, with its sources.
[[nodiscard]] MemoryNeeds memory_needs(const Experiment& experiment, size_t device);

/// Bytes. All together are no more than the memory, unless even a relay needs more.
struct MemoryPlan {
    LayerRange layers;  ///< that are run; within the chain
    uint64_t weights = 0;
    uint64_t compiled = 0;  ///< of single layers
    uint64_t spare = 0;     ///< for runs of layers that are compiled in one piece
    uint64_t workspace = 0;
    uint64_t custody = 0;
    uint64_t queues = 0;  ///< reservoirs, frames under way and at rest, messages coming and going
    uint64_t memory = 0;
    uint64_t all_layers = 0;  ///< the least memory that would hold every layer

    [[nodiscard]] uint64_t total() const { return weights + compiled + spare + workspace + custody + queues; }
    [[nodiscard]] bool none() const { return layers.first == layers.last; }
    [[nodiscard]] bool whole(const ModelProfile& profile) const {
        return !none() && layers.first == 0 && layers.last == profile.layers.size();
    }
};
/// `profile` without layers: a relay.
[[nodiscard]] MemoryPlan plan_memory(const ModelProfile& profile, const MemoryNeeds& needs);

/// For a log: what fits, what does not and why, what would help.
[[nodiscard]] std::string to_text(const MemoryPlan& plan, const ModelProfile& profile);

}  // namespace eddy::graph
