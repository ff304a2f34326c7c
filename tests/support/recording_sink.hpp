// An EffectSink that writes everything down, for unit tests of pure rooms.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "eddy/effects.hpp"

namespace eddy::testing {

struct RecordingSink final : EffectSink {
    struct Sent {
        NodeId peer;
        Message message;
        std::vector<TensorRef> tensors;
    };
    std::vector<Sent> sent;
    std::vector<Endpoint> dialled;
    std::vector<std::pair<NodeId, std::string>> disconnected;
    std::vector<Job> jobs;
    std::vector<std::vector<UnitRange>> prepared;
    std::vector<std::pair<PlanId, std::vector<UnitOrder>>> compiled;
    std::vector<PlanId> forgotten;
    std::vector<PlanRequest> plans_wanted;
    std::vector<BufferId> released;
    std::vector<std::pair<FrameId, Outcome>> outcomes;
    std::vector<journal::Entry> persisted;
    std::map<StreamId, uint32_t> allowed;
    std::map<TimerId, Instant> armed;
    std::vector<std::string> lines;
    bool idle_told = false;

    void send(const NodeId& peer, const Message& message, std::span<const TensorRef> tensors) override {
        sent.push_back({peer, message, {tensors.begin(), tensors.end()}});
    }
    void connect(const Endpoint& endpoint) override { dialled.push_back(endpoint); }
    void disconnect(const NodeId& peer, const std::string& reason) override { disconnected.emplace_back(peer, reason); }
    void compute(const Job& job) override { jobs.push_back(job); }
    void prepare(std::span<const UnitRange> runs) override { prepared.emplace_back(runs.begin(), runs.end()); }
    void compile(PlanId plan, std::span<const UnitOrder> units) override {
        compiled.emplace_back(plan, std::vector<UnitOrder>(units.begin(), units.end()));
    }
    void forget(PlanId plan) override { forgotten.push_back(plan); }
    void make_plan(const PlanRequest& request) override { plans_wanted.push_back(request); }
    void release(BufferId buffer) override { released.push_back(buffer); }
    void deliver(const FrameId& frame, const Outcome& outcome) override { outcomes.emplace_back(frame, outcome); }
    void persist(const journal::Entry& entry) override { persisted.push_back(entry); }
    void allow_capture(CaptureAllowance allowance) override { allowed[allowance.stream] += allowance.frames; }
    void arm(TimerId timer, Instant at) override { armed[timer] = at; }
    void idle() override { idle_told = true; }
    void log(LogLevel, const std::string& text) override { lines.push_back(text); }

    /// All messages of one kind, in order.
    template <class M>
    std::vector<std::pair<NodeId, M>> all() const {
        std::vector<std::pair<NodeId, M>> found;
        for (const auto& s : sent)
            if (const auto* message = std::get_if<M>(&s.message)) found.emplace_back(s.peer, *message);
        return found;
    }
};

/// A node id that begins with the given byte.
inline NodeId node_id(uint8_t first) {
    NodeId id;
    id.bytes[0] = first;
    return id;
}

inline msg::Member member(uint8_t first, uint64_t incarnation = 1) {
    return {node_id(first),
            Incarnation{incarnation},
            "node" + std::to_string(first),
            {"host", static_cast<uint16_t>(1000 + first)}};
}

inline Instant at_ms(double ms) { return Instant(from_ms(ms)); }

}  // namespace eddy::testing
