#include "lab/process.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <exception>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "eddy/real_clock.hpp"
#include "lab/program.hpp"

extern char** environ;

namespace eddy::lab {
namespace {

constexpr Usec begin_within = std::chrono::seconds(10);
constexpr Usec die_within = std::chrono::seconds(5);

/// What a child needs on its way into a Place, made before the fork: between fork and exec nothing may be allocated.
struct Way {
    pid_t parent = ::getpid();
    Fd network;
    std::vector<std::string> groups;
};

/// Where a child failed, as it tells its parent.
struct Failure {
    enum Step : int { none, session, group, network, files, program } step = none;
    int which = 0;  ///< of the groups
    int error_number = 0;
};

Result<Way> way_to(const Place& place) {
    Way way;
    if (!place.netns_path.empty()) {
        way.network = Fd(::open(place.netns_path.c_str(), O_RDONLY | O_CLOEXEC));
        if (!way.network) return unavailable(system_error("the network namespace " + place.netns_path, errno));
    }
    way.groups = place.cgroup_procs;
    return way;
}

/// In the child.
Failure go(const Way& way) {
    // The parent may be gone before the kernel was asked to tell.
    if (::setsid() < 0 || ::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != way.parent)
        return {Failure::session, 0, errno};
    for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
    sigset_t nothing;
    sigemptyset(&nothing);
    ::sigprocmask(SIG_SETMASK, &nothing, nullptr);
    for (size_t i = 0; i < way.groups.size(); ++i) {
        const int procs = ::open(way.groups[i].c_str(), O_WRONLY | O_CLOEXEC);
        if (procs < 0 || ::write(procs, "0", 1) != 1) return {Failure::group, static_cast<int>(i), errno};
        ::close(procs);
    }
    if (way.network && ::setns(way.network.get(), CLONE_NEWNET) != 0) return {Failure::network, 0, errno};
    return {};
}

/// In the child: these become 0, 1 and 2. They may be among these themselves.
bool take_files(const Process::Files& files) {
    std::array<int, 3> high{files.input, files.output, files.error};
    for (int& fd : high)
        if ((fd = ::fcntl(fd, F_DUPFD_CLOEXEC, 3)) < 0) return false;
    for (int i = 0; i < 3; ++i)
        if (::dup2(high[static_cast<size_t>(i)], i) < 0) return false;
    return true;
}

std::string words(const Failure& failure, const Place& place, const std::string& program) {
    switch (failure.step) {
        case Failure::none: break;
        case Failure::session: return system_error("a session of its own", failure.error_number);
        case Failure::group:
            return system_error("joining " + place.cgroup_procs[static_cast<size_t>(failure.which)],
                                failure.error_number);
        case Failure::network: return system_error("entering " + place.netns_path, failure.error_number);
        case Failure::files: return system_error("its input and outputs", failure.error_number);
        case Failure::program: return system_error(program, failure.error_number);
    }
    return program;
}

bool make_pipe(Fd& reading, Fd& writing) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return false;
    reading = Fd(ends[0]);
    writing = Fd(ends[1]);
    return true;
}

Fd open_pidfd(pid_t pid) { return Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))); }

/// Waits until there is something to read; false when the deadline has passed.
bool readable(int fd, Instant deadline) {
    for (;;) {
        pollfd wait{fd, POLLIN, 0};
        const int ready = ::poll(&wait, 1, milliseconds_until(deadline));
        if (ready > 0) return true;
        if (ready == 0) return false;
        if (errno != EINTR) return false;
    }
}

/// The variables of this process, with some set anew; and the array that execve wants of them.
std::vector<std::string> variables(const Process::Environment& additions) {
    std::vector<std::string> all;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text(*entry);
        bool replaced = false;
        for (const auto& [name, value] : additions)
            replaced = replaced || (text.starts_with(name) && text.substr(name.size()).starts_with('='));
        if (!replaced) all.emplace_back(text);
    }
    for (const auto& [name, value] : additions) all.push_back(name + "=" + value);
    return all;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> all;
    all.reserve(texts.size() + 1);
    for (std::string& text : texts) all.push_back(text.data());
    all.push_back(nullptr);
    return all;
}

}  // namespace

Result<Process> Process::start(const Place& place, const std::vector<std::string>& argv, const Environment& environment,
                               const std::string& log_file) {
    const Fd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const Fd log(::open(log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    if (!nothing || !log) return unavailable(system_error(nothing ? log_file : "/dev/null", errno));
    return start(place, argv, environment, Files{nothing.get(), log.get(), log.get()});
}

Result<Process> Process::start(const Place& place, const std::vector<std::string>& argv, const Environment& environment,
                               const Files& files) {
    EDDY_ASSERT(!argv.empty());
    const std::string program = find_program(argv[0]);
    if (program.empty()) return unavailable("there is no program " + argv[0]);
    auto way = way_to(place);
    if (!way) return way.error();
    std::vector<std::string> arguments = argv;
    std::vector<std::string> settings = variables(environment);
    const std::vector<char*> arguments_c = pointers(arguments);
    const std::vector<char*> settings_c = pointers(settings);
    Fd told;
    Fd tell;
    if (!make_pipe(told, tell)) return unavailable(system_error("a pipe", errno));

    const pid_t pid = ::fork();
    if (pid < 0) return unavailable(system_error("a process for " + argv[0], errno));
    if (pid == 0) {
        Failure failure = go(*way);
        if (failure.step == Failure::none && !take_files(files)) failure = {Failure::files, 0, errno};
        if (failure.step == Failure::none && ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) != 0)
            failure = {Failure::files, 0, errno};
        if (failure.step == Failure::none) {
            ::execve(program.c_str(), arguments_c.data(), settings_c.data());
            failure = {Failure::program, 0, errno};
        }
        const ssize_t written = ::write(tell.get(), &failure, sizeof failure);
        ::_exit(written > 0 ? 127 : 126);
    }
    Process process(pid, open_pidfd(pid));
    if (!process.pidfd_) return unavailable(system_error("watching " + argv[0], errno));
    tell.reset();
    // The pipe closes when the program begins.
    Failure failure;
    if (!readable(told.get(), real_now() + begin_within)) return unavailable(argv[0] + " did not begin within 10 s");
    ssize_t got = -1;
    do got = ::read(told.get(), &failure, sizeof failure);
    while (got < 0 && errno == EINTR);
    if (got == static_cast<ssize_t>(sizeof failure)) return unavailable(words(failure, place, program));
    return process;
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), pidfd_(std::move(other.pidfd_)), exit_code_(other.exit_code_) {}

Process& Process::operator=(Process&& other) noexcept {
    if (this != &other) {
        end();
        pid_ = std::exchange(other.pid_, -1);
        pidfd_ = std::move(other.pidfd_);
        exit_code_ = other.exit_code_;
    }
    return *this;
}

Process::~Process() { end(); }

void Process::end() {
    if (pid_ <= 0 || exit_code_) return;
    ::kill(pid_, SIGKILL);
    if (pidfd_) readable(pidfd_.get(), real_now() + die_within);
    (void)running();  // reaps it, and ends its group
    pid_ = -1;
}

bool Process::running() {
    if (pid_ <= 0 || exit_code_) return false;
    siginfo_t ended{};
    if (::waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG | WNOWAIT) != 0) {
        if (errno != ECHILD) return true;
        exit_code_ = 128 + SIGKILL;  // somebody else reaped it: how it ended is lost
        return false;
    }
    if (ended.si_pid != pid_) return true;
    // As long as it is not reaped, nobody else can have the number of its group.
    ::kill(-pid_, SIGKILL);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    exit_code_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return false;
}

std::optional<int> Process::wait_for(Usec within) {
    const Instant deadline = real_now() + within;
    if (running() && within > Usec(0)) {
        pollfd wait{pidfd_.get(), POLLIN, 0};
        ::poll(&wait, 1, milliseconds_until(deadline));
        (void)running();
    }
    return exit_code_;
}

void Process::signal(int number) {
    if (running()) ::syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0);
}

Result<Inside> Inside::start(const Place& place, const std::function<std::string()>& work) {
    auto way = way_to(place);
    if (!way) return way.error();
    const Fd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    Fd answer;
    Fd tell;
    if (!nothing || !make_pipe(answer, tell)) return unavailable(system_error("a pipe", errno));
    const pid_t pid = ::fork();
    if (pid < 0) return unavailable(system_error("a process", errno));
    if (pid == 0) {
        // '+' and the text, or '-' and what went wrong.
        std::string text;
        const Failure failure = go(*way);
        // Open files are shared with the parent, and with them the lock on its folder: it would outlive the parent.
        if (failure.step != Failure::none || ::dup2(nothing.get(), 0) < 0 || ::dup2(tell.get(), 3) < 0 ||
            ::close_range(4, ~0U, 0) != 0) {
            text.append("-").append(words(failure, place, "the child's files"));
        } else {
            try {
                text.append("+").append(work());
            } catch (const std::exception& fault) {
                text.assign("-").append(fault.what());
            }
        }
        const int out = failure.step == Failure::none ? 3 : tell.get();
        for (size_t at = 0; at < text.size();) {
            const ssize_t written = ::write(out, text.data() + at, text.size() - at);
            if (written < 0 && errno != EINTR) ::_exit(1);
            if (written > 0) at += static_cast<size_t>(written);
        }
        ::_exit(0);
    }
    Process process(pid, open_pidfd(pid));
    if (!process.pidfd_) return unavailable(system_error("watching a process", errno));
    return Inside(std::move(process), std::move(answer));
}

Result<std::string> Inside::collect(Usec within) {
    EDDY_ASSERT(answer_);
    const Fd answer = std::move(answer_);
    const Instant deadline = real_now() + within;
    std::string text;
    char buffer[16384];
    for (;;) {
        if (!readable(answer.get(), deadline)) {
            process_.end();
            return unavailable("the work was not done within " + std::to_string(within.count() / 1000) + " ms");
        }
        const ssize_t got = ::read(answer.get(), buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        text.append(buffer, static_cast<size_t>(got));
        if (text.size() > text_bytes_max + 1) {
            process_.end();
            return exhausted("the work's answer is longer than " + std::to_string(text_bytes_max) + " bytes");
        }
    }
    const auto ended = process_.wait_for(die_within);
    if (text.empty() || ended != 0)
        return internal("the work ended with " + (ended ? std::to_string(*ended) : "no exit code"));
    if (text[0] != '+') return unavailable(text.substr(1));
    return text.substr(1);
}

Result<std::string> run_inside(const Place& place, const std::function<std::string()>& work, Usec within) {
    auto inside = Inside::start(place, work);
    if (!inside) return inside.error();
    return inside->collect(within);
}

}  // namespace eddy::lab
