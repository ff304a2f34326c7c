#include "sim/simulation.hpp"

#include <algorithm>
#include <set>

#include "eddy/assert.hpp"

namespace eddy::sim {

namespace {
constexpr uint16_t port_base = 1000;
constexpr uint64_t control_bytes = 200;

std::pair<size_t, size_t> pair_of(size_t a, size_t b) { return {std::min(a, b), std::max(a, b)}; }
}  // namespace

/// One simulated device: a core, its world, and the camera processes attached to it.
class Simulation::Node final : public EffectSink {
public:
    Node(Simulation& world, size_t index, NodeModel model) : world_(world), index_(index), model_(std::move(model)) {
        tallies_.resize(model_.sources.size());
    }

    void start() {
        EDDY_ASSERT(!core_);
        node::CoreConfig config;
        config.self = {model_.id, Incarnation{++incarnation_}, model_.name, endpoint(index_)};
        for (size_t i = 0; i < index_; ++i) config.seeds.push_back(endpoint(i));
        if (model_.has_model) config.profile = world_.profile_;
        config.time_scale = 1.0 / model_.speed;
        for (const auto& source : model_.sources)
            config.streams.push_back({source.name, source.when_full, source.deadline, source.reservoir_frames});
        config.policy = model_.policy;
        config.lanes = model_.lanes;
        config.queue_frames = model_.queue_frames;
        config.frame_timeout = model_.frame_timeout;
        core_ = std::make_unique<node::NodeCore>(config, world_.random_.next());
        ++life_;
        idle_ = false;
        cameras_.assign(model_.sources.size(), {});
        core_->start(world_.now_, *this);
        for (size_t i = 0; i < model_.sources.size(); ++i) {
            cameras_[i].allowance =
                model_.sources[i].reservoir_frames + (model_.sources[i].when_full == WhenFull::block ? 0 : 4);
            cameras_[i].due = world_.now_;
            schedule_capture(i);
        }
    }

    void die() {
        core_.reset();
        live_.clear();
        ++life_;
        timers_.clear();
    }

    void on(const Event& event) {
        if (!core_) return;
        core_->on(event, world_.now_, *this);
        core_->check_invariants();
    }

    static Endpoint endpoint(size_t index) { return {"sim", static_cast<uint16_t>(port_base + index)}; }

    // -- EffectSink ------------------------------------------------------------------------------------------------
    void send(const NodeId& peer, const Message& message, std::span<const TensorRef> tensors) override {
        uint64_t bytes = control_bytes;
        for (const auto& tensor : tensors) {
            EDDY_ASSERT(live_.count(tensor.buffer) == 1);
            bytes += tensor.bytes;
        }
        world_.deliver(index_, peer, message, {tensors.begin(), tensors.end()}, bytes);
    }
    void connect(const Endpoint& endpoint) override { world_.dial(index_, endpoint); }
    void disconnect(const NodeId& peer, const std::string& reason) override {
        for (size_t i = 0; i < world_.nodes_.size(); ++i)
            if (world_.nodes_[i]->model_.id == peer) world_.cut(index_, i, reason, true, true);
    }
    void compute(const Job& job) override {
        Usec busy{0};
        std::vector<Usec> times;
        for (uint32_t i = job.units.first; i < job.units.last; ++i) {
            times.push_back(from_seconds(to_seconds(world_.profile_.layers[i].time) / model_.speed));
            busy += times.back();
        }
        for (const auto& tensor : job.inputs) EDDY_ASSERT(live_.count(tensor.buffer) == 1);
        busy_ += busy;
        world_.at(world_.now_ + busy, [this, job, busy, times, life = life_] {
            if (life != life_) return;
            ev::Computed done;
            done.job = job.id;
            done.busy = busy;
            done.layer_times = times;
            if (job.ends_model)
                done.inference = Inference{{{0, 1.0F}}, {}};
            else
                done.outputs.push_back(make_tensor(world_.profile_.layers[job.units.last].frontier_bytes));
            on(done);
        });
    }
    void release(BufferId buffer) override { EDDY_ASSERT(live_.erase(buffer) == 1); }
    void deliver(const FrameId& frame, const Outcome& outcome) override {
        EDDY_ASSERT(delivered_.insert(frame).second);  // one outcome per frame, ever
        SourceTally& tally = tallies_[frame.source.stream.value];
        switch (outcome.state) {
            case FrameState::completed:
                ++tally.completed;
                tally.local += outcome.local ? 1 : 0;
                EDDY_ASSERT(outcome.parts.waiting + outcome.parts.computing <= outcome.completion);
                tally.completion_ms.push_back(to_ms(outcome.completion));
                break;
            case FrameState::failed: ++tally.failed; break;
            case FrameState::dropped: ++tally.dropped; break;
        }
        if (outcome.state != FrameState::completed) ++tally.reasons[outcome.reason];
    }
    void allow_capture(CaptureAllowance allowance) override {
        cameras_[allowance.stream.value].allowance += allowance.frames;
        // Not from inside the core: the camera notices at its next instant.
        world_.at(world_.now_, [this, stream = allowance.stream.value, life = life_] {
            if (life == life_ && cameras_[stream].blocked) capture(stream);
        });
    }
    void arm(TimerId timer, Instant when) override {
        const uint64_t generation = ++timers_[timer];
        world_.at(std::max(when, world_.now_), [this, timer, generation, life = life_] {
            if (life == life_ && timers_[timer] == generation) on(ev::Timer{timer});
        });
    }
    void idle() override { idle_ = true; }
    void log(LogLevel, const std::string&) override {}

    TensorRef make_tensor(uint64_t bytes) {
        TensorRef tensor;
        tensor.meta.dtype = DType::u8;
        tensor.meta.shape = {static_cast<int64_t>(bytes)};
        tensor.buffer = BufferId{++next_buffer_};
        tensor.bytes = bytes;
        live_.insert(tensor.buffer);
        return tensor;
    }

    // -- cameras ---------------------------------------------------------------------------------------------------
    void schedule_capture(size_t stream) {
        world_.at(std::max(cameras_[stream].due, world_.now_), [this, stream, life = life_] {
            if (life == life_) capture(stream);
        });
    }

    void capture(size_t stream) {
        auto& camera = cameras_[stream];
        const auto& source = model_.sources[stream];
        if (camera.ended || world_.now_ < camera.due) return;
        const StreamId id{static_cast<uint16_t>(stream)};
        if (camera.allowance == 0 && source.when_full == WhenFull::block) {
            camera.blocked = true;
            return;
        }
        camera.blocked = false;
        const Instant scheduled = camera.due;
        const double gap = 1.0 / source.rate_per_s;
        camera.due += from_seconds(source.arrivals == Arrivals::paced ? gap : world_.random_.exponential(gap));
        const uint64_t k = camera.k++;
        ++tallies_[stream].captured;
        const bool last = camera.k >= source.frames || core_->stopping();
        camera.ended = last;
        if (!last) schedule_capture(stream);
        if (camera.allowance == 0) {
            ++camera.missed;
        } else {
            --camera.allowance;
            ev::Captured event{id, k, scheduled, make_tensor(world_.profile_.layers[0].frontier_bytes), camera.missed};
            camera.missed = 0;
            on(event);
        }
        if (last) on(ev::SourceEnded{id, "", camera.missed});
    }

    struct Camera {
        uint64_t k = 0;
        Instant due{};
        uint64_t allowance = 0;
        uint64_t missed = 0;
        bool blocked = false;
        bool ended = false;
    };

    Simulation& world_;
    size_t index_;
    NodeModel model_;
    std::unique_ptr<node::NodeCore> core_;
    std::vector<Camera> cameras_;
    std::vector<SourceTally> tallies_;
    std::set<BufferId> live_;
    std::set<FrameId> delivered_;
    std::map<TimerId, uint64_t> timers_;
    uint64_t next_buffer_ = 0;
    uint64_t incarnation_ = 0;
    uint64_t life_ = 0;
    Usec busy_{0};
    bool idle_ = false;
    bool vanished_ = false;
};

Simulation::Simulation(uint64_t seed, ModelProfile profile, LinkModel link)
    : random_(seed), profile_(std::move(profile)), link_(link) {}
Simulation::~Simulation() = default;

size_t Simulation::add(NodeModel node) {
    nodes_.push_back(std::make_unique<Node>(*this, nodes_.size(), std::move(node)));
    return nodes_.size() - 1;
}

void Simulation::start(size_t node) { nodes_[node]->start(); }

void Simulation::crash(size_t node) {
    nodes_[node]->die();
    for (size_t i = 0; i < nodes_.size(); ++i) cut(node, i, "the connection was reset", false, true);
}

void Simulation::vanish(size_t node) {
    nodes_[node]->vanished_ = true;
    nodes_[node]->die();
}

void Simulation::stop(size_t node, Usec timeout) { nodes_[node]->on(ev::Stop{now_ + timeout}); }

void Simulation::at(Instant when, std::function<void()> run) { events_.push({when, ++sequence_, std::move(run)}); }

void Simulation::step() {
    const Action action = events_.top();
    events_.pop();
    EDDY_ASSERT(action.at >= now_);
    now_ = action.at;
    ++sequence_run_;
    action.run();
}

void Simulation::run_for(Usec duration) {
    const Instant end = now_ + duration;
    while (!events_.empty() && events_.top().at <= end) step();
    now_ = end;
}

void Simulation::dial(size_t from, const Endpoint& endpoint) {
    const size_t to = endpoint.port - port_base;
    EDDY_ASSERT(to < nodes_.size());
    at(now_ + 2 * link_.delay, [this, from, to] {
        auto& a = *nodes_[from];
        auto& b = *nodes_[to];
        if (!a.core_ || !b.core_ || from == to || connections_.count(pair_of(from, to)) != 0) return;
        const uint64_t connection = next_connection_++;
        connections_[pair_of(from, to)] = connection;
        a.on(ev::PeerUp{{b.model_.id, Incarnation{b.incarnation_}, b.model_.name, Node::endpoint(to)}, connection});
        b.on(ev::PeerUp{{a.model_.id, Incarnation{a.incarnation_}, a.model_.name, Node::endpoint(from)}, connection});
    });
}

void Simulation::cut(size_t a, size_t b, const std::string& reason, bool tell_a, bool tell_b) {
    const auto it = connections_.find(pair_of(a, b));
    if (it == connections_.end()) return;
    const uint64_t connection = it->second;
    connections_.erase(it);
    const auto tell = [&](size_t whom, size_t of, Usec delay) {
        at(now_ + delay, [this, whom, of, connection, reason] {
            nodes_[whom]->on(ev::PeerDown{nodes_[of]->model_.id, connection, reason});
        });
    };
    if (tell_a) tell(a, b, Usec{0});
    if (tell_b && !nodes_[a]->vanished_) tell(b, a, link_.delay);
}

void Simulation::deliver(size_t from, const NodeId& peer, const Message& message, std::vector<TensorRef> tensors,
                         uint64_t bytes) {
    size_t to = nodes_.size();
    for (size_t i = 0; i < nodes_.size(); ++i)
        if (nodes_[i]->model_.id == peer) to = i;
    if (to == nodes_.size()) return;
    const auto connection = connections_.find(pair_of(from, to));
    if (connection == connections_.end()) return;
    Instant first = now_ + link_.delay;
    Instant last = first;
    if (lane_of(message) == Lane::bulk) {
        Instant& free = bulk_free_[{from, to}];
        free = std::max(free, now_);
        first = free + link_.delay;
        free += from_seconds(static_cast<double>(bytes) / link_.bytes_per_s);
        last = free + link_.delay;
    }
    at(last, [=, this, id = connection->second, tensors = std::move(tensors)] {
        const auto still = connections_.find(pair_of(from, to));
        if (still == connections_.end() || still->second != id || !nodes_[to]->core_) return;
        Node& receiver = *nodes_[to];
        std::vector<TensorRef> arrived;
        for (const auto& tensor : tensors) arrived.push_back(receiver.make_tensor(tensor.bytes));
        receiver.on(ev::Received{nodes_[from]->model_.id, id, message, std::move(arrived), first, last, bytes});
    });
}

const node::NodeCore& Simulation::core(size_t node) const { return *nodes_[node]->core_; }
bool Simulation::running(size_t node) const { return nodes_[node]->core_ != nullptr; }
bool Simulation::idle(size_t node) const { return nodes_[node]->idle_; }
const SourceTally& Simulation::tally(size_t node, size_t stream) const { return nodes_[node]->tallies_[stream]; }
Usec Simulation::busy(size_t node) const { return nodes_[node]->busy_; }
size_t Simulation::live_buffers(size_t node) const { return nodes_[node]->live_.size(); }

bool Simulation::all_settled() const {
    for (const auto& node : nodes_) {
        if (!node->core_) continue;
        for (const auto& camera : node->cameras_)
            if (!camera.ended) return false;
        if (node->core_->ledger().open_frames() > 0) return false;
    }
    return true;
}

bool Simulation::converged() const {
    std::set<NodeId> alive;
    for (const auto& node : nodes_)
        if (node->core_) alive.insert(node->model_.id);
    for (const auto& node : nodes_) {
        if (!node->core_) continue;
        std::set<NodeId> seen;
        for (const auto& member : node->core_->ring().members()) seen.insert(member.id);
        if (seen != alive) return false;
    }
    return true;
}

NodeId evenly_spaced_id(size_t i, size_t n) {
    NodeId id;
    const uint32_t prefix = static_cast<uint32_t>((uint64_t{1} << 32) * i / n);
    for (size_t b = 0; b < 4; ++b) id.bytes[b] = static_cast<uint8_t>(prefix >> (24 - 8 * b));
    return id;
}

ModelProfile even_profile(size_t layers, Usec total, uint64_t frontier_bytes) {
    ModelProfile profile;
    profile.model = "even";
    profile.chain_hash.bytes[0] = 1;
    for (size_t i = 0; i < layers; ++i) {
        LayerProfile layer;
        layer.name = "layer" + std::to_string(i);
        layer.time = total / static_cast<int64_t>(layers);
        layer.parameters = 1000 * (i + 1);
        layer.frontier_bytes = frontier_bytes;
        profile.layers.push_back(layer);
    }
    return profile;
}

}  // namespace eddy::sim
