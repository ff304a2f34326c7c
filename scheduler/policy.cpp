#include "scheduler/policy.hpp"

#include "eddy/assert.hpp"
#include "scheduler/policies.hpp"

namespace eddy::scheduler {

namespace {
/// Activations of one source that may wait for the link; beyond it, computing more would only fill memory.
constexpr uint32_t outbox_frames = 2;
}  // namespace

bool OneWayPolicy::servable(const Row& row) {
    return (row.ends & bit(queue_work)) != 0 || row.here[queue_outbox] < outbox_frames;
}

Run OneWayPolicy::run_of(const Board& board, size_t row, size_t queue) {
    if (queue == queue_local || (board.rows[row].ends & bit(queue)) != 0) return {row, queue, board.costs.classes};
    return {row, queue, std::nullopt};
}

std::optional<Run> OneWayPolicy::pick_starving(const Board& board) {
    if (!board.starving) return std::nullopt;
    std::optional<Run> longest;
    for (size_t i = 0; i < board.rows.size(); ++i) {
        const Row& row = board.rows[i];
        const bool local = (row.starving & bit(queue_local)) != 0 && row.here[queue_local] > 0;
        const bool work = (row.starving & bit(queue_work)) != 0 && row.here[queue_work] > 0 && servable(row);
        if ((local || work) && (!longest || row.served < board.rows[longest->row].served))
            longest = run_of(board, i, local ? queue_local : queue_work);
    }
    return longest;
}

std::optional<Hop> OneWayPolicy::pick_hop(const Board& board) const {
    if (!board.link) return std::nullopt;
    std::optional<Hop> first;
    for (size_t i = 0; i < board.rows.size(); ++i) {
        const Row& row = board.rows[i];
        if (row.here[queue_outbox] == 0 || !row.credit || (row.ends & bit(queue_outbox)) != 0) continue;
        if (!first || row.since[queue_outbox] < board.rows[first->row].since[queue_outbox])
            first = Hop{i, queue_outbox, std::nullopt};
    }
    return first;
}

std::unique_ptr<Policy> make_policy(PolicyKind kind) {
    switch (kind) {
        case PolicyKind::local: return std::make_unique<LocalPolicy>();
        case PolicyKind::ddi: return std::make_unique<DdiPolicy>();
        case PolicyKind::ar_mdi: return std::make_unique<ArMdiPolicy>();
        case PolicyKind::ms_mdi: return std::make_unique<MsMdiPolicy>();
        case PolicyKind::layered: return std::make_unique<LayeredPolicy>();
    }
    EDDY_ASSERT(!"every kind of policy is handled above");
    return nullptr;
}

}  // namespace eddy::scheduler
