// `ms-mdi`: multi-source model-distributed inference, Li, Seferoglu, Koyuncu, section 4, to the letter.
//
//   Arrivals: a frame leaves the reservoir μ_i for the shorter of q_l^i and q_i^i.
//   Service:  max{ q_l^n, max_j ( q_n^j − q_{n+1}^j ) }                                              (2)
//
// The text's "q_n^j = −M if n is no source" must read q_l^n = −M: a node that is no source has no local queue.
// Where the paper is silent:
//   * Ties in arrivals go to the local queue: it costs no link. Ties in (2) go to the distributed queue: with both
//     queues full and nothing waiting downstream the terms are equal, and preferring the local one would leave every
//     other node idle for ever. Further ties go to the source served longest ago, so nobody starves.
//   * An empty queue is never served, whatever its difference.
//   * If all differences are zero or negative the node still works on the largest one (it is work-conserving): the
//     neighbour's queue is bounded by credits, so this cannot flood it.
//   * Where the head of q_n^j would end its way at this node, the backlog behind it is 0: the result is delivered.
//   * A queue whose way on is full (no credit, no room at the link) is left out until that changes.
//   * Several streams at one node are several sources, each with its own q_l and q_n.
//   * Frames that are left behind by (2): a queue not served for starves_after goes first (policy.hpp).
//   * A source whose own node has no memory for all layers shares all its frames.
//   * Weights and priorities are not the paper's, and count for nothing.
#include "scheduler/policies.hpp"

namespace eddy::scheduler {

size_t MsMdiPolicy::admit(const Row& own) const {
    return own.whole && own.here[queue_local] <= own.here[queue_work] ? queue_local : queue_work;
}

std::optional<Run> MsMdiPolicy::pick_run(const Board& board) const {
    if (auto starving = pick_starving(board)) return starving;
    struct Best {
        size_t row;
        size_t queue;
        int64_t weight;
        uint64_t served;
    };
    std::optional<Best> best;
    const auto offer = [&](size_t i, size_t queue, int64_t weight) {
        const uint64_t served = board.rows[i].served;
        const bool local = queue == queue_local;
        if (best) {
            if (weight < best->weight) return;
            const bool best_local = best->queue == queue_local;
            if (weight == best->weight && (best_local != local ? local : best->served <= served)) return;
        }
        best = Best{i, queue, weight, served};
    };
    for (size_t i = 0; i < board.rows.size(); ++i) {
        const Row& row = board.rows[i];
        if (row.here[queue_local] > 0) offer(i, queue_local, row.here[queue_local]);
        if (row.here[queue_work] == 0 || !servable(row)) continue;
        const bool ends = (row.ends & bit(queue_work)) != 0;
        offer(i, queue_work, int64_t{row.here[queue_work]} - (ends ? 0 : row.next[queue_work]));
    }
    if (!best) return std::nullopt;
    return run_of(board, best->row, best->queue);
}

}  // namespace eddy::scheduler
