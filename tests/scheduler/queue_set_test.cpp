// Goal: whatever comes and goes, the board tells what the queues hold, and no frame is lost, doubled or overtaken.
// Method: random operations beside a plain model of them; after each everything that can be seen is compared.
#include "scheduler/queue_set.hpp"

#include <algorithm>
#include <map>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "scheduler/policy.hpp"
#include "tests/support/recording_sink.hpp"

using namespace eddy;
using namespace eddy::scheduler;
using eddy::testing::at_ms;
using eddy::testing::node_id;

namespace {

SourceId source_of(size_t number) {
    return {node_id(static_cast<uint8_t>(number / 2)), StreamId{static_cast<uint16_t>(number % 2)}};
}

uint8_t priority_of(const SourceId& source) { return source.node.bytes[0] % 2; }

Item item_of(const SourceId& source, uint64_t k, Instant since, uint16_t layer = 0) {
    Item item;
    item.frame = {source, Incarnation{1}, k};
    item.since = since;
    item.layer = layer;
    return item;
}

size_t number(size_t bound) { return *rc::gen::inRange<size_t>(0, bound); }

/// A QueueSet and what it ought to hold. The layer of an item tells its queue, its number what is known of it as a
/// head.
class Modelled {
public:
    struct Queue {
        std::deque<Item> items;
        Instant served{};
        bool starving = false;
    };
    struct Source {
        std::map<size_t, Queue> queues;
        Instant touched{};
    };

    Modelled() : real_(queues_, [this](const Item& item) { return facts(item); }) {}

    void step() {
        now_ += from_ms(static_cast<double>(number(700)));
        switch (number(8)) {
            case 0: return open();
            case 1: return close();
            case 2: return regroup();
            case 3: return mark();
            case 4: return pop();
            case 5: return look_again();
            case 6: return push(true);
            default: return push(false);
        }
    }

    void agree() const {
        real_.check_invariants();
        const Board& board = real_.board();
        RC_ASSERT(board.queues == queues_);
        RC_ASSERT(board.rows.size() == model_.size());
        size_t row = 0;
        size_t all = 0;
        for (const auto& [source, modelled] : model_) {
            RC_ASSERT(real_.find(source) == row);
            RC_ASSERT(real_.touched(row) == modelled.touched);
            size_t frames = 0;
            for (size_t q = 0; q < queues_max; ++q) {
                const auto it = modelled.queues.find(q);
                const Queue queue = it == modelled.queues.end() ? Queue{} : it->second;
                agree(row, q, queue);
                frames += queue.items.size();
            }
            RC_ASSERT(real_.frames(row) == frames);
            all += frames;
            ++row;
        }
        RC_ASSERT(real_.frames() == all);
        real_.each([&](size_t r, size_t q, const Item& item) {
            RC_ASSERT(real_.queue(r, q).front().frame.source == item.frame.source);
            --all;
        });
        RC_ASSERT(all == 0U);
    }

private:
    [[nodiscard]] HeadFacts facts(const Item& item) const {
        return {(item.frame.k + ring_) % 2 == 0, (item.frame.k + ring_) % 3 == 0};
    }

    void agree(size_t row, size_t q, const Queue& queue) const {
        const Row& r = real_.board().rows[row];
        RC_ASSERT(r.here[q] == queue.items.size());
        RC_ASSERT(((r.starving & bit(q)) != 0) == queue.starving);
        if (q < queues_ || q == queue_local) {
            const auto& real = real_.queue(row, q);
            RC_ASSERT(std::equal(real.begin(), real.end(), queue.items.begin(), queue.items.end(),
                                 [](const Item& a, const Item& b) { return a.frame == b.frame; }));
        }
        if (queue.items.empty()) {
            RC_ASSERT(((r.ends | r.foreign) & bit(q)) == 0U);
            return;
        }
        const HeadFacts head = facts(queue.items.front());
        RC_ASSERT(((r.ends & bit(q)) != 0) == head.ends);
        RC_ASSERT(((r.foreign & bit(q)) != 0) == head.foreign);
        RC_ASSERT(r.since[q] == queue.items.front().since);
    }

    size_t any_queue() const {
        const size_t q = number(queues_ + 1);
        return q == queues_ ? queue_local : q;
    }

    void open() {
        const SourceId source = source_of(number(8));
        const bool known = model_.count(source) == 1;
        model_[source];
        const size_t row = real_.open(source);
        RC_ASSERT(real_.board().rows[row].source == source);
        if (known) return;
        real_.board().rows[row].own = source.stream.value == 0;
        real_.board().rows[row].priority = priority_of(source);
        served_last(row);
    }

    void served_last(size_t row) const {
        for (const Row& other : real_.board().rows)
            RC_ASSERT((&other == &real_.board().rows[row] || other.served < real_.board().rows[row].served));
    }

    void close() {
        for (auto it = model_.begin(); it != model_.end(); ++it) {
            const size_t row = *real_.find(it->first);
            if (real_.frames(row) > 0) continue;
            real_.close(row);
            RC_ASSERT(!real_.find(it->first));
            model_.erase(it);
            return;
        }
    }

    void push(bool front) {
        if (model_.empty()) return open();
        const size_t row = number(model_.size());
        const size_t q = any_queue();
        const SourceId source = real_.board().rows[row].source;
        const auto layer = static_cast<uint16_t>(q == queue_local ? 0 : q);
        // What goes back to the front came before all others.
        ++k_;
        const Instant since = front ? Instant(-Usec(static_cast<int64_t>(k_))) : now_ + Usec(static_cast<int64_t>(k_));
        const Item item = item_of(source, k_, since, layer);
        Source& modelled = model_.at(source);
        Queue& queue = modelled.queues[q];
        modelled.touched = now_;
        if (queue.items.empty()) queue.served = now_;
        queue.items.insert(front ? queue.items.begin() : queue.items.end(), item);
        front ? real_.push_front(row, q, item, now_) : real_.push_back(row, q, item, now_);
    }

    void pop() {
        for (auto& [source, modelled] : model_)
            for (auto& [q, queue] : modelled.queues) {
                if (queue.items.empty() || number(3) == 0) continue;
                const size_t row = *real_.find(source);
                const Item item = real_.pop(row, q, now_);
                RC_ASSERT(item.frame == queue.items.front().frame);
                queue.items.pop_front();
                queue.served = modelled.touched = now_;
                queue.starving = false;
                return served_last(row);
            }
    }

    /// Layers keep their meaning: a frame at a layer beyond the cuts goes to the last.
    void regroup() {
        queues_ = 1 + number(scheduler::classes_max);
        const auto queue_of = [&](const Item& item) { return std::min<size_t>(item.layer, queues_ - 1); };
        for (Row& row : real_.board().rows) row.next[0] = 9;
        real_.regroup(queues_, queue_of);
        for (auto& [source, modelled] : model_) {
            std::map<Instant, Item> by_coming;
            for (auto& [q, queue] : modelled.queues) {
                if (q == queue_local) continue;
                for (const Item& item : queue.items) RC_ASSERT(by_coming.emplace(item.since, item).second);
                queue.items.clear();
                queue.starving = false;
            }
            for (const auto& [since, item] : by_coming) modelled.queues[queue_of(item)].items.push_back(item);
            for (const uint32_t next : real_.board().rows[*real_.find(source)].next) RC_ASSERT(next == 0U);
        }
    }

    void mark() {
        const bool resting = number(2) == 0;
        real_.mark_starving(now_, resting);
        uint8_t highest = 0;
        for (const auto& [source, modelled] : model_)
            for (const auto& [q, queue] : modelled.queues)
                if (!queue.items.empty()) highest = std::max(highest, priority_of(source));
        bool any = false;
        for (auto& [source, modelled] : model_)
            for (auto& [q, queue] : modelled.queues) {
                queue.starving = false;
                if (queue.items.empty()) continue;
                const Usec rested = now_ - queue.items.front().since;
                const bool unserved = std::min(rested, now_ - queue.served) >= starves_after;
                const bool admitted_late = source.stream.value == 0 && q == 0;
                const Usec longest = priority_of(source) == highest ? starves_after : rests_behind_others;
                queue.starving = unserved || (resting && !admitted_late && rested >= longest);
                any = any || queue.starving;
            }
        RC_ASSERT(real_.board().starving == any);
    }

    void look_again() {
        ++ring_;
        real_.look_again();
    }

    size_t queues_ = 3;
    size_t ring_ = 0;
    uint64_t k_ = 0;
    Instant now_{};
    std::map<SourceId, Source> model_;
    QueueSet real_;
};

}  // namespace

TEST_CASE("the board tells what the queues hold, whatever comes and goes") {
    CHECK(rc::check("any operations", [] {
        Modelled both;
        const size_t steps = 20 + number(100);
        for (size_t i = 0; i < steps; ++i) {
            both.step();
            both.agree();
        }
    }));
}

TEST_CASE("a queue starves from starves_after on, and not before") {
    QueueSet queues(2, [](const Item&) { return HeadFacts{}; });
    const size_t row = queues.open(source_of(1));
    const auto starving = [&](double ms, bool resting) {
        queues.mark_starving(at_ms(ms), resting);
        CHECK(queues.board().starving == (queues.board().rows[row].starving != 0));
        return queues.board().rows[row].starving;
    };
    queues.push_back(row, 1, item_of(source_of(1), 1, at_ms(100)), at_ms(100));
    queues.push_back(row, 1, item_of(source_of(1), 2, at_ms(150)), at_ms(150));
    CHECK(starving(1099, true) == 0);
    CHECK(starving(1099, false) == 0);
    CHECK(starving(1100, true) == bit(1));
    CHECK(starving(1100, false) == bit(1));
    CHECK(queues.pop(row, 1, at_ms(1100)).frame.k == 1);
    CHECK(queues.board().rows[row].starving == 0);
    CHECK(starving(1150, false) == 0);  // it was served just now
    CHECK(starving(1150, true) == bit(1));
}

TEST_CASE("an own source's first queue starves only unserved: its frames have waited in the reservoir") {
    QueueSet queues(2, [](const Item&) { return HeadFacts{}; });
    const size_t row = queues.open(source_of(1));
    queues.board().rows[row].own = true;
    for (const size_t q : {0, 1}) queues.push_back(row, q, item_of(source_of(1), q, at_ms(0)), at_ms(5000));
    queues.mark_starving(at_ms(5999), true);
    CHECK(queues.board().rows[row].starving == bit(1));
    queues.mark_starving(at_ms(6000), true);
    CHECK(queues.board().rows[row].starving == (bit(0) | bit(1)));
}

TEST_CASE("a head rests longer where a higher priority waits, but not where none of it does") {
    QueueSet queues(1, [](const Item&) { return HeadFacts{}; });
    const size_t low = queues.open(source_of(0));
    const size_t high = queues.open(source_of(1));
    queues.board().rows[high].priority = 3;
    for (uint64_t k = 0; k < 2; ++k) queues.push_back(low, 0, item_of(source_of(0), k, at_ms(0)), at_ms(0));
    CHECK(queues.pop(low, 0, at_ms(4500)).frame.k == 0);
    const auto starves = [&](double ms) {
        queues.mark_starving(at_ms(ms), true);
        return queues.board().rows[low].starving != 0;
    };
    CHECK(starves(4999));
    queues.push_back(high, 0, item_of(source_of(1), 9, at_ms(4999)), at_ms(4999));
    CHECK_FALSE(starves(4999));
    CHECK(starves(5000));
}

TEST_CASE("as many rows as there may be sources are opened, in the order of their names") {
    QueueSet queues(1, [](const Item&) { return HeadFacts{}; });
    for (size_t i = sources_max; i-- > 0;) {
        CHECK_FALSE(queues.full());
        (void)queues.open(source_of(i));
    }
    CHECK(queues.full());
    CHECK(queues.open(source_of(7)) == 7);  // known ones have their row
    queues.check_invariants();
}
