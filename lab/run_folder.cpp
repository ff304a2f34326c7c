#include "lab/run_folder.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <set>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "eddy/real_clock.hpp"
#include "lab/control_groups.hpp"
#include "lab/leftovers.hpp"

namespace eddy::lab {
namespace {

namespace fs = std::filesystem;

constexpr const char* lock_name = "lock";
constexpr const char* kept_name = "kept";
constexpr Usec common_lock_within = std::chrono::seconds(40);  ///< removing leftovers takes 30 s at most
constexpr int name_tries_max = 100;

/// The folder of folders, made if need be. In /tmp anybody may have made it before us: then it is not used.
Status make_folders(const fs::path& folders) {
    if (::mkdir(folders.c_str(), 0700) != 0 && errno != EEXIST)
        return unavailable(system_error(folders.string(), errno));
    struct stat about {};
    if (::lstat(folders.c_str(), &about) != 0) return unavailable(system_error(folders.string(), errno));
    if (!S_ISDIR(about.st_mode) || about.st_uid != ::geteuid() || (about.st_mode & 077) != 0)
        return unavailable(folders.string() + " is not a folder that belongs to this user alone");
    return success();
}

/// Empty if another has the lock.
Fd try_lock(const fs::path& file) {
    Fd lock(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (lock && ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) lock.reset();
    return lock;
}

/// Held while a folder is made, and while leftovers are removed: so that no folder is seen before its lock is taken.
Result<Fd> common_lock(const fs::path& folders) {
    const Instant deadline = real_now() + common_lock_within;
    for (;;) {
        if (Fd lock = try_lock(folders / lock_name); lock) return lock;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return unavailable(system_error((folders / lock_name).string(), errno));
        if (real_now() >= deadline) return unavailable("another lab holds " + (folders / lock_name).string());
        pause_for(std::chrono::milliseconds(5));
    }
}

std::vector<fs::path> folders_in(const fs::path& folders) {
    std::vector<fs::path> found;
    std::error_code error;
    for (fs::directory_iterator at(folders, error), end; !error && at != end; at.increment(error))
        if (std::error_code odd; !at->is_symlink(odd) && at->is_directory(odd)) found.push_back(at->path());
    std::sort(found.begin(), found.end());
    return found;
}

/// The groups that a run's folder has on record. Nothing but a lab's group of that run is believed.
std::vector<std::string> recorded_groups(const fs::path& folder) {
    std::vector<std::string> groups;
    std::ifstream record(folder / ControlGroups::record_name);
    const std::string name = std::string(lab_prefix) + folder.filename().string();
    for (std::string line; std::getline(record, line) && groups.size() < 8;)
        if (const fs::path group(line); group.is_absolute() && group.filename() == name) groups.push_back(line);
    return groups;
}

/// Groups of runs that are not alive, beside where this process would make its own.
std::vector<std::string> stray_groups(const std::set<std::string>& living) {
    std::vector<std::string> groups;
    const auto mounts = read_text("/proc/self/mountinfo");
    const auto own = read_text("/proc/self/cgroup");
    if (!mounts || !own) return groups;
    for (const char* controller : {"cpu", "memory"}) {
        const auto parent = group_parent(*mounts, *own, controller);
        if (!parent) continue;
        // In version 2 they may lie below any group on the way up.
        for (fs::path at = parent->folder;; at = at.parent_path()) {
            for (const fs::path& folder : folders_in(at)) {
                const std::string name = folder.filename().string();
                if (name.starts_with(lab_prefix) && !living.contains(name.substr(std::string(lab_prefix).size())))
                    groups.push_back(folder.string());
            }
            if (!parent->unified || at == parent->mount || at == at.parent_path()) break;
        }
    }
    std::sort(groups.begin(), groups.end());
    groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
    return groups;
}

/// Does things one after the other, says which were done, and remembers the first that could not be.
struct Removal {
    const LogFn& log;
    Status result = success();

    void did(const std::string& what, const Status& outcome) {
        if (outcome && log) log(LogLevel::info, "removed what a dead run left: " + what);
        if (!outcome && log)
            log(LogLevel::warning, "left by a dead run, and not to be removed: " + outcome.error().message);
        if (!outcome && result) result = outcome;
    }
};

Status remove_files(const fs::path& folder) {
    std::error_code error;
    fs::remove_all(folder, error);
    if (error) return internal(folder.string() + ": " + error.message());
    return success();
}

void remove_systems_things(const std::set<std::string>& living, const std::vector<fs::path>& dead, Removal& removal) {
    std::vector<std::string> groups = stray_groups(living);
    for (const fs::path& folder : dead)
        for (const std::string& group : recorded_groups(folder))
            if (std::error_code error; fs::exists(group, error)) groups.push_back(group);
    std::sort(groups.begin(), groups.end());
    groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
    if (!groups.empty())
        removal.did("group " + groups.front() + " (of " + std::to_string(groups.size()) + ")", remove_groups(groups));
    std::vector<std::string> namespaces;
    for (const std::string& name : lab_namespaces())
        if (!living.contains(run_of_namespace(name))) namespaces.push_back(name);
    if (!namespaces.empty())
        removal.did("namespace " + namespaces.front() + " (of " + std::to_string(namespaces.size()) + ")",
                    remove_namespaces(namespaces));
}

}  // namespace

fs::path run_folders() {
    if (::geteuid() == 0) return "/run/eddy-lab";
    const char* runtime = std::getenv("XDG_RUNTIME_DIR");
    const fs::path base = runtime != nullptr && *runtime == '/' ? runtime : "/tmp";
    return base / ("eddy-lab-" + std::to_string(::geteuid()));
}

Result<RunFolder> RunFolder::make() {
    const fs::path folders = run_folders();
    if (auto made = make_folders(folders); !made) return made.error();
    const auto common = common_lock(folders);
    if (!common) return common.error();
    const std::string number = std::to_string(::getpid());
    for (int k = 0; k < name_tries_max; ++k) {
        const std::string name = k == 0 ? number : number + "x" + std::to_string(k);
        const fs::path folder = folders / name;
        if (::mkdir(folder.c_str(), 0700) != 0) {
            if (errno == EEXIST) continue;
            return unavailable(system_error(folder.string(), errno));
        }
        Fd lock = try_lock(folder / lock_name);
        if (!lock) return unavailable(system_error((folder / lock_name).string(), errno));
        return RunFolder(name, folder, std::move(lock));
    }
    return exhausted(folders.string() + " is full of folders of this process; remove those you do not need");
}

Status RunFolder::keep() {
    std::ofstream mark(path_ / kept_name);
    if (!mark.flush()) return unavailable((path_ / kept_name).string() + " cannot be written");
    kept_ = true;
    return success();
}

void RunFolder::remove() {
    if (path_.empty()) return;
    // A half removed folder is a dead run's to whoever comes next.
    if (!kept_) (void)remove_files(path_);
    path_.clear();
    lock_.reset();
}

RunFolder::RunFolder(RunFolder&& other) noexcept
    : name_(std::move(other.name_)),
      path_(std::exchange(other.path_, {})),
      lock_(std::move(other.lock_)),
      kept_(other.kept_) {}

RunFolder& RunFolder::operator=(RunFolder&& other) noexcept {
    if (this != &other) {
        remove();
        name_ = std::move(other.name_);
        path_ = std::exchange(other.path_, {});
        lock_ = std::move(other.lock_);
        kept_ = other.kept_;
    }
    return *this;
}

RunFolder::~RunFolder() { remove(); }

Status remove_leftovers(const LogFn& log) {
    const fs::path folders = run_folders();
    if (auto made = make_folders(folders); !made) return made;
    const auto common = common_lock(folders);
    if (!common) return common.error();
    std::set<std::string> living;
    std::vector<fs::path> dead;
    for (const fs::path& folder : folders_in(folders)) {
        if (const Fd lock = try_lock(folder / lock_name); lock)
            dead.push_back(folder);
        else
            living.insert(folder.filename().string());
    }
    Removal removal{log};
    if (::geteuid() == 0) remove_systems_things(living, dead, removal);
    // Folders last, and only if all else went well: they have the record of the groups.
    for (const fs::path& folder : dead) {
        std::error_code error;
        if (!removal.result || fs::exists(folder / kept_name, error)) continue;
        removal.did(folder.string(), remove_files(folder));
    }
    return removal.result;
}

}  // namespace eddy::lab
