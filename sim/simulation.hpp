// A cluster in one process: the simulated machines and network (sim/fabric.hpp), compute by profile, and the production
// NodeCore in every node. Everything follows from the seed and the calls made; nothing else enters.
//
// Checks run inside it: each core's own invariants, that no buffer is used after its release, that every frame gets
// exactly one outcome, and that a completed one had each layer computed on its own picture once, in order. A violation
// aborts (it is a bug, and tests want to see it), or is told to an observer, if there is one.
//
// On the wire are frontiers with a header and results (as the bounds of planner/capacity.hpp count them, but for the
// header); receipts, views and heartbeats take no room there.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/arrivals.hpp"
#include "sim/fabric.hpp"
#include "sim/journal_disk.hpp"
#include "sim/lanes.hpp"
#include "sim/observer.hpp"
#include "src/node/node_core.hpp"

namespace eddy::sim {

inline constexpr uint64_t work_header_bytes = 200;  ///< of a frontier's message, besides the tensors
inline constexpr uint64_t result_bytes = 300;

struct LinkModel {
    double bytes_per_s = 12.5e6;  ///< 100 Mbit/s, each direction of each pair
    Usec delay = from_ms(0.5);
};

struct SourceModel {
    std::string name;
    double rate_per_s = 10;
    Arrivals arrivals = Arrivals::paced;
    uint64_t frames = 100;
    WhenFull when_full = WhenFull::block;
    Usec deadline = Usec::max();
    uint32_t reservoir_frames = 8;
    double weight = 0;  ///< 0: its rate
    uint8_t priority = 0;
};

struct NodeModel {
    std::string name;
    NodeId id;
    double speed = 1.0;  ///< profile times are divided by it
    uint32_t lanes = 1;
    bool has_model = true;
    LayerRange layers;  ///< of the model, it runs these
    std::vector<SourceModel> sources;
    PolicyKind policy = PolicyKind::ms_mdi;
    SharesKind shares = SharesKind::parameters;
    uint64_t memory_bytes = 0;
    uint64_t custody_bytes = uint64_t{128} << 20;
    uint64_t queue_bytes = UINT64_MAX / 4;
    bool cameras_wait = false;  ///< for start_cameras(), instead of starting with the node
    uint32_t queue_frames = 8;
    Usec frame_timeout = std::chrono::seconds(30);
    std::optional<std::vector<size_t>> seeds = std::nullopt;  ///< also later nodes; absent: all earlier ones
};

/// What the source's report would say.
struct SourceTally {
    uint64_t captured = 0, completed = 0, failed = 0, dropped = 0, local = 0;
    uint64_t duplicated = 0;  ///< outcomes beyond a frame's first
    std::map<std::string, uint64_t> reasons;
    std::vector<double> completion_ms;
    /// Outcomes of this life and all before it.
    [[nodiscard]] uint64_t settled() const { return completed + failed + dropped; }
};

struct SimulationOptions {
    uint32_t check_every = 1;        ///< a core checks itself after so many of its events
    bool abort_on_duplicate = true;  ///< false: a second outcome of a frame is only counted
    bool journals = false;           ///< sources keep one (sim/journal_disk.hpp), and come back by it
    Observer* observer = nullptr;    ///< outlives the simulation; is told of violations instead of an abort
};

class Simulation final : private Fabric::Host {
public:
    using OnOutcome = std::function<void(size_t node, size_t stream, const Outcome& outcome)>;

    Simulation(uint64_t seed, ModelProfile profile, LinkModel link, SimulationOptions options = {});
    ~Simulation() override;
    Simulation(const Simulation&) = delete;
    Simulation& operator=(const Simulation&) = delete;

    /// Nodes know all earlier nodes as seeds. Returns the index used below.
    size_t add(NodeModel node);
    void start(size_t node);
    /// The process dies: its connections break, its frames are gone. Its journal is whole.
    void crash(size_t node);
    /// The machine loses its power: no packet leaves or reaches it any more, nobody is told, and of its journal only
    /// what was synced is sure to be there.
    void vanish(size_t node);
    /// SIGTERM.
    void stop(size_t node, Usec timeout);
    /// Of a running node that waits for it.
    void start_cameras(size_t node);
    /// The stream gives no more frames.
    void end_camera(size_t node, size_t stream);
    /// Also of what it computes just now.
    void set_speed(size_t node, double speed);
    /// Called with each frame's first outcome; it must not call back.
    void set_on_outcome(OnOutcome on_outcome) { on_outcome_ = std::move(on_outcome); }

    /// Faults of machines and network beyond these: pause, slow, partition, cut_one_way, heal, set_network.
    [[nodiscard]] Fabric& fabric() { return fabric_; }

    void run_for(Usec duration) { fabric_.run_until(fabric_.now() + duration); }
    /// Until `done` or the limit; says whether it was done.
    template <class Done>
    bool run_until(Usec limit, Done done) {
        const Instant end = now() + limit;
        while (!done()) {
            if (fabric_.next_event() > end) return false;
            fabric_.step();
        }
        return true;
    }

    [[nodiscard]] Instant now() const { return fabric_.now(); }
    [[nodiscard]] const node::NodeCore& core(size_t node) const;
    [[nodiscard]] bool running(size_t node) const;
    [[nodiscard]] bool idle(size_t node) const;
    [[nodiscard]] const SourceTally& tally(size_t node, size_t stream = 0) const;
    /// Frames that a camera has had by now, captured or waiting for room: of this life.
    [[nodiscard]] uint64_t frames_due(size_t node, size_t stream);
    [[nodiscard]] Usec busy(size_t node) const;            ///< of all lanes together
    [[nodiscard]] uint64_t layers_run(size_t node) const;  ///< of whatever frames, begun
    [[nodiscard]] size_t live_buffers(size_t node) const;
    /// As the node's process has them, or had them last; empty without a journal.
    [[nodiscard]] const journal::Books& books(size_t node) const;
    /// Every source has captured its last frame and every frame has its outcome.
    [[nodiscard]] bool all_settled() const;
    /// All running nodes see the same members.
    [[nodiscard]] bool converged() const;
    [[nodiscard]] uint64_t events_run() const { return fabric_.counters().events; }

private:
    class Node;
    void on_peer_up(size_t node, size_t peer, uint64_t connection, uint32_t life) override;
    void on_peer_down(size_t node, size_t peer, uint64_t connection, const std::string& reason) override;
    void on_dial_failed(size_t node, const Endpoint& endpoint, const std::string& reason) override;
    void on_message(size_t node, Delivery& delivery) override;
    void on_timer(size_t node, uint32_t timer) override;

    Random random_;
    ModelProfile profile_;
    SimulationOptions options_;
    OnOutcome on_outcome_;
    Fabric fabric_;
    std::vector<std::unique_ptr<Node>> nodes_;
    std::map<NodeId, size_t> indices_;
};

/// Ids at equal distances around the circle: node i of n.
[[nodiscard]] NodeId evenly_spaced_id(size_t i, size_t n);

/// A made-up chain for tests: `layers` layers of equal time, parameters growing towards the end.
[[nodiscard]] ModelProfile even_profile(size_t layers, Usec total, uint64_t frontier_bytes);

}  // namespace eddy::sim
