// Goal: layered decides as its rule says, however its scan is made fast.
// Method: its rule without any haste, every action there is compared with every other, on random boards.
#include <tuple>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "scheduler/policies.hpp"
#include "scheduler/prices.hpp"
#include "tests/scheduler/random_board.hpp"

using namespace eddy;
using namespace eddy::scheduler;

namespace {

struct Action {
    size_t row;
    size_t queue;
    size_t until;
    float score;
};

/// The higher priority, the higher score, what gets further, the source served longest ago, what is seen first.
bool before(const Board& board, const Action& a, const Action& b) {
    const auto key = [&](const Action& x) {
        const Row& row = board.rows[x.row];
        return std::tuple(-int{row.priority}, -x.score, -static_cast<int>(x.until), row.served, x.row, x.queue);
    };
    return key(a) < key(b);
}

std::optional<Action> first_of(const Board& board, const std::vector<Action>& actions) {
    std::optional<Action> best;
    for (const Action& action : actions)
        if (!best || before(board, action, *best)) best = action;
    return best;
}

bool computable(const Row& row, size_t queue) { return row.here[queue] > 0 && (row.foreign & bit(queue)) == 0; }

/// Of one queue; a starving one may only run to the end.
std::vector<Action> runs(const Board& board, size_t i, size_t queue, bool starving) {
    std::vector<Action> actions;
    const Row& row = board.rows[i];
    const size_t end = board.costs.classes;
    for (size_t to = queue + 1; to <= end; ++to) {
        const auto& costs = board.costs.run[queue][to];
        const float after = to == end ? 0.0F : board.backlog(row, to);
        const float score = (board.backlog(row, queue) - after + costs.bias) * costs.per_s;
        const bool room = to == end || row.here[to] < board.queue_frames;
        if (computable(row, queue) && costs.per_s > 0 && room && (starving ? to == end : score > 0))
            actions.push_back({i, queue, to, score});
    }
    return actions;
}

std::optional<Action> plain_run(const Board& board) {
    std::vector<Action> all;
    std::optional<size_t> longest;
    std::vector<Action> of_longest;
    const auto append = [](std::vector<Action>& to, const std::vector<Action>& more) {
        to.insert(to.end(), more.begin(), more.end());
    };
    for (size_t i = 0; i < board.rows.size(); ++i) {
        const Row& row = board.rows[i];
        std::vector<Action> starving;
        bool starves = false;
        for (size_t c = 0; c < board.costs.classes; ++c) {
            append(all, runs(board, i, c, false));
            if (!board.starving || (row.starving & bit(c)) == 0 || !computable(row, c)) continue;
            starves = true;
            append(starving, runs(board, i, c, true));
        }
        if (!starves || (longest && board.rows[*longest].served <= row.served)) continue;
        longest = i;
        of_longest = starving;
    }
    const auto starving = first_of(board, of_longest);
    auto picked = starving ? starving : first_of(board, all);
    if (picked) picked->score = 0;
    for (const Action& run : all)
        picked->score = std::max(picked->score, run.score);  // what the lane would have earned
    return picked;
}

std::optional<Action> plain_hop(const Board& board) {
    std::vector<Action> all;
    for (size_t i = 0; i < board.rows.size() && board.link; ++i) {
        const Row& row = board.rows[i];
        for (size_t c = 0; c < board.costs.classes; ++c) {
            const auto& costs = board.costs.hop[c];
            if (!row.credit || row.here[c] == 0 || (row.ends & bit(c)) != 0) continue;
            const float there = static_cast<float>(row.next[c]) + board.next_price[c];
            const float hop = std::min(hop_frames, board.price[c]);
            const float score = (board.backlog(row, c) - there - hop + costs.bias) * costs.per_s;
            const bool only_way = (row.foreign & bit(c)) != 0;
            if (only_way || (costs.per_s > 0 && score > 0)) all.push_back({i, c, c, score});
        }
    }
    return first_of(board, all);
}

}  // namespace

TEST_CASE("layered picks the best run and the best hop of all") {
    const LayeredPolicy policy;
    CHECK(rc::check("any board", [&] {
        const Board board = testing::random_board(true);
        const auto run = policy.pick_run(board);
        const auto expected_run = plain_run(board);
        RC_ASSERT(run.has_value() == expected_run.has_value());
        if (run) {
            RC_ASSERT(*run == (Run{expected_run->row, expected_run->queue, expected_run->until}));
            RC_ASSERT(run->score == expected_run->score);
        }
        const auto hop = policy.pick_hop(board);
        const auto expected_hop = plain_hop(board);
        RC_ASSERT(hop.has_value() == expected_hop.has_value());
        if (hop) {
            RC_ASSERT(*hop == (Hop{expected_hop->row, expected_hop->queue, std::nullopt}));
            RC_ASSERT(hop->score == expected_hop->score);
        }
    }));
}

TEST_CASE("layered does not run into a full queue, only past it") {
    Board board;
    board.costs = class_costs({{0, 2}, {0, 0.01, 0.1}, {}, {}, true}, 4);
    board.queues = 2;
    board.queue_frames = 3;
    board.rows.emplace_back();
    board.rows[0].here[0] = 9;
    board.rows[0].here[1] = 2;
    CHECK(LayeredPolicy{}.pick_run(board) == Run{0, 0, 1});
    board.rows[0].here[1] = 3;
    CHECK(LayeredPolicy{}.pick_run(board) == Run{0, 0, 2});
}

TEST_CASE("layered serves of equal sources the one served longest ago, though no run could score more than the first") {
    Board board;
    board.costs = class_costs({{0}, {0, 0.01}, {0.01}, {{0, from_ms(10)}}, true}, 4);
    board.link = true;
    for (const uint64_t served : {5, 2, 3}) {
        Row row;
        row.served = served;
        row.here[0] = 3;
        row.credit = true;
        board.rows.push_back(row);
    }
    CHECK(LayeredPolicy{}.pick_run(board) == Run{1, 0, 1});
    CHECK(LayeredPolicy{}.pick_hop(board) == Hop{1, 0, std::nullopt});
}

TEST_CASE("layered lets run what loses less time, whichever queue it is") {
    const LayeredPolicy policy;
    CHECK(rc::check("any costs", [&] {
        Board board;
        board.costs = testing::random_costs();
        const size_t queue = testing::any(static_cast<uint32_t>(board.costs.classes));
        const size_t until = queue + 1 + testing::any(static_cast<uint32_t>(board.costs.classes - queue));
        const bool less = board.costs.run[queue][until].bias >= board.costs.hop[queue].bias;
        RC_ASSERT(policy.run_rather(board, Run{0, queue, until}, Hop{0, queue, std::nullopt}) == less);
    }));
}
