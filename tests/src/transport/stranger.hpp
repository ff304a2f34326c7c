// A bare socket that speaks, or does not speak, Eddy's protocol: what a network may meet.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "generators.hpp"
#include "network_harness.hpp"
#include "src/transport/handshake.hpp"

namespace eddy::transport::testing {

class Stranger {
public:
    explicit Stranger(int fd) : fd_(fd) {}
    explicit Stranger(const Endpoint& endpoint) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(endpoint.port);
        inet_pton(AF_INET, endpoint.host.c_str(), &address.sin_addr);
        REQUIRE(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    }
    ~Stranger() { hang_up(); }
    Stranger(const Stranger&) = delete;
    Stranger& operator=(const Stranger&) = delete;

    void hang_up() {
        if (fd_ >= 0) ::close(fd_);
        fd_ = -1;
    }
    void say(std::span<const std::byte> bytes) {
        CHECK(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
    }
    /// What the kernel takes now; the rest goes with the next call.
    void try_say(std::span<const std::byte> bytes) {
        rest_.insert(rest_.end(), bytes.begin(), bytes.end());
        const ssize_t count = ::send(fd_, rest_.data(), rest_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count > 0) rest_.erase(rest_.begin(), rest_.begin() + count);
    }
    void say(const Encoded& message) { say(joined(message)); }
    void say(const Preamble& preamble) { say(encode(preamble)); }

    /// What has come so far, without waiting.
    void listen() {
        std::byte space[4096];
        for (;;) {
            const ssize_t count = ::recv(fd_, space, sizeof space, MSG_DONTWAIT);
            if (count == 0 || (count < 0 && errno == ECONNRESET)) hung_up = true;
            if (count <= 0) return;
            heard.insert(heard.end(), space, space + count);
        }
    }
    bool wait_for_hang_up(Loop& loop) {
        return wait(loop, [&] {
            listen();
            return hung_up;
        });
    }
    /// Their preamble first, then message after message.
    bool wait_for_preamble(Loop& loop) {
        return wait(loop, [&] {
            listen();
            return heard.size() >= preamble_bytes;
        });
    }
    RawMessage wait_for_message(Loop& loop) {
        Result<RawMessage> raw = unavailable("");
        REQUIRE(wait_for_preamble(loop));
        REQUIRE(wait(loop, [&] {
            listen();
            raw = assemble(std::span(heard).subspan(preamble_bytes + taken_));
            return raw.ok();
        }));
        taken_ += raw->bytes;
        return *raw;
    }

    std::vector<std::byte> heard;
    bool hung_up = false;

private:
    int fd_;
    size_t taken_ = 0;
    std::vector<std::byte> rest_;  ///< of try_say
};

/// A port on which a test itself answers.
class Host {
public:
    Host() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        REQUIRE(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        REQUIRE(::listen(fd_, 8) == 0);
        REQUIRE(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
        endpoint = {"127.0.0.1", ntohs(address.sin_port)};
    }
    ~Host() { ::close(fd_); }
    Host(const Host&) = delete;
    Host& operator=(const Host&) = delete;

    /// The next one who dials.
    int accept(Loop& loop) {
        int fd = -1;
        REQUIRE(wait(loop, [&] { return (fd = ::accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK)) >= 0; }));
        return fd;
    }

    Endpoint endpoint;

private:
    int fd_;
};

/// Everything a well-meant stranger of the cluster would say of itself.
inline Identity identity_of(uint8_t id, const std::string& key, bool probe = false) {
    Identity identity;
    identity.cluster = "eddy";
    identity.key = key;
    identity.member = {id_of(id), Incarnation{1}, "stranger", {"127.0.0.1", 1}};
    identity.instance.fill(id);
    identity.probe = probe;
    return identity;
}

inline NetworkConfig impatient(uint8_t id, const std::string& key = "") {
    auto config = Node::defaults(id, key);
    config.handshake_timeout = std::chrono::milliseconds(500);
    config.stall_timeout = std::chrono::milliseconds(500);
    return config;
}

inline std::vector<std::byte> bytes_of(std::string_view text) {
    const auto bytes = as_span(text);
    return {bytes.begin(), bytes.end()};
}

/// After every attack: the victim has forgotten the attacker, and still takes honest peers.
inline void require_unharmed(Loop& loop, Node& victim) {
    REQUIRE(wait(loop, [&] { return victim.network->connections() == 2 * victim.up.size(); }));
    auto config = Node::defaults(200, victim.config.cluster_key);
    config.cluster = victim.config.cluster;
    Node honest(loop, config);
    // An impatient victim may hang up on it when the machine stands still: like every node, it dials again.
    size_t failures = 0;
    honest.network->connect(victim.endpoint);
    REQUIRE(wait(loop, [&] {
        if (honest.failures.size() > failures) {
            failures = honest.failures.size();
            honest.network->connect(victim.endpoint);
        }
        return honest.sees(victim) && victim.sees(honest);
    }));
    require_joined(loop, victim, honest);
}

}  // namespace eddy::transport::testing
