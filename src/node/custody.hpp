// Custody: what this node handed over and keeps until the receiver no longer needs it kept. A receiver lets go of a
// frame when the node after it has accepted it, when its source has the result (or was told that there is none), or
// when nobody wants it any more. Until then one loss costs one hop: the frame is queued again where it was last held.
//
// Numbers rise over a node's whole life and differ between its lives, so they mean the same on every connection.
// Bounded in bytes; when full, the oldest goes, and the source's own retry is all that frame has. Pure; one owner, one
// thread.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "eddy/messages.hpp"
#include "scheduler/item.hpp"

namespace eddy::node {

class Custody {
public:
    /// What a frame counts beside its tensors, so that there is a bound for frames without any bytes, too.
    static constexpr uint64_t overhead_bytes = 256;

    /// `bytes_max` 0: nothing is kept.
    Custody(Incarnation incarnation, uint64_t bytes_max)
        : bytes_max_(bytes_max), next_(incarnation.value << number_bits) {}

    /// For the next item that is sent; 0 if nothing is kept.
    [[nodiscard]] uint64_t next_number() { return bytes_max_ == 0 ? 0 : ++next_; }
    /// `to` has accepted the item, sent under `item.custody`. Gives what is not kept: items that had to make room, and
    /// the item itself if it was not to be kept or is too large.
    [[nodiscard]] std::vector<scheduler::Item> keep(const NodeId& to, scheduler::Item item, Instant now);
    /// `by` says that this need not be kept. Nothing: it is not kept, or for somebody else.
    [[nodiscard]] std::optional<scheduler::Item> release(const NodeId& by, uint64_t number);
    /// All that is kept for this node and was accepted before `than`, oldest first.
    [[nodiscard]] std::vector<scheduler::Item> take(const NodeId& holder, Instant than = never);
    /// Since when `holder` holds what is kept for it longest, of those frames that `counts`; nothing: it holds none.
    template <class Counts>  ///< (const Item&) -> bool
    [[nodiscard]] std::optional<Instant> oldest(const NodeId& holder, Counts counts) const {
        std::optional<Instant> since;
        for (const auto& [number, kept] : kept_)
            if (kept.to == holder && (!since || kept.since < *since) && counts(kept.item)) since = kept.since;
        return since;
    }
    /// Since when that is kept; nothing: it is not, or for somebody else.
    [[nodiscard]] std::optional<Instant> since(const NodeId& by, uint64_t number) const;
    /// What was accepted before this instant: its source has given it up since.
    [[nodiscard]] std::vector<scheduler::Item> take_older(Instant than);

    [[nodiscard]] uint64_t bytes() const { return bytes_; }
    [[nodiscard]] uint64_t bytes_max() const { return bytes_max_; }
    [[nodiscard]] size_t frames() const { return kept_.size(); }
    template <class Visit>  ///< (const NodeId& to, const scheduler::Item&)
    void each(Visit visit) const {
        for (const auto& [number, kept] : kept_) visit(kept.to, kept.item);
    }
    void check_invariants() const;

private:
    static constexpr unsigned number_bits = 40;
    struct Kept {
        NodeId to;
        scheduler::Item item;
        uint64_t bytes;
        Instant since;
    };
    using Numbered = std::map<uint64_t, Kept>;
    scheduler::Item remove(Numbered::iterator at);

    uint64_t bytes_max_;
    uint64_t next_;
    uint64_t bytes_ = 0;
    Numbered kept_;  ///< by number, so in the order in which they were sent
};

/// What this node is to tell others that they need not keep. Waits for a message to go with. Bounded: beyond that the
/// oldest are forgotten, and their keepers let go by themselves in time.
class Releases {
public:
    static constexpr size_t keepers_max = 256;
    static constexpr size_t waiting_max = 8 * msg::released_max;

    /// Nothing, if nobody keeps it.
    void owe(const scheduler::Keeper& keeper);
    [[nodiscard]] bool any(const NodeId& keeper) const { return due_.count(keeper) != 0; }
    /// More of them do not fit into one message.
    [[nodiscard]] bool full(const NodeId& keeper) const;
    /// At most msg::released_max, oldest first.
    [[nodiscard]] std::vector<uint64_t> take(const NodeId& keeper);
    void forget(const NodeId& keeper) { due_.erase(keeper); }

private:
    std::map<NodeId, std::deque<uint64_t>> due_;  ///< never an empty one
};

}  // namespace eddy::node
