// Runs of consecutive layers of the model chain, on one compute lane.
//
// A run is served by its own fused unit where that exists, and otherwise by a sequence of units already compiled,
// down to single layers. `prepare` fuses; so does a run that keeps coming back, while the cache's bytes allow.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "eddy/result.hpp"
#include "eddy/tensor.hpp"
#include "eddy/time.hpp"
#include "models/torch/model.hpp"
#include "models/torch/unit_cache.hpp"

namespace eddy::torch_exec {

struct ExecutorOptions {
    uint32_t threads = 1;            ///< of this lane, set once for the thread that runs it
    uint32_t fuse_after_runs = 4;    ///< a run met this often is compiled as one unit
    double fuse_bytes_share = 0.75;  ///< of the cache that fused runs may fill without `prepare`
};

struct RunResult {
    std::vector<HostTensor> outputs;  ///< the frontier after the run, in the graph's order; meta.value is set
    std::vector<Usec> layer_times;    ///< one a layer, if asked for
};

/// Belongs to one thread. Several share one cache, and through it the model and all that is compiled.
class Executor {
public:
    Executor(std::shared_ptr<UnitCache> cache, const ExecutorOptions& options);

    /// Compile layers [first, last) as one unit now, so that their first run is fast.
    Status prepare(uint32_t first, uint32_t last);
    /// Compile every single layer: with these any run can be served.
    Status prepare_layers();

    /// Layers [first, last). `inputs` is the frontier before `first`: in the graph's order, or in any order if every
    /// meta.value is set. Inputs are never altered. Measuring layers runs them one by one, which is slower.
    Result<RunResult> run(uint32_t first, uint32_t last, std::span<const HostTensor> inputs, bool measure = false);

    [[nodiscard]] const Model& model() const { return *cache_->model(); }
    [[nodiscard]] CacheStats cache() const { return cache_->stats(); }

private:
    using Piece = std::pair<uint32_t, uint32_t>;  ///< layers [first, last)

    [[nodiscard]] Status check_range(uint32_t first, uint32_t last) const;
    [[nodiscard]] UnitSpec spec_of(Piece piece) const;
    Result<std::shared_ptr<const Unit>> unit_of(Piece piece);
    [[nodiscard]] std::vector<Piece> cover(Piece run);
    [[nodiscard]] bool worth_fusing(Piece run);
    void bind_thread();

    std::shared_ptr<UnitCache> cache_;
    ExecutorOptions options_;
    std::map<Piece, uint32_t> runs_;  ///< how often each run was asked for; bounded by layers_max²/2
};

/// The most threads a lane may use, and what runs on them, for people: "x86_64, AVX2, oneDNN, 2 processors".
std::string device_description();

}  // namespace eddy::torch_exec
