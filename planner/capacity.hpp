// What a cluster can carry at most, whatever policy runs it: linear programs on the layered graph
// (planner/layered_graph.hpp), with every layer a place to cut. Fluid and without overheads: frames are divisible among
// ways, a device computes on all its lanes whenever it has work, links are always full, nothing but frontiers and
// results is sent.
//
// * Along the ring a frame goes from successor to successor and never enters its own source's device again, unless the
//   last one before it cannot finish the frame: then it ends there. With `links = direct` it goes to any device but
//   that, and all that a device sends, or receives, is bounded by the widest of its links that way as well. The result
//   goes straight back.
// * A device runs the layers that models/graph/memory_plan.hpp finds memory for; one without the model, none. It may
//   relay.
// * The processor of a device gives speed · lanes full cores. Changes are not regarded: experiment_at(). For a
//   makespan every device is as fast as it ever is.
//
// Errors are in words, for what neither a checked experiment nor a measured profile has (no device, a rate of 0), and
// for clusters that nothing limits. Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "eddy/experiment.hpp"
#include "eddy/profile.hpp"
#include "eddy/result.hpp"

namespace eddy::planner {

struct CapacityOptions {
    double result_bytes = 300;  ///< of one message with a few classes or boxes, on the wire
};

/// How much of a processor or link is used. Devices and sources are named by their index in the experiment.
struct ResourceUse {
    enum class Kind : uint8_t { processor, link, egress, ingress } kind = Kind::processor;
    size_t from = 0;  ///< the device
    size_t to = 0;    ///< of a link: the receiver; otherwise the device again
    double utilisation = 0;
    /// By how many per cent the bound rises if this has one per cent more; all together: 1. Only of a CapacityBound.
    double price = 0;
    bool binding = false;  ///< used to the full
};

/// Of the frames of a source, so many have this run of layers computed at this device.
struct RunFlow {
    size_t source = 0;
    size_t device = 0;
    size_t first_layer = 0;
    size_t last_layer = 0;  ///< inclusive
    double frames_per_s = 0;
};
/// Of the frames of a source, so many leave a device at this cut.
struct CutFlow {
    size_t source = 0;
    size_t from = 0;
    size_t to = 0;
    size_t cut = 0;  ///< before this layer; the number of layers: the result
    double frames_per_s = 0;
};

/// One way to run the cluster at an optimum; there may be others.
struct Operation {
    std::vector<double> throughput_per_s;  ///< by source
    std::vector<double> busy_fraction;     ///< by device
    std::vector<ResourceUse> resources;    ///< processors by device, then what is used of links
    std::vector<RunFlow> runs;             ///< by source, device, layers
    std::vector<CutFlow> cuts;             ///< by source, cut, from, to
};

/// The largest θ such that every source j is served at θ · its offered rate.
struct CapacityBound {
    double theta = 0;  ///< may be above 1
    Operation operation;
};

/// Of all rates that can be served, none above what is offered, those with the largest Σ weight · log rate. Priorities
/// are not regarded.
struct UtilityOptimum {
    double utility = 0;
    double gap = 0;  ///< no rates have more than utility + gap
    Operation operation;
};
/// The gap is at most this times the sum of weights; rates then are within about its root of the optimum's. Where
/// weights or rates differ by so much that rounding forbids it, it may be the larger one.
inline constexpr double utility_tolerance = 1e-9;
inline constexpr double utility_gap_max = 1e-5;

/// No schedule serves all frames of all sources sooner, counted from the instant of the first frame.
struct MakespanBound {
    double makespan_s = 0;     ///< the larger of the next two
    double fluid_s = 0;        ///< until the fluid system has served everything
    double last_result_s = 0;  ///< until the last frame has arrived, and then is alone in the cluster
};

/// Keeps what it found: the next bound of an experiment with other rates, speeds or widths takes a fraction of the
/// time.
class CapacityPlanner {
public:
    CapacityPlanner();
    ~CapacityPlanner();
    CapacityPlanner(CapacityPlanner&&) noexcept;
    CapacityPlanner& operator=(CapacityPlanner&&) noexcept;

    [[nodiscard]] Result<CapacityBound> capacity(const Experiment& experiment, const ModelProfile& profile,
                                                 const CapacityOptions& options = {});
    [[nodiscard]] Result<UtilityOptimum> utility(const Experiment& experiment, const ModelProfile& profile,
                                                 const CapacityOptions& options = {});

private:
    struct Scaled;
    struct Weighted;
    std::unique_ptr<Scaled> scaled_;
    std::unique_ptr<Weighted> weighted_;
};

[[nodiscard]] Result<CapacityBound> capacity_bound(const Experiment& experiment, const ModelProfile& profile,
                                                   const CapacityOptions& options = {});
[[nodiscard]] Result<UtilityOptimum> utility_optimum(const Experiment& experiment, const ModelProfile& profile,
                                                     const CapacityOptions& options = {});

/// Every source must have `frames`. Frames come at the offered rate, the first at once; of Poisson arrivals the mean
/// counts, so a lucky run may end sooner.
[[nodiscard]] Result<MakespanBound> makespan_bound(const Experiment& experiment, const ModelProfile& profile,
                                                   const CapacityOptions& options = {});

/// The experiment as it is at this time: changes up to it made, no others left.
[[nodiscard]] Experiment experiment_at(const Experiment& experiment, double at_s);

}  // namespace eddy::planner
