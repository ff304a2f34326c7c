// Runs of consecutive layers of the model chain, on one compute lane.
//
// A run is served by its own fused unit where that exists, and otherwise by a sequence of units already compiled,
// down to single layers. `prepare` fuses; so does a run that keeps coming back, while the cache's bytes allow.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "eddy/result.hpp"
#include "eddy/tensor.hpp"
#include "eddy/time.hpp"
#include "models/torch/model.hpp"
#include "models/torch/unit_cache.hpp"

namespace eddy::torch_exec {

struct ExecutorOptions {
    uint32_t threads = 1;            ///< of this lane; set for each thread that runs it
    uint32_t fuse_after_runs = 64;   ///< a run met this often is compiled as one unit
    double fuse_bytes_share = 0.75;  ///< of the cache's bytes: above it, fused runs must displace others
};

struct RunResult {
    std::vector<HostTensor> outputs;  ///< the frontier after the run, in the graph's order; meta.value is set
    std::vector<Usec> layer_times;    ///< one a layer, if asked for
};

/// Used by one thread at a time. Several share one cache, and through it the model, all that is compiled, and what is
/// known to be fused.
class Executor {
public:
    Executor(std::shared_ptr<UnitCache> cache, const ExecutorOptions& options);

    /// Compile layers [first, last) as one unit now, so that their first run is fast.
    Status prepare(uint32_t first, uint32_t last);
    /// Compile every single layer that is kept: with these any run of them can be served.
    Status prepare_layers();

    /// Layers [first, last). `inputs` is the frontier before `first`, in any order; meta.value says which is which
    /// (the frame is value 0). They are never altered. Measuring layers runs them one by one, which is slower.
    Result<RunResult> run(uint32_t first, uint32_t last, std::span<const HostTensor> inputs, bool measure = false);

    [[nodiscard]] const Model& model() const { return *cache_->model(); }
    [[nodiscard]] CacheStats cache() const { return cache_->stats(); }

private:
    using Piece = LayerRun;

    [[nodiscard]] Status check_range(uint32_t first, uint32_t last) const;
    const UnitSpec& spec_of(Piece piece);
    [[nodiscard]] uint64_t estimated_bytes(Piece piece) const;
    void count_run(Piece run);
    void fuse_if_hot(Piece run);
    bool displace_colder(uint32_t heat, uint64_t bytes_needed);
    [[nodiscard]] std::vector<Piece> cover(Piece run) const;
    Result<std::vector<std::shared_ptr<const Unit>>> units_for(Piece run, bool single_layers);

    std::shared_ptr<UnitCache> cache_;
    ExecutorOptions options_;
    std::map<Piece, UnitSpec> specs_;  ///< like the next two, bounded by layers_max squared
    std::map<Piece, uint32_t> heat_;   ///< how often each run was asked for, halved now and then
    uint32_t runs_ = 0;
};

/// The calling thread computes with so many threads from now on; OpenBLAS, which knows only one number, too.
void bind_lane_thread(uint32_t threads);

/// Processor and libraries, for people and as part of a profile's key: "AMD EPYC 7B13, AVX2, LibTorch 1.13.1, oneDNN".
std::string device_description();

}  // namespace eddy::torch_exec
