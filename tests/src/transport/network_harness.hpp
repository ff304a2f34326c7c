// Nodes of one process on one loop, and strangers with bare sockets. Nothing sleeps: a test runs the loop until what
// it waits for holds, or fails after a deadline.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "src/transport/loop.hpp"
#include "src/transport/network.hpp"

namespace eddy::transport::testing {

inline constexpr Usec patience = std::chrono::seconds(60);  // a machine may stand still for seconds

inline NodeId id_of(uint8_t first) {
    NodeId id;
    id.bytes.fill(0x11);
    id.bytes[0] = first;
    return id;
}

/// A network that writes down what it is told.
struct Node final : NetworkEvents {
    Loop& loop;
    NetworkConfig config;
    std::vector<std::string> lines;
    std::map<NodeId, msg::Member> up;
    std::map<NodeId, uint64_t> connection;
    std::vector<std::pair<NodeId, std::string>> downs;
    std::vector<Incoming> received;
    std::vector<std::pair<DialFailure, std::string>> failures;
    size_t ups = 0;
    size_t progress = 0;
    size_t drained = 0;
    std::function<void(const Incoming&)> react;
    std::function<void()> react_to_room;
    std::unique_ptr<Network> network;
    Endpoint endpoint;

    static NetworkConfig defaults(uint8_t id, const std::string& key = "") {
        NetworkConfig config;
        config.id = id_of(id);
        config.incarnation.value = 1;
        config.name = "node-" + std::to_string(id);
        config.cluster_key = key;
        config.listen = {"127.0.0.1", 0};
        return config;
    }

    Node(Loop& loop_, NetworkConfig config_) : loop(loop_), config(std::move(config_)) {
        network = std::make_unique<Network>(loop, config, *this,
                                            [this](LogLevel, const std::string& line) { lines.push_back(line); });
        const auto listening = network->listen();
        REQUIRE_MESSAGE(listening.ok(), (listening.ok() ? "" : listening.error().message));
        endpoint = listening.value();
    }
    Node(Loop& loop_, uint8_t id, const std::string& key = "") : Node(loop_, defaults(id, key)) {}

    void on_peer_up(const msg::Member& peer, uint64_t number) override {
        CHECK(!up.contains(peer.id));
        CHECK(number > connection[peer.id]);
        up[peer.id] = peer;
        connection[peer.id] = number;
        ++ups;
    }
    void on_peer_down(const NodeId& peer, uint64_t number, const std::string& reason) override {
        CHECK(up.erase(peer) == 1);
        CHECK(number == connection[peer]);
        downs.emplace_back(peer, reason);
    }
    void on_received(Incoming incoming) override {
        CHECK(up.contains(incoming.peer));
        CHECK(incoming.first_byte <= incoming.last_byte);
        if (react) react(incoming);
        received.push_back(std::move(incoming));
    }
    void on_progress(const NodeId&) override { ++progress; }
    void on_drained(const NodeId&) override {
        ++drained;
        if (react_to_room) react_to_room();
    }
    void on_dial_failed(const Endpoint&, DialFailure failure, const std::string& reason) override {
        failures.emplace_back(failure, reason);
    }

    [[nodiscard]] const NodeId& id() const { return config.id; }
    [[nodiscard]] bool sees(const Node& other) const { return up.contains(other.id()); }
    [[nodiscard]] bool logged(const std::string& part) const {
        for (const auto& line : lines)
            if (line.find(part) != std::string::npos) return true;
        return false;
    }
};

inline bool wait(Loop& loop, const std::function<bool()>& done) { return loop.run_until(done, patience); }

/// Both see each other, and messages pass in both directions on both lanes.
inline void require_joined(Loop& loop, Node& a, Node& b) {
    REQUIRE(wait(loop, [&] { return a.sees(b) && b.sees(a); }));
    const size_t at_a = a.received.size();
    const size_t at_b = b.received.size();
    for (auto [from, to] : {std::pair{&a, &b}, std::pair{&b, &a}}) {
        REQUIRE(from->network->send(to->id(), msg::Ping{7}).ok());
        REQUIRE(from->network->send(to->id(), msg::Work{}).ok());
    }
    REQUIRE(wait(loop, [&] { return a.received.size() >= at_a + 2 && b.received.size() >= at_b + 2; }));
}

}  // namespace eddy::transport::testing
