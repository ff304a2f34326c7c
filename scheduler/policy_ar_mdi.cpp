// `ar-mdi`: adaptive and resilient model-distributed inference, the baseline of Li, Seferoglu, Koyuncu (their [1]), for
// several sources. Every frame goes round the ring, and each node computes its share of it (equation 1; ar_mdi.hpp).
//
// Where the paper is silent:
//   * Among frames of several sources the one that came first is served first: [1] knows one source, and a pipeline
//     is a line.
//   * A queue whose way on is full (no credit, no room at the link) is left out until that changes, so one source
//     cannot stop another.
#include "scheduler/policies.hpp"

namespace eddy::scheduler {

std::optional<Run> ArMdiPolicy::pick_run(const Board& board) const {
    if (auto starving = pick_starving(board)) return starving;
    std::optional<size_t> first;
    for (size_t i = 0; i < board.rows.size(); ++i) {
        const Row& row = board.rows[i];
        if (row.here[queue_work] == 0 || !servable(row)) continue;
        if (!first || row.since[queue_work] < board.rows[*first].since[queue_work]) first = i;
    }
    if (!first) return std::nullopt;
    return run_of(board, *first, queue_work);
}

}  // namespace eddy::scheduler
