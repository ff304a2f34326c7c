#include "src/app/node_runtime.hpp"

#include "eddy/real_clock.hpp"
#include "src/app/row_planner.hpp"

namespace eddy::app {

namespace {
constexpr size_t drain_max = 256;  ///< events of cameras and lanes handled in one round of the loop
/// Frames a camera that drops may have on their way to the core beside those in the reservoir.
constexpr uint32_t capture_slack = 4;
constexpr Usec close_within = std::chrono::seconds(1);
constexpr Usec flush_every = std::chrono::seconds(1);
}  // namespace

NodeRuntime::NodeRuntime(RuntimeParts parts) : parts_(std::move(parts)), collector_(real_now(), parts_.config.name) {}

NodeRuntime::~NodeRuntime() {
    for (auto& bridge : bridges_) bridge->stop();
    for (auto& camera : cameras_) camera->request_stop();
    if (starter_.joinable()) starter_.join();
    if (compiler_.joinable()) compiler_.join();
    background_.reset();
    cameras_.clear();
    if (parts_.replay) parts_.replay->end();
    lanes_.clear();
    control_.reset();
    network_.reset();
}

Status NodeRuntime::start() {
    const NodeConfig& config = parts_.config;
    transport::NetworkConfig network;
    network.cluster = config.cluster;
    network.cluster_key = config.cluster_key;
    network.id = parts_.identity.id;
    network.incarnation = parts_.identity.incarnation;
    network.name = config.name;
    network.listen = config.listen;
    network.advertise = config.advertise;
    network.chain_hash = parts_.profile.chain_hash;
    network.bulk_queue_bytes_max = uint64_t{64} << 20;
    network_ = std::make_unique<transport::Network>(loop_, network, static_cast<NetworkEvents&>(*this), parts_.log);
    auto endpoint = network_->listen();
    if (!endpoint) return endpoint.error();
    endpoint_ = *endpoint;
    control_ = std::make_unique<transport::LineServer>(
        loop_, config.control_socket, [this](const std::string& line) { return answer(line); }, parts_.log);
    if (auto status = control_->listen(); !status) return status;

    node::CoreConfig core = node::core_config(config);
    core.self = {parts_.identity.id, parts_.identity.incarnation, config.name, endpoint_};
    core.profile = parts_.profile;
    core.layers = parts_.memory.layers;
    core.custody_bytes = parts_.memory.custody;
    core.queue_bytes = parts_.memory.queues;
    // What another device recorded says how fast this one is only together with its speed.
    core.time_scale = 1.0 / config.limit / (parts_.replay ? parts_.replay->speed() : 1.0);
    core.graph = parts_.graph;
    core.rows = parts_.rows;
    core.row_bytes = parts_.memory.queues;
    if (parts_.row_units) background_ = std::make_unique<Background>();
    journal_ = std::make_unique<NodeJournal>(config, parts_.identity.incarnation, parts_.log);
    journal_->fill(core.streams);
    for (const auto& stream : core.streams) first_numbers_.push_back(stream.first_number);
    core_ = std::make_unique<node::NodeCore>(core, parts_.identity.incarnation.value);
    loop_.on_wake([this] { drain_queues(); });
    loop_.on_stop_signal([this](int signal) { on_signal(signal); });
    if (parts_.make_runner)
        for (uint32_t i = 0; i < config.lanes; ++i) {
            lane_taken_.push_back(false);
            lanes_.push_back(std::make_unique<ComputeLane>(parts_.make_runner, config.limit, config.threads_per_lane,
                                                           [this, i](Finished finished) {
                                                               finished_.enqueue({i, std::move(finished)});
                                                               loop_.wake();
                                                           }));
        }
    started_at_ = real_now();
    parts_.log(LogLevel::info, "node " + config.name + " (" + short_name(parts_.identity.id) + ") listens on " +
                                   endpoint_.host + ":" + std::to_string(endpoint_.port) + ", cluster " +
                                   config.cluster + ", policy " + core_->policy_name());
    make_cameras();
    account_for_retired();
    in_core_ = true;
    core_->start(real_now(), *this);
    in_core_ = false;
    return success();
}

void NodeRuntime::make_cameras() {
    const auto& sources = parts_.config.sources;
    ended_.assign(sources.size(), false);
    for (uint16_t i = 0; i < sources.size(); ++i) {
        const StreamId stream{i};
        collector_.add_source(stream, sources[i].name);
        const uint32_t permits =
            sources[i].reservoir_frames + (sources[i].when_full == WhenFull::block ? 0 : capture_slack);
        bridges_.push_back(std::make_unique<CaptureBridge>(stream, permits, captures_, [this] { loop_.wake(); }));
        cameras_.push_back(std::make_unique<camera::Source>(sources[i], stream, parts_.frame_width, parts_.frame_height,
                                                            *bridges_.back(), parts_.log));
    }
}

/// The core knows only configured streams; these get rows behind them, so that their frames have an outcome, too.
void NodeRuntime::account_for_retired() {
    auto row = static_cast<uint16_t>(parts_.config.sources.size());
    for (const auto& source : journal_->retired()) {
        const StreamId stream{row++};
        collector_.add_source(stream, source.name);
        for (const auto& unfinished : source.unfinished) {
            Outcome outcome;
            outcome.state = FrameState::failed;
            outcome.reason = "source_restarted";
            outcome.attempts = unfinished.admitted ? 1 : 0;
            if (unfinished.admitted) collector_.on_admitted(stream);
            tell_outcome({{parts_.identity.id, stream}, unfinished.life, unfinished.k}, outcome, source.name);
        }
    }
}

void NodeRuntime::begin_when_ready() {
    if (begun_ || stopping_ || core_->ring().members().size() < parts_.config.start_members) return;
    begun_ = true;
    if (seconds_)
        loop_.arm(self_stop, real_now() + from_seconds(*seconds_), [this] { stop("the asked time is over"); });
    if (!cameras_stopped_) starter_ = std::thread([this] { start_cameras(); });
}

/// On a thread of its own. Every camera that does not start from then on, since all are to stop, ends nevertheless.
void NodeRuntime::start_cameras() {
    for (uint16_t i = 0; i < cameras_.size(); ++i) {
        const Status status = cameras_stopped_ ? Status(internal("it is not to start")) : cameras_[i]->start();
        if (status) continue;
        const bool stopped = cameras_stopped_;
        captures_.enqueue(stopped ? CaptureEvent(StreamEnd{StreamId{i}, {}, 0}) : StartFailure{status.error()});
        loop_.wake();
        if (!stopped) return;
    }
}

void NodeRuntime::stop_cameras() {
    if (cameras_stopped_.exchange(true)) return;
    parts_.log(LogLevel::info, "all cameras end: asked on the control socket");
    for (auto& bridge : bridges_) bridge->stop();
    for (auto& camera : cameras_) camera->request_stop();
    if (begun_) return;
    for (uint16_t i = 0; i < cameras_.size(); ++i) on_source_ended({StreamId{i}, {}, 0});
}

Status NodeRuntime::run(std::optional<double> seconds) {
    seconds_ = seconds;
    begin_when_ready();
    if (!begun_)
        parts_.log(LogLevel::info, "waiting for a ring of " + std::to_string(parts_.config.start_members) + " members");
    std::function<void()> flush = [this, &flush] {
        if (parts_.results) parts_.results->flush();
        journal_->each_second();
        loop_.arm(flush_results, real_now() + flush_every, flush);
    };
    flush();
    loop_.run();
    loop_.disarm(flush_results);
    if (parts_.results) parts_.results->flush();
    journal_->end();
    if (failure_) return *failure_;
    return success();
}

void NodeRuntime::stop(const std::string& why) {
    if (stopping_) return;
    stopping_ = true;
    parts_.log(LogLevel::info, "stopping: " + why + "; admitted frames have " +
                                   std::to_string(static_cast<int>(parts_.config.stop_timeout_s * 1000)) +
                                   " ms to finish");
    for (auto& bridge : bridges_) bridge->stop();
    for (auto& camera : cameras_) camera->request_stop();
    tell(ev::Stop{real_now() + from_seconds(parts_.config.stop_timeout_s)});
}

void NodeRuntime::on_signal(int signal) {
    if (!stopping_) return stop(signal == 2 ? "interrupted" : "asked to terminate");
    parts_.log(LogLevel::warning, "asked twice: ending at once");
    tell(ev::Stop{real_now()});
}

// The core is not re-entered: what an effect causes at once waits until the core is done.
void NodeRuntime::tell(const Event& event) {
    pending_.push_back(event);
    if (in_core_) return;
    in_core_ = true;
    while (!pending_.empty()) {
        const Event next = std::move(pending_.front());
        pending_.pop_front();
        core_->on(next, real_now(), *this);
    }
    in_core_ = false;
    begin_when_ready();
}

TensorRef NodeRuntime::keep(HostTensor tensor) {
    TensorRef ref{tensor.meta, BufferId{++next_buffer_}, tensor.bytes.size()};
    buffers_.emplace(ref.buffer, std::move(tensor));
    return ref;
}

void NodeRuntime::drain_queues() {
    if (compiled_.exchange(false)) tell(ev::Prepared{});
    Event prepared;
    while (prepared_.try_dequeue(prepared)) {
        if (const auto* done = std::get_if<ev::Compiled>(&prepared)) orders_.erase(done->plan);
        tell(prepared);
    }
    std::pair<size_t, Finished> finished{0, {JobId{}, internal("nothing"), Usec{0}, Usec{0}}};
    for (size_t i = 0; i < drain_max && finished_.try_dequeue(finished); ++i) {
        lane_taken_[finished.first] = false;
        on_finished(std::move(finished.second));
    }
    CaptureEvent capture;
    size_t drained = 0;
    for (; drained < drain_max && captures_.try_dequeue(capture); ++drained) {
        if (auto* frame = std::get_if<camera::Frame>(&capture)) {
            on_captured(std::move(*frame));
            continue;
        }
        if (const auto* failed = std::get_if<StartFailure>(&capture)) {
            if (!stopping_) failure_ = failed->error;
            stop("a camera could not be opened");
            continue;
        }
        on_source_ended(std::get<StreamEnd>(capture));
    }
    if (drained == drain_max) loop_.wake();
}

void NodeRuntime::on_source_ended(const StreamEnd& end) {
    const Instant now = real_now();
    if (end.missed > 0) collector_.on_missed(end.stream, end.missed, "capture_queue_full", now);
    collector_.on_source_ended(end.stream, now);
    ended_[end.stream.value] = true;
    tell(ev::SourceEnded{end.stream, stopping_ || cameras_stopped_ ? "" : end.reason, end.missed});
}

void NodeRuntime::on_captured(camera::Frame frame) {
    const Instant now = real_now();
    frame.k += first_numbers_.at(frame.stream.value);
    if (frame.missed > 0) collector_.on_missed(frame.stream, frame.missed, "capture_queue_full", now);
    collector_.on_captured(frame.stream, frame.k, now);
    tell(ev::Captured{frame.stream, frame.k, frame.captured_at, keep(std::move(frame.image)), frame.missed});
}

void NodeRuntime::on_finished(Finished finished) {
    ev::Computed done;
    done.job = finished.job;
    done.busy = finished.busy;
    computed_ += finished.computing;
    if (!finished.output) {
        done.failure = finished.output.error().message;
    } else {
        for (auto& tensor : finished.output->outputs) done.outputs.push_back(keep(std::move(tensor)));
        done.inference = std::move(finished.output->inference);
    }
    tell(done);
}

// -- effects --------------------------------------------------------------------------------------------------------

void NodeRuntime::send(const NodeId& peer, const Message& message, std::span<const TensorRef> tensors) {
    std::vector<HostTensor> bytes;
    for (const auto& tensor : tensors) bytes.push_back(buffers_.at(tensor.buffer));
    const bool work = !bytes.empty();
    const auto status = network_->send(peer, message, std::move(bytes));
    if (status || status.error().code == ErrorCode::unavailable) return;
    parts_.log(LogLevel::warning, "cannot send to " + short_name(peer) + ": " + status.error().message);
    // Work that does not go out would leave a hole in the numbering; a fresh connection starts a fresh one.
    if (work) network_->disconnect(peer, "a message could not be sent: " + status.error().message);
}

void NodeRuntime::connect(const Endpoint& endpoint) { network_->connect(endpoint); }

void NodeRuntime::disconnect(const NodeId& peer, const std::string& reason) { network_->disconnect(peer, reason); }

void NodeRuntime::compute(const Job& job) {
    std::vector<HostTensor> inputs;
    for (const auto& tensor : job.inputs) inputs.push_back(buffers_.at(tensor.buffer));
    for (size_t i = 0; i < lanes_.size(); ++i) {
        if (lane_taken_[i]) continue;
        lane_taken_[i] = true;
        return lanes_[i]->start(job.id, job.units, std::move(inputs), job.ends_model);
    }
    EDDY_ASSERT(!"the core starts no more jobs than there are lanes");
}

void NodeRuntime::prepare(std::span<const UnitRange> runs) {
    if (compiler_.joinable()) compiler_.join();  // it has told the loop already: the core asks for one at a time
    compiler_ = std::thread([this, runs = std::vector<UnitRange>(runs.begin(), runs.end())] {
        if (parts_.compile) parts_.compile(runs);
        compiled_ = true;
        loop_.wake();
    });
}

void NodeRuntime::compile(PlanId plan, std::span<const UnitOrder> units) {
    auto orders = std::make_shared<const std::vector<UnitOrder>>(units.begin(), units.end());
    orders_[plan] = orders;
    background_->post([this, plan, waiting = std::weak_ptr(orders)] {
        const auto wanted = waiting.lock();
        if (!wanted) return;  // the plan was retired before its turn came
        const Status status = parts_.row_units->compile(plan, *wanted);
        prepared_.enqueue(ev::Compiled{plan, status ? "" : status.error().message});
        loop_.wake();
    });
}

/// In turn with what compiles it.
void NodeRuntime::forget(PlanId plan) {
    orders_.erase(plan);
    background_->post([this, plan] { parts_.row_units->forget(plan); });
}

void NodeRuntime::make_plan(const PlanRequest& request) {
    background_->post([this, request] {
        auto proposal =
            make_row_plan(request, *parts_.graph, *parts_.rows, parts_.profile.chain_hash, parts_.config.row_planner);
        ev::PlanMade made{request.number, std::nullopt, ""};
        if (proposal)
            made.proposal = *std::move(proposal);
        else
            made.failure = proposal.error().message;
        prepared_.enqueue(std::move(made));
        loop_.wake();
    });
}

void NodeRuntime::release(BufferId buffer) {
    const size_t erased = buffers_.erase(buffer);
    EDDY_ASSERT(erased == 1);
}

void NodeRuntime::deliver(const FrameId& frame, const Outcome& outcome) {
    tell_outcome(frame, outcome, parts_.config.sources.at(frame.source.stream.value).name);
}

void NodeRuntime::tell_outcome(const FrameId& frame, const Outcome& outcome, const std::string& source) {
    if (frame.incarnation != parts_.identity.incarnation)
        collector_.on_unfinished(frame, outcome);
    else if (outcome.reason != "capture_queue_full")  // those are booked where they are noticed
        collector_.on_outcome(frame, outcome, real_now());
    if (!parts_.results) return;
    auto line = metrics::make_result_line(source, frame, outcome, parts_.card.labels, real_wall_clock());
    if (frame.incarnation == parts_.identity.incarnation)
        line.position = frame.k - first_numbers_.at(frame.source.stream.value);
    parts_.results->write(line);
}

void NodeRuntime::allow_capture(CaptureAllowance allowance) {
    bridges_.at(allowance.stream.value)->add_permits(allowance.frames);
}

void NodeRuntime::arm(TimerId timer, Instant at) {
    loop_.arm(static_cast<int>(timer), at, [this, timer] { tell(ev::Timer{timer}); });
}

void NodeRuntime::idle() {
    network_->close("it was stopped", close_within, [this] { loop_.stop(); });
}

// -- network --------------------------------------------------------------------------------------------------------

void NodeRuntime::on_peer_up(const msg::Member& peer, uint64_t connection) {
    unreached_.on_peer_up(peer.endpoint);
    tell(ev::PeerUp{peer, connection, network_->dialled(peer.id)});
}

void NodeRuntime::on_peer_down(const NodeId& peer, uint64_t connection, const std::string& reason) {
    tell(ev::PeerDown{peer, connection, reason});
}

void NodeRuntime::on_received(transport::Incoming incoming) {
    ev::Received event;
    event.peer = incoming.peer;
    event.connection = incoming.connection;
    event.message = std::move(incoming.message);
    for (auto& tensor : incoming.tensors) event.tensors.push_back(keep(std::move(tensor)));
    event.first_byte = incoming.first_byte;
    event.last_byte = incoming.last_byte;
    event.bytes = incoming.bytes;
    tell(event);
}

void NodeRuntime::on_progress(const NodeId& peer) { tell(ev::Progress{peer}); }
void NodeRuntime::on_drained(const NodeId& peer) { tell(ev::Drained{peer}); }

void NodeRuntime::on_dial_failed(const Endpoint& endpoint, transport::DialFailure failure, const std::string& reason) {
    unreached_.on_dial_failed(endpoint, failure, reason, real_now());
    using transport::DialFailure;
    const bool somebody_there =
        failure == DialFailure::full || failure == DialFailure::already_joined || failure == DialFailure::claimed;
    tell(ev::DialFailed{endpoint, std::string(transport::to_string(failure)) + ": " + reason, somebody_there});
}

}  // namespace eddy::app
