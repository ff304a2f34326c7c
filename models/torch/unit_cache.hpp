// Compiled units, each compiled once and shared by all lanes, within a bound of bytes. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "eddy/result.hpp"
#include "models/torch/fused_runs.hpp"
#include "models/torch/unit.hpp"

namespace eddy::torch_exec {

struct CacheStats {
    uint64_t bytes = 0;  ///< of the units held here
    uint64_t bytes_max = 0;
    uint64_t units = 0;
    uint64_t hits = 0;
    uint64_t compiled = 0;
    uint64_t evicted = 0;
};

class UnitCache {
public:
    UnitCache(std::shared_ptr<const Model> model, uint64_t bytes_max) : model_(std::move(model)), max_(bytes_max) {}

    /// The unit, compiled now if it is not here. The least recently used ones make room; a unit that is larger than
    /// the whole bound is `exhausted`. Evicted units live on while somebody still runs them.
    Result<std::shared_ptr<const Unit>> get(const UnitSpec& spec);
    /// Only if it is here already.
    std::shared_ptr<const Unit> find(const UnitSpec& spec);
    void evict(const UnitSpec& spec);
    [[nodiscard]] CacheStats stats() const;
    [[nodiscard]] const std::shared_ptr<const Model>& model() const { return model_; }
    [[nodiscard]] FusedRuns& fused_runs() { return fused_; }

private:
    struct Entry {
        std::shared_ptr<const Unit> unit;
        uint64_t used = 0;  ///< rises with every use
    };
    void make_room(uint64_t bytes);  // with mutex_ held

    const std::shared_ptr<const Model> model_;
    const uint64_t max_;
    FusedRuns fused_;
    mutable std::mutex mutex_;
    std::map<UnitSpec, Entry> entries_;  // the rest is protected by mutex_
    uint64_t clock_ = 0;
    uint64_t bytes_ = 0;
    uint64_t hits_ = 0;
    uint64_t compiled_ = 0;
    uint64_t evicted_ = 0;
};

}  // namespace eddy::torch_exec
