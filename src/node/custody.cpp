#include "src/node/custody.hpp"

#include <algorithm>
#include <utility>

#include "eddy/assert.hpp"

namespace eddy::node {

using scheduler::Item;

std::vector<Item> Custody::keep(const NodeId& to, Item item, Instant now) {
    std::vector<Item> not_kept;
    uint64_t bytes = overhead_bytes;
    for (const auto& tensor : item.tensors) bytes += tensor.bytes;
    if (item.custody == 0 || bytes > bytes_max_) {
        not_kept.push_back(std::move(item));
        return not_kept;
    }
    while (bytes_ + bytes > bytes_max_) not_kept.push_back(remove(kept_.begin()));
    const uint64_t number = item.custody;
    const bool fresh = kept_.emplace(number, Kept{to, std::move(item), bytes, now}).second;
    EDDY_ASSERT(fresh);
    bytes_ += bytes;
    return not_kept;
}

Item Custody::remove(Numbered::iterator at) {
    EDDY_ASSERT(at != kept_.end());
    Item item = std::move(at->second.item);
    bytes_ -= at->second.bytes;
    kept_.erase(at);
    return item;
}

std::optional<Item> Custody::release(const NodeId& by, uint64_t number) {
    const auto at = kept_.find(number);
    if (at == kept_.end() || at->second.to != by) return std::nullopt;
    return remove(at);
}

std::optional<Instant> Custody::since(const NodeId& by, uint64_t number) const {
    const auto at = kept_.find(number);
    if (at == kept_.end() || at->second.to != by) return std::nullopt;
    return at->second.since;
}

std::vector<Item> Custody::take(const NodeId& holder, Instant than) {
    std::vector<Item> items;
    for (auto at = kept_.begin(); at != kept_.end();) {
        const auto next = std::next(at);
        if (at->second.to == holder && at->second.since < than) items.push_back(remove(at));
        at = next;
    }
    return items;
}

std::vector<Item> Custody::take_older(Instant than) {
    // Links deliver receipts in different times, so the front is the oldest but for a round trip: near enough.
    std::vector<Item> items;
    while (!kept_.empty() && kept_.begin()->second.since < than) items.push_back(remove(kept_.begin()));
    return items;
}

void Custody::check_invariants() const {
    uint64_t bytes = 0;
    for (const auto& [number, kept] : kept_) {
        EDDY_ASSERT(number == kept.item.custody && number <= next_);
        EDDY_ASSERT(kept.item.keeper.number == 0);  // its own keeper was told when it was handed over
        bytes += kept.bytes;
    }
    EDDY_ASSERT(bytes == bytes_ && bytes_ <= bytes_max_);
}

void Releases::owe(const scheduler::Keeper& keeper) {
    if (keeper.number == 0) return;
    if (due_.size() >= keepers_max && due_.count(keeper.node) == 0) due_.erase(due_.begin());
    auto& due = due_[keeper.node];
    due.push_back(keeper.number);
    if (due.size() > waiting_max) due.pop_front();
}

bool Releases::full(const NodeId& keeper) const {
    const auto due = due_.find(keeper);
    return due != due_.end() && due->second.size() >= msg::released_max;
}

std::vector<uint64_t> Releases::take(const NodeId& keeper) {
    const auto at = due_.find(keeper);
    if (at == due_.end()) return {};
    auto& due = at->second;
    const auto end = due.begin() + static_cast<ptrdiff_t>(std::min(due.size(), msg::released_max));
    std::vector<uint64_t> numbers(due.begin(), end);
    due.erase(due.begin(), end);
    if (due.empty()) due_.erase(at);
    return numbers;
}

}  // namespace eddy::node
