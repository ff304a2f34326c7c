// The nodes that follow this one on the circle, nearest first: strictly clockwise, never the node itself, never one
// twice, never more than the bound. Plain value; no I/O.
#pragma once

#include <span>
#include <vector>

#include "eddy/messages.hpp"

namespace eddy::ring {

class SuccessorList {
public:
    SuccessorList(const NodeId& self, size_t bound) : self_(self), bound_(bound) {}

    [[nodiscard]] const std::vector<msg::Member>& members() const { return members_; }
    [[nodiscard]] bool empty() const { return members_.empty(); }
    /// Otherwise the list, when quiet, is the whole ring.
    [[nodiscard]] bool full() const { return members_.size() == bound_; }
    /// The successor; the list must not be empty.
    [[nodiscard]] const msg::Member& head() const { return members_.front(); }
    [[nodiscard]] const msg::Member* find(const NodeId& id) const;

    struct Change {
        bool changed = false;
        std::vector<msg::Member> missing;  ///< were here, are not any more, and were not pushed out at the end
    };
    /// `head` and those that follow it as it told them, up to this node, the first one out of order, or the bound. Of
    /// two records of one node the one of the later life stays.
    Change adopt(const msg::Member& head, std::span<const msg::Member> followers);
    /// False: it was not there.
    bool remove(const NodeId& id);
    /// What a node that is in the list says of itself. False: nothing new, or not there.
    bool refresh(const msg::Member& member);

    /// Whether `followers` would be cut short by disorder when adopted after `head`.
    [[nodiscard]] bool orderly(const NodeId& head, std::span<const msg::Member> followers) const;
    void check_invariants() const;

private:
    NodeId self_;
    size_t bound_;
    std::vector<msg::Member> members_;
};

}  // namespace eddy::ring
