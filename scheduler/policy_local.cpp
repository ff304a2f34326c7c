// `local`: every source computes its own frames, whole; the baseline "Local" of Li, Seferoglu, Koyuncu, section 5.
// Several streams at one node: the longest queue first; among equals the one that waited longest.
#include "scheduler/policies.hpp"

namespace eddy::scheduler {

std::optional<Run> LocalPolicy::pick_run(const Board& board) const {
    if (auto starving = pick_starving(board)) return starving;
    std::optional<size_t> best;
    for (size_t i = 0; i < board.rows.size(); ++i) {
        const Row& row = board.rows[i];
        if (row.here[queue_local] == 0) continue;
        if (!best) {
            best = i;
            continue;
        }
        const Row& than = board.rows[*best];
        if (row.here[queue_local] > than.here[queue_local] ||
            (row.here[queue_local] == than.here[queue_local] && row.served < than.served))
            best = i;
    }
    if (best) return run_of(board, *best, queue_local);
    // Frames of others come from nodes with another policy, own ones from links that broke; they are not left to rot.
    for (size_t i = 0; i < board.rows.size(); ++i)
        if (board.rows[i].here[queue_work] > 0 && servable(board.rows[i])) return run_of(board, i, queue_work);
    return std::nullopt;
}

}  // namespace eddy::scheduler
