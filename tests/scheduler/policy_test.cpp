#include <algorithm>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "scheduler/policies.hpp"
#include "tests/scheduler/random_board.hpp"
#include "tests/support/recording_sink.hpp"

using namespace eddy;
using namespace eddy::scheduler;
using eddy::testing::node_id;

namespace {

/// A source of the papers' policies: q_l, q_n and the successor's queue.
Row one_way(uint8_t id, uint32_t local, uint32_t work, uint32_t next, uint64_t served = 0) {
    Row row;
    row.source = {node_id(id), StreamId{0}};
    row.here[queue_local] = local;
    row.here[queue_work] = work;
    row.next[queue_work] = next;
    row.served = served;
    row.credit = true;
    return row;
}

Board board_of(std::vector<Row> rows) {
    Board board;
    board.rows = std::move(rows);
    board.queues = 2;
    board.queue_frames = 16;
    board.link = board.lane = true;
    board.costs = class_costs({{0}, {0, 0.04}, {0.01}, {{0, from_ms(40)}}, true}, 4);
    return board;
}

/// Two cuts, 20 ms a run; a hop takes 10 ms from the first and 1 ms from the second; the successor is as fast.
Board two_cuts(std::vector<Row> rows, std::vector<msg::Remaining> next = {{0, from_ms(40)}, {2, from_ms(20)}}) {
    Board board = board_of(std::move(rows));
    board.costs = class_costs({{0, 2}, {0, 0.02, 0.04}, {0.01, 0.001}, std::move(next), true}, 4);
    return board;
}

Row at_cuts(uint8_t id, uint32_t first, uint32_t second, uint32_t next_first = 0, uint32_t next_second = 0) {
    Row row = one_way(id, 0, first, next_first);
    row.here[1] = second;
    row.next[1] = next_second;
    return row;
}

Row with(Row row, auto change) {
    change(row);
    return row;
}

const Run a_local{0, queue_local, 1};
const Run b_local{1, queue_local, 1};
const Run a_work{0, queue_work, std::nullopt};
const Run b_work{1, queue_work, std::nullopt};

}  // namespace

TEST_CASE("ms-mdi admits to the shorter queue, and to the local one if both are equal") {
    const MsMdiPolicy policy;
    CHECK(policy.admit(one_way(1, 2, 3, 0)) == queue_local);
    CHECK(policy.admit(one_way(1, 3, 2, 0)) == queue_work);
    CHECK(policy.admit(one_way(1, 3, 3, 0)) == queue_local);
}

TEST_CASE("ms-mdi serves the largest of the local queue and the differences") {
    const MsMdiPolicy policy;
    CHECK(policy.pick_run(board_of({one_way(1, 4, 5, 2), one_way(2, 0, 9, 8)})) == a_local);
    CHECK(policy.pick_run(board_of({one_way(1, 2, 5, 2), one_way(2, 0, 9, 8)})) == a_work);
    CHECK(policy.pick_run(board_of({one_way(1, 2, 5, 2), one_way(2, 0, 9, 1)})) == b_work);
}

TEST_CASE("ms-mdi: a tie goes to the distributed queue, then to whoever waited longest") {
    const MsMdiPolicy policy;
    CHECK(policy.pick_run(board_of({one_way(1, 4, 4, 0)})) == a_work);
    CHECK(policy.pick_run(board_of({one_way(1, 0, 4, 0, 7), one_way(2, 0, 4, 0, 3)})) == b_work);
    CHECK(policy.pick_run(board_of({one_way(1, 4, 0, 0, 2), one_way(2, 4, 0, 0, 9)})) == a_local);
}

TEST_CASE("ms-mdi works on even when every difference is negative, but not on what cannot move") {
    const MsMdiPolicy policy;
    CHECK(policy.pick_run(board_of({one_way(1, 0, 1, 5), one_way(2, 0, 1, 3)})) == b_work);
    const Row blocked = with(one_way(2, 0, 9, 0), [](Row& row) { row.here[queue_outbox] = 2; });
    CHECK(policy.pick_run(board_of({one_way(1, 0, 1, 5), blocked})) == a_work);
    CHECK_FALSE(policy.pick_run(board_of({blocked})));
}

TEST_CASE("ms-mdi counts nothing behind a frame that ends here, and runs it to the end") {
    const MsMdiPolicy policy;
    const Row ends = with(one_way(2, 0, 3, 9), [](Row& row) { row.ends = bit(queue_work); });
    CHECK(policy.pick_run(board_of({one_way(1, 0, 5, 3), ends})) == Run{1, queue_work, 1});
}

TEST_CASE("local admits and serves its own queues only, the longest first") {
    const LocalPolicy policy;
    CHECK(policy.admit(one_way(1, 9, 0, 0)) == queue_local);
    CHECK(policy.pick_run(board_of({one_way(1, 1, 0, 0), one_way(2, 2, 0, 0)})) == b_local);
    CHECK(policy.pick_run(board_of({one_way(1, 1, 50, 0)})) == a_local);
    CHECK_FALSE(policy.pick_run(board_of({})));
}

TEST_CASE("ar-mdi serves the frame that came first") {
    const ArMdiPolicy policy;
    const auto came = [](Row row, double ms) {
        row.since[queue_work] = testing::at_ms(ms);
        return row;
    };
    CHECK(policy.pick_run(board_of({came(one_way(1, 0, 9, 0), 5), came(one_way(2, 0, 1, 0), 3)})) == b_work);
}

TEST_CASE("the papers' policies send what has waited longest for the link, and only with credit") {
    const MsMdiPolicy policy;
    const auto waits = [](uint8_t id, double ms, bool credit) {
        Row row = one_way(id, 0, 0, 0);
        row.here[queue_outbox] = 1;
        row.since[queue_outbox] = testing::at_ms(ms);
        row.credit = credit;
        return row;
    };
    CHECK(policy.pick_hop(board_of({waits(1, 5, true), waits(2, 3, true)})) == Hop{1, queue_outbox, std::nullopt});
    CHECK(policy.pick_hop(board_of({waits(1, 5, true), waits(2, 3, false)})) == Hop{0, queue_outbox, std::nullopt});
    Board busy = board_of({waits(1, 5, true)});
    busy.link = false;
    CHECK_FALSE(policy.pick_hop(busy));
}

TEST_CASE("a starving queue comes before any weight, the one that waited longest first, but not if it cannot move") {
    const MsMdiPolicy policy;
    Row heavy = one_way(1, 9, 9, 0, 5);
    Row light = one_way(2, 0, 1, 3, 2);
    light.starving = bit(queue_work);
    const auto pick = [&] {
        Board board = board_of({heavy, light});
        board.starving = true;
        return policy.pick_run(board);
    };
    CHECK(pick() == b_work);
    heavy.starving = bit(queue_local);
    CHECK(pick() == b_work);
    light.here[queue_outbox] = 2;
    CHECK(pick() == a_local);
}

TEST_CASE("ddi hands a frame to the worker that is done with it first, or keeps it where this node is sooner") {
    const DdiPolicy policy;
    Board board = board_of({with(one_way(1, 0, 2, 0), [](Row& row) { row.own = true; })});
    const auto worker = [](uint8_t id, double backlog) {
        Worker made;
        made.node = node_id(id);
        made.model_s = 0.04;
        made.transfer_s = 0.01;
        made.backlog = backlog;
        made.free = true;
        made.credit[0] = 1;
        return made;
    };
    board.workers = {worker(2, 1), worker(3, 0)};
    CHECK(policy.pick_hop(board) == Hop{0, queue_work, node_id(3)});
    board.workers[1].free = false;
    CHECK_FALSE(policy.pick_hop(board));  // 90 ms there, 80 ms here
    board.lane = false;
    CHECK(policy.pick_hop(board) == Hop{0, queue_work, node_id(2)});
    board.workers[0].credit[0] = 0;
    CHECK_FALSE(policy.pick_hop(board));
    CHECK(policy.pick_run(board) == Run{0, queue_work, 1});
}

TEST_CASE("layered weighs a difference by the rate at which a run works it off, and ties get further") {
    const LayeredPolicy policy;
    // 4 frames: to the second cut 4/20 ms, to the end 4/40 ms.
    CHECK(policy.pick_run(two_cuts({at_cuts(1, 4, 0)})) == Run{0, 0, 1});
    // 4 and 2: to the second cut 2/20 ms, to the end 4/40 ms, the second alone 2/20 ms. All equal.
    CHECK(policy.pick_run(two_cuts({at_cuts(1, 4, 2)})) == Run{0, 0, 2});
    CHECK(policy.pick_run(two_cuts({at_cuts(1, 4, 3)})) == Run{0, 1, 2});
}

TEST_CASE("layered hops only downhill, and where it costs the link least") {
    const LayeredPolicy policy;
    CHECK(policy.pick_hop(two_cuts({at_cuts(1, 3, 3, 0, 2)})) == Hop{0, 1, std::nullopt});
    CHECK(policy.pick_hop(two_cuts({at_cuts(1, 3, 3, 0, 3)})) == Hop{0, 0, std::nullopt});
    CHECK_FALSE(policy.pick_hop(two_cuts({at_cuts(1, 3, 3, 3, 3)})));
    CHECK_FALSE(policy.pick_hop(two_cuts({at_cuts(1, 3, 3)}, {})));  // nothing is known of what comes after
    CHECK_FALSE(policy.pick_hop(two_cuts({with(at_cuts(1, 3, 3), [](Row& row) { row.ends = 3; })})));
    CHECK_FALSE(policy.pick_hop(two_cuts({with(at_cuts(1, 3, 3), [](Row& row) { row.credit = false; })})));
}

TEST_CASE("layered: the only frame of a slow device goes to a fast neighbour, that of an equal device is computed") {
    const LayeredPolicy policy;
    const Run run{0, 0, 2};
    const Hop hop{0, 0, std::nullopt};
    CHECK(policy.run_rather(two_cuts({at_cuts(1, 1, 0)}), run, hop));
    CHECK_FALSE(policy.run_rather(two_cuts({at_cuts(1, 1, 0)}, {{0, from_ms(5)}, {2, from_ms(2)}}), run, hop));
}

TEST_CASE("layered serves a higher priority first, and a starving queue before that") {
    const LayeredPolicy policy;
    Row urgent = with(at_cuts(2, 1, 0), [](Row& row) { row.priority = 1; });
    CHECK(policy.pick_run(two_cuts({at_cuts(1, 9, 0), urgent}))->row == 1);
    CHECK(policy.pick_hop(two_cuts({at_cuts(1, 9, 0), urgent}))->row == 1);
    Board board = two_cuts({with(at_cuts(1, 9, 0), [](Row& row) { row.starving = 1; }), urgent});
    board.starving = true;
    CHECK(policy.pick_run(board)->row == 0);
}

TEST_CASE("layered passes on what it cannot compute, however long the successor's queue") {
    const LayeredPolicy policy;
    const Row foreign = with(at_cuts(1, 1, 0, 9), [](Row& row) { row.foreign = 1; });
    CHECK_FALSE(policy.pick_run(two_cuts({foreign})));
    CHECK(policy.pick_hop(two_cuts({foreign})) == Hop{0, 0, std::nullopt});
}

TEST_CASE("no policy picks an empty queue, or a hop that may not be made, and equal boards give equal decisions") {
    for (const auto kind :
         {PolicyKind::local, PolicyKind::ddi, PolicyKind::ar_mdi, PolicyKind::ms_mdi, PolicyKind::layered}) {
        const auto policy = make_policy(kind);
        CHECK(rc::check(policy->name(), [&] {
            const Board board = testing::random_board(policy->uses_cuts());
            const auto run = policy->pick_run(board);
            const auto hop = policy->pick_hop(board);
            if (run) {
                RC_ASSERT(board.rows.at(run->row).here.at(run->queue) > 0U);
                RC_ASSERT(!run->until || *run->until <= board.costs.classes);
                if (policy->uses_cuts()) {
                    RC_ASSERT((board.rows[run->row].foreign & bit(run->queue)) == 0U);
                    RC_ASSERT(run->score >= 0);
                    RC_ASSERT(*run->until > run->queue);
                    RC_ASSERT(board.costs.run[run->queue][*run->until].per_s > 0);
                }
            }
            if (hop) {
                const Row& row = board.rows.at(hop->row);
                RC_ASSERT(row.here.at(hop->queue) > 0U);
                RC_ASSERT((row.ends & bit(hop->queue)) == 0U);
                if (hop->to) {
                    const auto to = std::find_if(board.workers.begin(), board.workers.end(),
                                                 [&](const Worker& worker) { return worker.node == *hop->to; });
                    RC_ASSERT(to != board.workers.end());
                    RC_ASSERT((row.own && to->free && to->takes(hop->row)));
                } else {
                    RC_ASSERT((row.credit && board.link));
                }
            }
            const Board same = board;
            const auto run_again = make_policy(kind)->pick_run(same);
            const auto hop_again = make_policy(kind)->pick_hop(same);
            RC_ASSERT((run_again == run && hop_again == hop));
            if (run) RC_ASSERT(run_again->score == run->score);
            if (hop) RC_ASSERT(hop_again->score == hop->score);
        }));
    }
}

TEST_CASE("every kind in the configuration has its policy, by its name") {
    CHECK(std::string(make_policy(PolicyKind::local)->name()) == "local");
    CHECK(std::string(make_policy(PolicyKind::ddi)->name()) == "ddi");
    CHECK(std::string(make_policy(PolicyKind::ar_mdi)->name()) == "ar-mdi");
    CHECK(std::string(make_policy(PolicyKind::ms_mdi)->name()) == "ms-mdi");
    CHECK(std::string(make_policy(PolicyKind::layered)->name()) == "layered");
}
