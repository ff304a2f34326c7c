// What is to happen, in the order of time and, at one instant, in the order it was asked for. A 4-ary heap of small
// plain structs: half the depth of a binary one, and the four children share a cache line or two.
#pragma once

#include <cstdint>
#include <vector>

#include "eddy/assert.hpp"
#include "eddy/time.hpp"

namespace eddy::sim {

/// `kind`, `node`, `index` and `extra` are the user's.
struct QueuedEvent {
    Instant at{};
    uint64_t sequence = 0;
    uint32_t node = 0;
    uint32_t index = 0;
    uint8_t kind = 0;
    uint8_t extra = 0;

    [[nodiscard]] bool before(const QueuedEvent& other) const {
        return at != other.at ? at < other.at : sequence < other.sequence;
    }
};

class EventQueue {
public:
    [[nodiscard]] bool empty() const { return heap_.empty(); }
    [[nodiscard]] size_t size() const { return heap_.size(); }
    [[nodiscard]] const QueuedEvent& top() const { return heap_.front(); }

    /// Sets the event's sequence, and gives it back.
    uint64_t push(QueuedEvent event) {
        event.sequence = ++sequence_;
        size_t hole = heap_.size();
        heap_.push_back(event);
        while (hole > 0) {
            const size_t parent = (hole - 1) / 4;
            if (!event.before(heap_[parent])) break;
            heap_[hole] = heap_[parent];
            hole = parent;
        }
        heap_[hole] = event;
        return event.sequence;
    }

    QueuedEvent pop() {
        EDDY_ASSERT(!heap_.empty());
        const QueuedEvent first = heap_.front();
        const QueuedEvent last = heap_.back();
        heap_.pop_back();
        if (!heap_.empty()) sink(last);
        return first;
    }

private:
    /// Puts `event` where the front's hole comes to rest.
    void sink(const QueuedEvent& event) {
        const size_t size = heap_.size();
        size_t hole = 0;
        for (;;) {
            const size_t first = 4 * hole + 1;
            if (first >= size) break;
            size_t least = first;
            const size_t end = first + 4 < size ? first + 4 : size;
            for (size_t child = first + 1; child < end; ++child)
                if (heap_[child].before(heap_[least])) least = child;
            if (!heap_[least].before(event)) break;
            heap_[hole] = heap_[least];
            hole = least;
        }
        heap_[hole] = event;
    }

    std::vector<QueuedEvent> heap_;
    uint64_t sequence_ = 0;
};

}  // namespace eddy::sim
