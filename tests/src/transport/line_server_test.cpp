// Goal: the control socket answers its owner, and nobody can hold it up. Method: server on this thread's loop, blocking
// clients on others.
#include "src/transport/line_server.hpp"

#include <filesystem>
#include <fstream>
#include <future>
#include <vector>

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace eddy::transport {
namespace {

constexpr Usec patience = std::chrono::seconds(60);

/// A path of its own in a folder that goes with it.
struct Place {
    std::filesystem::path folder;
    Place() {
        std::string name = (std::filesystem::temp_directory_path() / "eddy-control-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        folder = name;
    }
    ~Place() { std::filesystem::remove_all(folder); }
    [[nodiscard]] std::string path() const { return (folder / "control.sock").string(); }
};

Result<std::string> ask_while_serving(Loop& loop, const std::string& path, const std::string& line,
                                      Usec timeout = patience) {
    auto answer = std::async(std::launch::async, [&] {
        auto result = ask(path, line, timeout);
        loop.wake();
        return result;
    });
    const auto ready = [&] { return answer.wait_for(std::chrono::seconds(0)) == std::future_status::ready; };
    loop.run_until(ready, patience);
    return answer.get();
}

std::string echo(const std::string& line) { return "you said\n" + line + "\n"; }

int connect_to(const std::string& path) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    return fd;
}

}  // namespace

TEST_CASE("a line asked is answered with all the text there is") {
    const Place place;
    Loop loop;
    const std::string large(3'000'000, 'x');
    LineServer server(
        loop, place.path(), [&](const std::string& line) { return line == "large" ? large : echo(line); }, nullptr);
    REQUIRE(server.listen().ok());
    CHECK(ask_while_serving(loop, place.path(), "status").value() == "you said\nstatus\n");
    CHECK(ask_while_serving(loop, place.path(), "").value() == "you said\n\n");
    CHECK(ask_while_serving(loop, place.path(), "large").value() == large);
    const std::string longest(line_bytes_max, 'y');
    CHECK(ask_while_serving(loop, place.path(), longest).value() == echo(longest));
}

TEST_CASE("the socket is its owner's alone and goes with the server") {
    const Place place;
    Loop loop;
    {
        LineServer server(loop, place.path(), echo, nullptr);
        REQUIRE(server.listen().ok());
        struct stat info {};
        REQUIRE(::stat(place.path().c_str(), &info) == 0);
        CHECK((info.st_mode & 0777) == 0600);
    }
    CHECK_FALSE(std::filesystem::exists(place.path()));
    const auto answer = ask(place.path(), "status", patience);
    REQUIRE_FALSE(answer.ok());
    CHECK(answer.error().message.find("is the node running?") != std::string::npos);
}

TEST_CASE("a stale socket is taken over, a living one and any other file are not") {
    const Place place;
    Loop loop;
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    place.path().copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    ::close(fd);  // as a killed node leaves it
    LineServer server(loop, place.path(), echo, nullptr);
    REQUIRE(server.listen().ok());
    {
        LineServer second(loop, place.path(), echo, nullptr);
        const auto status = second.listen();
        REQUIRE_FALSE(status.ok());
        CHECK(status.error().message.find("another eddy-node answers") != std::string::npos);
    }
    CHECK(ask_while_serving(loop, place.path(), "still there").ok());
    const std::string file = (place.folder / "notes.txt").string();
    std::ofstream(file) << "precious";
    LineServer wrong(loop, file, echo, nullptr);
    CHECK(wrong.listen().error().message.find("no socket") != std::string::npos);
    CHECK(std::filesystem::file_size(file) == 8);
    LineServer deep(loop, "/" + std::string(200, 'd'), echo, nullptr);
    CHECK(deep.listen().error().message.find("1 to 107 bytes") != std::string::npos);
}

TEST_CASE("a line too long is refused in words, and clients beyond the bound are hung up on") {
    const Place place;
    Loop loop;
    LineServer server(loop, place.path(), echo, nullptr);
    REQUIRE(server.listen().ok());
    const int wordy = connect_to(place.path());
    const std::string line(line_bytes_max + 1, 'z');
    REQUIRE(::send(wordy, line.data(), line.size(), 0) == static_cast<ssize_t>(line.size()));
    std::string reply(256, 0);
    ssize_t count = -1;
    REQUIRE(loop.run_until([&] { return (count = ::recv(wordy, reply.data(), reply.size(), MSG_DONTWAIT)) > 0; },
                           patience));
    CHECK(reply.find("error: a line of more than") == 0);
    ::close(wordy);

    std::vector<int> silent;
    for (size_t i = 0; i < line_clients_max + 4; ++i) {
        silent.push_back(connect_to(place.path()));
        loop.run_until([] { return false; }, std::chrono::milliseconds(1));
    }
    const auto hung_up_on = [&] {
        size_t hung_up = 0;
        char byte = 0;
        for (const int fd : silent) hung_up += ::recv(fd, &byte, 1, MSG_DONTWAIT) == 0 ? 1 : 0;
        return hung_up;
    };
    CHECK(loop.run_until([&] { return hung_up_on() == 4; }, patience));
    for (const int fd : silent) ::close(fd);
    CHECK(loop.run_until([&] { return ask_while_serving(loop, place.path(), "room again").ok(); }, patience));
}

TEST_CASE("a server that does not answer costs the client its timeout and no more") {
    const Place place;
    Loop loop;
    LineServer server(loop, place.path(), echo, nullptr);
    REQUIRE(server.listen().ok());
    const Instant before = loop.now();
    const auto answer = ask(place.path(), "anyone?", std::chrono::milliseconds(50));  // nobody runs the loop
    REQUIRE_FALSE(answer.ok());
    CHECK(answer.error().message.find("no answer in time") != std::string::npos);
    CHECK(loop.now() - before >= std::chrono::milliseconds(50));
    CHECK_FALSE(ask(place.path(), "two\nlines", patience).ok());
}

}  // namespace eddy::transport
