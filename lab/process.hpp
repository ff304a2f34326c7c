// Processes in a Place: programs (the nodes), and work of this program's own that must be done elsewhere (link probes).
// All of them die with the process that started them, also when that one is killed. Everything belongs to one thread,
// which must be the process's main thread or live as long as the children: the kernel ties their lives to it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "eddy/result.hpp"
#include "eddy/time.hpp"
#include "lab/place.hpp"
#include "lab/posix.hpp"

namespace eddy::lab {

/// A child process, and a session of its own (a terminal's Ctrl-C does not reach it). Owned by who started it: the
/// destructor kills it and what it left in its session's group, and reaps it.
class Process {
public:
    using Environment = std::vector<std::pair<std::string, std::string>>;

    /// Runs argv (argv[0] is a path, or a name looked for as find_program() does) in `place`, with these variables
    /// besides the own, no input, both outputs appended to `log_file`, and no other file open. Returns when the program
    /// has begun; an error says which step failed: no such namespace, group not to be joined, no such program.
    static Result<Process> start(const Place& place, const std::vector<std::string>& argv,
                                 const Environment& environment, const std::string& log_file);

    /// Descriptors that become the program's 0, 1 and 2; they stay the caller's.
    struct Files {
        int input;
        int output;
        int error;
    };
    static Result<Process> start(const Place& place, const std::vector<std::string>& argv,
                                 const Environment& environment, const Files& files);

    Process(Process&& other) noexcept;
    Process& operator=(Process&& other) noexcept;
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process();

    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] bool running();
    /// How it ended, 128 + signal if by one; nothing if it has not within that time (0: do not wait). A signal that
    /// this process handles cuts the waiting short.
    [[nodiscard]] std::optional<int> wait_for(Usec within);
    /// Nothing happens if it has ended.
    void signal(int number);

private:
    friend class Inside;
    Process(pid_t pid, Fd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
    void end();

    pid_t pid_ = -1;  ///< -1: moved from
    Fd pidfd_;
    std::optional<int> exit_code_;  ///< set once it is reaped
};

/// A forked copy of this process that does some work in a Place and says what came of it.
class Inside {
public:
    static constexpr size_t text_bytes_max = size_t{1} << 20;

    /// `work` runs in the child: it sees all values as they are now, and of open files only standard output and error.
    /// What it changes here stays there. It must end by itself; if it throws, collect() has the words.
    static Result<Inside> start(const Place& place, const std::function<std::string()>& work);

    /// The text `work` returned. `unavailable` if it has not ended within that time (it is killed then), `internal` if
    /// it died, `exhausted` if the text is longer than text_bytes_max. To be asked once.
    [[nodiscard]] Result<std::string> collect(Usec within);

private:
    Inside(Process process, Fd answer) : process_(std::move(process)), answer_(std::move(answer)) {}

    Process process_;
    Fd answer_;  ///< closed once it was collected
};

/// Starts one and collects it.
[[nodiscard]] Result<std::string> run_inside(const Place& place, const std::function<std::string()>& work, Usec within);

}  // namespace eddy::lab
