// `ddi`: data-distributed inference, as Li, Seferoglu, Koyuncu describe it in section 1: the source hands whole frames
// to workers, which run the whole model, and is a worker itself.
//
// Where the paper is silent:
//   * Any connected node with the model is a worker, not only the successor.
//   * A frame goes to the worker that would finish it first, by what the source knows: backlog, speed, transfer time.
//   It
//     stays here when this node, all its own waiting frames included, would be done sooner.
//   * A node that cannot run the whole model, for want of memory, is no worker.
//   * A node serves the source that it served longest ago, so that all share it; the oldest frame of it.
#include <limits>

#include "scheduler/policies.hpp"

namespace eddy::scheduler {

std::optional<Run> DdiPolicy::pick_run(const Board& board) const {
    std::optional<size_t> longest;
    for (size_t i = 0; i < board.rows.size(); ++i) {
        const Row& row = board.rows[i];
        if (row.here[queue_work] == 0 || (row.foreign & bit(queue_work)) != 0) continue;
        if (!longest || row.served < board.rows[*longest].served) longest = i;
    }
    if (!longest) return std::nullopt;
    return Run{*longest, queue_work, board.costs.classes};
}

std::optional<Hop> DdiPolicy::pick_hop(const Board& board) const {
    double waiting = board.lane ? 0 : 1;
    for (const Row& row : board.rows) waiting += row.here[queue_work];
    const double model_s = board.costs.model_s;
    std::optional<Hop> best;
    // A lane that is free takes the frame at once; without memory for the whole model none ever does.
    double best_s = board.costs.whole ? waiting * model_s : std::numeric_limits<double>::infinity();
    for (size_t i = 0; i < board.rows.size(); ++i) {
        const Row& row = board.rows[i];
        if (!row.own || row.here[queue_work] == 0 || (row.ends & bit(queue_work)) != 0) continue;
        for (const Worker& worker : board.workers) {
            if (!worker.free || !worker.takes(i) || worker.model_s <= 0) continue;
            const double done_s = worker.transfer_s + (worker.backlog + 1) * worker.model_s;
            const bool longer = best && done_s == best_s && row.served < board.rows[best->row].served;
            if (done_s < best_s || longer) {
                best = Hop{i, queue_work, worker.node};
                best_s = done_s;
            }
        }
    }
    return best;
}

}  // namespace eddy::scheduler
