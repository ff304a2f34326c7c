// Boards of all kinds for properties of policies: few values, so that ties, full and empty queues are frequent.
#pragma once

#include <algorithm>

#include <rapidcheck.h>

#include "scheduler/board.hpp"
#include "tests/support/recording_sink.hpp"

namespace eddy::testing {

/// Out of [0, bound).
inline uint32_t any(uint32_t bound) { return *rc::gen::inRange<uint32_t>(0, bound); }
inline bool one_in(uint32_t n) { return any(n) == 0; }

inline scheduler::ClassCosts random_costs() {
    scheduler::ClassInputs inputs;
    const size_t classes = 2 + any(5);
    const bool equal = one_in(2);
    const auto time_s = [&] { return equal ? 0.01 : 0.001 * (1 + any(40)); };
    inputs.computes = !one_in(8);
    if (inputs.computes) inputs.before_s.push_back(0);
    for (size_t c = 0; c < classes; ++c) {
        inputs.cuts.push_back(static_cast<uint16_t>(2 * c));
        if (inputs.computes) inputs.before_s.push_back(inputs.before_s.back() + time_s());
        inputs.transfer_s.push_back(time_s());
        if (!one_in(3)) inputs.next.push_back({static_cast<uint16_t>(2 * c), from_ms(any(60)), 0});
    }
    if (one_in(6)) inputs.transfer_s.clear();
    return scheduler::class_costs(inputs, static_cast<uint16_t>(2 * classes));
}

inline scheduler::Row random_row(uint8_t id, size_t queues) {
    scheduler::Row row;
    row.source = {node_id(id), StreamId{0}};
    row.served = any(4);
    row.priority = static_cast<uint8_t>(one_in(3) ? any(3) : 0);
    row.own = one_in(3);
    row.held_back = row.own ? 0.5F * static_cast<float>(any(20)) : 0;
    row.last = one_in(3);
    row.credit = !one_in(3);
    const scheduler::QueueBits mask = scheduler::bit(queues) - 1;
    row.ends = any(1U << queues) & any(1U << queues) & mask;
    row.foreign = any(1U << queues) & any(1U << queues) & mask;
    row.starving = one_in(3) ? any(1U << queues) | (one_in(2) ? scheduler::bit(scheduler::queue_local) : 0) : 0;
    for (size_t q = 0; q < queues; ++q) {
        row.here[q] = one_in(3) ? 0 : any(5);
        row.next[q] = any(5);
        row.since[q] = at_ms(any(4));
    }
    row.here[scheduler::queue_local] = one_in(2) ? 0 : any(4);
    return row;
}

/// `cuts`: of a policy that uses them.
inline scheduler::Board random_board(bool cuts) {
    scheduler::Board board;
    board.costs = random_costs();
    board.queues = cuts ? board.costs.classes : 2;
    board.queue_frames = 1 + any(4);  // a queue may hold more, after a failure
    board.link = !one_in(6);
    board.lane = !one_in(6);
    board.starving = one_in(3);
    for (size_t i = any(12); i-- > 0;) board.rows.push_back(random_row(static_cast<uint8_t>(9 * i), board.queues));
    std::reverse(board.rows.begin(), board.rows.end());
    for (size_t c = 0; c < board.costs.classes; ++c) {
        board.price[c] = 0.5F * static_cast<float>(any(12));
        board.price_here[c] = board.price[c] + static_cast<float>(any(3));
        board.next_price[c] = 0.5F * static_cast<float>(any(12));
    }
    for (size_t i = any(4); i-- > 0;) {
        scheduler::Worker worker;
        worker.node = node_id(static_cast<uint8_t>(200 + i));
        worker.model_s = 0.01 * any(4);
        worker.transfer_s = 0.01 * any(3);
        worker.backlog = any(3);
        worker.free = !one_in(3);
        worker.credit[0] = any(1U << 12);
        board.workers.push_back(worker);
    }
    return board;
}

}  // namespace eddy::testing
