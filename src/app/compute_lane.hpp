// A compute lane: one thread that runs jobs, one at a time, and rests as `compute.limit` demands.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "eddy/effects.hpp"
#include "eddy/inference.hpp"
#include "eddy/result.hpp"
#include "eddy/tensor.hpp"

namespace eddy::app {

struct RunOutput {
    std::vector<HostTensor> outputs;     ///< the frontier after the run; empty if it ended the model
    std::optional<Inference> inference;  ///< if it did
};

/// What a lane computes with. Made by the lane's own thread and used only there.
class Runner {
public:
    virtual ~Runner() = default;
    virtual Result<RunOutput> run(UnitRange units, std::span<const HostTensor> inputs, bool ends_model) = 0;
};

struct Finished {
    JobId job;
    Result<RunOutput> output;
    Usec busy{0};       ///< the lane was taken for so long, rests included
    Usec computing{0};  ///< of which it really computed
};

class ComputeLane {
public:
    /// `done` is called on the lane's thread and must not block.
    ComputeLane(std::function<std::unique_ptr<Runner>()> make_runner, double limit, uint32_t threads,
                std::function<void(Finished)> done);
    /// Waits for the job being run, not for its rest.
    ~ComputeLane();
    ComputeLane(const ComputeLane&) = delete;
    ComputeLane& operator=(const ComputeLane&) = delete;

    /// Any thread. The core never gives a lane a second job before the first is done.
    void start(JobId job, UnitRange units, std::vector<HostTensor> inputs, bool ends_model);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace eddy::app
