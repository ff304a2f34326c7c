// What must hold of the nodes of a cluster, seen from outside of their cores: bounds at any time, that nothing is left
// behind once there is nothing to do, that work is taken once. Answers are in words; nothing: all is well.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "sim/simulation.hpp"

namespace eddy::sim {

using Problem = std::optional<std::string>;

/// Queues, credits, open frames and buffers of a running node are within what the head of src/node/node_core.hpp
/// states, with what broken connections gave back. `nodes`: how many there are in all.
[[nodiscard]] Problem bounds_problem(const Simulation& sim, size_t node, const NodeModel& model,
                                     const std::vector<NodeModel>& nodes);

/// A running node without anything to do holds neither frames nor buffers, and waits for no receipt.
[[nodiscard]] Problem leftover_problem(const Simulation& sim, size_t node, const std::vector<NodeModel>& nodes);

/// All running nodes see one ring of just themselves, each with its neighbours.
[[nodiscard]] Problem ring_problem(const Simulation& sim, const std::vector<NodeModel>& nodes);

/// Work is taken once: one life of a node never takes the same (frame, attempt, layer) twice, unless it has been
/// elsewhere in between and came back, with more hops. Work counts as taken when
/// the core receipts it as accepted and does not count it as stale.
class TakenWork {
public:
    void started(size_t node) { lives_[node] = {}; }
    void receipt(size_t node, const msg::Ack& ack) { lives_[node].receipt = {ack.seq, ack.accepted}; }
    /// The core has handled this message; `stale` counts what it has thrown away as stale so far.
    Problem handled(size_t node, const msg::Work& work, uint64_t stale);

private:
    struct Life {
        std::pair<uint64_t, bool> receipt{0, false};  ///< the last: number, accepted
        uint64_t stale = 0;
        std::map<std::tuple<FrameId, uint32_t, uint16_t>, uint16_t> taken;  ///< with the hops it had last
    };
    std::map<size_t, Life> lives_;
};

/// Frames that running nodes have in any form: to work on, on its way, in custody, or as a result without
/// acknowledgement; those of `except` do not count.
[[nodiscard]] std::set<FrameId> frames_had(const Simulation& sim, size_t nodes, size_t except);

/// One loss takes no frame with it, as two nodes have each: when a process ends, every open frame that is away from its
/// source is still had by somebody, unless another process ended since the frame's last attempt began, or it was given
/// up and its source has been told. Says nothing more of a cluster in which custody had no room.
class KeptFrames {
public:
    void sent(const Message& message);
    /// Its core is still there; to be told of every process.
    Problem ended(const Simulation& sim, size_t node, const std::vector<NodeModel>& nodes);

private:
    bool room_ = true;
    std::vector<Instant> ends_;
    std::set<std::pair<FrameId, uint32_t>> given_up_;  ///< with the attempt
};

}  // namespace eddy::sim
