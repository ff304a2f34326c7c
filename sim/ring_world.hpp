// Rings in virtual time: thousands of production Rings in one process, on the simulated network, without the rest of a
// node. For tests of the ring, its scenarios, random faults, and `eddy sim ring`.
//
// Everything follows from the options and the calls made. A ring's own invariants are checked after each of its events
// when `check_rings` is set; a violation aborts (it is a bug, and tests want to see it). Instants begin at zero.
// Not thread-safe; nodes are numbered from 0 in the order of add() and keep their number for ever.
#pragma once

#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ring/ring.hpp"
#include "sim/fabric.hpp"

namespace eddy::sim {

struct RingWorldOptions {
    uint64_t seed = 1;
    NetworkFaults network;
    ring::RingConfig ring;  ///< of every node; `self` and `seeds` are filled in
    bool check_rings = true;
    Usec leave_grace = from_ms(500);  ///< a leaving process ends so long after its goodbye
    /// Every line a ring logs; none if empty.
    std::function<void(size_t node, LogLevel level, const std::string& text)> log;
};

/// An answered lookup. One whose origin died before the answer is never reported.
struct WorldLookup {
    size_t origin = 0;
    Instant started{};
    ring::LookupResult result;
};

class RingWorld final : private Fabric::Host {
public:
    explicit RingWorld(RingWorldOptions options);
    ~RingWorld() override;
    RingWorld(const RingWorld&) = delete;
    RingWorld& operator=(const RingWorld&) = delete;

    /// A machine, switched off. `seeds` are nodes, also later ones. Ids must differ; at most Fabric::nodes_max.
    size_t add(const NodeId& id, std::vector<size_t> seeds);
    [[nodiscard]] size_t size() const;
    [[nodiscard]] const NodeId& id(size_t node) const;

    // -- what is done to a node. Calls that make no sense in its state (to crash what does not run …) do nothing ------
    void start(size_t node);    ///< the process begins, each time with a higher incarnation
    void leave(size_t node);    ///< says goodbye; ends after leave_grace
    void crash(size_t node);    ///< the process dies: its connections are reset
    void vanish(size_t node);   ///< the machine falls silent, and nobody is told; start() brings it back
    void restart(size_t node);  ///< crash if it runs, and start: same id, higher incarnation
    void pause(size_t node);    ///< SIGSTOP: what reaches it waits
    void resume(size_t node);
    void slow(size_t node, Usec per_event);  ///< zero: no longer

    // -- what is done to the network ----------------------------------------------------------------------------------
    /// Only nodes of the same group reach each other; those in no group form one together.
    void partition(const std::vector<std::vector<size_t>>& groups);
    void cut_one_way(size_t from, size_t to);
    void heal();  ///< ends the partition and all cuts
    void set_network(const NetworkFaults& network);

    // -- time ---------------------------------------------------------------------------------------------------------
    [[nodiscard]] Instant now() const { return fabric_.now(); }
    void at(Instant when, std::function<void()> action) { fabric_.at(when, std::move(action)); }
    void run_for(Usec duration);
    /// Until `done`, asked every `poll`, or the limit; says whether it was done.
    bool run_until(Usec limit, const std::function<bool()>& done, Usec poll = from_ms(10));

    // -- what is to be seen -------------------------------------------------------------------------------------------
    /// Its process exists: started, not ended, not vanished. A leaving or paused one runs.
    [[nodiscard]] bool running(size_t node) const;
    /// Running, neither leaving nor paused: others should have it in their ring.
    [[nodiscard]] bool live(size_t node) const { return is_live_[node]; }
    [[nodiscard]] size_t live_count() const { return live_.size(); }
    /// Live nodes clockwise, from the smallest id on.
    [[nodiscard]] const std::vector<size_t>& live_nodes() const { return live_; }
    /// The first live node at or after the key; there must be one.
    [[nodiscard]] size_t owner(const NodeId& key) const;
    [[nodiscard]] const ring::Ring& ring(size_t node) const;  ///< it must be running
    [[nodiscard]] msg::Member member(size_t node) const;      ///< as the node tells others now

    /// Every live node knows its neighbours: predecessor, and as successors the next min(list_max, n-1) live ones.
    /// Cheap while it is false; a millisecond or so per thousand nodes when true.
    [[nodiscard]] bool ideal() const;
    /// The same of a ring of just these (in any order), if they all live: what a partition should come to.
    [[nodiscard]] bool ideal(std::span<const size_t> nodes) const;

    /// Begins a lookup at a running node; its number there.
    uint64_t lookup(size_t origin, const NodeId& key);
    /// Answered since the last call, in the order of the answers.
    std::vector<WorldLookup> take_lookups() { return std::exchange(lookups_, {}); }

    [[nodiscard]] const FabricCounters& counters() const { return fabric_.counters(); }
    [[nodiscard]] uint64_t trace_hash() const {
        return fabric_.trace_hash();
    }  ///< of all events so far: equal runs have equal ones
    /// A list of neighbours that was sent and has not come yet.
    struct ListInFlight {
        size_t from = 0;
        size_t to = 0;
        Instant due{};
        msg::Neighbours told;
    };
    [[nodiscard]] std::vector<ListInFlight> lists_in_flight() const;  ///< in the order of their coming
    /// Called after each event of a node, with its number; for checkers. It must not change the world.
    void after_event(std::function<void(size_t node)> hook) { hook_ = std::move(hook); }
    /// A random number of this world's own, for experiments that shall follow from its seed.
    Random& random() { return random_; }

private:
    class Node;

    void on_peer_up(size_t node, size_t peer, uint64_t connection, uint32_t life) override;
    void on_peer_down(size_t node, size_t peer, uint64_t connection, const std::string& reason) override;
    void on_dial_failed(size_t node, const Endpoint& endpoint, const std::string& reason) override;
    void on_message(size_t node, Delivery& delivery) override;
    void on_timer(size_t node, uint32_t timer) override;
    void after(Node& node);
    void end(Node& node);
    void set_live(size_t node, bool live);
    [[nodiscard]] bool knows_neighbours(std::span<const size_t> circle, size_t rank) const;

    struct IdHash {
        size_t operator()(const NodeId& id) const {
            uint64_t head = 0;
            uint64_t tail = 0;
            std::memcpy(&head, id.bytes.data(), sizeof head);
            std::memcpy(&tail, id.bytes.data() + id.bytes.size() - sizeof tail, sizeof tail);
            return head ^ tail;
        }
    };

    RingWorldOptions options_;
    Random random_;
    Fabric fabric_;
    std::vector<std::unique_ptr<Node>> nodes_;
    std::vector<NodeId> ids_;
    std::unordered_map<NodeId, size_t, IdHash> indices_;  ///< never walked through
    std::vector<bool> is_live_;
    std::vector<size_t> live_;  ///< by id
    std::vector<WorldLookup> lookups_;
    std::function<void(size_t)> hook_;
    mutable size_t suspect_ = 0;  ///< rank of the node that was not right when last asked
};

}  // namespace eddy::sim
