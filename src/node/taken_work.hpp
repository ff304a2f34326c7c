// Work this node has taken, so that nothing is taken twice. Once a node has taken a frame it answers for it: what comes
// later and is not further is a copy, of somebody who did not hear in time that the frame went on. But what went on
// from here and has come back, round a ring that changes, is no copy: those it came by rely on this node. It left with
// one hop more than it came with, so with two more it may be back, though its receipt is still out.
//
// Bounded; the oldest is forgotten. Pure; owned by NodeCore.
#pragma once

#include <deque>
#include <map>

#include "eddy/messages.hpp"
#include "scheduler/item.hpp"

namespace eddy::node {

class TakenWork {
public:
    static constexpr size_t frames_max = 8192;
    struct Taken {
        uint32_t attempt = 0;          ///< the newest
        int32_t layer = -1, hops = 0;  ///< the furthest of that attempt, and how it came
        scheduler::Keeper again;       ///< who keeps it besides, having sent it once more
    };

    /// False: it is a copy. `is_here` is called only if it may be; whether the frame is still at this node, not
    /// counting what has no receipt if it may be back.
    template <class IsHere>  ///< (bool may_be_back) -> bool
    bool take(const msg::Work& work, IsHere is_here) {
        const auto [at, first] = taken_.try_emplace(work.frame);
        Taken& taken = at->second;
        const bool same = work.attempt == taken.attempt && work.layer == taken.layer;
        const bool further =
            work.attempt > taken.attempt || (work.attempt == taken.attempt && work.layer > taken.layer);
        const bool may_be_back = work.hops >= taken.hops + 2;
        if (!further && !(same && work.hops > taken.hops && !is_here(may_be_back))) return false;
        taken.attempt = work.attempt;
        taken.layer = work.layer;
        taken.hops = work.hops;
        if (!first) return true;
        order_.push_back(work.frame);
        if (order_.size() > frames_max) {
            taken_.erase(order_.front());
            order_.pop_front();
        }
        return true;
    }

    /// nullptr: none of this frame.
    [[nodiscard]] Taken* find(const FrameId& frame) {
        const auto at = taken_.find(frame);
        return at == taken_.end() ? nullptr : &at->second;
    }
    /// 0: none of this frame.
    [[nodiscard]] uint32_t newest_attempt(const FrameId& frame) const {
        const auto at = taken_.find(frame);
        return at == taken_.end() ? 0 : at->second.attempt;
    }

private:
    std::map<FrameId, Taken> taken_;
    std::deque<FrameId> order_;
};

}  // namespace eddy::node
