#include "lab/link_probe.hpp"

#include <array>
#include <cerrno>
#include <cstdint>
#include <stdexcept>

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "eddy/real_clock.hpp"
#include "lab/posix.hpp"
#include "lab/process.hpp"

namespace eddy::lab {
namespace {

constexpr Usec connect_within = std::chrono::seconds(2);
constexpr Usec slack = std::chrono::seconds(2);  // a child's start and end on a busy machine

/// In the child a fault is thrown: Inside hands the words on.
[[noreturn]] void fail(const std::string& what) {
    throw std::runtime_error(system_error("a link's probe: " + what, errno));
}

Fd tcp_socket() {
    Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) fail("a socket");
    return socket;
}

/// Waits for `events` of one file.
void wait_for(const Fd& file, short events, Instant deadline, const char* what) {
    pollfd wait{file.get(), events, 0};
    for (;;) {
        const int ready = ::poll(&wait, 1, milliseconds_until(deadline));
        if (ready > 0) return;
        if (ready < 0 && errno == EINTR) continue;
        if (ready == 0) errno = ETIMEDOUT;
        fail(what);
    }
}

struct Stream {
    Fd sending;
    Fd receiving;
};

/// A socket stays in the network it was made in, so one process can have both ends.
Stream connect_ends(const std::string& from_netns, const std::string& address) {
    const Instant deadline = real_now() + connect_within;
    sockaddr_in at{};
    at.sin_family = AF_INET;
    if (::inet_pton(AF_INET, address.c_str(), &at.sin_addr) != 1) throw std::runtime_error(address + " is no address");
    const Fd listening = tcp_socket();
    socklen_t size = sizeof at;
    auto* generic = reinterpret_cast<sockaddr*>(&at);
    if (::bind(listening.get(), generic, sizeof at) != 0 || ::listen(listening.get(), 1) != 0 ||
        ::getsockname(listening.get(), generic, &size) != 0)
        fail("listening on " + address);
    if (!from_netns.empty()) {
        const Fd network(::open(from_netns.c_str(), O_RDONLY | O_CLOEXEC));
        if (!network || ::setns(network.get(), CLONE_NEWNET) != 0) fail("entering " + from_netns);
    }
    Stream stream{tcp_socket(), {}};
    if (::connect(stream.sending.get(), generic, sizeof at) != 0 && errno != EINPROGRESS) fail("reaching " + address);
    wait_for(listening, POLLIN, deadline, "being reached");
    stream.receiving = Fd(::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!stream.receiving) fail("being reached");
    wait_for(stream.sending, POLLOUT, deadline, "reaching");
    return stream;
}

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

/// Payload per second between the first bytes that come after the warm-up and the last before the end, as the receiver
/// sees them.
double measure(const Stream& stream, ProbeTimes times) {
    const Instant from = real_now() + times.warm_up;
    const Instant until = from + times.measured;
    std::vector<char> buffer(size_t{256} << 10);
    uint64_t bytes = 0;
    Instant first = never;
    Instant last = never;
    for (Instant now = real_now(); now < until; now = real_now()) {
        std::array<pollfd, 2> waits{pollfd{stream.receiving.get(), POLLIN, 0},
                                    pollfd{stream.sending.get(), POLLOUT, 0}};
        if (::poll(waits.data(), waits.size(), milliseconds_until(until)) < 0 && errno != EINTR) fail("waiting");
        if (waits[1].revents != 0 && ::send(stream.sending.get(), buffer.data(), buffer.size(), MSG_NOSIGNAL) < 0 &&
            !would_block())
            fail("sending");
        if (waits[0].revents == 0) continue;
        const ssize_t got = ::recv(stream.receiving.get(), buffer.data(), buffer.size(), 0);
        if (got == 0 || (got < 0 && !would_block())) fail("receiving");
        now = real_now();
        if (got < 0 || now < from || now >= until) continue;
        // What comes first only opens the span.
        if (first != never) bytes += static_cast<uint64_t>(got);
        if (first == never) first = now;
        last = now;
    }
    if (first == never || last <= first) return 0;
    return static_cast<double>(bytes) * 8e-6 / to_seconds(last - first);
}

}  // namespace

Result<std::vector<double>> probe_links(const std::vector<ProbePair>& pairs, ProbeTimes times) {
    std::vector<Inside> probes;
    for (const ProbePair& pair : pairs) {
        if (pair.from.netns_path.empty() != pair.to.netns_path.empty())
            return invalid("a link between the host's network and a namespace cannot be measured");
        auto probe = Inside::start(Place{pair.to.netns_path, {}}, [&] {
            return fmt::format("{:.17g}", measure(connect_ends(pair.from.netns_path, pair.to_address), times));
        });
        if (!probe) return probe.error();
        probes.push_back(std::move(*probe));
    }
    const Instant deadline = real_now() + connect_within + times.warm_up + times.measured + slack;
    std::vector<double> speeds;
    for (Inside& probe : probes) {
        auto text = probe.collect(std::max(deadline - real_now(), Usec(0)));
        if (!text) return text.error();
        speeds.push_back(std::stod(*text));
    }
    return speeds;
}

}  // namespace eddy::lab
