// Whole cores joined by messages that take a moment, with lanes, a compiler and a maker of plans over rows beside each:
// a small cluster in which tests cut connections, lose nodes and hold back what they like.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "eddy/random.hpp"
#include "src/node/node_core.hpp"
#include "tests/support/recording_sink.hpp"

namespace eddy::node {

using namespace eddy::testing;

class CoreWorld {
public:
    struct Node {
        RecordingSink sink;
        CoreConfig config;
        std::unique_ptr<NodeCore> core;
        std::map<size_t, uint64_t> connections;  ///< by node
        std::set<BufferId> live;                 ///< tensors that are the core's
        uint64_t frames = 0;
        bool dead = false;
        // effects that were seen to
        size_t sent = 0, dialled = 0, disconnected = 0, jobs = 0, compiled = 0, plans = 0, released = 0;
    };

    /// The first is a source; all have two layers of eight rows, which plans share out evenly.
    explicit CoreWorld(size_t nodes, PartitionKind partition = PartitionKind::edgeflow);
    CoreWorld(const CoreWorld&) = delete;
    CoreWorld& operator=(const CoreWorld&) = delete;

    /// All but those that are said to be dead, which may begin later.
    void begin();
    void begin(size_t i);
    Node& node(size_t i) { return nodes_[i]; }
    NodeCore& core(size_t i) { return *nodes_[i].core; }
    [[nodiscard]] size_t nodes() const { return nodes_.size(); }
    static NodeId id(size_t i) { return node_id(static_cast<uint8_t>(50 * (i + 1))); }
    static size_t index(const NodeId& node) { return node.bytes[0] / 50 - size_t{1}; }
    [[nodiscard]] Instant now() const { return now_; }

    void on(size_t i, const Event& event);
    void capture(uint64_t k, double ms_ago = 0);
    /// As if it came from there, at once. Tensors are made anew.
    void say(size_t to, size_t from, const Message& message, std::vector<TensorRef> tensors = {});
    void run(double for_ms);
    /// Until it holds, for a while at most.
    void until(const std::function<bool()>& holds, double at_most_ms = 20'000);
    /// Both ends see their connection end; they may find each other again.
    void cut(size_t a, size_t b);
    /// It is gone without a word, and for good.
    void kill(size_t i);
    void stop(size_t i, double within_ms) { on(i, ev::Stop{now_ + from_ms(within_ms)}); }

    /// Devices of the plan that the source's frames begin under.
    [[nodiscard]] size_t planned() const {
        const RowPlan* plan = nodes_[0].core->rows().current();
        return plan == nullptr ? 0 : plan->devices.size();
    }
    [[nodiscard]] const std::vector<std::pair<FrameId, Outcome>>& outcomes() const { return nodes_[0].sink.outcomes; }
    [[nodiscard]] size_t completed() const;
    /// No frame has two outcomes.
    [[nodiscard]] bool each_once() const;
    /// No core that lives has any tensor.
    [[nodiscard]] bool clean() const;
    [[nodiscard]] TensorRef tensor(uint64_t bytes) {
        TensorRef made;
        made.buffer = BufferId{++buffers_};
        made.bytes = bytes;
        return made;
    }

    std::function<bool(size_t from, size_t to, const Message&)> swallows;  ///< on the way
    std::function<std::string(size_t at, const Job&)> fails;               ///< why, if it does
    double job_ms = 2;

private:
    struct Due {
        size_t node = 0;
        Event event;
        size_t peer = SIZE_MAX;  ///< of a message: over the connection with this number
        uint64_t connection = 0;
    };
    void effects(size_t i);
    void connect(size_t from, const Endpoint& endpoint);
    void disconnect(size_t a, size_t b, const std::string& why);
    [[nodiscard]] ev::Computed computed(size_t i, const Job& job);
    [[nodiscard]] ev::PlanMade made(size_t i, const PlanRequest& request) const;
    void happen(Due due);
    void at(double later_ms, Due due) { due_.emplace(now_ + from_ms(later_ms), std::move(due)); }

    std::deque<Node> nodes_;
    std::multimap<Instant, Due> due_;
    Instant now_{};
    uint64_t connections_ = 0, buffers_ = 0;
};

}  // namespace eddy::node
