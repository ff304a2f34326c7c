#include "scheduler/queue_set.hpp"

#include <algorithm>

#include "eddy/assert.hpp"
#include "scheduler/policy.hpp"

namespace eddy::scheduler {

QueueSet::QueueSet(size_t queues, std::function<HeadFacts(const Item&)> facts) : facts_(std::move(facts)) {
    EDDY_ASSERT(queues > 0 && queues <= classes_max);
    board_.queues = queues;
}

std::optional<size_t> QueueSet::find(const SourceId& source) const {
    const auto it = std::lower_bound(board_.rows.begin(), board_.rows.end(), source,
                                     [](const Row& row, const SourceId& id) { return row.source < id; });
    if (it == board_.rows.end() || it->source != source) return std::nullopt;
    return static_cast<size_t>(it - board_.rows.begin());
}

size_t QueueSet::open(const SourceId& source) {
    if (const auto row = find(source)) return *row;
    EDDY_ASSERT(!full());
    const auto it = std::lower_bound(board_.rows.begin(), board_.rows.end(), source,
                                     [](const Row& row, const SourceId& id) { return row.source < id; });
    const auto index = it - board_.rows.begin();
    Row row;
    row.source = source;
    row.served = ++served_;
    board_.rows.insert(it, row);
    Queues queues;
    queues.at_cuts.resize(board_.queues);
    queues_.insert(queues_.begin() + index, std::move(queues));
    return static_cast<size_t>(index);
}

void QueueSet::close(size_t row) {
    EDDY_ASSERT(frames(row) == 0);
    board_.rows.erase(board_.rows.begin() + static_cast<std::ptrdiff_t>(row));
    queues_.erase(queues_.begin() + static_cast<std::ptrdiff_t>(row));
}

void QueueSet::head_changed(size_t row, size_t queue) {
    Row& r = board_.rows[row];
    r.ends &= ~bit(queue);
    r.stays &= ~bit(queue);
    r.foreign &= ~bit(queue);
    const auto& items = queues_[row].of(queue);
    if (items.empty()) return;
    const HeadFacts facts = facts_(items.front());
    if (facts.ends) r.ends |= bit(queue);
    if (facts.stays) r.stays |= bit(queue);
    if (facts.foreign) r.foreign |= bit(queue);
    r.since[queue] = items.front().since;
}

void QueueSet::push_back(size_t row, size_t queue, Item item, Instant now) {
    auto& items = comes(row, queue, now);
    items.push_back(std::move(item));
    if (items.size() == 1) head_changed(row, queue);
}

void QueueSet::push_front(size_t row, size_t queue, Item item, Instant now) {
    comes(row, queue, now).push_front(std::move(item));
    head_changed(row, queue);
}

/// Counts a frame that is about to be put there.
std::deque<Item>& QueueSet::comes(size_t row, size_t queue, Instant now) {
    auto& items = queues_[row].of(queue);
    queues_[row].touched = now;
    if (items.empty()) queues_[row].served[queue] = now;
    ++board_.rows[row].here[queue];
    return items;
}

Item QueueSet::pop(size_t row, size_t queue, Instant now) {
    auto& items = queues_[row].of(queue);
    EDDY_ASSERT(!items.empty());
    Item item = std::move(items.front());
    items.pop_front();
    --board_.rows[row].here[queue];
    board_.rows[row].served = ++served_;
    board_.rows[row].starving &= ~bit(queue);
    queues_[row].served[queue] = queues_[row].touched = now;
    head_changed(row, queue);
    return item;
}

uint32_t QueueSet::frames(size_t row) const {
    uint32_t sum = board_.rows[row].here[queue_local];
    for (size_t q = 0; q < board_.queues; ++q) sum += board_.rows[row].here[q];
    return sum;
}

size_t QueueSet::frames() const {
    size_t sum = 0;
    for (size_t row = 0; row < board_.rows.size(); ++row) sum += frames(row);
    return sum;
}

template <class Visit>
void QueueSet::each_queue(Visit visit) const {
    for (size_t row = 0; row < board_.rows.size(); ++row) {
        for (size_t q = 0; q < board_.queues; ++q) visit(row, q);
        visit(row, queue_local);
    }
}

void QueueSet::mark_starving(Instant now, bool resting) {
    board_.starving = false;
    uint8_t highest = 0;
    for (size_t row = 0; row < board_.rows.size(); ++row)
        if (frames(row) > 0) highest = std::max(highest, board_.rows[row].priority);
    each_queue([&](size_t row, size_t q) {
        Row& r = board_.rows[row];
        r.starving &= ~bit(q);
        if (r.here[q] == 0) return;
        const bool served_lately = now - std::max(queues_[row].served[q], r.since[q]) < starves_after;
        if (!resting || (r.own && q == 0)) {
            if (served_lately) return;
        } else if (r.priority == highest ? now - r.since[q] < starves_after
                                         : served_lately && now - r.since[q] < rests_behind_others) {
            return;
        }
        r.starving |= bit(q);
        board_.starving = true;
    });
}

void QueueSet::look_again() {
    each_queue([&](size_t row, size_t q) { head_changed(row, q); });
}

void QueueSet::regroup(size_t queues, const std::function<size_t(const Item&)>& queue_of) {
    EDDY_ASSERT(queues > 0 && queues <= classes_max);
    board_.queues = queues;
    for (size_t row = 0; row < queues_.size(); ++row) {
        std::vector<Item> items;
        for (auto& queue : queues_[row].at_cuts)
            for (auto& item : queue) items.push_back(std::move(item));
        std::stable_sort(items.begin(), items.end(), [](const Item& a, const Item& b) { return a.since < b.since; });
        queues_[row].at_cuts.assign(queues, {});
        Row& r = board_.rows[row];
        for (QueueBits* bits : {&r.ends, &r.stays, &r.foreign, &r.starving}) *bits &= bit(queue_local);
        for (size_t q = 0; q < classes_max; ++q) r.here[q] = r.next[q] = 0;
        for (auto& item : items) {
            const size_t q = queue_of(item);
            EDDY_ASSERT(q < queues);
            ++r.here[q];
            queues_[row].at_cuts[q].push_back(std::move(item));
        }
    }
    look_again();
}

void QueueSet::each(const std::function<void(size_t, size_t, const Item&)>& visit) const {
    each_queue([&](size_t row, size_t q) {
        for (const auto& item : queues_[row].of(q)) visit(row, q, item);
    });
}

void QueueSet::check_invariants() const {
    EDDY_ASSERT(queues_.size() == board_.rows.size() && queues_.size() <= sources_max);
    for (size_t row = 1; row < board_.rows.size(); ++row)
        EDDY_ASSERT(board_.rows[row - 1].source < board_.rows[row].source);
    each_queue([&](size_t row, size_t q) {
        EDDY_ASSERT(queues_[row].of(q).size() == board_.rows[row].here[q]);
        for (const auto& item : queues_[row].of(q)) EDDY_ASSERT(item.frame.source == board_.rows[row].source);
    });
}

}  // namespace eddy::scheduler
