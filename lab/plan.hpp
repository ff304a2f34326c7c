// What an experiment becomes on one machine: for each of its devices a node's configuration, a processor quota and a
// memory limit. Pure.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "eddy/config.hpp"
#include "eddy/experiment.hpp"
#include "eddy/result.hpp"

namespace eddy::lab {

/// Beside `memory_mb` of a device, for what its configuration does not count: the program, LibTorch's code, threads.
inline constexpr uint64_t program_memory_mb = 512;
/// Of the machine's cores, so much may be promised to devices; the rest is for the kernel's network and the lab itself.
inline constexpr double promised_share = 0.9;

struct PlanOptions {
    bool isolated = true;  ///< each device has a network and a control group of its own
    PolicyKind policy = PolicyKind::layered;
    SharesKind shares = SharesKind::parameters;
    PartitionKind partition = PartitionKind::chain;
    RowPlannerKind row_planner = RowPlannerKind::fused_blocks;
    std::string row_profile;   ///< absolute, for any other partition; may be empty if computing is real
    std::string folder;        ///< absolute, of this run; a device's files lie in <folder>/<device's number>
    std::string cluster_key;   ///< may be empty on loopback
    std::string model;         ///< if computing is real
    std::string profile;       ///< if it is replayed
    uint32_t frame_width = 0;  ///< of the test picture
    uint32_t frame_height = 0;
    double cores = 1;  ///< of this machine
};

struct DevicePlan {
    NodeConfig node;                    ///< without `listen` and seeds, which the network decides
    std::optional<double> quota_cores;  ///< of the whole process
    std::optional<uint64_t> memory_mb;  ///< of the whole process
};

struct LabPlan {
    std::vector<DevicePlan> devices;
    /// What devices' speeds are multiplied by, since the machine cannot give more; 1 if it can, or if none computes.
    double quota_factor = 1;
};

/// Error `unsupported`: a source on a device without the model; a change that nodes without a control group of their
/// own cannot follow.
[[nodiscard]] Result<LabPlan> make_plan(const Experiment& experiment, const PlanOptions& options);

/// Cores a device may use at a speed.
[[nodiscard]] double quota_of(const ExperimentDevice& device, double speed, double quota_factor);

/// The most square picture, 8-bit RGB, of so many bytes: width, height. Error `unsupported` if there is none.
[[nodiscard]] Result<std::pair<uint32_t, uint32_t>> picture_of(uint64_t bytes);

/// The file that `eddy-node --config` reads.
[[nodiscard]] std::string node_file(const NodeConfig& config);

}  // namespace eddy::lab
