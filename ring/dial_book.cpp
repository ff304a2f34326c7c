#include "ring/dial_book.hpp"

#include <algorithm>

namespace eddy::ring {

Usec DialBook::jittered(Usec delay) { return from_seconds(to_seconds(delay) * random_.uniform(0.5, 1.0)); }

void DialBook::add(const Endpoint& endpoint, Why why, Instant now) {
    const auto it = entries_.find(endpoint);
    if (it != entries_.end()) {
        // The stronger reason counts; `why` is ordered by it.
        it->second.why = std::min(it->second.why, why);
        if (why != Why::seed) {
            it->second.every = pace_.every_min;
            it->second.next = std::min(it->second.next, now + pace_.every_min);
        }
        return;
    }
    if (why != Why::seed && entries_.size() - seeds_ >= entries_max) make_room();
    Entry entry;
    entry.why = why;
    entry.every = pace_.every_min;
    entry.verify = pace_.verify_min;
    entry.added = now;
    entry.complained = now - pace_.complain_every;
    // Whoever was lost just now is hardly back already; a seed or a member is called at once.
    entry.next = why == Why::lost || why == Why::missed ? now + jittered(pace_.every_min) : now;
    entries_.emplace(endpoint, entry);
    if (why == Why::seed) ++seeds_;
}

/// The weakest reason goes first, and of equals the oldest.
void DialBook::make_room() {
    auto worst = entries_.end();
    for (auto it = entries_.begin(); it != entries_.end(); ++it) {
        if (it->second.why == Why::seed) continue;
        if (worst == entries_.end() || it->second.why > worst->second.why ||
            (it->second.why == worst->second.why && it->second.added < worst->second.added))
            worst = it;
    }
    if (worst != entries_.end()) entries_.erase(worst);
}

void DialBook::on_left(const Endpoint& endpoint, Instant now) {
    const auto it = entries_.find(endpoint);
    if (it == entries_.end()) return;
    if (it->second.why != Why::seed) {
        entries_.erase(it);
        return;
    }
    it->second.next = std::min(it->second.next, now + jittered(pace_.every_max));
}

void DialBook::forget_member(const Endpoint& endpoint) {
    const auto it = entries_.find(endpoint);
    if (it != entries_.end() && it->second.why == Why::member) entries_.erase(it);
}

void DialBook::on_joined(const Endpoint& endpoint) {
    const auto it = entries_.find(endpoint);
    if (it != entries_.end() && it->second.why != Why::seed) entries_.erase(it);
}

void DialBook::on_broke(const Endpoint& endpoint, bool stood_long, Instant now) {
    const auto it = entries_.find(endpoint);
    if (it == entries_.end()) return;
    if (stood_long) it->second.every = pace_.every_min;
    it->second.next = std::min(it->second.next, now + jittered(it->second.every));
}

void DialBook::on_failed(const Endpoint& endpoint, Instant now) {
    const auto it = entries_.find(endpoint);
    if (it == entries_.end()) return;
    it->second.next = std::min(it->second.next, now + jittered(it->second.every));
}

void DialBook::on_reached(const Endpoint& endpoint, bool alone, Instant now) {
    const auto it = entries_.find(endpoint);
    if (it == entries_.end()) return;
    if (it->second.why == Why::member || (it->second.why != Why::seed && ++it->second.reached >= reached_max)) {
        entries_.erase(it);
        return;
    }
    // `every` goes on growing: it may turn this node away each time.
    it->second.tries = 0;
    if (it->second.why != Why::seed) {
        it->second.next = now + jittered(it->second.every);
        return;
    }
    // However many seeds there are, one of them is verified in that time.
    const Usec verify = std::min(it->second.verify, alone ? pace_.every_max : pace_.verify_max);
    it->second.next = now + jittered(verify * static_cast<int64_t>(seeds_));
    it->second.verify = std::min(pace_.verify_max, it->second.verify * 2);
}

void DialBook::hurry_seeds(Instant now) {
    for (auto& [endpoint, entry] : entries_) {
        if (entry.why != Why::seed) continue;
        entry.every = pace_.every_min;
        entry.verify = pace_.verify_min;
        entry.next = std::min(entry.next, now + jittered(entry.every));
    }
}

std::vector<DialBook::Due> DialBook::take_due(Instant now, bool alone) {
    std::vector<Due> due;
    for (auto it = entries_.begin(); it != entries_.end();) {
        auto& [endpoint, entry] = *it;
        const bool may_give_up = entry.why == Why::missed || entry.why == Why::member;
        if (now >= entry.next && may_give_up && entry.tries >= tries_max) {
            it = entries_.erase(it);
            continue;
        }
        if (now >= entry.next) {
            ++entry.tries;
            entry.next = now + jittered(entry.every);
            entry.every = std::min(pace_.every_max, entry.every * 2);
            const bool complain =
                alone && entry.why == Why::seed && entry.tries > 3 && now - entry.complained >= pace_.complain_every;
            if (complain) entry.complained = now;
            due.push_back({endpoint, entry.why, entry.tries, complain});
        }
        ++it;
    }
    return due;
}

Instant DialBook::next() const {
    Instant at = never;
    for (const auto& [endpoint, entry] : entries_) at = std::min(at, entry.next);
    return at;
}

}  // namespace eddy::ring
