// Control groups: what the kernel's tables say (samples of version 1, 2, both, and of a container), what is written,
// and, for root, that processes are really in them.
#include "lab/control_groups.hpp"

#include <csignal>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "lab/process.hpp"
#include "tests/lab/lab_support.hpp"

using namespace eddy;
using namespace eddy::lab;

namespace {

constexpr const char* v1_mounts =
    "23 27 0:22 / /sys rw,relatime - sysfs sysfs rw\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n";
constexpr const char* v1_own = "9:name=systemd:/\n4:memory:/user/one\n3:cpuset:/\n2:cpu,cpuacct:/\n";

constexpr const char* v2_mounts =
    "24 30 0:22 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
constexpr const char* v2_own = "0::/user.slice/user-0.slice/session-1.scope\n";

std::string folder_for(const std::string& mounts, const std::string& own, const std::string& controller) {
    const auto parent = group_parent(mounts, own, controller);
    return parent ? parent->folder + (parent->unified ? " (2)" : " (1)") : parent.error().message;
}

}  // namespace

TEST_CASE("Version 1 has a hierarchy for each controller, alone or with others") {
    CHECK(folder_for(v1_mounts, v1_own, "cpu") == "/sys/fs/cgroup/cpu,cpuacct (1)");
    CHECK(folder_for(v1_mounts, v1_own, "memory") == "/sys/fs/cgroup/memory/user/one (1)");
    CHECK(folder_for(v1_mounts, v1_own, "pids") == "no control groups with the controller 'pids' are mounted");
}

TEST_CASE("Version 2 has one for all") {
    for (const char* controller : {"cpu", "memory"})
        CHECK(folder_for(v2_mounts, v2_own, controller) ==
              "/sys/fs/cgroup/user.slice/user-0.slice/session-1.scope (2)");
    CHECK(folder_for(v2_mounts, "0::/\n", "cpu") == "/sys/fs/cgroup (2)");
    const auto parent = group_parent(v2_mounts, v2_own, "cpu");
    REQUIRE(parent.ok());
    CHECK(parent->mount == "/sys/fs/cgroup");
}

TEST_CASE("Where both are mounted a controller of version 1 is found there, the others in version 2") {
    const std::string mounts =
        "38 31 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
        "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
    const std::string own = "0::/here\n4:memory:/there\n";
    CHECK(folder_for(mounts, own, "memory") == "/sys/fs/cgroup/memory/there (1)");
    CHECK(folder_for(mounts, own, "cpu") == "/sys/fs/cgroup/unified/here (2)");
}

TEST_CASE("A container that sees only a part of the hierarchy finds its group in that part") {
    const std::string mounts = "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
    CHECK(folder_for(mounts, "4:memory:/docker/abc\n", "memory") == "/sys/fs/cgroup/memory (1)");
    CHECK(folder_for(mounts, "4:memory:/docker/abc/inner\n", "memory") == "/sys/fs/cgroup/memory/inner (1)");
    CHECK(folder_for(mounts, "4:memory:/docker/abcdef\n", "memory") == "/sys/fs/cgroup/memory (1)");
    CHECK(folder_for(v2_mounts, "0::/../elsewhere\n", "cpu") == "/sys/fs/cgroup (2)");
}

TEST_CASE("Blanks in paths, and lines that are no mounts, do no harm") {
    CHECK(folder_for("1 2 0:3 / /my\\040groups rw - cgroup cgroup rw,cpu\n", "1:cpu:/a b\n", "cpu") ==
          "/my groups/a b (1)");
    CHECK_FALSE(group_parent("", "", "cpu").ok());
    CHECK_FALSE(group_parent("1 2 0:3 / /x rw - cgroup\n - \n1 2 - cgroup2 a b\n", "::\n0::/\n1:cpu:/\n", "cpu").ok());
    CHECK(rc::check("any text is read or refused", [](const std::string& mounts, const std::string& own) {
        (void)group_parent(mounts, own, "cpu");
        (void)group_parent(v1_mounts + mounts, own + v1_own, "cpu");
    }));
}

TEST_CASE("A quota is written for the period, and never below what the kernel takes") {
    CHECK(quota_writes(true, std::nullopt) == GroupWrites{{"cpu.max", "max 20000"}});
    CHECK(quota_writes(true, 0.25) == GroupWrites{{"cpu.max", "5000 20000"}});
    CHECK(quota_writes(false, 1.5) == GroupWrites{{"cpu.cfs_period_us", "20000"}, {"cpu.cfs_quota_us", "30000"}});
    CHECK(quota_writes(false, std::nullopt) == GroupWrites{{"cpu.cfs_period_us", "20000"}, {"cpu.cfs_quota_us", "-1"}});
    CHECK(quota_writes(false, 0.01) == GroupWrites{{"cpu.cfs_period_us", "100000"}, {"cpu.cfs_quota_us", "1000"}});
    CHECK(quota_writes(false, 1e-6) == GroupWrites{{"cpu.cfs_period_us", "1000000"}, {"cpu.cfs_quota_us", "1000"}});
    CHECK(memory_writes(false, 1 << 20) == GroupWrites{{"memory.limit_in_bytes", "1048576"}});
    CHECK(memory_writes(true, 1 << 20) == GroupWrites{{"memory.max", "1048576"}});
}

TEST_CASE("Processes are in their groups, which have the quota and the limit, and nothing is left of them") {
    auto folder = RunFolder::make();
    REQUIRE_MESSAGE(folder.ok(), folder.error().message);
    pid_t pid = 0;
    std::vector<std::string> procs;
    {
        auto groups = ControlGroups::make(folder->name(), folder->path());
        LAB_OR_SKIP(groups);
        MESSAGE(groups->kind());
        auto added = groups->add(3, 0.25, uint64_t{64} << 20);
        REQUIRE_MESSAGE(added.ok(), added.error().message);
        procs = *added;
        REQUIRE_FALSE(procs.empty());
        const std::string group = std::filesystem::path(procs[0]).parent_path();
        const auto quota = [&] {
            return groups->kind() == "cgroup v2" ? text_of(group + "/cpu.max") : text_of(group + "/cpu.cfs_quota_us");
        };
        const std::string before = quota();
        CHECK(before.starts_with("5000"));
        CHECK(groups->set_quota(3, 0.5).ok());
        CHECK(quota().starts_with("10000"));
        CHECK_FALSE(groups->set_quota(4, 0.5).ok());
        CHECK_FALSE(groups->add(3, 0.25, uint64_t{64} << 20).ok());

        // One that its owner forgets to end: it must not keep the group.
        auto process = Process::start(Place{"", procs}, {"sh", "-c", "setsid sleep 600 & exec sleep 600"}, {},
                                      (folder->path() / "log").string());
        REQUIRE_MESSAGE(process.ok(), process.error().message);
        pid = process->pid();
        for (const std::string& file : procs)
            CHECK(text_of(file).find(std::to_string(pid).append("\n")) != std::string::npos);
        CHECK(becomes_true([&] { return text_of(procs[0]).find('\n') + 1 < text_of(procs[0]).size(); }));
    }
    CHECK(::kill(pid, 0) != 0);
    for (const std::string& file : procs)
        CHECK_FALSE(std::filesystem::exists(std::filesystem::path(file).parent_path().parent_path()));
}
