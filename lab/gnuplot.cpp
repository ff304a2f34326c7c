#include "lab/gnuplot.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "eddy/real_clock.hpp"

namespace eddy::lab {

namespace {

constexpr size_t said_bytes_max = 4096;

struct Started {
    pid_t pid = -1;
    int said = -1;  ///< what it writes on standard output and standard error
};

Result<Started> start(const std::filesystem::path& folder, const std::string& script, const std::string& program) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return internal(fmt::format("a pipe: {}", std::strerror(errno)));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
    // -d: without what the user keeps in ~/.gnuplot, so that the same data gives the same picture.
    std::array<std::string, 3> words{program, "-d", script};
    std::array<char*, 4> argv{words[0].data(), words[1].data(), words[2].data(), nullptr};
    Started started{-1, ends[0]};
    const int wrong = ::posix_spawnp(&started.pid, program.c_str(), &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    if (wrong == 0) return started;
    ::close(ends[0]);
    if (wrong == ENOENT) return unavailable(fmt::format("{} is not installed: apt-get install gnuplot-nox", program));
    return unavailable(fmt::format("{} cannot be started: {}", program, std::strerror(wrong)));
}

/// Until it has nothing more to say; false if that takes too long. What is beyond the bound is read and forgotten.
bool listen(int said, std::string& text, Instant until) {
    while (true) {
        const auto left_ms = std::chrono::ceil<std::chrono::milliseconds>(until - real_now()).count();
        pollfd ready{said, POLLIN, 0};
        const int count = ::poll(&ready, 1, static_cast<int>(std::max<int64_t>(left_ms, 0)));
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return false;
        std::array<char, 4096> piece{};
        const ssize_t bytes = ::read(said, piece.data(), piece.size());
        if (bytes < 0 && errno == EINTR) continue;
        if (bytes <= 0) return true;
        text.append(piece.data(), std::min(static_cast<size_t>(bytes), said_bytes_max - text.size()));
    }
}

}  // namespace

Status run_gnuplot(const std::filesystem::path& folder, const std::string& script, const GnuplotOptions& options) {
    const auto started = start(folder, script, options.program);
    if (!started) return started.error();
    std::string text;
    const bool ended = listen(started->said, text, real_now() + options.within);
    ::close(started->said);
    if (!ended) ::kill(started->pid, SIGKILL);
    int state = 0;
    while (::waitpid(started->pid, &state, 0) < 0 && errno == EINTR) {
    }
    if (!ended) return internal(fmt::format("{}: gnuplot took too long and was ended", script));
    if (WIFEXITED(state) && WEXITSTATUS(state) == 0) return success();
    text.erase(text.find_last_not_of(" \n") + 1);
    return internal(fmt::format("{}: gnuplot failed: {}", script, text));
}

}  // namespace eddy::lab
