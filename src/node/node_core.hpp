// NodeCore: ring, scheduler and plan joined in one pure state machine. The daemon and the simulator run this same code.
//
// A frame here: Captured -> reservoir -> queue -> lane and link in turn (policy) -> successor … -> Result -> outcome; or
// by rows (node_flows.hpp). Who does not get on is routed around (progress.hpp). The source keeps the pixels of every
// frame until its outcome, a node what it handed over until the next has passed it on (custody.hpp). What a lost node
// had is queued again here, or by its source under a higher attempt, which fences stale work. The first result wins.
//
// Bounds: reservoir; of a foreign source, all queues together: `queue_frames` (times cuts_default, of a policy with
// cuts), one per neighbour for the credit that needs no grant, and what comes back from a broken link; of an own source
// `queue_frames` more, and one per lane; outbox, receipts, results; custody in bytes; all buffers `queue_bytes` and
// custody's, beyond which a frame a source comes, and what is here may grow by being computed. One thread, the caller's.
#pragma once

#include <memory>
#include <set>

#include "ring/ring.hpp"
#include "scheduler/ar_mdi.hpp"
#include "scheduler/cuts.hpp"
#include "scheduler/layer_clock.hpp"
#include "scheduler/policy.hpp"
#include "scheduler/prices.hpp"
#include "scheduler/queue_set.hpp"
#include "src/node/buffers.hpp"
#include "src/node/core_counters.hpp"
#include "src/node/custody.hpp"
#include "src/node/frame_ledger.hpp"
#include "src/node/link.hpp"
#include "src/node/node_flows.hpp"
#include "src/node/node_records.hpp"
#include "src/node/stream.hpp"
#include "src/node/taken_work.hpp"

namespace eddy::node {

class NodeCore {
public:
    NodeCore(CoreConfig config, uint64_t seed);

    void start(Instant now, EffectSink& sink);
    void on(const Event& event, Instant now, EffectSink& sink);

    [[nodiscard]] const ring::Ring& ring() const { return ring_; }
    [[nodiscard]] const FrameLedger& ledger() const { return ledger_; }
    [[nodiscard]] const CoreCounters& counters() const { return counters_; }
    [[nodiscard]] const Custody& custody() const { return custody_; }
    [[nodiscard]] std::vector<QueueLengths> queue_lengths() const;
    [[nodiscard]] const scheduler::Board& board() const { return queues_.board(); }  ///< what the policy sees
    [[nodiscard]] double gamma_s_per_parameter(const NodeId& member) const;  ///< as last reported; 0: unknown, or none
    [[nodiscard]] const Link* link(const NodeId& peer) const;                ///< nullptr: not connected
    [[nodiscard]] std::optional<NodeId> next_hop() const { return way_; }    ///< of frames; policies without workers
    [[nodiscard]] const RowFlows& rows() const { return flows_.rows(); }
    [[nodiscard]] uint64_t buffered_bytes() const { return buffers_.bytes(); }
    [[nodiscard]] const char* policy_name() const { return policy_->name(); }
    [[nodiscard]] bool stopping() const { return stopping_; }
    /// In queues, on lanes, and_without_receipt, or as a result without acknowledgement; what is only in custody not.
    [[nodiscard]] std::set<FrameId> frames_here(bool and_without_receipt = true) const;
    void check_invariants() const;

private:
    friend class NodeFlows;
    using Item = scheduler::Item;
    // events (node_core.cpp)
    void handle(const ev::Captured& e);
    void handle(const ev::SourceEnded& e);
    void handle(const ev::PeerUp& e);
    void handle(const ev::PeerDown& e);
    void handle(const ev::DialFailed& e);
    void handle(const ev::Received& e);
    void handle(const ev::Progress& e);
    void handle(const ev::Computed& e);
    void handle(const ev::Prepared& e);
    void handle(const ev::Timer& e);
    void handle(const ev::Stop& e);
    // messages (node_messages.cpp)
    void receive(const ev::Received& e, const msg::Work& work);
    void receive(const ev::Received& e, const msg::Ack& ack);
    void receive(const ev::Received& e, const msg::Result& result);
    void receive(const ev::Received& e, const msg::ResultAck& ack);
    void receive(const ev::Received& e, const msg::NodeState& state);
    [[nodiscard]] std::optional<std::string> objection(const ev::Received& e, const msg::Work& work) const;
    [[nodiscard]] bool stale(const msg::Work& work);
    [[nodiscard]] uint64_t came_here(size_t row) const;
    [[nodiscard]] bool roomy(uint64_t more_bytes) const;
    void grant_credits();
    [[nodiscard]] uint32_t taken_frames_max() const;
    void send_states();
    [[nodiscard]] msg::NodeState state_for(const Link& link);
    void hand_over(const NodeId& to, Item item);
    void let_go(const Item& item);
    void release(const FrameId& frame, const scheduler::Keeper& keeper);
    void link_lost(const NodeId& peer);
    void take_back(Link& link);
    void recall(const NodeId& holder, Instant than = never);
    void members_changed();
    void arm_ring();
    // scheduling (node_schedule.cpp)
    void pump();
    bool admit_frames();
    FrameId next_frame(StreamId stream, bool again);
    void admit_frame(StreamId stream, size_t row, size_t queue, bool again);
    bool move_one();
    bool move_stuck();
    bool hand_on_one();
    void start_run(const scheduler::Run& run);
    void start_hop(const scheduler::Hop& hop);
    [[nodiscard]] std::optional<Item> take(size_t row, size_t queue);
    void start_job(Item item, uint16_t until);
    void send_work(Item item, const NodeId& to);
    void discard_dead_heads();
    [[nodiscard]] bool ends_here(const Item& item) const;
    [[nodiscard]] uint16_t cut_for(const Item& item) const;
    [[nodiscard]] bool dead(const Item& item) const;
    [[nodiscard]] bool can_compute(const Item& item) const;
    [[nodiscard]] bool too_old(const Item& item) const;
    [[nodiscard]] bool can_finish(const Item& item) const;
    [[nodiscard]] scheduler::HeadFacts facts_of(const Item& item) const;
    [[nodiscard]] bool runs_all() const { return layers_ == LayerRange{0, costs_.layers()}; }
    // what the policy sees (node_view.cpp)
    void refresh_view();
    void refresh_costs();
    void refresh_link();
    void refresh_workers();
    void choose_cuts();
    void close_idle_rows();
    [[nodiscard]] Link* next_link();
    [[nodiscard]] std::optional<LayerRange> layers_of(const NodeId& member) const;
    [[nodiscard]] Ahead ahead_of(const NodeId& source, uint16_t layer) const;
    [[nodiscard]] size_t queue_of(const Item& item) const;
    [[nodiscard]] double want(StreamId stream) const;
    [[nodiscard]] double own_pressure() const;
    [[nodiscard]] double wanted_backlog(StreamId stream) const;
    void refresh_pressure();
    void refresh_held_back(Usec elapsed);
    [[nodiscard]] std::vector<msg::Remaining> remaining() const;
    [[nodiscard]] std::vector<uint16_t> with_own_cuts(std::vector<uint16_t> cuts) const;
    size_t open_row(const SourceId& source);
    // who gets on, and the way around who does not (node_progress.cpp)
    void watch_neighbours();
    void turned(const NodeId& peer, Link& link, Progress::Pace before);
    void choose_way();
    [[nodiscard]] std::optional<NodeId> first_well();
    bool accept_slow(const NodeId& instead);
    [[nodiscard]] bool passes(const NodeId& source) const;
    [[nodiscard]] NodeId next_for(const NodeId& source) const;
    bool probe_one();
    bool probe(const NodeId& member, const Link& link);
    void watch_lanes();
    void stood_still();
    [[nodiscard]] double stretch_of(const Running& running) const;
    // frames (node_frames.cpp)
    void requeue(Item item);
    void finish(const Item& item, const Inference& inference);
    void give_up(const Item& item, const std::string& reason, bool expired);
    void send_result(const Item& item, msg::Result result);
    void complete(const FrameId& frame, Outcome outcome);
    void retry(const FrameId& frame, const std::string& reason);
    void suspect_all_away();
    void settle(const FrameId& frame, FrameState state, const std::string& reason);
    void check_deadlines();
    void update_stop();
    [[nodiscard]] bool kept_by(const NodeId& keeper, const FrameId& frame) const;

    CoreConfig config_;
    std::unique_ptr<scheduler::Policy> policy_;
    scheduler::ChainCosts costs_;
    const LayerRange layers_;  ///< within the chain
    ring::Ring ring_;
    FrameLedger ledger_;
    Buffers buffers_;
    scheduler::LayerClock clock_;
    scheduler::Prices prices_;
    std::vector<Stream> streams_;
    std::map<NodeId, Link> links_;  ///< one per connected peer
    std::optional<NodeId> way_;     ///< whom work goes to: the successor, or who comes next and gets on
    scheduler::QueueSet queues_;
    std::vector<uint16_t> cuts_, next_cuts_;  ///< offered, of policies without cuts the frame; being prepared
    std::map<FrameId, NodeId> given_;         ///< own frames at workers, of policies that use workers
    double pressure_ = 0;                     ///< largest w / r of the ring, as far as known
    double last_stretch_ = 1, stretch_ = 1;   ///< of the last run and all: so much longer than expected they take
    std::map<JobId, Running> lanes_;          ///< at most config_.lanes
    TakenWork taken_;
    std::map<FrameId, Finished> unacknowledged_results_;  ///< bounded
    Custody custody_;
    Releases releases_;
    Usec recent_completion_{0};  ///< of own frames that were sent on, from their last attempt; smoothed
    uint64_t work_bytes_ = 0;    ///< of the largest message of work so far, or a frame
    CoreCounters counters_;
    uint64_t next_job_ = 1, state_sequence_ = 0, ring_epoch_ = 0;
    Instant states_sent_{}, far_states_sent_{}, cuts_due_{};
    bool state_dirty_ = false, releases_due_ = false;  ///< these need not wait for a message to go with
    bool view_dirty_ = true;                           ///< the board's picture of the successor is to be made again
    std::map<NodeId, Incarnation> members_;            ///< as of ring_epoch_
    Instant ring_armed_ = never, link_armed_ = never, stop_deadline_ = never, now_{};  ///< now_: of the last event
    bool stopping_ = false, left_ = false, idle_told_ = false;
    EffectSink* sink_ = nullptr;  ///< during on() only
    NodeFlows flows_{*this};      ///< frames by rows
};

}  // namespace eddy::node
