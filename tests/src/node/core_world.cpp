#include "core_world.hpp"

#include <algorithm>

#include "tests/planner/edgeflow/nets.hpp"

namespace eddy::node {

namespace {
constexpr double message_ms = 0.2;
constexpr uint32_t net_rows = 8;

ModelProfile two_layers() {
    ModelProfile profile;
    profile.chain_hash.bytes[0] = 7;
    for (int i = 0; i < 2; ++i) {
        LayerProfile layer;
        layer.time = from_ms(2);
        layer.parameters = 100;
        layer.frontier_bytes = 1000;
        profile.layers.push_back(layer);
    }
    return profile;
}
}  // namespace

CoreWorld::CoreWorld(size_t nodes, PartitionKind partition) {
    test::NetBuilder net(net_rows);
    net.convolution(net.convolution(ValueId{0}));
    const auto graph = std::make_shared<const graph::ModelGraph>(net.graph());
    const auto rows = std::make_shared<const RowProfile>(test::linear_profile(*graph, 200, 10));
    for (size_t i = 0; i < nodes; ++i) {
        CoreConfig& config = nodes_.emplace_back().config;
        config.self = member(id(i).bytes[0]);
        if (i > 0) config.seeds = {nodes_[0].config.self.endpoint};
        config.profile = two_layers();
        config.partition = partition;
        config.graph = graph;
        config.rows = rows;
        config.frame_timeout = std::chrono::seconds(9);
        if (i == 0) config.streams.push_back({"cam", WhenFull::block, Usec::max(), 64});
    }
}

void CoreWorld::begin() {
    for (size_t i = 0; i < nodes_.size(); ++i)
        if (!node(i).dead) begin(i);
}

void CoreWorld::begin(size_t i) {
    node(i).dead = false;
    node(i).core = std::make_unique<NodeCore>(node(i).config, i + 1);
    core(i).start(now_, node(i).sink);
    effects(i);
}

void CoreWorld::on(size_t i, const Event& event) {
    if (node(i).dead) return;
    core(i).on(event, now_, node(i).sink);
    core(i).check_invariants();
    effects(i);
}

void CoreWorld::capture(uint64_t k, double ms_ago) {
    const TensorRef raw = tensor(1000);
    node(0).live.insert(raw.buffer);
    on(0, ev::Captured{StreamId{0}, k, now_ - from_ms(ms_ago), raw, 0});
}

void CoreWorld::say(size_t to, size_t from, const Message& message, std::vector<TensorRef> tensors) {
    ev::Received event;
    event.peer = id(from);
    event.connection = node(to).connections.at(from);
    event.message = message;
    event.tensors = std::move(tensors);
    for (TensorRef& each : event.tensors) {
        each.buffer = BufferId{++buffers_};
        event.bytes += each.bytes;
        node(to).live.insert(each.buffer);
    }
    event.first_byte = event.last_byte = now_;
    on(to, event);
}

void CoreWorld::happen(Due due) {
    Node& here = node(due.node);
    if (here.dead) return;
    if (due.peer != SIZE_MAX) {
        const auto known = here.connections.find(due.peer);
        if (known == here.connections.end() || known->second != due.connection) return;
        auto& received = std::get<ev::Received>(due.event);
        return say(due.node, due.peer, received.message, std::move(received.tensors));
    }
    if (auto* done = std::get_if<ev::Computed>(&due.event))
        for (const TensorRef& made : done->outputs) here.live.insert(made.buffer);
    on(due.node, due.event);
}

void CoreWorld::run(double for_ms) {
    const Instant end = now_ + from_ms(for_ms);
    for (;;) {
        Instant next = due_.empty() ? never : due_.begin()->first;
        size_t who = SIZE_MAX;
        TimerId timer{};
        for (size_t i = 0; i < nodes_.size(); ++i)
            for (const auto& [id, when] : node(i).sink.armed)
                if (!node(i).dead && when < next) {
                    next = when;
                    who = i;
                    timer = id;
                }
        if (next > end) break;
        now_ = std::max(now_, next);
        if (who != SIZE_MAX) {
            node(who).sink.armed.erase(timer);
            on(who, ev::Timer{timer});
        } else {
            Due due = std::move(due_.begin()->second);
            due_.erase(due_.begin());
            happen(std::move(due));
        }
    }
    now_ = end;
}

void CoreWorld::until(const std::function<bool()>& holds, double at_most_ms) {
    for (double ms = 0; !holds() && ms < at_most_ms; ms += 0.1) run(0.1);
    REQUIRE(holds());
}

void CoreWorld::connect(size_t from, const Endpoint& endpoint) {
    for (size_t to = 0; to < nodes_.size(); ++to) {
        if (nodes_[to].config.self.endpoint != endpoint || node(from).connections.count(to) != 0) continue;
        if (node(to).dead) return at(1, {from, ev::DialFailed{endpoint, "refused", false}});
        const uint64_t number = ++connections_;
        node(from).connections[to] = node(to).connections[from] = number;
        at(message_ms, {from, ev::PeerUp{node(to).config.self, number, endpoint}});
        at(message_ms, {to, ev::PeerUp{node(from).config.self, number, std::nullopt}});
    }
}

void CoreWorld::disconnect(size_t a, size_t b, const std::string& why) {
    const auto known = node(a).connections.find(b);
    if (known == node(a).connections.end()) return;
    const uint64_t number = known->second;
    node(a).connections.erase(b);
    node(b).connections.erase(a);
    at(message_ms, {a, ev::PeerDown{id(b), number, why}});
    at(message_ms, {b, ev::PeerDown{id(a), number, why}});
}

void CoreWorld::cut(size_t a, size_t b) {
    disconnect(a, b, "reset");
    run(message_ms);
}

void CoreWorld::kill(size_t i) {
    node(i).dead = true;
    for (size_t other = 0; other < nodes_.size(); ++other) disconnect(i, other, "reset");
    run(message_ms);
}

ev::Computed CoreWorld::computed(size_t i, const Job& job) {
    ev::Computed done;
    done.job = job.id;
    done.busy = from_ms(job_ms);
    if (fails) done.failure = fails(i, job);
    if (!done.failure.empty()) return done;
    if (job.ends_model) {
        done.inference = Inference{};
    } else if (job.units.plan == PlanId{0}) {
        done.outputs = {tensor(node(i).config.profile.layers.at(job.units.last).frontier_bytes)};
    } else {
        for (const auto& [plan, units] : node(i).sink.compiled)
            if (plan == job.units.plan)
                for (const RowTensor& made : units.at(job.units.first).outputs) {
                    done.outputs.push_back(tensor(made.bytes));
                    done.outputs.back().meta = test::meta_of(*node(i).config.graph, made);
                }
    }
    return done;
}

ev::PlanMade CoreWorld::made(size_t i, const PlanRequest& request) const {
    PlanProposal proposal;
    proposal.plan.chain_hash = nodes_[i].config.profile.chain_hash;
    proposal.plan.window = request.window;
    RowBlock block;
    const auto count = static_cast<uint32_t>(request.devices.size());
    for (const auto& device : request.devices) proposal.plan.devices.push_back(device.node);
    for (uint32_t device = 0; device <= count; ++device) block.bounds.push_back(net_rows * device / count);
    for (uint32_t layer = 0; layer < 2; ++layer) {
        block.first = layer;
        block.last = layer + 1;
        proposal.plan.blocks.push_back(block);
    }
    proposal.latency = from_ms(10);
    proposal.period = from_ms(5);
    return {request.number, proposal, ""};
}

void CoreWorld::effects(size_t i) {
    Node& here = node(i);
    for (; here.released < here.sink.released.size(); ++here.released)
        CHECK(here.live.erase(here.sink.released[here.released]) == 1);
    for (; here.dialled < here.sink.dialled.size(); ++here.dialled) connect(i, here.sink.dialled[here.dialled]);
    for (; here.sent < here.sink.sent.size(); ++here.sent) {
        const auto& [peer, message, tensors] = here.sink.sent[here.sent];
        const size_t to = index(peer);
        const auto connection = here.connections.find(to);
        if (connection == here.connections.end() || (swallows && swallows(i, to, message))) continue;
        ev::Received event;
        event.message = message;
        event.tensors = tensors;
        at(message_ms, {to, event, i, connection->second});
    }
    for (; here.disconnected < here.sink.disconnected.size(); ++here.disconnected)
        disconnect(i, index(here.sink.disconnected[here.disconnected].first), "closed");
    for (; here.jobs < here.sink.jobs.size(); ++here.jobs) at(job_ms, {i, computed(i, here.sink.jobs[here.jobs])});
    for (; here.compiled < here.sink.compiled.size(); ++here.compiled)
        at(5, {i, ev::Compiled{here.sink.compiled[here.compiled].first, ""}});
    for (; here.plans < here.sink.plans_wanted.size(); ++here.plans)
        at(5, {i, made(i, here.sink.plans_wanted[here.plans])});
}

size_t CoreWorld::completed() const {
    return static_cast<size_t>(std::count_if(outcomes().begin(), outcomes().end(), [](const auto& each) {
        return each.second.state == FrameState::completed;
    }));
}

bool CoreWorld::each_once() const {
    std::set<FrameId> seen;
    return std::all_of(outcomes().begin(), outcomes().end(),
                       [&](const auto& each) { return seen.insert(each.first).second; });
}

bool CoreWorld::clean() const {
    return std::all_of(nodes_.begin(), nodes_.end(), [](const Node& each) { return each.dead || each.live.empty(); });
}

}  // namespace eddy::node
