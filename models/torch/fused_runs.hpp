// Which runs of several layers were compiled as one. All lanes of a node and the thread that prepares runs share it:
// what one of them fused serves all. That a run is listed does not promise that its unit is still in the cache.
// Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <utility>

namespace eddy::torch_exec {

using LayerRun = std::pair<uint32_t, uint32_t>;  ///< layers [first, last)

class FusedRuns {
public:
    /// As they are now; readers keep it as long as they like.
    [[nodiscard]] std::shared_ptr<const std::set<LayerRun>> all() const {
        const std::lock_guard lock(mutex_);
        return runs_;
    }
    void add(LayerRun run) {
        change([&](auto& runs) { runs.insert(run); });
    }
    void remove(LayerRun run) {
        change([&](auto& runs) { runs.erase(run); });
    }

private:
    template <class Change>
    void change(Change apply) {
        const std::lock_guard lock(mutex_);
        auto runs = std::make_shared<std::set<LayerRun>>(*runs_);
        apply(*runs);
        runs_ = std::move(runs);
    }
    mutable std::mutex mutex_;
    std::shared_ptr<const std::set<LayerRun>> runs_ = std::make_shared<const std::set<LayerRun>>();
};

}  // namespace eddy::torch_exec
