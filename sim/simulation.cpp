#include "sim/simulation.hpp"

#include <algorithm>
#include <set>

#include "eddy/assert.hpp"

namespace eddy::sim {

namespace {
constexpr Usec prepare_takes = from_ms(100);
constexpr Usec sync_every = std::chrono::seconds(1);
constexpr Usec sync_takes = from_ms(30);

/// Besides tensors. Of messages without them only results count: receipts, views and heartbeats are small, and take
/// no room on the wire.
uint64_t message_bytes(const Message& message) {
    if (carries_tensors(message)) return work_header_bytes;
    return std::holds_alternative<msg::Result>(message) ? result_bytes : 0;
}

/// What a simulated tensor holds: the frontier before a layer, of one picture. It travels as the tensor's shape.
struct Content {
    int64_t picture = 0;
    uint32_t layer = 0;
};

Content content_of(const TensorRef& tensor) {
    return {tensor.meta.shape.at(0), static_cast<uint32_t>(tensor.meta.shape.at(1))};
}

int64_t picture_of(size_t node, const FrameId& frame) {
    const uint64_t source = (frame.incarnation.value * 64 + node) * sources_max + frame.source.stream.value;
    return static_cast<int64_t>(source << 32U | frame.k);
}

/// Another picture, another result.
Inference inference_of(int64_t picture) { return {{{static_cast<uint32_t>(picture % 4'294'967'291), 1.0F}}, {}}; }

NetworkFaults network_of(const LinkModel& link) {
    NetworkFaults network;
    network.delay_mean = link.delay;
    return network;
}
}  // namespace

/// One simulated device: a core, its world, and the camera processes attached to it.
class Simulation::Node final : public EffectSink {
public:
    Node(Simulation& world, size_t index, NodeModel model)
        : world_(world), index_(index), model_(std::move(model)), lanes_(world.profile_, model_.speed) {
        tallies_.resize(model_.sources.size());
    }

    void start() {
        EDDY_ASSERT(!core_);
        node::CoreConfig config;
        config.self = member(world_.fabric_.life(index_));
        for (size_t i = 0; i < index_ && !model_.seeds; ++i) config.seeds.push_back(Fabric::endpoint(i));
        if (model_.seeds)
            for (const size_t i : *model_.seeds)
                if (i != index_) config.seeds.push_back(Fabric::endpoint(i));
        if (model_.has_model) config.profile = world_.profile_;
        config.time_scale = 1.0 / lanes_.speed();
        for (const auto& source : model_.sources)
            config.streams.push_back({source.name, source.when_full, source.deadline, source.reservoir_frames,
                                      source.weight > 0 ? source.weight : source.rate_per_s, source.priority});
        config.policy = model_.policy;
        config.shares = model_.shares;
        config.lanes = model_.lanes;
        config.queue_frames = model_.queue_frames;
        config.frame_timeout = model_.frame_timeout;
        config.memory_bytes = model_.memory_bytes;
        config.custody_bytes = model_.custody_bytes;
        config.queue_bytes = model_.queue_bytes;
        config.layers = model_.layers;
        if (journals()) recover_journal(config);
        core_ = std::make_unique<node::NodeCore>(config, world_.random_.next());
        idle_ = false;
        cameras_.clear();
        for (size_t i = 0; i < model_.sources.size(); ++i) {
            const SourceModel& source = model_.sources[i];
            const ArrivalTimes times(source.arrivals, source.rate_per_s, source.frames, world_.random_.next());
            Camera& camera = cameras_.emplace_back(times);
            camera.first_number = config.streams[i].first_number;
            camera.allowance = source.reservoir_frames + (source.when_full == WhenFull::block ? 0 : 4);
        }
        if (observer() != nullptr) observer()->on_started(index_, *core_);
        core_->start(now(), *this);
        if (journals()) sync_journal();
        if (!model_.cameras_wait) start_cameras();
    }

    void die() {
        if (core_ && observer() != nullptr) observer()->on_ended(index_, *core_, idle_);
        if (core_ && idle_ && journals()) journal_.end();
        core_.reset();
        lanes_.clear(now());
        live_.clear();
    }

    // -- the journal -----------------------------------------------------------------------------------------------
    [[nodiscard]] bool journals() const { return world_.options_.journals && !model_.sources.empty(); }
    void recover_journal(node::CoreConfig& config) {
        std::vector<std::string> names;
        for (const auto& source : model_.sources) names.push_back(source.name);
        expect(journal_.begin(names, config.self.incarnation), "JournalAgrees", "its journal contradicts itself");
        for (size_t i = 0; i < names.size(); ++i) {
            const auto& stream = journal_.books().streams()[i];
            config.streams[i].first_number = stream.next;
            for (const auto& [k, frame] : stream.open) config.streams[i].unfinished.push_back(frame);
        }
    }
    /// What was written when the disk began is on it when it is through.
    void sync_journal() {
        world_.fabric_.at_process(index_, now() + sync_every, [this] {
            world_.fabric_.at_process(index_, now() + sync_takes,
                                      [this, bytes = journal_.bytes()] { journal_.synced(bytes); });
            sync_journal();
        });
    }
    void persist(const journal::Entry& entry) override {
        if (journals())
            expect(journal_.append(entry), "JournalAgrees", "an entry contradicts those before it in its journal");
    }
    void cut_power() {
        const auto lost = journal_.cut_power(world_.random_);
        if (observer() != nullptr) observer()->on_power_cut(index_, journal_.books().life(), lost);
    }

    void on(const Event& event) {
        if (!core_) return;
        core_->on(event, now(), *this);
        if (observer() != nullptr) observer()->on_event(index_, event, *core_);
        if (++events_ % world_.options_.check_every == 0) core_->check_invariants();
    }

    [[nodiscard]] Instant now() const { return world_.fabric_.now(); }
    [[nodiscard]] Observer* observer() const { return world_.options_.observer; }
    /// What always holds.
    void expect(bool holds, const char* rule, const char* text) {
        if (holds) return;
        EDDY_ASSERT(observer() != nullptr);
        observer()->on_violation(index_, rule, text);
    }
    [[nodiscard]] msg::Member member(uint32_t life) const {
        return {model_.id, Incarnation{life}, model_.name, Fabric::endpoint(index_)};
    }

    // -- EffectSink ------------------------------------------------------------------------------------------------
    void send(const NodeId& peer, const Message& message, std::span<const TensorRef> tensors) override {
        uint64_t bytes = message_bytes(message);
        for (const auto& tensor : tensors) {
            EDDY_ASSERT(live_.count(tensor.buffer) == 1);
            bytes += tensor.bytes;
        }
        const auto to = world_.indices_.find(peer);
        if (to == world_.indices_.end()) return;
        if (observer() != nullptr) observer()->on_send(index_, to->second, message);
        world_.fabric_.send(index_, to->second, message, tensors, bytes);
    }
    void connect(const Endpoint& endpoint) override { world_.fabric_.dial(index_, endpoint); }
    void disconnect(const NodeId& peer, const std::string& reason) override {
        const auto to = world_.indices_.find(peer);
        if (to != world_.indices_.end()) world_.fabric_.close(index_, to->second, reason);
    }
    void compute(const Job& job) override {
        for (const auto& tensor : job.inputs) {
            EDDY_ASSERT(live_.count(tensor.buffer) == 1);
            expect(content_of(tensor).layer == job.units.first, "LayersInOrder", "a layer is left out or done twice");
        }
        expect(job.units.first >= model_.layers.first && job.units.last <= model_.layers.last, "OwnLayers",
               "a layer is run that does not fit");
        layers_run_ += job.units.last - job.units.first;
        end_job_at(lanes_.begin(job, now()));
    }
    void prepare(std::span<const UnitRange>) override {
        world_.fabric_.at_process(index_, now() + prepare_takes, [this] { on(ev::Prepared{}); });
    }
    void release(BufferId buffer) override { EDDY_ASSERT(live_.erase(buffer) == 1); }
    void deliver(const FrameId& frame, const Outcome& outcome) override {
        SourceTally& tally = tallies_[frame.source.stream.value];
        const bool first = delivered_.insert(frame).second;
        if (observer() != nullptr)
            observer()->on_outcome(index_, frame, outcome);
        else
            EDDY_ASSERT(first || !world_.options_.abort_on_duplicate);  // one outcome per frame, ever
        if (!first) {
            ++tally.duplicated;
            return;
        }
        switch (outcome.state) {
            case FrameState::completed:
                ++tally.completed;
                tally.local += outcome.local ? 1 : 0;
                expect(outcome.parts.waiting + outcome.parts.computing <= outcome.completion, "OwnResult",
                       "the parts of a completion are longer than the whole");
                expect(outcome.inference == inference_of(picture_of(index_, frame)), "OwnResult",
                       "a frame was completed with the result of another");
                tally.completion_ms.push_back(to_ms(outcome.completion));
                break;
            case FrameState::failed: ++tally.failed; break;
            case FrameState::dropped: ++tally.dropped; break;
        }
        if (outcome.state != FrameState::completed) ++tally.reasons[outcome.reason];
        if (world_.on_outcome_) world_.on_outcome_(index_, frame.source.stream.value, outcome);
    }
    void allow_capture(CaptureAllowance allowance) override {
        cameras_[allowance.stream.value].allowance += allowance.frames;
        // Not from inside the core: the camera notices at its next instant.
        world_.fabric_.at_process(index_, now(), [this, stream = allowance.stream.value] {
            if (cameras_[stream].blocked) capture(stream);
        });
    }
    void arm(TimerId timer, Instant when) override {
        world_.fabric_.set_timer(index_, static_cast<uint32_t>(timer), when);
    }
    void idle() override {
        idle_ = true;
        if (observer() != nullptr) observer()->on_idle(index_);
    }
    void log(LogLevel level, const std::string& text) override {
        if (observer() != nullptr) observer()->on_log(index_, level, text);
    }

    TensorRef make_tensor(uint64_t bytes, Content content) {
        TensorRef tensor;
        tensor.meta.dtype = DType::u8;
        tensor.meta.shape = {content.picture, content.layer, static_cast<int64_t>(bytes)};
        tensor.buffer = BufferId{++next_buffer_};
        tensor.bytes = bytes;
        live_.insert(tensor.buffer);
        return tensor;
    }

    // -- compute ---------------------------------------------------------------------------------------------------
    void end_job_at(const Lanes::Ending& ending) {
        world_.fabric_.at_process(index_, ending.at, [this, ending] {
            if (lanes_.holds(ending)) end_job(ending.job);
        });
    }

    void end_job(JobId id) {
        Lanes::Done ended = lanes_.end(id, now());
        ev::Computed done;
        done.job = id;
        done.busy = ended.busy;
        done.layer_times = std::move(ended.layer_times);
        const int64_t picture = content_of(ended.job.inputs.at(0)).picture;
        const uint32_t layer = ended.job.units.last;
        if (ended.job.ends_model)
            done.inference = inference_of(picture);
        else
            done.outputs.push_back(make_tensor(world_.profile_.layers[layer].frontier_bytes, {picture, layer}));
        on(done);
    }

    void set_speed(double speed) {
        for (const auto& ending : lanes_.set_speed(speed, now())) end_job_at(ending);
    }

    // -- cameras ---------------------------------------------------------------------------------------------------
    void start_cameras() {
        for (size_t i = 0; i < cameras_.size(); ++i) {
            Camera& camera = cameras_[i];
            EDDY_ASSERT(!camera.started);
            camera.started = true;
            camera.times.begin_at(now());
            camera.counted = camera.times;
            schedule_capture(i);
        }
    }

    void schedule_capture(size_t stream) {
        world_.fabric_.at_process(index_, cameras_[stream].times.due(), [this, stream] { capture(stream); });
    }

    void end_camera(size_t stream) {
        Camera& camera = cameras_[stream];
        if (camera.ended) return;
        camera.ended = true;
        camera.counted = camera.times;
        on(ev::SourceEnded{StreamId{static_cast<uint16_t>(stream)}, "", camera.missed});
    }

    uint64_t frames_due(size_t stream) {
        Camera& camera = cameras_[stream];
        while (camera.started && !camera.ended && camera.counted.due() <= now()) camera.counted.next();
        return camera.counted.k();
    }

    void capture(size_t stream) {
        auto& camera = cameras_[stream];
        const auto& source = model_.sources[stream];
        if (camera.ended || now() < camera.times.due()) return;
        const StreamId id{static_cast<uint16_t>(stream)};
        if (camera.allowance == 0 && source.when_full == WhenFull::block) {
            camera.blocked = true;
            return;
        }
        camera.blocked = false;
        const Instant scheduled = camera.times.due();
        const uint64_t k = camera.first_number + camera.times.k();
        camera.times.next();
        ++tallies_[stream].captured;
        const bool last = camera.times.due() == never || core_->stopping();
        if (last) camera.counted = camera.times;
        camera.ended = last;
        if (!last) schedule_capture(stream);
        if (camera.allowance == 0) {
            ++camera.missed;
        } else {
            --camera.allowance;
            const int64_t picture = picture_of(index_, core_->ledger().id(id, k));
            const TensorRef frame = make_tensor(world_.profile_.layers[0].frontier_bytes, {picture, 0});
            ev::Captured event{id, k, scheduled, frame, camera.missed};
            camera.missed = 0;
            if (observer() != nullptr) observer()->on_captured(index_, core_->ledger().id(id, k));
            on(event);
        }
        if (last) on(ev::SourceEnded{id, "", camera.missed});
    }

    struct Camera {
        explicit Camera(const ArrivalTimes& arrivals) : times(arrivals), counted(arrivals) {}
        ArrivalTimes times;         ///< of the frame to capture next
        ArrivalTimes counted;       ///< ahead of it, if frames wait to be captured
        uint64_t first_number = 0;  ///< what the core calls the camera's frame 0
        bool started = false;
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
    uint64_t next_buffer_ = 0;
    Lanes lanes_;
    JournalDisk journal_;
    uint64_t events_ = 0;
    uint64_t layers_run_ = 0;
    bool idle_ = false;
};

Simulation::Simulation(uint64_t seed, ModelProfile profile, LinkModel link, SimulationOptions options)
    : random_(seed), profile_(std::move(profile)), options_(options), fabric_(random_.next(), network_of(link), *this) {
    fabric_.set_bandwidth(link.bytes_per_s);
}
Simulation::~Simulation() = default;

size_t Simulation::add(NodeModel node) {
    const size_t index = fabric_.add();
    EDDY_ASSERT(indices_.emplace(node.id, index).second);
    nodes_.push_back(std::make_unique<Node>(*this, index, std::move(node)));
    return index;
}

void Simulation::start(size_t node) {
    fabric_.start(node);
    nodes_[node]->start();
}

void Simulation::crash(size_t node) {
    fabric_.crash(node);
    nodes_[node]->die();
}

void Simulation::vanish(size_t node) {
    Node& machine = *nodes_[node];
    const bool writes = machine.core_ && machine.journals();
    fabric_.vanish(node);
    machine.die();
    if (writes) machine.cut_power();
}

void Simulation::stop(size_t node, Usec timeout) { nodes_[node]->on(ev::Stop{now() + timeout}); }

void Simulation::start_cameras(size_t node) { nodes_[node]->start_cameras(); }
void Simulation::end_camera(size_t node, size_t stream) { nodes_[node]->end_camera(stream); }
void Simulation::set_speed(size_t node, double speed) { nodes_[node]->set_speed(speed); }
uint64_t Simulation::frames_due(size_t node, size_t stream) { return nodes_[node]->frames_due(stream); }

void Simulation::on_peer_up(size_t node, size_t peer, uint64_t connection, uint32_t life) {
    nodes_[node]->on(ev::PeerUp{nodes_[peer]->member(life), connection});
}

void Simulation::on_peer_down(size_t node, size_t peer, uint64_t connection, const std::string& reason) {
    nodes_[node]->on(ev::PeerDown{nodes_[peer]->model_.id, connection, reason});
}

void Simulation::on_dial_failed(size_t node, const Endpoint& endpoint, const std::string& reason) {
    nodes_[node]->on(ev::DialFailed{endpoint, reason});
}

void Simulation::on_message(size_t node, Delivery& delivery) {
    std::vector<TensorRef> arrived;
    for (const auto& tensor : delivery.tensors)
        arrived.push_back(nodes_[node]->make_tensor(tensor.bytes, content_of(tensor)));
    nodes_[node]->on(ev::Received{nodes_[delivery.from]->model_.id, delivery.connection, std::move(delivery.message),
                                  std::move(arrived), delivery.first_byte, delivery.last_byte, delivery.bytes});
}

void Simulation::on_timer(size_t node, uint32_t timer) { nodes_[node]->on(ev::Timer{static_cast<TimerId>(timer)}); }

const node::NodeCore& Simulation::core(size_t node) const { return *nodes_[node]->core_; }
bool Simulation::running(size_t node) const { return nodes_[node]->core_ != nullptr; }
bool Simulation::idle(size_t node) const { return nodes_[node]->idle_; }
const SourceTally& Simulation::tally(size_t node, size_t stream) const { return nodes_[node]->tallies_[stream]; }
Usec Simulation::busy(size_t node) const { return nodes_[node]->lanes_.busy(now()); }
uint64_t Simulation::layers_run(size_t node) const { return nodes_[node]->layers_run_; }
size_t Simulation::live_buffers(size_t node) const { return nodes_[node]->live_.size(); }

const journal::Books& Simulation::books(size_t node) const { return nodes_[node]->journal_.books(); }

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
