#include "models/torch/unit_cache.hpp"

#include <algorithm>

namespace eddy::torch_exec {

std::shared_ptr<const Unit> UnitCache::find(const UnitSpec& spec) {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(spec);
    if (found == entries_.end()) return nullptr;
    found->second.used = ++clock_;
    ++hits_;
    return found->second.unit;
}

Result<std::shared_ptr<const Unit>> UnitCache::get(const UnitSpec& spec) {
    if (auto unit = find(spec)) return unit;
    // Compiled without the lock, so that other lanes go on. Two lanes may compile the same unit; one copy is kept.
    auto compiled = Unit::compile(model_, spec);
    if (!compiled) return compiled;
    const uint64_t bytes = (*compiled)->bytes();
    if (bytes > max_)
        return exhausted("a compiled unit takes " + std::to_string(bytes >> 20) + " MiB; the cache holds at most " +
                         std::to_string(max_ >> 20));
    const std::lock_guard lock(mutex_);
    ++compiled_;
    if (const auto found = entries_.find(spec); found != entries_.end()) return found->second.unit;
    make_room(bytes);
    entries_[spec] = {*compiled, ++clock_};
    bytes_ += bytes;
    return compiled;
}

void UnitCache::make_room(uint64_t bytes) {
    while (bytes_ + bytes > max_) {
        const auto oldest = std::min_element(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) {
            return a.second.used < b.second.used;
        });
        EDDY_ASSERT(oldest != entries_.end());
        bytes_ -= oldest->second.unit->bytes();
        entries_.erase(oldest);
        ++evicted_;
    }
}

void UnitCache::evict(const UnitSpec& spec) {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(spec);
    if (found == entries_.end()) return;
    bytes_ -= found->second.unit->bytes();
    entries_.erase(found);
    ++evicted_;
}

CacheStats UnitCache::stats() const {
    const std::lock_guard lock(mutex_);
    return {bytes_, max_, entries_.size(), hits_, compiled_, evicted_};
}

}  // namespace eddy::torch_exec
