#include "sim/cluster_checks.hpp"

#include <algorithm>
#include <utility>

#include "scheduler/cuts.hpp"
#include "sim/frame_book.hpp"

namespace eddy::sim {

namespace {

/// A neighbour may still send what it was granted, and a broken connection gives back as much.
constexpr uint64_t per_neighbour = 2 * (node::credit_window + node::credit_initial);

std::string above(const std::string& what, uint64_t found, uint64_t allowed) {
    return what + ": " + std::to_string(found) + ", at most " + std::to_string(allowed) + " are allowed";
}

struct Held {
    uint64_t frames = 0;  ///< in queues
    uint64_t unacknowledged = 0;
};

Held held_by(const node::NodeCore& core, size_t self, const std::vector<NodeModel>& nodes) {
    Held held;
    for (const auto& lengths : core.queue_lengths())
        held.frames += lengths.local + lengths.distributed + lengths.outbox;
    for (size_t peer = 0; peer < nodes.size(); ++peer)
        if (const auto* link = peer == self ? nullptr : core.link(nodes[peer].id); link != nullptr)
            held.unacknowledged += link->unacknowledged().size();
    return held;
}

Problem row_problem(const node::NodeCore& core, const NodeModel& model, size_t others) {
    const bool cuts = model.policy == PolicyKind::layered;
    const uint64_t granted = uint64_t{model.queue_frames} * (cuts ? scheduler::cuts_default : 1);
    for (const auto& row : core.board().rows) {
        const uint64_t local = row.here[scheduler::queue_local];
        if (local > model.queue_frames) return above("frames in a local queue", local, model.queue_frames);
        uint64_t frames = 0;
        for (size_t queue = 0; queue < core.board().queues; ++queue) frames += row.here[queue];
        const uint64_t own = row.own ? model.queue_frames + model.lanes : 0;
        const uint64_t allowed = granted + own + per_neighbour * others;
        if (frames > allowed)
            return above(row.own ? "queued frames of an own source" : "queued frames of another's source", frames,
                         allowed);
    }
    return std::nullopt;
}

Problem credit_problem(const node::NodeCore& core, size_t self, const std::vector<NodeModel>& nodes) {
    size_t streams = 0;
    for (const auto& node : nodes) streams += node.sources.size();
    for (size_t peer = 0; peer < nodes.size(); ++peer) {
        const auto* link = peer == self ? nullptr : core.link(nodes[peer].id);
        if (link == nullptr) continue;
        for (const auto& row : core.board().rows)
            if (link->outstanding(row.source) > node::credit_window)
                return above("credits of a neighbour for one source", link->outstanding(row.source),
                             node::credit_window);
        if (link->unacknowledged().size() > streams * node::credit_window)
            return above("messages without receipt", link->unacknowledged().size(), streams * node::credit_window);
    }
    return std::nullopt;
}

}  // namespace

Problem bounds_problem(const Simulation& sim, size_t node, const NodeModel& model,
                       const std::vector<NodeModel>& nodes) {
    const auto& core = sim.core(node);
    if (auto problem = row_problem(core, model, nodes.size() - 1)) return problem;
    if (auto problem = credit_problem(core, node, nodes)) return problem;
    uint64_t open = 0;
    for (size_t s = 0; s < model.sources.size(); ++s) {
        const uint64_t frames = core.ledger().open(StreamId{static_cast<uint16_t>(s)}).size();
        const uint64_t allowed = model.sources[s].reservoir_frames + node::CoreConfig{}.in_flight_frames;
        if (frames > allowed) return above("open frames of a source", frames, allowed);
        open += frames;
    }
    const Held held = held_by(core, node, nodes);
    // The frontier of a picture is one tensor here.
    const uint64_t allowed = open + held.frames + held.unacknowledged + core.custody().frames() + model.lanes;
    if (sim.live_buffers(node) > allowed) return above("buffers", sim.live_buffers(node), allowed);
    if (core.custody().bytes() > core.custody().bytes_max())
        return above("bytes in custody", core.custody().bytes(), core.custody().bytes_max());
    return std::nullopt;
}

Problem leftover_problem(const Simulation& sim, size_t node, const std::vector<NodeModel>& nodes) {
    const auto& core = sim.core(node);
    const auto left = [&](const std::string& what, uint64_t count) -> Problem {
        return count == 0 ? Problem{} : nodes[node].name + " still has " + std::to_string(count) + " " + what;
    };
    const Held held = held_by(core, node, nodes);
    if (auto problem = left("open frames", core.ledger().open_frames())) return problem;
    if (auto problem = left("frames in queues", held.frames)) return problem;
    if (auto problem = left("messages without receipt", held.unacknowledged)) return problem;
    if (auto problem = left("frames in custody", core.custody().frames())) return problem;
    if (auto problem = left("buffers", sim.live_buffers(node))) return problem;
    return left("bytes in buffers", core.buffered_bytes());
}

Problem ring_problem(const Simulation& sim, const std::vector<NodeModel>& nodes) {
    std::vector<std::pair<NodeId, size_t>> circle;
    for (size_t i = 0; i < nodes.size(); ++i)
        if (sim.running(i)) circle.emplace_back(nodes[i].id, i);
    std::sort(circle.begin(), circle.end());
    for (size_t i = 0; i < circle.size(); ++i) {
        const auto& ring = sim.core(circle[i].second).ring();
        const std::string name = nodes[circle[i].second].name;
        if (ring.members().size() != circle.size())
            return name + " sees " + std::to_string(ring.members().size()) + " members of " +
                   std::to_string(circle.size());
        if (circle.size() < 2) continue;
        const auto& next = circle[(i + 1) % circle.size()];
        const auto& before = circle[(i + circle.size() - 1) % circle.size()];
        if (ring.successor() != next.first) return name + " does not have " + nodes[next.second].name + " as successor";
        if (ring.predecessor() != before.first)
            return name + " does not have " + nodes[before.second].name + " as predecessor";
    }
    return sim.converged() ? Problem{} : Problem{"members are not those that run"};
}

Problem TakenWork::handled(size_t node, const msg::Work& work, uint64_t stale) {
    Life& life = lives_[node];
    const bool thrown_away = std::exchange(life.stale, stale) != stale;
    if (thrown_away || life.receipt != std::pair{work.seq, true}) return std::nullopt;
    const auto [at, first] = life.taken.try_emplace({work.frame, work.attempt, work.layer}, work.hops);
    if (first || std::exchange(at->second, work.hops) < work.hops) return std::nullopt;
    return to_text(work.frame) + ", attempt " + std::to_string(work.attempt) + ", before layer " +
           std::to_string(work.layer) + " was taken twice";
}

void KeptFrames::sent(const Message& message) {
    const auto* result = std::get_if<msg::Result>(&message);
    if (result != nullptr && !result->failure.empty()) given_up_.emplace(result->frame, result->attempt);
}

std::set<FrameId> frames_had(const Simulation& sim, size_t nodes, size_t except) {
    std::set<FrameId> had;
    for (size_t i = 0; i < nodes; ++i) {
        if (i == except || !sim.running(i)) continue;
        had.merge(sim.core(i).frames_here());
        sim.core(i).custody().each([&](const NodeId&, const scheduler::Item& item) { had.insert(item.frame); });
    }
    return had;
}

Problem KeptFrames::ended(const Simulation& sim, size_t node, const std::vector<NodeModel>& nodes) {
    ends_.push_back(sim.now());
    for (size_t i = 0; i < nodes.size(); ++i) {
        if (!sim.running(i)) continue;
        const auto& core = sim.core(i);
        room_ = room_ && core.counters().custody_evicted == 0 && core.custody().bytes_max() > 0;
    }
    if (!room_) return std::nullopt;
    const auto had = frames_had(sim, nodes.size(), node);
    for (size_t i = 0; i < nodes.size(); ++i) {
        if (!sim.running(i) || i == node) continue;
        const auto& ledger = sim.core(i).ledger();
        for (uint16_t s = 0; s < ledger.streams(); ++s)
            for (const auto& [k, record] : ledger.open(StreamId{s})) {
                const FrameId frame = ledger.id(StreamId{s}, k);
                if (record.attempts == 0 || had.count(frame) != 0) continue;
                if (given_up_.count({frame, record.attempts}) != 0) continue;
                const auto since = std::lower_bound(ends_.begin(), ends_.end(), record.attempt_at);
                if (ends_.end() - since > 1) continue;
                return "nobody has " + to_text(frame) + " any more, though only " + nodes[node].name + " was lost";
            }
    }
    return std::nullopt;
}

}  // namespace eddy::sim
