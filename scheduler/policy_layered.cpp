// `layered`: max-weight over rates and layers, with a bias towards short ways. Dynamic cloud network control (Feng,
// Llorca, Tulino, Molisch, arXiv 1708.09561, DCNC and its EDCNC) on the layered graph of a ring.
//
//   A free lane:  max over (j, l → l') of  [ U_n^{j,l} − U_n^{j,l'} + V (D_n(l) − t(l,l') − D_n(l')) ] / t(l,l')
//   A free link:  max over (j, l)      of  [ U_n^{j,l} − U_{n+1}^{j,l} − h + V (D_n(l) − x(l) − D_{n+1}(l)) ] / x(l)
//
// U: frames of source j waiting at cut l and what a frame there is worth (prices.hpp), 0 once the model is finished;
// t, x: compute and transfer time; D: the least time to finish (class_costs.hpp), V = bias_frames / time of the model;
// h = hop_frames, or the price here if that is less: a frame that moves makes one queue shorter and another longer, so
// a smaller difference would only change its sign, and where all are busy frames wandered round the ring for nothing.
//
// Why it reaches the bound where (2) of MS-MDI does not: that rule counts items, though a local one takes a whole
// model's time and a distributed one a share. Here a difference counts by the rate at which the action works it off.
//
// Where the papers are silent:
//   * Only positive scores are acted upon: a frame rather waits for a fast neighbour's link than runs on a slow device.
//   * Ties go to the action that gets further, then to the source served longest ago.
//   * Sources of higher priority come first; a frame that rested starves_after comes before all (policy.hpp), whatever
//     its score, and is finished where it is: it has lost time enough. A head that cannot be computed here can only
//     hop, and does whatever the score.
//   * If lane and link both want the only frame of a queue, it takes the way with the smaller loss of time.
//   * Shares among sources are made at admission (admission.hpp), not here.
#include <algorithm>

#include "scheduler/policies.hpp"
#include "scheduler/prices.hpp"

namespace eddy::scheduler {

namespace {

struct BestRun {
    Run run;
    uint64_t served = 0;
};

/// The best run of one queue, if it scores more than `best`. `forced`: as far as this node can, at any score.
void offer_runs(const Board& board, size_t i, size_t queue, bool forced, std::optional<BestRun>& best) {
    const Row& row = board.rows[i];
    const ClassCosts& costs = board.costs;
    const float here = board.backlog(row, queue);
    size_t furthest = costs.classes;
    while (forced && furthest > queue + 1 && costs.run[queue][furthest].per_s == 0) --furthest;
    for (size_t to = forced ? furthest : queue + 1; to <= costs.classes; ++to) {
        const auto& action = costs.run[queue][to];
        const bool end = to == costs.classes;
        if (action.per_s == 0 || (!end && row.here[to] >= board.queue_frames)) continue;
        const float after = end ? 0.0F : board.backlog(row, to);
        // D may think of a way round the ring that is none.
        const float bias = (row.stays & bit(queue)) != 0 ? 0 : action.bias;
        const float score = (here - after + bias) * action.per_s;
        if (score <= 0 && !forced) continue;
        if (best) {
            if (score < best->run.score) continue;
            if (score == best->run.score &&
                (to < *best->run.until || (to == *best->run.until && row.served >= best->served)))
                continue;
        }
        best = BestRun{{i, queue, to, score}, row.served};
    }
}

/// Bits of queues that hold something and whose head this node can compute.
QueueBits computable(const Row& row, size_t classes) {
    QueueBits bits = 0;
    for (size_t c = 0; c < classes; ++c)
        if (row.here[c] > 0) bits |= bit(c);
    return bits & ~row.foreign;
}

std::optional<BestRun> starving_run(const Board& board) {
    std::optional<size_t> longest;
    for (size_t i = 0; i < board.rows.size(); ++i) {
        const Row& row = board.rows[i];
        if ((row.starving & computable(row, board.costs.classes)) == 0) continue;
        if (!longest || row.served < board.rows[*longest].served) longest = i;
    }
    std::optional<BestRun> best;
    if (!longest) return best;
    const Row& row = board.rows[*longest];
    const QueueBits bits = row.starving & computable(row, board.costs.classes);
    for (size_t c = 0; c < board.costs.classes; ++c)
        if ((bits & bit(c)) != 0) offer_runs(board, *longest, c, true, best);
    return best;
}

/// The best of those with the highest priority, or of all.
std::optional<BestRun> best_run(const Board& board, bool priorities) {
    std::optional<BestRun> best;
    uint8_t priority = 0;
    for (size_t i = 0; i < board.rows.size(); ++i) {
        const Row& row = board.rows[i];
        const uint8_t its = priorities ? row.priority : 0;
        if (best && its < priority) continue;
        std::optional<BestRun> of_higher;
        std::optional<BestRun>& best_here = best && its == priority ? best : of_higher;
        for (size_t c = 0; c < board.costs.classes; ++c) {
            if (row.here[c] == 0 || (row.foreign & bit(c)) != 0) continue;
            const float here = board.backlog(row, c);
            // Backlogs are never negative and biases never positive: no run scores more than this. Most queues end
            // here.
            if (best_here && here * board.costs.fastest_run[c] < best_here->run.score) continue;
            offer_runs(board, i, c, false, best_here);
        }
        if (!of_higher) continue;
        best = of_higher;
        priority = its;
    }
    return best;
}

bool may_hop(const Row& row, size_t queue) { return row.here[queue] > 0 && ((row.ends | row.stays) & bit(queue)) == 0; }

}  // namespace

std::optional<Run> LayeredPolicy::pick_run(const Board& board) const {
    auto best = best_run(board, true);
    // What serves the prior and the starving costs the lane what it would have earned.
    const bool priorities = std::any_of(board.rows.begin(), board.rows.end(),
                                        [&](const Row& row) { return row.priority != board.rows.front().priority; });
    const auto dearest = best && priorities ? best_run(board, false) : best;
    const float score = dearest ? dearest->run.score : 0;
    if (board.starving)
        if (auto starving = starving_run(board)) best = starving;
    if (!best) return std::nullopt;
    best->run.score = score;
    return best->run;
}

std::optional<Hop> LayeredPolicy::pick_hop(const Board& board) const {
    if (!board.link) return std::nullopt;
    std::optional<Hop> best;
    for (size_t i = 0; i < board.rows.size(); ++i) {
        const Row& row = board.rows[i];
        if (!row.credit || (best && row.priority < board.rows[best->row].priority)) continue;
        for (size_t c = 0; c < board.costs.classes; ++c) {
            if (!may_hop(row, c)) continue;
            const auto& action = board.costs.hop[c];
            const float there = static_cast<float>(row.next[c]) + board.next_price[c];
            const float score =
                (board.backlog(row, c) - there - std::min(hop_frames, board.price[c]) + action.bias) * action.per_s;
            const Row* than = best ? &board.rows[best->row] : nullptr;
            const bool equal = than != nullptr && row.priority == than->priority;
            if (equal && score < best->score) continue;  // most end here
            if ((action.per_s == 0 || score <= 0) && (row.foreign & bit(c)) == 0) continue;
            if (equal && score == best->score && (c < best->queue || (c == best->queue && row.served >= than->served)))
                continue;
            best = Hop{i, c, std::nullopt, score};
        }
    }
    return best;
}

bool LayeredPolicy::run_rather(const Board& board, const Run& run, const Hop& hop) const {
    return board.costs.run[run.queue][*run.until].bias >= board.costs.hop[hop.queue].bias;
}

}  // namespace eddy::scheduler
