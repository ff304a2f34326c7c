// Processes and the work of forked children on this host, without namespaces or groups.
#include "lab/process.hpp"

#include <csignal>
#include <fstream>
#include <stdexcept>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>

#include "eddy/real_clock.hpp"
#include "lab/program.hpp"
#include "tests/lab/lab_support.hpp"

using namespace eddy;
using namespace eddy::lab;

namespace {

constexpr Usec long_enough = std::chrono::seconds(20);

Result<Process> shell(const std::string& script, const std::string& log, const Process::Environment& environment = {}) {
    return Process::start({}, {"sh", "-c", script}, environment, log);
}

bool alive(pid_t pid) {
    if (::kill(pid, 0) != 0) return false;
    return text_of(std::string("/proc/").append(std::to_string(pid)).append("/stat")).find(") Z") == std::string::npos;
}

pid_t pid_in(const std::string& path) {
    const std::string text = text_of(path);
    return text.empty() || text.back() != '\n' ? 0 : std::stoi(text);
}

}  // namespace

TEST_CASE("A process has its variables, writes both outputs to its log, and says how it ended") {
    const TestFolder folder;
    const std::string log = folder.file("log");
    ::setenv("EDDY_TEST_OLD", "old", 1);
    auto process = shell("echo $EDDY_TEST_OLD $EDDY_TEST_NEW; env | grep -c ^EDDY_TEST_OLD; echo wrong >&2; exit 3",
                         log, {{"EDDY_TEST_OLD", "changed"}, {"EDDY_TEST_NEW", "new"}});
    ::unsetenv("EDDY_TEST_OLD");
    REQUIRE(process.ok());
    CHECK(process->wait_for(long_enough) == 3);
    CHECK(process->wait_for(Usec(0)) == 3);
    CHECK_FALSE(process->running());
    CHECK(text_of(log) == "changed new\n1\nwrong\n");

    auto again = shell("echo more", log);
    REQUIRE(again.ok());
    CHECK(again->wait_for(long_enough) == 0);
    CHECK(text_of(log) == "changed new\n1\nwrong\nmore\n");
}

TEST_CASE("A process has no input, no file of its parent's, and a session of its own") {
    const TestFolder folder;
    const int open_file = ::open("/dev/null", O_RDONLY);  // not to be closed by exec
    auto process = shell("ls /proc/$$/fd; read line || echo nothing to read; ps -o sid= -p $$", folder.file("log"));
    REQUIRE(process.ok());
    CHECK(process->wait_for(long_enough) == 0);
    ::close(open_file);
    std::string wanted = "0\n1\n2\nnothing to read\n";
    const std::string said = text_of(folder.file("log"));
    CHECK(said.substr(0, wanted.size()) == wanted);
    CHECK(std::stoi(said.substr(wanted.size())) == process->pid());
}

TEST_CASE("Waiting ends when it was told to, and a signal's number is in the exit code") {
    const TestFolder folder;
    auto process = shell("exec sleep 600", folder.file("log"));
    REQUIRE(process.ok());
    CHECK(process->running());
    CHECK_FALSE(process->wait_for(Usec(0)).has_value());
    CHECK_FALSE(process->wait_for(std::chrono::milliseconds(20)).has_value());
    process->signal(SIGTERM);
    CHECK(process->wait_for(long_enough) == 128 + SIGTERM);
    process->signal(SIGKILL);  // nobody is there any more
}

TEST_CASE("Letting a process go kills it with what it started, and moving it does not") {
    const TestFolder folder;
    const std::string file = folder.file("pid");
    pid_t first = 0;
    {
        auto process = shell("sleep 600 & echo $! > " + file + "; wait", folder.file("log"));
        REQUIRE(process.ok());
        first = process->pid();
        Process moved = std::move(*process);
        CHECK(becomes_true([&] { return pid_in(file) > 0; }));
        CHECK(moved.running());
        CHECK(alive(pid_in(file)));
        CHECK_FALSE(process->running());
    }
    CHECK_FALSE(alive(first));
    CHECK(becomes_true([&] { return !alive(pid_in(file)); }));
}

TEST_CASE("What cannot begin is told with the step that failed") {
    const TestFolder folder;
    const auto nothing = Process::start({}, {"/nonexistent/eddy-node"}, {}, folder.file("log"));
    REQUIRE_FALSE(nothing.ok());
    CHECK(nothing.error().message.find("/nonexistent/eddy-node") != std::string::npos);
    const auto nowhere = Process::start(Place{"/run/netns/eddy-lab-none", {}}, {"true"}, {}, folder.file("log"));
    REQUIRE_FALSE(nowhere.ok());
    CHECK(nowhere.error().message.find("eddy-lab-none") != std::string::npos);
    const auto no_group = Process::start(Place{"", {"/nonexistent/cgroup.procs"}}, {"true"}, {}, folder.file("log"));
    REQUIRE_FALSE(no_group.ok());
    CHECK(no_group.error().message == "joining /nonexistent/cgroup.procs: No such file or directory");
    const auto no_log = Process::start({}, {"true"}, {}, "/nonexistent/log");
    REQUIRE_FALSE(no_log.ok());
    CHECK(no_log.error().message == "/nonexistent/log: No such file or directory");
    std::ofstream(folder.file("text")) << "no program";
    std::filesystem::permissions(folder.file("text"), std::filesystem::perms::owner_all);
    const auto no_format = Process::start({}, {folder.file("text")}, {}, folder.file("log"));
    REQUIRE_FALSE(no_format.ok());
    CHECK(no_format.error().message.find("Exec format error") != std::string::npos);
}

TEST_CASE("A tool's output comes back, and its complaints are in the error") {
    const auto fine = run_program({"sh", "-c", "cat; echo not wanted >&2"}, "some text\nand more");
    REQUIRE(fine.ok());
    CHECK(*fine == "some text\nand more");
    const std::string much(size_t{3} << 20, 'x');
    const auto cut = run_program({"sh", "-c", "cat; cat /dev/zero | head -c 3000000 >&2"}, much);
    REQUIRE(cut.ok());
    CHECK(cut->size() == size_t{1} << 20);
    const auto failed = run_program({"sh", "-c", "echo it is broken >&2; exit 4"});
    REQUIRE_FALSE(failed.ok());
    CHECK(failed.error() == internal("sh -c echo it is broken >&2; exit 4 ended with 4: it is broken\n"));
    const auto missing = run_program({"eddy-no-such-tool"});
    REQUIRE_FALSE(missing.ok());
    CHECK(missing.error().code == ErrorCode::unavailable);
    const auto slow = run_program({"sleep", "600"}, "", std::chrono::milliseconds(50));
    REQUIRE_FALSE(slow.ok());
    CHECK(slow.error() == unavailable("sleep 600 took longer than 50 ms"));
}

TEST_CASE("Work in a child comes back as text, and changes nothing here") {
    int value = 1;
    const auto text = run_inside(
        {}, [&] { return std::string("value ").append(std::to_string(++value)); }, long_enough);
    REQUIRE(text.ok());
    CHECK(*text == "value 2");
    CHECK(value == 1);
    const std::string longest(Inside::text_bytes_max, 'x');
    const auto whole = run_inside(
        {}, [&] { return longest; }, long_enough);
    REQUIRE(whole.ok());
    CHECK(whole->size() == longest.size());
}

TEST_CASE("Work that fails, dies, says too much or does not end is an error each") {
    const auto thrown = run_inside(
        {}, []() -> std::string { throw std::runtime_error("no such link"); }, long_enough);
    REQUIRE_FALSE(thrown.ok());
    CHECK(thrown.error() == unavailable("no such link"));
    const auto dead = run_inside(
        {}, []() -> std::string { ::_exit(9); }, long_enough);
    REQUIRE_FALSE(dead.ok());
    CHECK(dead.error() == internal("the work ended with 9"));
    const auto much = run_inside(
        {}, [] { return std::string(Inside::text_bytes_max + 1, 'x'); }, long_enough);
    REQUIRE_FALSE(much.ok());
    CHECK(much.error().code == ErrorCode::exhausted);
    const auto endless = run_inside(
        {},
        []() -> std::string {
            for (;;) ::pause();
        },
        std::chrono::milliseconds(50));
    REQUIRE_FALSE(endless.ok());
    CHECK(endless.error() == unavailable("the work was not done within 50 ms"));
}

TEST_CASE("Work in a child keeps no file of its parent's open, so that a lock ends with its owner") {
    const TestFolder folder;
    int ready[2];
    REQUIRE(::pipe(ready) == 0);
    {
        Fd lock(::open(folder.file("lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        REQUIRE(::flock(lock.get(), LOCK_EX | LOCK_NB) == 0);
        auto inside = Inside::start({}, []() -> std::string {
            for (;;) ::pause();
        });
        REQUIRE(inside.ok());
        ::close(ready[1]);
        // The child is the only one left who could hold the pipe's other end; it has closed it before its work.
        char byte = 0;
        CHECK(::read(ready[0], &byte, 1) == 0);
        lock = Fd();  // closed, not unlocked: a copy in the child would still hold it
        const Fd other(::open(folder.file("lock").c_str(), O_RDWR | O_CLOEXEC));
        CHECK(::flock(other.get(), LOCK_EX | LOCK_NB) == 0);
    }
    ::close(ready[0]);
}

TEST_CASE("Children die with the process that started them") {
    const TestFolder folder;
    const auto pid = run_inside(
        {},
        [&] {
            auto process = Process::start({}, {"sleep", "600"}, {}, folder.file("log"));
            const pid_t number = process ? process->pid() : 0;
            (void)new Process(std::move(*process));  // never let go: this process ends before
            return std::to_string(number);
        },
        long_enough);
    REQUIRE(pid.ok());
    REQUIRE(*pid != "0");
    CHECK(becomes_true([&] { return !alive(std::stoi(*pid)); }));
}
