#include "lab/leftovers.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>

#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "eddy/real_clock.hpp"
#include "lab/posix.hpp"
#include "lab/program.hpp"

namespace eddy::lab {
namespace {

namespace fs = std::filesystem;

constexpr const char* namespaces_folder = "/run/netns";

using Members = std::function<std::vector<pid_t>()>;

std::optional<pid_t> number(std::string_view text) {
    pid_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value <= 1) return std::nullopt;
    return value;
}

constexpr Usec short_pause = std::chrono::milliseconds(2);

/// Kills until nobody is left; who forks meanwhile is met in the next round. False when the deadline has passed.
bool kill_members(const Members& members, Instant deadline) {
    for (;;) {
        const std::vector<pid_t> first = members();
        if (first.empty()) return true;
        if (real_now() >= deadline) return false;
        // A number may pass to another process at any time. A pidfd does not: who is listed after it was opened is
        // meant.
        std::vector<std::pair<pid_t, Fd>> watched;
        for (const pid_t pid : first)
            if (Fd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))); fd)
                watched.emplace_back(pid, std::move(fd));
        const std::vector<pid_t> second = members();
        // Who has left meanwhile is no concern of ours any more.
        std::erase_if(watched, [&](const auto& each) {
            return std::find(second.begin(), second.end(), each.first) == second.end();
        });
        for (const auto& [pid, fd] : watched) ::syscall(SYS_pidfd_send_signal, fd.get(), SIGKILL, nullptr, 0);
        for (const auto& [pid, fd] : watched) {
            pollfd ended{fd.get(), POLLIN, 0};
            ::poll(&ended, 1, milliseconds_until(deadline));
        }
        if (watched.empty()) pause_for(short_pause);
    }
}

/// A group and those below it, the lowest first.
std::vector<std::string> groups_below(const std::string& folder) {
    std::vector<std::string> all;
    std::error_code error;
    if (fs::is_symlink(folder, error) || !fs::is_directory(folder, error)) return all;
    for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
        if (std::error_code odd; at->is_directory(odd) && !at->is_symlink(odd)) all.push_back(at->path().string());
    std::reverse(all.begin(), all.end());
    all.push_back(folder);
    return all;
}

std::vector<pid_t> members_of_groups(const std::vector<std::string>& folders) {
    std::vector<pid_t> found;
    for (const std::string& top : folders)
        for (const std::string& folder : groups_below(top)) {
            const auto text = read_text(folder + "/cgroup.procs");
            if (!text) continue;
            for (size_t at = 0; at < text->size();) {
                const size_t end = std::min(text->find('\n', at), text->size());
                const auto pid = number(std::string_view(*text).substr(at, end - at));
                if (pid && *pid != ::getpid()) found.push_back(*pid);
                at = end + 1;
            }
        }
    return found;
}

using NamespaceId = std::pair<dev_t, ino_t>;

std::vector<pid_t> members_of_namespaces(const std::vector<NamespaceId>& namespaces) {
    std::vector<pid_t> found;
    std::error_code error;
    for (fs::directory_iterator at("/proc", error), end; !error && at != end; at.increment(error)) {
        const auto pid = number(at->path().filename().string());
        struct stat about {};
        if (!pid || *pid == ::getpid() || ::stat((at->path() / "ns/net").c_str(), &about) != 0) continue;
        if (std::find(namespaces.begin(), namespaces.end(), NamespaceId(about.st_dev, about.st_ino)) !=
            namespaces.end())
            found.push_back(*pid);
    }
    return found;
}

}  // namespace

std::vector<std::string> lab_namespaces() {
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator at(namespaces_folder, error), end; !error && at != end; at.increment(error))
        if (at->path().filename().string().starts_with(lab_prefix)) names.push_back(at->path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
}

std::string run_of_namespace(const std::string& name) {
    const std::string_view prefix(lab_prefix);
    const size_t end = name.rfind('-');
    if (!name.starts_with(prefix) || end < prefix.size()) return "";
    return name.substr(prefix.size(), end - prefix.size());
}

Status remove_namespaces(const std::vector<std::string>& names, Usec within) {
    const Instant deadline = real_now() + within;
    std::vector<NamespaceId> ids;
    std::vector<std::string> there;
    struct stat own {};
    struct stat about {};
    if (::stat("/proc/self/ns/net", &own) != 0) return internal(system_error("/proc/self/ns/net", errno));
    for (const std::string& name : names) {
        if (::stat((std::string(namespaces_folder) + "/" + name).c_str(), &about) != 0) continue;
        there.push_back(name);
        // A name without a mount behind it is an ordinary file; and who lives where we live is not ours to kill.
        if (about.st_dev == own.st_dev && about.st_ino != own.st_ino) ids.emplace_back(about.st_dev, about.st_ino);
    }
    if (there.empty()) return success();
    const bool emptied = ids.empty() || kill_members([&] { return members_of_namespaces(ids); }, deadline);
    std::string lines;
    for (const std::string& name : there) lines += "netns del " + name + "\n";
    const auto removed = run_program({"ip", "-force", "-batch", "-"}, lines, within);
    for (const std::string& name : there)
        if (::access((std::string(namespaces_folder) + "/" + name).c_str(), F_OK) == 0)
            return removed ? internal("the namespace " + name + " cannot be removed") : removed.error();
    if (!emptied) return internal("processes in " + there.front() + " and the like do not end");
    return success();
}

Status remove_groups(const std::vector<std::string>& folders, Usec within) {
    const Instant deadline = real_now() + within;
    const bool emptied = kill_members([&] { return members_of_groups(folders); }, deadline);
    std::string left;
    for (const std::string& top : folders)
        for (const std::string& folder : groups_below(top)) {
            // The kernel lets go of a dead process a moment after it says so.
            while (::rmdir(folder.c_str()) != 0 && errno != ENOENT) {
                if (errno != EBUSY || real_now() >= deadline) {
                    left = system_error(folder, errno);
                    break;
                }
                pause_for(short_pause);
            }
        }
    if (!left.empty()) return internal((emptied ? "" : "processes do not end in ") + left);
    return success();
}

}  // namespace eddy::lab
