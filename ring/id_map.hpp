// A small map from node ids, in the order of the circle from zero on. Rings of thousands of nodes are simulated in one
// process, and a tree's scattered nodes were half of that time (profiled): here the keys lie side by side. Values stay
// where they are while others come and go.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "eddy/ids.hpp"

namespace eddy::ring {

template <class Value>
class IdMap {
public:
    using Entry = std::pair<NodeId, std::unique_ptr<Value>>;

    [[nodiscard]] Value* find(const NodeId& id) {
        const auto it = place(id);
        return it != entries_.end() && it->first == id ? it->second.get() : nullptr;
    }
    [[nodiscard]] const Value* find(const NodeId& id) const { return const_cast<IdMap*>(this)->find(id); }
    [[nodiscard]] bool contains(const NodeId& id) const { return find(id) != nullptr; }
    Value& insert_or_assign(const NodeId& id, Value value) {
        auto it = place(id);
        if (it != entries_.end() && it->first == id)
            *it->second = std::move(value);
        else
            it = entries_.emplace(it, id, std::make_unique<Value>(std::move(value)));
        return *it->second;
    }
    bool erase(const NodeId& id) {
        const auto it = place(id);
        if (it == entries_.end() || it->first != id) return false;
        entries_.erase(it);
        return true;
    }
    [[nodiscard]] size_t size() const { return entries_.size(); }
    [[nodiscard]] bool empty() const { return entries_.empty(); }
    /// In ascending order; must not be used across an insertion or erasure.
    [[nodiscard]] auto begin() const { return entries_.begin(); }
    [[nodiscard]] auto end() const { return entries_.end(); }

private:
    auto place(const NodeId& id) {
        return std::lower_bound(entries_.begin(), entries_.end(), id,
                                [](const Entry& entry, const NodeId& key) { return entry.first < key; });
    }
    std::vector<Entry> entries_;
};

}  // namespace eddy::ring
