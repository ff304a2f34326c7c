// A host for tests of the simulated network: it writes down what each process is told, and checks that only processes
// that can hear are told anything.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "sim/fabric.hpp"

namespace eddy::sim {

using namespace std::chrono_literals;

struct Told {
    Usec at{0};
    size_t node = 0;
    std::string what;  ///< up, down, failed, ping, work, timer
    size_t peer = 0;   ///< of a timer: its number
    uint64_t number = 0;
    std::string reason;
};

struct Cluster final : Fabric::Host {
    explicit Cluster(size_t nodes, NetworkFaults network = {}, uint64_t seed = 1) : fabric(seed, network, *this) {
        for (size_t i = 0; i < nodes; ++i) fabric.start(fabric.add());
    }
    /// Both ends know of the connection when it returns.
    void connect(size_t a, size_t b) {
        fabric.dial(a, Fabric::endpoint(b));
        for (int i = 0; i < 100'000 && !(fabric.connected(a, b) && fabric.connected(b, a)); ++i) run(1ms);
        REQUIRE(fabric.connected(a, b));
        told.clear();
    }
    void ping(size_t from, size_t to, uint64_t number) { fabric.send(from, to, msg::Ping{number}, {}, 0); }
    void run(Usec duration) { fabric.run_until(fabric.now() + duration); }

    [[nodiscard]] std::vector<uint64_t> numbers(size_t node, const std::string& what) const {
        std::vector<uint64_t> found;
        for (const auto& entry : told)
            if (entry.node == node && entry.what == what) found.push_back(entry.number);
        return found;
    }
    [[nodiscard]] size_t count(size_t node, const std::string& what) const { return numbers(node, what).size(); }
    [[nodiscard]] const Told& last(size_t node, const std::string& what) const {
        const auto it = std::find_if(told.rbegin(), told.rend(),
                                     [&](const Told& entry) { return entry.node == node && entry.what == what; });
        REQUIRE(it != told.rend());
        return *it;
    }

    void tell(size_t node, const std::string& what, size_t peer, uint64_t number, const std::string& reason = "") {
        CHECK(fabric.running(node));
        CHECK(!fabric.paused(node));
        told.push_back({fabric.now().time_since_epoch(), node, what, peer, number, reason});
    }
    void on_peer_up(size_t node, size_t peer, uint64_t connection, uint32_t) override {
        tell(node, "up", peer, connection);
        if (greet) ping(node, peer, 1);
    }
    void on_peer_down(size_t node, size_t peer, uint64_t connection, const std::string& reason) override {
        tell(node, "down", peer, connection, reason);
    }
    void on_dial_failed(size_t node, const Endpoint& endpoint, const std::string& reason) override {
        tell(node, "failed", endpoint.port, 0, reason);
    }
    void on_message(size_t node, Delivery& delivery) override {
        CHECK(fabric.connected(node, delivery.from));
        if (const auto* ping = std::get_if<msg::Ping>(&delivery.message))
            tell(node, "ping", delivery.from, ping->sequence);
        else if (const auto* work = std::get_if<msg::Work>(&delivery.message))
            tell(node, "work", delivery.from, work->seq);
        last_bulk = {delivery.first_byte, delivery.last_byte};
    }
    void on_timer(size_t node, uint32_t timer) override { tell(node, "timer", timer, 0); }

    Fabric fabric;
    bool greet = false;  ///< send a ping as soon as a peer is up
    std::vector<Told> told;
    std::pair<Instant, Instant> last_bulk;
};

inline std::vector<uint64_t> counted_to(uint64_t n) {
    std::vector<uint64_t> numbers;
    for (uint64_t i = 1; i <= n; ++i) numbers.push_back(i);
    return numbers;
}

inline NetworkFaults steady(Usec delay) {
    NetworkFaults network;
    network.delay_mean = delay;
    return network;
}

}  // namespace eddy::sim
