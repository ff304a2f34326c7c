// NodeCore at work: its effects carried out by loop, network, lanes and cameras, and what happens there told to it.
// Belongs to the thread that constructs, runs and destroys it.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "eddy/model_card.hpp"
#include "models/graph/memory_plan.hpp"
#include "src/app/background.hpp"
#include "src/app/capture_bridge.hpp"
#include "src/app/compute_lane.hpp"
#include "src/app/identity.hpp"
#include "src/app/node_journal.hpp"
#include "src/app/replay_runner.hpp"
#include "src/app/row_units.hpp"
#include "src/app/unreached_log.hpp"
#include "src/control/protocol.hpp"
#include "src/control/status.hpp"
#include "src/metrics/collector.hpp"
#include "src/metrics/results.hpp"
#include "src/node/node_core.hpp"
#include "src/transport/line_server.hpp"
#include "src/transport/loop.hpp"
#include "src/transport/network.hpp"

namespace eddy::app {

struct RuntimeParts {
    NodeConfig config;
    Identity identity;
    ModelProfile profile;  ///< no layers: relays only
    graph::MemoryPlan memory;
    ModelCard card;
    uint32_t frame_width = 0;
    uint32_t frame_height = 0;
    std::function<std::unique_ptr<Runner>()> make_runner;  ///< called once per lane, on its thread
    std::shared_ptr<Replay> replay;                        ///< what the runners replay; null: they compute
    /// Compiles runs of layers, so that lanes find them ready; called on a thread of its own, one call at a time.
    std::function<void(const std::vector<UnitRange>&)> compile;
    // Plans over rows (EdgeFlow); all null: this node takes part in none.
    std::shared_ptr<const graph::ModelGraph> graph;
    std::shared_ptr<const RowProfile> rows;
    std::shared_ptr<RowUnits> row_units;
    std::optional<metrics::ResultWriter> results;
    LogFn log;
};

class NodeRuntime final : private EffectSink, private transport::NetworkEvents {
public:
    explicit NodeRuntime(RuntimeParts parts);
    ~NodeRuntime() override;

    /// Listens and joins.
    Status start();
    /// Serves until stopped; `seconds`: by itself so long after the cameras started. Error: a camera could not be
    /// opened.
    Status run(std::optional<double> seconds);
    [[nodiscard]] metrics::Report report();

private:
    enum LoopTimer : int { core_ring, core_state, core_frames, core_stop, core_link, self_stop, flush_results };

    // -- EffectSink
    void send(const NodeId& peer, const Message& message, std::span<const TensorRef> tensors) override;
    void connect(const Endpoint& endpoint) override;
    void disconnect(const NodeId& peer, const std::string& reason) override;
    void compute(const Job& job) override;
    void prepare(std::span<const UnitRange> runs) override;
    void compile(PlanId plan, std::span<const UnitOrder> units) override;
    void forget(PlanId plan) override;
    void make_plan(const PlanRequest& request) override;
    void release(BufferId buffer) override;
    void deliver(const FrameId& frame, const Outcome& outcome) override;
    void persist(const journal::Entry& entry) override { journal_->append(entry); }
    void allow_capture(CaptureAllowance allowance) override;
    void arm(TimerId timer, Instant at) override;
    void idle() override;
    void log(LogLevel level, const std::string& text) override { parts_.log(level, text); }
    // -- NetworkEvents
    void on_peer_up(const msg::Member& peer, uint64_t connection) override;
    void on_peer_down(const NodeId& peer, uint64_t connection, const std::string& reason) override;
    void on_received(transport::Incoming incoming) override;
    void on_progress(const NodeId& peer) override;
    void on_drained(const NodeId& peer) override;
    void on_dial_failed(const Endpoint& endpoint, transport::DialFailure failure, const std::string& reason) override;

    void make_cameras();
    void account_for_retired();
    void tell_outcome(const FrameId& frame, const Outcome& outcome, const std::string& source);
    void begin_when_ready();
    void tell(const Event& event);
    void drain_queues();
    void on_finished(Finished finished);
    void on_captured(camera::Frame frame);
    void stop(const std::string& why);
    void start_cameras();
    void stop_cameras();
    void on_source_ended(const StreamEnd& end);
    void on_signal(int signal);
    TensorRef keep(HostTensor tensor);
    std::string answer(const std::string& line);
    std::string set_replay_speed(double speed);
    [[nodiscard]] control::NodeStatus status() const;
    [[nodiscard]] control::RingMember ring_row(const msg::Member& member, Instant now) const;
    [[nodiscard]] std::string source_name(const SourceId& source) const;
    [[nodiscard]] metrics::NodeStats node_stats();
    [[nodiscard]] std::optional<journal::Totals> earlier_lives(size_t row) const;

    RuntimeParts parts_;
    transport::Loop loop_;
    std::unique_ptr<transport::Network> network_;
    std::unique_ptr<transport::LineServer> control_;
    std::unique_ptr<NodeJournal> journal_;
    std::vector<uint64_t> first_numbers_;  ///< a stream: what the camera calls frame 0
    std::unique_ptr<node::NodeCore> core_;
    metrics::Collector collector_;
    Endpoint endpoint_;
    UnreachedLog unreached_;
    std::map<BufferId, HostTensor> buffers_;
    uint64_t next_buffer_ = 0;
    CaptureQueue captures_;
    std::vector<std::unique_ptr<CaptureBridge>> bridges_;
    std::vector<std::unique_ptr<camera::Source>> cameras_;
    std::vector<bool> ended_;
    moodycamel::ConcurrentQueue<std::pair<size_t, Finished>> finished_;
    std::vector<std::unique_ptr<ComputeLane>> lanes_;
    std::vector<bool> lane_taken_;
    Usec computed_{0};                             ///< by all lanes, their pauses left out
    std::deque<Event> pending_;                    ///< events that arose while the core was at work
    std::thread compiler_;                         ///< at most one; the lanes go on meanwhile
    moodycamel::ConcurrentQueue<Event> prepared_;  ///< what came of tasks in the background
    std::unique_ptr<Background> background_;       ///< for plans over rows
    std::map<PlanId, std::shared_ptr<const std::vector<UnitOrder>>> orders_;  ///< to be compiled; gone: no more
    std::atomic<bool> cameras_stopped_{false};                                ///< by stop_cameras(), and for good
    std::atomic<bool> compiled_{false};  ///< it is through; the loop has not noticed yet
    std::thread starter_;                ///< opening a camera may take seconds; the loop must not wait for it
    std::optional<double> seconds_;
    std::optional<Error> failure_;
    bool in_core_ = false;
    bool begun_ = false;
    bool stopping_ = false;
    Instant started_at_{};
};

}  // namespace eddy::app
