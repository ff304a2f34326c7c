// Processor quotas and memory limits by the kernel's control groups, version 1 (controllers mounted apart), 2, or a
// mixture. The groups lie below the one this process is in, so that limits above it still hold; in version 2, where a
// group with processes cannot have limited groups below it, below the nearest above that can. (A controller that is
// switched on for that stays on: another run may be using it.)
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "eddy/result.hpp"
#include "eddy/time.hpp"

namespace eddy::lab {

// ---- What the kernel says and is told. Pure.

/// Where the group of this process lies for one controller.
struct GroupParent {
    std::string mount;  ///< where the hierarchy is mounted; `folder` lies at or below it
    std::string folder;
    bool unified = false;  ///< version 2
    friend bool operator==(const GroupParent&, const GroupParent&) = default;
};

/// For `controller` ("cpu", "memory"), from the texts of /proc/self/mountinfo and /proc/self/cgroup. A version 1
/// mount that has the controller goes first, since a controller belongs to one hierarchy only.
[[nodiscard]] Result<GroupParent> group_parent(std::string_view mountinfo, std::string_view self_cgroup,
                                               std::string_view controller);

/// The period of a quota: 20 ms (control_groups.cpp says why), longer where the quota of a period would fall below the
/// kernel's least, 1 ms.
[[nodiscard]] Usec quota_period(double cores);

/// Files of a group and what to write into them, in this order. No quota: unlimited.
using GroupWrites = std::vector<std::pair<std::string, std::string>>;
[[nodiscard]] GroupWrites quota_writes(bool unified, std::optional<double> cores);
[[nodiscard]] GroupWrites memory_writes(bool unified, uint64_t bytes);

// ---- The groups of a run.

/// Owns the groups `eddy-lab-<run>/<device>` of each hierarchy. The destructor kills who is still inside, waits for
/// their end (5 s at most) and removes the groups; a run that is killed leaves them to remove_leftovers().
class ControlGroups {
public:
    static constexpr const char* record_name = "groups";

    /// `run`: RunFolder::name(). The folders made are recorded in `run_folder`/groups beforehand, for
    /// remove_leftovers(). `unsupported` with the reason if control groups cannot be used: not mounted, no right to,
    /// controller missing.
    static Result<ControlGroups> make(const std::string& run, const std::filesystem::path& run_folder);

    ControlGroups(ControlGroups&& other) noexcept;
    ControlGroups& operator=(ControlGroups&& other) noexcept;
    ControlGroups(const ControlGroups&) = delete;
    ControlGroups& operator=(const ControlGroups&) = delete;
    ~ControlGroups();

    /// A group for a device (once each): at most so many processors (none: no quota; above 0), and bytes. What it
    /// returns is Place::cgroup_procs.
    Result<std::vector<std::string>> add(size_t device, std::optional<double> quota_cores, uint64_t memory_bytes);
    /// From now on; the device was added.
    Status set_quota(size_t device, std::optional<double> cores);

    /// "cgroup v1", "cgroup v2", or both with their controllers, for people.
    [[nodiscard]] const std::string& kind() const { return kind_; }

private:
    struct Hierarchy {
        std::string folder;  ///< .../eddy-lab-<run>
        bool unified = false;
        bool cpu = false;
        bool memory = false;  ///< which controllers it is used for
    };
    ControlGroups() = default;
    void remove();

    std::vector<Hierarchy> hierarchies_;  ///< one, or one for each controller; empty: moved from
    std::string kind_;
};

}  // namespace eddy::lab
