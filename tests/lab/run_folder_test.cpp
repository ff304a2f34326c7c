// Folders, their locks, and what the next run finds of one that was killed.
#include "lab/run_folder.hpp"

#include <csignal>
#include <fstream>
#include <sstream>

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "lab/bridge_network.hpp"
#include "lab/control_groups.hpp"
#include "lab/process.hpp"
#include "tests/lab/lab_support.hpp"

using namespace eddy;
using namespace eddy::lab;

namespace {

namespace fs = std::filesystem;

void quiet(LogLevel /*level*/, const std::string& /*line*/) {}

/// A run in a process of its own, killed as by `kill -9` once it has made everything. It tells what it made.
struct KilledRun {
    std::string name;
    fs::path folder;
    std::vector<std::string> procs;
};

std::string make_run(bool keep) {
    auto folder = RunFolder::make();
    if (!folder) return "";
    auto network = BridgeNetwork::make(folder->name(), 2, {{0, 1, 100, 0}}, quiet);
    auto groups = ControlGroups::make(folder->name(), folder->path());
    std::string text = folder->name() + "\n" + folder->path().string() + "\n";
    if (keep && !folder->keep()) return "";
    std::ofstream(folder->path() / "note") << "kept\n";
    Place place;
    if (network) place.netns_path = network->netns_path(1);
    if (groups)
        if (auto procs = groups->add(0, 0.5, uint64_t{64} << 20); procs) place.cgroup_procs = *procs;
    for (const std::string& file : place.cgroup_procs) text += file + "\n";
    // The kernel ends the first sleep with its owner; the other has to be found, which takes a namespace or group.
    const std::string ready = (folder->path() / "ready").string();
    const std::string straying = place.netns_path.empty() ? "" : "setsid sleep 600 & ";
    auto process = Process::start(place, {"sh", "-c", straying + "echo > " + ready + "; exec sleep 600"}, {},
                                  (folder->path() / "log").string());
    if (!process || !becomes_true([&] { return fs::exists(ready); })) return "";
    (void)new Process(std::move(*process));
    if (network) (void)new BridgeNetwork(std::move(*network));
    if (groups) (void)new ControlGroups(std::move(*groups));
    (void)new RunFolder(std::move(*folder));
    return text;
}

KilledRun killed_run(bool keep = false) {
    int told[2];
    REQUIRE(::pipe(told) == 0);
    const pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        const std::string text = make_run(keep) + "\n";
        (void)!::write(told[1], text.data(), text.size());
        for (;;) ::pause();
    }
    ::close(told[1]);
    std::string text;
    for (char c = 0; (text.size() < 2 || !text.ends_with("\n\n")) && ::read(told[0], &c, 1) == 1;) text += c;
    ::close(told[0]);
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    KilledRun run;
    std::istringstream lines(text);
    std::string folder;
    REQUIRE(std::getline(lines, run.name));
    REQUIRE(std::getline(lines, folder));
    run.folder = folder;
    for (std::string line; std::getline(lines, line) && !line.empty();) run.procs.push_back(line);
    return run;
}

bool gone(const KilledRun& run) {
    bool all = namespaces_of(run.name) == 0;
    for (const std::string& file : run.procs) all = all && !fs::exists(fs::path(file).parent_path().parent_path());
    return all;
}

}  // namespace

TEST_CASE("A run's folder is its own, has a short path, and goes with it") {
    fs::path path;
    {
        auto folder = RunFolder::make();
        REQUIRE_MESSAGE(folder.ok(), folder.error().message);
        auto second = RunFolder::make();
        REQUIRE(second.ok());
        CHECK(folder->name() != second->name());
        path = folder->path();
        CHECK(path.string().size() + 1 + 48 < 100);
        struct stat about {};
        REQUIRE(::stat(path.c_str(), &about) == 0);
        CHECK((about.st_mode & 0777) == 0700);
        std::ofstream(path / "log") << "some lines\n";
        RunFolder moved = std::move(*folder);
        CHECK(fs::exists(path));
        CHECK(moved.path() == path);
    }
    CHECK_FALSE(fs::exists(path));
}

TEST_CASE("A folder that is kept stays, and nobody removes it") {
    fs::path path;
    {
        auto folder = RunFolder::make();
        REQUIRE(folder.ok());
        path = folder->path();
        std::ofstream(path / "log") << "some lines\n";
        CHECK(folder->keep().ok());
    }
    CHECK(remove_leftovers(quiet).ok());
    CHECK(text_of((path / "log").string()) == "some lines\n");
    fs::remove_all(path);
}

TEST_CASE("A folder without root is where the user's own things are") {
    if (::geteuid() == 0) {
        CHECK(run_folders() == "/run/eddy-lab");
        return;
    }
    ::setenv("XDG_RUNTIME_DIR", "/run/user/1", 1);
    CHECK(run_folders() == "/run/user/1/eddy-lab-" + std::to_string(::geteuid()));
    ::setenv("XDG_RUNTIME_DIR", "relative", 1);
    CHECK(run_folders() == "/tmp/eddy-lab-" + std::to_string(::geteuid()));
    ::unsetenv("XDG_RUNTIME_DIR");
}

TEST_CASE("The next run removes all of a killed one, and nothing of one that lives") {
    const KilledRun dead = killed_run();
    auto living = RunFolder::make();
    REQUIRE(living.ok());
    auto network = BridgeNetwork::make(living->name(), 2, {{0, 1, 100, 0}}, quiet);
    auto groups = ControlGroups::make(living->name(), living->path());
    Place place;
    if (network) place.netns_path = network->netns_path(0);
    if (groups) {
        const auto procs = groups->add(0, 0.5, uint64_t{64} << 20);
        REQUIRE(procs.ok());
        place.cgroup_procs = *procs;
    }
    auto process = Process::start(place, {"sleep", "600"}, {}, (living->path() / "log").string());
    REQUIRE(process.ok());
    if (::geteuid() == 0) CHECK_FALSE(gone(dead));
    CHECK(fs::exists(dead.folder));
    for (const std::string& file : dead.procs) CHECK_FALSE(text_of(file).empty());

    std::string said;
    const Status first = remove_leftovers([&](LogLevel /*level*/, const std::string& line) { said += line + "\n"; });
    CHECK_MESSAGE(first.ok(), first.error().message);
    CHECK(gone(dead));
    CHECK_FALSE(fs::exists(dead.folder));
    CHECK(said.find(dead.folder.string()) != std::string::npos);
    CHECK(said.find(living->path().string()) == std::string::npos);
    CHECK(process->running());
    CHECK(fs::exists(living->path() / "lock"));
    if (network) CHECK(namespaces_of(living->name()) == 3);

    said.clear();
    CHECK(remove_leftovers([&](LogLevel /*level*/, const std::string& line) { said += line; }).ok());
    CHECK(said.find(dead.name) == std::string::npos);
    CHECK(process->running());
}

TEST_CASE("Of a kept run that was killed only the files stay") {
    const KilledRun dead = killed_run(true);
    CHECK(remove_leftovers(quiet).ok());
    CHECK(gone(dead));
    CHECK(text_of((dead.folder / "note").string()) == "kept\n");
    fs::remove_all(dead.folder);
}

TEST_CASE("Namespaces and groups without a folder are found by their names") {
    const KilledRun dead = killed_run();
    fs::remove_all(dead.folder);
    const Status removed = remove_leftovers(quiet);
    CHECK_MESSAGE(removed.ok(), removed.error().message);
    CHECK(gone(dead));
}

TEST_CASE("Several may remove leftovers at the same time") {
    const KilledRun dead = killed_run();
    std::vector<Inside> others;
    for (int i = 0; i < 4; ++i) {
        auto other = Inside::start({}, [] {
            const Status removed = remove_leftovers(quiet);
            return removed ? std::string("fine") : removed.error().message;
        });
        REQUIRE(other.ok());
        others.push_back(std::move(*other));
    }
    for (Inside& other : others) {
        const auto text = other.collect(std::chrono::seconds(60));
        REQUIRE_MESSAGE(text.ok(), text.error().message);
        CHECK(*text == "fine");
    }
    CHECK(gone(dead));
    CHECK_FALSE(fs::exists(dead.folder));
}

TEST_CASE("The run is read from a namespace's name, and from nothing else") {
    CHECK(run_of_namespace("eddy-lab-4711-0") == "4711");
    CHECK(run_of_namespace("eddy-lab-4711x2-switch") == "4711x2");
    CHECK(run_of_namespace("eddy-lab-4711").empty());
    CHECK(run_of_namespace("eddy-lab-").empty());
    CHECK(run_of_namespace("other-4711-0").empty());
}
