// A source's own plans, one after the other: make before break. A new plan is told to all its devices; frames begin
// under it only when every one of them has compiled its units and reserved its memory. Until then, and if one refuses
// or does not answer, the last plan goes on. Frames end under the plan they began with; a plan that has none left and
// is not the last is retired. A device that is lost breaks every plan that it takes part in: frames under these must
// be begun anew.
//
// Numbers rise and are never used twice, so rows of one plan cannot be taken for another's.
//
// Pure; one owner, one thread. Bounded: one plan being prepared, one in use, and those whose frames are few and end.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "eddy/row_plan.hpp"
#include "eddy/time.hpp"

namespace eddy::node {

class PlanLifecycle {
public:
    /// A device that has not answered by then is taken to refuse.
    static constexpr Usec answer_within = std::chrono::seconds(60);

    struct Change {
        std::vector<uint32_t> retire;  ///< plans that their devices are to forget
        bool switched = false;         ///< frames begin under another plan from now on
        bool given_up = false;         ///< the plan that was being prepared is none
    };

    /// The number of the plan, to be told to all its devices, this one too. One that is being prepared is given up.
    uint32_t propose(RowPlan plan, Instant now, Change& change);
    Change answered(const NodeId& device, uint32_t epoch, bool ready);
    Change lost(const NodeId& device);
    /// A device cannot go on with it.
    Change broken(uint32_t epoch);
    /// What time brings.
    Change tick(Instant now);
    /// No plan is wanted any more: frames go along the chain. Those under way end as they began.
    Change stop();

    void frame_began(uint32_t epoch);
    Change frame_ended(uint32_t epoch);

    /// Under which frames begin.
    [[nodiscard]] std::optional<uint32_t> current() const { return current_; }
    [[nodiscard]] bool preparing() const { return pending_.has_value(); }
    [[nodiscard]] bool pending(uint32_t epoch) const { return pending_ && pending_->epoch == epoch; }
    /// Nothing: the number is not, or no longer, known.
    [[nodiscard]] const RowPlan* plan(uint32_t epoch) const;
    [[nodiscard]] size_t plans() const { return plans_.size(); }

private:
    struct Known {
        RowPlan plan;
        uint32_t frames = 0;
    };
    struct Pending {
        uint32_t epoch = 0;
        std::set<NodeId> missing;
        Instant deadline{};
    };
    void give_up(Change& change);
    void end(uint32_t epoch, Change& change);
    void retire_if_idle(uint32_t epoch, Change& change);
    void forget(uint32_t epoch, Change& change);

    std::map<uint32_t, Known> plans_;
    std::optional<Pending> pending_;
    std::optional<uint32_t> current_;
    uint32_t last_epoch_ = 0;
};

}  // namespace eddy::node
