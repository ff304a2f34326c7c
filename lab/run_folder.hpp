// A folder for each lab run, whose lock tells the living from the dead, and the removal of what the dead left.
#pragma once

#include <filesystem>
#include <string>

#include "eddy/log.hpp"
#include "eddy/result.hpp"
#include "lab/posix.hpp"

namespace eddy::lab {

/// Where the folders of runs are: /run/eddy-lab for root, else ${XDG_RUNTIME_DIR:-/tmp}/eddy-lab-<uid>.
[[nodiscard]] std::filesystem::path run_folders();

/// Owns a folder for configurations, logs and sockets, and holds the lock in it for as long as it lives. Its path is
/// short: a socket's in it stays below the 100 bytes that are safe if its name has up to 48. Make it before
/// BridgeNetwork and ControlGroups, which are named after it, and let it go after them.
class RunFolder {
public:
    /// In run_folders(), which nobody but this user may enter.
    static Result<RunFolder> make();

    RunFolder(RunFolder&& other) noexcept;
    RunFolder& operator=(RunFolder&& other) noexcept;
    RunFolder(const RunFolder&) = delete;
    RunFolder& operator=(const RunFolder&) = delete;
    /// Removes the folder with all that is in it, unless it is kept.
    ~RunFolder();

    /// The run's name: short, letters and digits, no other living run has it.
    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

    /// The files stay where they are after the end; nothing else of the run does. Nobody removes them but people (and
    /// the next start of the machine).
    Status keep();

private:
    RunFolder(std::string name, std::filesystem::path path, Fd lock)
        : name_(std::move(name)), path_(std::move(path)), lock_(std::move(lock)) {}
    void remove();

    std::string name_;
    std::filesystem::path path_;  ///< empty: moved from
    Fd lock_;
    bool kept_ = false;
};

/// Removes what runs left that ended without doing so (killed, or the machine's power): processes that are still in
/// their namespaces or groups, the namespaces, groups and folders. Also namespaces and groups with a lab's name that
/// belong to no folder. Runs that live are left alone, and so are the files of kept runs. Any number may call this at
/// the same time; it takes 30 s at most. Says in the log what was removed; the error tells what could not be.
Status remove_leftovers(const LogFn& log);

}  // namespace eddy::lab
