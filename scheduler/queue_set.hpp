// The queues of a node: for every source one queue per offered cut, and one of frames to be computed wholly here. Keeps
// the board's lengths as frames come and go.
//
// Rows are opened when a source is first heard of and closed when the caller says so; indices of rows change then.
// Bounds are the caller's: it does not push where there is no room. Pure; one thread.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "scheduler/board.hpp"
#include "scheduler/item.hpp"

namespace eddy::scheduler {

/// What must be known of a head; asked when a queue gets another one.
struct HeadFacts {
    bool ends = false;     ///< it may go no further than this node
    bool stays = false;    ///< it may go further, but not before more of it was computed here
    bool foreign = false;  ///< it cannot be computed here; if its way ends here, not to its end
};

class QueueSet {
public:
    /// `facts` is called for heads only and must not call back.
    QueueSet(size_t queues, std::function<HeadFacts(const Item&)> facts);

    [[nodiscard]] Board& board() { return board_; }
    [[nodiscard]] const Board& board() const { return board_; }

    [[nodiscard]] std::optional<size_t> find(const SourceId& source) const;
    /// Its row; a new one if there is none. There must be room: fewer than sources_max.
    size_t open(const SourceId& source);
    [[nodiscard]] bool full() const { return board_.rows.size() >= sources_max; }
    /// It must be empty.
    void close(size_t row);

    void push_back(size_t row, size_t queue, Item item, Instant now);
    void push_front(size_t row, size_t queue, Item item, Instant now);
    /// Takes the head; counts as service.
    [[nodiscard]] Item pop(size_t row, size_t queue, Instant now);
    [[nodiscard]] const std::deque<Item>& queue(size_t row, size_t queue) const { return queues_[row].of(queue); }
    /// Of a row, all queues together.
    [[nodiscard]] uint32_t frames(size_t row) const;
    [[nodiscard]] size_t frames() const;

    /// When a frame last came to or left this row.
    [[nodiscard]] Instant touched(size_t row) const { return queues_[row].touched; }
    /// Which queues starve; to be called now and then: those not served for starves_after. `resting`: those whose head
    /// rests here for starves_after, however often they are served; behind a higher priority, those not served for
    /// starves_after or whose head rests for rests_behind_others. An own source's first queue is long because its
    /// source is held back: its heads may rest.
    void mark_starving(Instant now, bool resting);
    /// What is known of heads may have changed: the ring did.
    void look_again();
    /// The offered cuts changed: every frame moves to the queue of its cut, in the order in which they came.
    void regroup(size_t queues, const std::function<size_t(const Item&)>& queue_of);

    /// Every frame, by row and queue.
    void each(const std::function<void(size_t row, size_t queue, const Item&)>& visit) const;
    void check_invariants() const;

private:
    struct Queues {
        std::vector<std::deque<Item>> at_cuts;
        std::deque<Item> local;
        std::array<Instant, queues_max> served{};
        Instant touched{};
        [[nodiscard]] std::deque<Item>& of(size_t queue) { return queue == queue_local ? local : at_cuts[queue]; }
        [[nodiscard]] const std::deque<Item>& of(size_t queue) const {
            return queue == queue_local ? local : at_cuts[queue];
        }
    };
    void head_changed(size_t row, size_t queue);
    std::deque<Item>& comes(size_t row, size_t queue, Instant now);
    template <class Visit>
    void each_queue(Visit visit) const;

    Board board_;
    std::vector<Queues> queues_;  ///< as board_.rows
    std::function<HeadFacts(const Item&)> facts_;
    uint64_t served_ = 0;
};

}  // namespace eddy::scheduler
