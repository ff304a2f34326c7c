#include "ring/successor_list.hpp"

#include <algorithm>

#include "eddy/assert.hpp"
#include "ring/interval.hpp"

namespace eddy::ring {

const msg::Member* SuccessorList::find(const NodeId& id) const {
    const auto it = std::find_if(members_.begin(), members_.end(), [&](const auto& m) { return m.id == id; });
    return it == members_.end() ? nullptr : &*it;
}

SuccessorList::Change SuccessorList::adopt(const msg::Member& head, std::span<const msg::Member> followers) {
    std::vector<msg::Member> next;
    next.reserve(std::min(bound_, followers.size() + 1));
    if (head.id != self_) next.push_back(head);
    for (const auto& member : followers) {
        if (next.empty() || next.size() >= bound_) break;
        if (!in_open(next.back().id, member.id, self_)) break;
        next.push_back(member);
    }
    // Both lists run clockwise, so one pass finds what they share and what is missing.
    Change change;
    auto old = members_.begin();
    for (auto& member : next) {
        while (old != members_.end() && in_open(self_, old->id, member.id)) change.missing.push_back(*old++);
        if (old == members_.end() || old->id != member.id) continue;
        if (member.incarnation < old->incarnation) member = *old;
        ++old;
    }
    // What is left lies behind the new end: pushed out if the list is full, otherwise missing as well.
    if (next.size() < bound_) change.missing.insert(change.missing.end(), old, members_.end());
    change.changed = next != members_;
    members_ = std::move(next);
    return change;
}

bool SuccessorList::remove(const NodeId& id) {
    return std::erase_if(members_, [&](const auto& m) { return m.id == id; }) != 0;
}

bool SuccessorList::refresh(const msg::Member& member) {
    const auto it = std::find_if(members_.begin(), members_.end(), [&](const auto& m) { return m.id == member.id; });
    if (it == members_.end() || *it == member) return false;
    *it = member;
    return true;
}

bool SuccessorList::orderly(const NodeId& head, std::span<const msg::Member> followers) const {
    const NodeId* before = &head;
    for (const auto& member : followers) {
        if (member.id == self_) return true;  // once round
        if (!in_open(*before, member.id, self_)) return false;
        before = &member.id;
    }
    return true;
}

void SuccessorList::check_invariants() const {
    EDDY_ASSERT(members_.size() <= bound_);
    const NodeId* before = &self_;
    for (const auto& member : members_) {
        EDDY_ASSERT(member.id != self_ && in_open(*before, member.id, self_));
        before = &member.id;
    }
}

}  // namespace eddy::ring
