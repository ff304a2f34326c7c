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
//   * Frames that are left behind by (2): a queue not served for starves_after goes first, before any policy is asked
//     (policy.hpp).
#include "scheduler/policies.hpp"

namespace eddy::scheduler {

QueueKind MsMdiPolicy::admit(const SourceView& own) const {
    return own.local <= own.distributed ? QueueKind::local : QueueKind::distributed;
}

std::optional<Pick> MsMdiPolicy::pick(std::span<const SourceView> views) const {
    struct Best {
        Pick pick;
        int64_t weight;
        uint64_t served;
    };
    std::optional<Best> best;
    const auto offer = [&](const SourceView& view, QueueKind queue, int64_t weight) {
        const bool local = queue == QueueKind::local;
        if (best) {
            if (weight < best->weight) return;
            const bool best_local = best->pick.queue == QueueKind::local;
            if (weight == best->weight && (best_local != local ? local : best->served <= view.served)) return;
        }
        best = Best{{view.source, queue}, weight, view.served};
    };
    for (const auto& view : views) {
        if (view.local > 0) offer(view, QueueKind::local, view.local);
        if (view.distributed > 0 && view.servable)
            offer(view, QueueKind::distributed, static_cast<int64_t>(view.distributed) - view.downstream);
    }
    if (!best) return std::nullopt;
    return best->pick;
}

}  // namespace eddy::scheduler
