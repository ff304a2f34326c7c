#include "lab/control_groups.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <fstream>

#include <sys/stat.h>
#include <unistd.h>

#include "eddy/assert.hpp"
#include "lab/leftovers.hpp"
#include "lab/posix.hpp"

namespace eddy::lab {
namespace {

// Measured on two processors with ticks of 4 ms (Linux 6.18, cgroup v1): 40 ms of work at a quota of 0.223, ideally
// 179 ms; median and, in brackets, 10th to 90th percentile in ms, with so many such groups at once.
//   period      1                 4                 8 (0.89 of the machine)
//     5 ms   178 (173 - 186)   181 (173 - 194)   189 (176 - 203)
//    10 ms   181 (171 - 191)   181 (169 - 191)   181 (171 - 250)
//    20 ms   181 (169 - 182)   179 (163 - 190)   183 (165 - 296)
//   100 ms   192 (120 - 197)   180 (148 - 208)   179 (154 - 204)
// Shorter is smoother, but a quota of a millisecond ends in the middle of everything: real nodes, three threads each on
// caches that others had meanwhile, got through 8 % fewer frames at 5 ms than at 20 ms, and no more at 100 ms.
constexpr Usec usual_period = std::chrono::milliseconds(20);
constexpr Usec quota_min = std::chrono::milliseconds(1);
constexpr Usec period_max = std::chrono::seconds(1);

std::vector<std::string_view> split(std::string_view text, char at) {
    std::vector<std::string_view> parts;
    while (!text.empty()) {
        const size_t end = std::min(text.find(at), text.size());
        if (end > 0) parts.push_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return parts;
}

bool has(const std::vector<std::string_view>& list, std::string_view word) {
    return std::find(list.begin(), list.end(), word) != list.end();
}

/// mountinfo writes a blank in a path as \040, and so on.
std::string unescaped(std::string_view text) {
    std::string plain;
    for (size_t i = 0; i < text.size(); ++i) {
        const auto octal = [&](size_t k) { return k < text.size() && text[k] >= '0' && text[k] <= '7'; };
        if (text[i] == '\\' && octal(i + 1) && octal(i + 2) && octal(i + 3)) {
            plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
            i += 3;
        } else {
            plain += text[i];
        }
    }
    return plain;
}

struct Mount {
    std::string root;  ///< which group of the hierarchy is mounted
    std::string point;
};

/// One line: id, parent, device, root, mount point, options, optional fields, "-", type, source, options of the whole.
std::optional<Mount> mount_of(std::string_view line, std::string_view type, std::string_view option) {
    const auto fields = split(line, ' ');
    const auto dash = std::find(fields.begin(), fields.end(), "-");
    if (dash - fields.begin() < 6 || fields.end() - dash < 4 || dash[1] != type) return std::nullopt;
    if (!option.empty() && !has(split(dash[3], ','), option)) return std::nullopt;
    return Mount{unescaped(fields[3]), unescaped(fields[4])};
}

/// The path after "<id>:<controllers>:" of the line that has the controller, or of the line "0::" for version 2.
std::optional<std::string> own_group(std::string_view self_cgroup, std::string_view controller) {
    for (const std::string_view line : split(self_cgroup, '\n')) {
        const size_t first = line.find(':');
        const size_t second = first == line.npos ? line.npos : line.find(':', first + 1);
        if (second == line.npos) continue;
        const std::string_view controllers = line.substr(first + 1, second - first - 1);
        if (controller.empty() ? controllers.empty() : has(split(controllers, ','), controller))
            return std::string(line.substr(second + 1));
    }
    return std::nullopt;
}

/// Where the group `path` is seen, if the mount shows only what lies below `root` (a container's view).
std::string folder_of(const Mount& mount, const std::string& path) {
    std::string_view below = path;
    if (mount.root != "/") {
        const bool inside =
            below.starts_with(mount.root) && (below.size() == mount.root.size() || below[mount.root.size()] == '/');
        if (!inside) return mount.point;
        below.remove_prefix(mount.root.size());
    }
    return below.empty() || below == "/" || below.find("..") != below.npos ? mount.point
                                                                           : mount.point + std::string(below);
}

Status write_all(const std::string& folder, const GroupWrites& writes) {
    for (const auto& [file, text] : writes)
        if (auto written = write_text(folder + "/" + file, text); !written) return written;
    return success();
}

/// Version 2: the nearest group from `parent` up below which both controllers can be given, which is switched on there.
Result<std::string> parent_with(const GroupParent& parent, const std::vector<std::string>& controllers) {
    std::string wanted;
    for (const std::string& controller : controllers) wanted += (wanted.empty() ? "+" : " +") + controller;
    std::string problem;
    for (std::filesystem::path folder = parent.folder;; folder = folder.parent_path()) {
        const std::string file = (folder / "cgroup.subtree_control").string();
        const auto text = read_text(file);
        if (!text) return unsupported(text.error().message);
        auto words = split(*text, '\n');
        words = split(words.empty() ? "" : words[0], ' ');
        const bool given = std::all_of(controllers.begin(), controllers.end(),
                                       [&](const std::string& controller) { return has(words, controller); });
        if (given) return folder.string();
        const Status switched = write_text(file, wanted);
        if (switched) return folder.string();
        problem = switched.error().message;
        if (folder == parent.mount || folder == folder.parent_path()) return unsupported(problem);
    }
}

}  // namespace

Result<GroupParent> group_parent(std::string_view mountinfo, std::string_view self_cgroup,
                                 std::string_view controller) {
    for (const bool unified : {false, true}) {
        const auto path = own_group(self_cgroup, unified ? "" : controller);
        if (!path) continue;
        for (const std::string_view line : split(mountinfo, '\n'))
            if (const auto mount = mount_of(line, unified ? "cgroup2" : "cgroup", unified ? "" : controller))
                return GroupParent{mount->point, folder_of(*mount, *path), unified};
    }
    return unsupported("no control groups with the controller '" + std::string(controller) + "' are mounted");
}

Usec quota_period(double cores) {
    const auto least = Usec(static_cast<Usec::rep>(std::ceil(static_cast<double>(quota_min.count()) / cores)));
    return std::clamp(least, usual_period, period_max);
}

GroupWrites quota_writes(bool unified, std::optional<double> cores) {
    const Usec period = cores ? quota_period(*cores) : usual_period;
    const std::string period_us = std::to_string(period.count());
    std::string quota_us = unified ? "max" : "-1";
    if (cores) {
        const auto quota = static_cast<Usec::rep>(std::llround(*cores * static_cast<double>(period.count())));
        quota_us = std::to_string(std::max(quota, quota_min.count()));
    }
    if (unified) return {{"cpu.max", quota_us + " " + period_us}};
    return {{"cpu.cfs_period_us", period_us}, {"cpu.cfs_quota_us", quota_us}};
}

GroupWrites memory_writes(bool unified, uint64_t bytes) {
    return {{unified ? "memory.max" : "memory.limit_in_bytes", std::to_string(bytes)}};
}

Result<ControlGroups> ControlGroups::make(const std::string& run, const std::filesystem::path& run_folder) {
    if (::geteuid() != 0) return unsupported("control groups are for root only");
    const auto mounts = read_text("/proc/self/mountinfo");
    const auto own = read_text("/proc/self/cgroup");
    if (!mounts || !own) return unsupported((mounts ? own : mounts).error().message);
    const auto cpu = group_parent(*mounts, *own, "cpu");
    const auto memory = group_parent(*mounts, *own, "memory");
    if (!cpu || !memory) return (cpu ? memory : cpu).error();

    ControlGroups made;
    made.hierarchies_.push_back({cpu->folder, cpu->unified, true, *cpu == *memory});
    if (*cpu != *memory) made.hierarchies_.push_back({memory->folder, memory->unified, false, true});
    made.kind_ = cpu->unified == memory->unified
                     ? (cpu->unified ? "cgroup v2" : "cgroup v1")
                     : (cpu->unified ? "cgroup v2 (cpu), v1 (memory)" : "cgroup v1 (cpu), v2 (memory)");
    for (Hierarchy& hierarchy : made.hierarchies_) {
        if (hierarchy.unified) {
            std::vector<std::string> controllers;
            if (hierarchy.cpu) controllers.emplace_back("cpu");
            if (hierarchy.memory) controllers.emplace_back("memory");
            auto parent = parent_with(hierarchy.cpu ? *cpu : *memory, controllers);
            if (!parent) {
                made.hierarchies_.clear();
                return parent.error();
            }
            hierarchy.folder = *parent;
        }
        hierarchy.folder += "/" + (std::string(lab_prefix) + run);
    }
    // On record before they are there: whoever finds the record after a crash finds all of them.
    std::ofstream record(run_folder / record_name, std::ios::trunc);
    for (const Hierarchy& hierarchy : made.hierarchies_) record << hierarchy.folder << '\n';
    if (!record.flush()) {
        made.hierarchies_.clear();
        return unavailable((run_folder / record_name).string() + " cannot be written");
    }
    for (const Hierarchy& hierarchy : made.hierarchies_) {
        if (::mkdir(hierarchy.folder.c_str(), 0755) != 0) return unsupported(system_error(hierarchy.folder, errno));
        if (!hierarchy.unified) continue;
        const std::string switched = std::string(hierarchy.cpu ? "+cpu " : "") + (hierarchy.memory ? "+memory" : "");
        if (auto written = write_text(hierarchy.folder + "/cgroup.subtree_control", switched); !written)
            return unsupported(written.error().message);
    }
    return made;
}

Result<std::vector<std::string>> ControlGroups::add(size_t device, std::optional<double> quota_cores,
                                                    uint64_t memory_bytes) {
    std::vector<std::string> procs;
    for (const Hierarchy& hierarchy : hierarchies_) {
        const std::string folder = hierarchy.folder + "/" + std::to_string(device);
        if (::mkdir(folder.c_str(), 0755) != 0) return unavailable(system_error(folder, errno));
        if (hierarchy.cpu && quota_cores)
            if (auto written = write_all(folder, quota_writes(hierarchy.unified, quota_cores)); !written)
                return written.error();
        if (hierarchy.memory)
            if (auto written = write_all(folder, memory_writes(hierarchy.unified, memory_bytes)); !written)
                return written.error();
        procs.push_back(folder + "/cgroup.procs");
    }
    return procs;
}

Status ControlGroups::set_quota(size_t device, std::optional<double> cores) {
    for (const Hierarchy& hierarchy : hierarchies_)
        if (hierarchy.cpu)
            return write_all(hierarchy.folder + "/" + std::to_string(device), quota_writes(hierarchy.unified, cores));
    return unavailable("there are no groups");
}

ControlGroups::ControlGroups(ControlGroups&& other) noexcept
    : hierarchies_(std::exchange(other.hierarchies_, {})), kind_(std::move(other.kind_)) {}

ControlGroups& ControlGroups::operator=(ControlGroups&& other) noexcept {
    if (this != &other) {
        remove();
        hierarchies_ = std::exchange(other.hierarchies_, {});
        kind_ = std::move(other.kind_);
    }
    return *this;
}

ControlGroups::~ControlGroups() { remove(); }

void ControlGroups::remove() {
    std::vector<std::string> folders;
    for (const Hierarchy& hierarchy : hierarchies_) folders.push_back(hierarchy.folder);
    // What could not be removed is on record and left to the next run.
    if (!folders.empty()) (void)remove_groups(folders);
    hierarchies_.clear();
}

}  // namespace eddy::lab
