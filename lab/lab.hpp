// A laboratory for one experiment: a real eddy-node for each device, on this machine, behind links and processor quotas
// like a cluster's. Everything it makes goes when it does, and what an earlier one left, because it was killed, goes
// when the next is opened. Belongs to one thread, the main one.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "eddy/experiment_figures.hpp"
#include "eddy/log.hpp"
#include "eddy/profile.hpp"
#include "eddy/result.hpp"

namespace eddy::lab {

struct LabOptions {
    bool isolated = true;  ///< namespaces and control groups: needs root. Else all is on loopback, links as they are
    bool keep = false;     ///< the folder with configurations, logs, reports and results stays
    std::string node_program;  ///< eddy-node
    std::string model;         ///< absolute, for real compute
    std::string profile_json;  ///< eddy.profile/1 of `profile`, for replayed compute
    ModelProfile profile;      ///< the experiment's
    PartitionKind partition = PartitionKind::chain;
    RowPlannerKind row_planner = RowPlannerKind::fused_blocks;
    std::string row_profile;  ///< absolute, an eddy.row_profile/1 for any other partition; empty: nodes measure theirs
    LogFn log;
    /// One line to a control socket, and its answer.
    std::function<Result<std::string>(const std::string& socket, const std::string& line, Usec within)> ask;
    std::function<bool()> interrupted;                      ///< asked at least ten times a second
    std::function<void(const std::string& what)> progress;  ///< what it is doing now; called about once a second
};

/// A ring link, as asked and as found.
struct LinkSpeed {
    size_t from = 0;
    size_t to = 0;
    double asked_mbit_per_s = 0;     ///< 0: not shaped
    double measured_mbit_per_s = 0;  ///< payload of one TCP stream while all links are busy
};

struct LabRun {
    ExperimentRun run;
    double started_unix_s = 0;
    bool delay_applied = false;
    std::vector<LinkSpeed> links;
    /// By device: the time of a lane that a frame of the whole model takes there; 0 for one that only relays. Replayed:
    /// how long a wait really is while all others wait, before the run. Real: what the node got through of a test
    /// source of its own while all others did the same, cameras and all else that a node does included; the mean of
    /// before and after the run.
    std::vector<double> model_s;
    /// By device, if computing is real: the eddy.profile/1 it measured under its quota; else empty.
    std::vector<std::string> profiles;
};

class Lab {
public:
    /// Removes what dead runs left, and makes network and control groups. `unsupported` with the reason if this
    /// machine or user cannot have them.
    static Result<std::unique_ptr<Lab>> open(const Experiment& experiment, LabOptions options);
    /// Ends all nodes and removes everything.
    ~Lab();
    Lab(const Lab&) = delete;
    Lab& operator=(const Lab&) = delete;

    /// Measures links and devices, starts the nodes, waits for the ring, runs the sources, ends the nodes. Once for
    /// each policy. `unavailable`: interrupted; a node died or did not come up: its name, and the end of its log.
    Result<LabRun> run(PolicyKind policy, SharesKind shares);

    [[nodiscard]] std::string folder() const;
    [[nodiscard]] bool delay_applied() const;
    [[nodiscard]] double quota_factor() const;
    /// By device; absent: none.
    [[nodiscard]] std::vector<std::optional<double>> quotas_cores() const;
    [[nodiscard]] std::vector<std::optional<uint64_t>> memory_limits_mb() const;
    /// For people: "cgroup v1", or how devices are held to their speed otherwise.
    [[nodiscard]] std::string isolation_text() const;

private:
    struct Impl;
    explicit Lab(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

/// Devices in the order of the ring: by id.
[[nodiscard]] std::vector<size_t> ring_order(const Experiment& experiment);

/// The experiment as it was found: devices and links as fast as measured. Links between other pairs than a device and
/// its successor are taken to fall short of what was asked in the same proportion (the median).
[[nodiscard]] Experiment as_measured(const Experiment& experiment, const ModelProfile& profile, const LabRun& run);

}  // namespace eddy::lab
