// When a source has a plan over rows made, whether it takes what was made, and whether its frames go by rows or along
// the chain. Plans are made anew when speeds or links have moved; a new one must be clearly better to be worth
// compiling, unless it is wider than one that was made narrow after a failure. Under `auto` frames go by rows while few
// are under way, since that is what rows are for; when there are more than the plan can carry they go where more get
// through.
//
// Pure; one owner, one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "eddy/config.hpp"
#include "eddy/events.hpp"

namespace eddy::node {

/// The cluster as it is now, of who can take part.
struct RowFacts {
    std::vector<PlanRequest::Device> devices;  ///< the first is this node
    std::vector<PlanRequest::Link> links;      ///< [from · devices + to]
    double offered_per_s = 0;                  ///< by all own sources
    bool held_back = false;                    ///< more is offered than gets through
    double chain_per_s = 0;                    ///< what the chain could carry
};

class RowChoice {
public:
    static constexpr Usec plan_every = std::chrono::seconds(1);
    static constexpr Usec mode_for = std::chrono::seconds(3);  ///< at least, by one way
    static constexpr double moved = 0.15;                      ///< of a speed or link: reason to plan anew,
    static constexpr double moved_far = 0.5;                   ///< and not to begin with the plan there is
    static constexpr double gain = 0.93;                       ///< of the predicted latency: reason to change plans,
    static constexpr double gain_of_others = 0.985;            ///< if others are there, which happens seldom

    explicit RowChoice(PartitionKind partition) : partition_(partition) {}

    /// What is to be planned now, if anything; for a node alone nothing is. Not to be asked while a plan is being
    /// prepared. `current`: the plan in use. `failures`: plans that came to nothing so far; after each it waits longer,
    /// until one stands.
    std::optional<PlanRequest> consider(const RowFacts& facts, const RowPlan* current, uint64_t failures, Instant now);
    /// The plan to be told to all, if it is worth it.
    std::optional<RowPlan> made(const ev::PlanMade& made, bool in_use);
    /// Do frames that begin now go by rows, given that there is a plan?
    bool by_rows(const RowFacts& facts, Instant now);

    /// The plan that was taken last, and what it was made for: for a log.
    [[nodiscard]] std::string in_words() const;
    [[nodiscard]] Usec latency() const { return proposal_ ? proposal_->latency : Usec{0}; }

private:
    /// By more than this part, since a plan was made for them last.
    [[nodiscard]] bool changed(const RowFacts& facts, double part) const;
    [[nodiscard]] bool rows_carry_more(const RowFacts& facts) const;

    PartitionKind partition_;
    static constexpr uint32_t window_max = 4;
    uint32_t window_ = window_max;  ///< frames under way that plans reserve memory for
    uint64_t requests_ = 0;
    bool asked_ = false;
    double gain_asked_ = gain;
    RowFacts planned_for_;
    std::optional<PlanProposal> proposal_;  ///< of the plan that was taken last
    std::optional<PlanProposal> before_;    ///< of the one that it is to replace, which goes on if it comes to nothing
    uint64_t failures_ = 0, failures_in_a_row_ = 0;
    Instant not_before_{}, mode_since_{}, window_since_{};
    bool rows_ = true;
};

}  // namespace eddy::node
