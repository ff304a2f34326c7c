// Shortcuts across the circle (Chord, section 4.3): finger i is the first node at or after self + 2^i. They make
// lookups short and are never needed for their correctness.
#pragma once

#include <map>
#include <vector>

#include "eddy/messages.hpp"
#include "ring/interval.hpp"

namespace eddy::ring {

class FingerTable {
public:
    explicit FingerTable(const NodeId& self) : self_(self) {}

    [[nodiscard]] NodeId start(unsigned finger) const { return plus_power_of_two(self_, finger); }
    void set(unsigned finger, const msg::Member& node) {
        if (node.id != self_) fingers_[finger] = node;
    }
    void remove(const NodeId& id) {
        std::erase_if(fingers_, [&](const auto& entry) { return entry.second.id == id; });
    }
    /// Fingers that start at or before `end` lead nowhere that the successor list does not.
    void drop_up_to(const NodeId& end) {
        std::erase_if(fingers_, [&](const auto& entry) { return in_open_closed(self_, start(entry.first), end); });
    }
    /// Fingers [from, to).
    void drop(unsigned from, unsigned to) { fingers_.erase(fingers_.lower_bound(from), fingers_.lower_bound(to)); }
    void clear() { fingers_.clear(); }
    /// The finger to find next, at or after `from`: the first whose start lies behind `end` (the last node of the
    /// successor list). id_bits: none, the round is over.
    [[nodiscard]] unsigned next(unsigned from, const NodeId& end) const {
        while (from < id_bits && in_open_closed(self_, start(from), end)) ++from;
        return from;
    }
    [[nodiscard]] const std::map<unsigned, msg::Member>& fingers() const { return fingers_; }

private:
    NodeId self_;
    std::map<unsigned, msg::Member> fingers_;  ///< at most id_bits; about log2 of the ring's size differ
};

}  // namespace eddy::ring
