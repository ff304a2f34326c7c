// All plans over rows that this node takes part in, and the frames under way by them: takes plans, has their units
// compiled, answers for them; takes rows in and says which go out; and, where frames begin here, tells plans to others,
// begins frames under the one that all have, and gives those back whose plan has come to an end before them.
//
// It decides neither when a plan is made nor which frames go by rows (row_choice.hpp), and knows no links: what is to go
// out waits in an outbox for its owner. Tensors count as held in the owner's Buffers.
//
// Pure; one owner, one thread. Bounded by FlowHost.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "src/node/buffers.hpp"
#include "src/node/edgeflow/flow_host.hpp"
#include "src/node/edgeflow/plan_lifecycle.hpp"

namespace eddy::node {

struct RowFlowsConfig {
    NodeId self;
    std::shared_ptr<const graph::ModelGraph> graph;  ///< null: takes part in no plan
    std::shared_ptr<const RowProfile> rows;          ///< of that model; what units are expected to take
    ContentHash chain_hash;
    uint64_t bytes_max = 0;
    std::function<bool(const NodeId&)> connected;  ///< is there a connection to that node?
};

/// To be sent. Its tensors are the owner's to release.
struct RowsOut {
    NodeId to;
    Message message;
    std::vector<TensorRef> tensors;
};

class RowFlows {
public:
    RowFlows(RowFlowsConfig config, Buffers& buffers);

    // -- as any device of a plan ------------------------------------------------------------------------------------
    void on(const NodeId& peer, const msg::PlanPrepare& prepare, Instant now, EffectSink& sink);
    void on(const NodeId& peer, const msg::PlanAnswer& answer, Instant now, EffectSink& sink);
    void on(const NodeId& peer, const msg::PlanRetire& retire, EffectSink& sink);
    void on(const NodeId& peer, const msg::RowsCancel& cancel, EffectSink& sink);
    /// False: the peer sent what no plan has it send. Stale rows are no offence.
    [[nodiscard]] bool on(const NodeId& peer, const msg::Rows& rows, const std::vector<TensorRef>& tensors, Instant now,
                          EffectSink& sink);
    void compiled(const ev::Compiled& compiled, Instant now, EffectSink& sink);
    /// The node, or the connection to it, is gone.
    void lost(const NodeId& peer, Instant now, EffectSink& sink);
    void tick(Instant now, EffectSink& sink);

    /// What work of all plans here is worth: frames under way over the time that the rest of the oldest takes, in
    /// frames/s. 0: none can be done now.
    [[nodiscard]] double weight() const;
    /// Of the plan that is worth most, the unit to be computed now.
    std::optional<Job> take(JobId id, Instant now);
    [[nodiscard]] size_t jobs() const { return jobs_.size(); }
    [[nodiscard]] bool has_job(JobId id) const { return jobs_.count(id) != 0; }
    /// An own frame that this ended, if it did.
    struct Ended {
        FrameId frame;
        Durations so_far;
        bool alone = false;  ///< on this device only
    };
    std::optional<Ended> computed(const ev::Computed& done, Instant now, EffectSink& sink);
    /// How much longer than in the row profile units take here; nothing before any was computed.
    [[nodiscard]] std::optional<double> pace() const { return pace_; }

    // -- as the source of frames ------------------------------------------------------------------------------------
    /// Tells the plan to all its devices; frames begin under it once all have answered. Devices know two plans of a
    /// source at most: if frames of an earlier plan than the current one are under way, it ends before them.
    void propose(RowPlan plan, Instant now, EffectSink& sink);
    /// No plan is wanted any more; frames under way go on.
    void stop(EffectSink& sink);
    /// The plan of this frame, under way, is none any more: its frames are to be begun anew.
    void break_plan_of(const FrameId& frame, EffectSink& sink);
    /// It refused or could not go on, lately.
    [[nodiscard]] bool unwilling(const NodeId& node, Instant now) const;
    [[nodiscard]] const RowPlan* current() const;
    [[nodiscard]] bool preparing() const { return own_.preparing(); }
    /// Devices would know another plan beside those that frames are under way by.
    [[nodiscard]] bool may_propose() const { return own_.plans() < FlowHost::plans_of_a_source; }
    [[nodiscard]] bool has_room();
    /// Under the current plan, which has room. `raw`: held by the flow too from now on.
    void begin(const FrameId& frame, uint32_t attempt, const TensorRef& raw, const Durations& so_far, Instant now);
    [[nodiscard]] bool has(const FrameId& frame) const { return begun_.count(frame) != 0; }
    /// Nobody waits for this frame any more.
    void forget(const FrameId& frame, EffectSink& sink);
    /// Own frames whose plan came to an end; why, for people; and how often plans came to nothing so far.
    std::vector<FrameId> take_broken() { return std::exchange(broken_, {}); }
    [[nodiscard]] uint64_t failures() const { return failures_; }

    std::vector<RowsOut> take_outbox() { return std::exchange(outbox_, {}); }
    [[nodiscard]] uint64_t held_tensors() const;
    [[nodiscard]] uint64_t stale_rows() const { return stale_rows_; }
    [[nodiscard]] uint32_t own_epochs() const { return epochs_; }
    void check_invariants() const;

private:
    struct Part {
        PlanKey key;
        std::vector<double> unit_us;  ///< expected, by unit
        bool compiled = false, answered = false;
    };
    struct Running {
        PlanId plan;
        FrameId frame;
        uint32_t attempt = 0;
        uint32_t unit = 0;
    };
    [[nodiscard]] const PlanId* id_of(const PlanKey& key) const;
    void prepare(const PlanKey& key, const RowPlan& plan, Instant now, EffectSink& sink);
    void answer(const PlanKey& key, bool ready, const std::string& why, Instant now, EffectSink& sink);
    void answer_if_ready(Part& part, Instant now, EffectSink& sink);
    void retire(const PlanKey& key, EffectSink& sink);
    void apply(const PlanLifecycle::Change& change, EffectSink& sink);
    void abandon(uint32_t epoch, EffectSink& sink);
    void fail(const Running& running, const std::string& why, Instant now, EffectSink& sink);
    void send(const PlanKey& key, const Running& running, FlowStep& step);
    [[nodiscard]] double weight_of(const Part& part) const;

    RowFlowsConfig config_;
    Buffers& buffers_;
    mutable FlowHost host_;
    PlanLifecycle own_;
    std::map<PlanId, Part> parts_;
    std::map<PlanKey, PlanId> ids_;
    uint32_t next_id_ = 1;
    std::map<uint32_t, std::vector<NodeId>> told_;  ///< own plans not retired yet: to whom
    std::map<FrameId, uint32_t> begun_;             ///< own frames under way, and their plans' epochs
    std::map<JobId, Running> jobs_;
    std::map<NodeId, Instant> unwilling_;           ///< until when; devices of own plans only
    std::vector<FrameId> broken_;
    std::vector<RowsOut> outbox_;
    std::optional<double> pace_;
    uint64_t stale_rows_ = 0, failures_ = 0;
    uint32_t epochs_ = 0;
};

}  // namespace eddy::node
