#include "src/transport/unix_socket.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "eddy/real_clock.hpp"
#include "src/transport/line_server.hpp"

namespace eddy::transport {
namespace {

/// A file descriptor that closes itself.
class Descriptor {
public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    [[nodiscard]] int get() const { return fd_; }
    int release() { return std::exchange(fd_, -1); }

private:
    int fd_;
};

std::string system_text() { return std::strerror(errno); }

Result<sockaddr_un> address_of_path(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path)
        return invalid("control socket \"" + path + "\": the path must have 1 to " +
                       std::to_string(sizeof address.sun_path - 1) + " bytes, it has " + std::to_string(path.size()));
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

int connect_to(int fd, const sockaddr_un& address) {
    return ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

/// Removes what a node that died has left at `path`, and nothing else.
Status remove_stale(const std::string& path, const sockaddr_un& address) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0) return success();
    if (!S_ISSOCK(info.st_mode))
        return invalid("control socket " + path + ": there is a file of that name which is no socket");
    const Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (probe.get() < 0) return internal("control socket " + path + ": " + system_text());
    // EAGAIN: somebody listens and is busy.
    if (connect_to(probe.get(), address) == 0 || errno == EAGAIN)
        return unavailable("control socket " + path + ": another eddy-node answers there");
    if (errno != ECONNREFUSED) return unavailable("control socket " + path + ": " + system_text());
    ::unlink(path.c_str());
    return success();
}

/// Waits until `events` are possible; an error if `deadline` comes first.
Status wait_for(int fd, short events, Instant deadline, const std::string& path) {
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - real_now()).count();
        if (left <= 0) return unavailable("control socket " + path + ": no answer in time");
        pollfd waiting{.fd = fd, .events = events};
        const int ready = ::poll(&waiting, 1, static_cast<int>(std::min<int64_t>(left, 1000)));
        if (ready > 0) return success();
        if (ready < 0 && errno != EINTR) return internal("control socket " + path + ": " + system_text());
    }
}

Status send_all(int fd, std::string_view text, Instant deadline, const std::string& path) {
    while (!text.empty()) {
        const ssize_t count = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
        if (count > 0) {
            text.remove_prefix(static_cast<size_t>(count));
            continue;
        }
        // The server may have answered and hung up already, without reading all of a line that is too long.
        if (errno == EPIPE || errno == ECONNRESET) return success();
        if (errno != EAGAIN && errno != EINTR) return unavailable("control socket " + path + ": " + system_text());
        if (auto status = wait_for(fd, POLLOUT, deadline, path); !status) return status;
    }
    return success();
}

}  // namespace

Result<int> bind_private_socket(const std::string& path) {
    const auto address = address_of_path(path);
    if (!address) return address.error();
    if (auto status = remove_stale(path, address.value()); !status) return status.error();
    Descriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    // Before bind: the file then has this mode from its first moment.
    if (fd.get() < 0 || ::fchmod(fd.get(), 0600) != 0 ||
        ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address.value()), sizeof(sockaddr_un)) != 0)
        return unavailable("control socket " + path + ": " + system_text());
    ::chmod(path.c_str(), 0600);  // where the file system does not honour the above
    return fd.release();
}

Result<std::string> ask(const std::string& path, const std::string& line, Usec timeout) {
    if (line.find('\n') != std::string::npos || line.size() > line_bytes_max)
        return invalid("a question is one line of at most " + std::to_string(line_bytes_max) + " bytes");
    const auto address = address_of_path(path);
    if (!address) return address.error();
    const Instant deadline = real_now() + timeout;
    const Descriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (fd.get() < 0) return internal("control socket " + path + ": " + system_text());
    if (connect_to(fd.get(), address.value()) != 0)
        return unavailable("control socket " + path + ": " + system_text() +
                           (errno == ENOENT || errno == ECONNREFUSED ? " (is the node running?)" : ""));
    if (auto status = send_all(fd.get(), line + "\n", deadline, path); !status) return status.error();

    std::string reply;
    std::array<char, 64 * 1024> space;
    for (;;) {
        const ssize_t count = ::recv(fd.get(), space.data(), space.size(), 0);
        if (count == 0) return reply;
        if (count > 0) {
            reply.append(space.data(), static_cast<size_t>(count));
            if (reply.size() > reply_bytes_max) return exhausted("control socket " + path + ": the answer is too long");
            continue;
        }
        // A reset after the answer: the server hung up without reading the rest of the question.
        if (errno == ECONNRESET && !reply.empty()) return reply;
        if (errno != EAGAIN && errno != EINTR) return unavailable("control socket " + path + ": " + system_text());
        if (auto status = wait_for(fd.get(), POLLIN, deadline, path); !status) return status.error();
    }
}

}  // namespace eddy::transport
