// A cluster in one process: virtual clock, links with bandwidth and delay, compute by profile, and the production
// NodeCore in every node. Everything follows from the seed and the calls made; nothing else enters.
//
// Checks run inside it after every event: each core's own invariants, that no buffer is used after its release, that
// every frame gets exactly one outcome. A violation aborts (it is a bug, and tests want to see it).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <string>
#include <vector>

#include "src/node/node_core.hpp"

namespace eddy::sim {

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
};

struct NodeModel {
    std::string name;
    NodeId id;
    double speed = 1.0;  ///< profile times are divided by it
    uint32_t lanes = 1;
    bool has_model = true;
    std::vector<SourceModel> sources;
    PolicyKind policy = PolicyKind::ms_mdi;
    uint32_t queue_frames = 8;
    Usec frame_timeout = std::chrono::seconds(30);
};

/// What the source's report would say.
struct SourceTally {
    uint64_t captured = 0, completed = 0, failed = 0, dropped = 0, local = 0;
    std::map<std::string, uint64_t> reasons;
    std::vector<double> completion_ms;
    /// Outcomes of this life and all before it.
    [[nodiscard]] uint64_t settled() const { return completed + failed + dropped; }
};

class Simulation {
public:
    Simulation(uint64_t seed, ModelProfile profile, LinkModel link);
    ~Simulation();

    /// Nodes know all earlier nodes as seeds. Returns the index used below.
    size_t add(NodeModel node);
    void start(size_t node);
    /// The process dies: its connections break, its frames are gone.
    void crash(size_t node);
    /// The machine vanishes: no packet leaves or reaches it any more, and nobody is told.
    void vanish(size_t node);
    /// SIGTERM.
    void stop(size_t node, Usec timeout);

    void run_for(Usec duration);
    /// Until `done` or the limit; says whether it was done.
    template <class Done>
    bool run_until(Usec limit, Done done) {
        const Instant end = now_ + limit;
        while (!done()) {
            if (events_.empty() || events_.top().at > end) return false;
            step();
        }
        return true;
    }

    [[nodiscard]] Instant now() const { return now_; }
    [[nodiscard]] const node::NodeCore& core(size_t node) const;
    [[nodiscard]] bool running(size_t node) const;
    [[nodiscard]] bool idle(size_t node) const;
    [[nodiscard]] const SourceTally& tally(size_t node, size_t stream = 0) const;
    [[nodiscard]] Usec busy(size_t node) const;
    [[nodiscard]] size_t live_buffers(size_t node) const;
    /// Every source has captured its last frame and every frame has its outcome.
    [[nodiscard]] bool all_settled() const;
    /// All running nodes see the same members.
    [[nodiscard]] bool converged() const;
    [[nodiscard]] uint64_t events_run() const { return sequence_run_; }

private:
    class Node;
    struct Action {
        Instant at;
        uint64_t sequence;
        std::function<void()> run;
        bool operator<(const Action& other) const { return at != other.at ? at > other.at : sequence > other.sequence; }
    };
    void at(Instant when, std::function<void()> run);
    void step();
    void dial(size_t from, const Endpoint& endpoint);
    void deliver(size_t from, const NodeId& peer, const Message& message, std::vector<TensorRef> tensors,
                 uint64_t bytes);
    void cut(size_t a, size_t b, const std::string& reason, bool tell_a, bool tell_b);

    Random random_;
    ModelProfile profile_;
    LinkModel link_;
    std::vector<std::unique_ptr<Node>> nodes_;
    std::priority_queue<Action> events_;
    std::map<std::pair<size_t, size_t>, uint64_t> connections_;  ///< key: smaller index first
    std::map<std::pair<size_t, size_t>, Instant> bulk_free_;     ///< per direction
    Instant now_{};
    uint64_t sequence_ = 0;
    uint64_t sequence_run_ = 0;
    uint64_t next_connection_ = 1;
};

/// Ids at equal distances around the circle: node i of n.
[[nodiscard]] NodeId evenly_spaced_id(size_t i, size_t n);

/// A made-up chain for tests: `layers` layers of equal time, parameters growing towards the end.
[[nodiscard]] ModelProfile even_profile(size_t layers, Usec total, uint64_t frontier_bytes);

}  // namespace eddy::sim
