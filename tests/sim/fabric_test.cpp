// The simulated machines and network by themselves. Goal: messages travel as their kind promises (TCP or datagrams),
// faults do what they say and nothing else, and every run replays. Connections: fabric_connections_test.cpp.
#include "sim/fabric.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "tests/sim/recording_cluster.hpp"

using namespace eddy;
using namespace eddy::sim;

TEST_CASE("events come in the order of time, and of asking at one instant") {
    CHECK(rc::check("a queue sorts stably", [](const std::vector<uint8_t>& instants) {
        EventQueue queue;
        std::vector<std::pair<int64_t, uint32_t>> expected;
        for (uint32_t i = 0; i < instants.size(); ++i) {
            QueuedEvent event;
            event.at = Instant(Usec(instants[i] % 8));
            event.index = i;
            queue.push(event);
            expected.emplace_back(instants[i] % 8, i);
        }
        std::sort(expected.begin(), expected.end());
        for (const auto& [at, index] : expected) {
            const QueuedEvent event = queue.pop();
            RC_ASSERT(event.at == Instant(Usec(at)));
            RC_ASSERT(event.index == index);
        }
        RC_ASSERT(queue.empty());
    }));
}

TEST_CASE("control messages arrive after the delay and in order, however much delays vary") {
    NetworkFaults network;
    network.delay_mean = 20ms;
    network.delay_spread = 20ms;
    Cluster cluster(2, network);
    cluster.connect(0, 1);
    const Usec sent = cluster.fabric.now().time_since_epoch();
    for (uint64_t i = 1; i <= 200; ++i) cluster.ping(0, 1, i);
    cluster.run(1s);
    CHECK(cluster.numbers(1, "ping") == counted_to(200));
    for (const auto& entry : cluster.told) CHECK(entry.at <= sent + 40ms);
    CHECK(cluster.told.front().at < cluster.told.back().at);
}

TEST_CASE("delays keep to mean and spread") {
    NetworkFaults network;
    network.delay_mean = 30ms;
    network.delay_spread = 10ms;
    network.datagrams = true;
    Cluster cluster(2, network);
    cluster.connect(0, 1);
    const Usec sent = cluster.fabric.now().time_since_epoch();
    for (uint64_t i = 0; i < 2000; ++i) cluster.ping(0, 1, i);
    cluster.run(1s);
    double sum_ms = 0;
    for (const auto& entry : cluster.told) {
        const Usec delay = entry.at - sent;
        CHECK((delay >= 20ms && delay <= 40ms));
        sum_ms += to_ms(delay);
    }
    CHECK(cluster.told.size() == 2000);
    CHECK(sum_ms / 2000 == doctest::Approx(30).epsilon(0.02));
}

TEST_CASE("TCP turns loss into lateness, and everything behind a lost message waits") {
    NetworkFaults network = steady(5ms);
    network.loss = 0.2;
    Cluster cluster(2, network, 3);
    cluster.connect(0, 1);
    for (uint64_t i = 1; i <= 300; ++i) {
        cluster.ping(0, 1, i);
        cluster.run(1ms);
    }
    cluster.run(60s);
    CHECK(cluster.numbers(1, "ping") == counted_to(300));
    CHECK(cluster.fabric.counters().retransmitted > 30);
    CHECK(cluster.told.back().at > 600ms);  // two retransmissions at least
    CHECK(cluster.fabric.counters().lost == 0);
}

TEST_CASE("waits before a lost message is sent again double, up to a bound") {
    NetworkFaults network = steady(5ms);
    Cluster cluster(2, network);
    cluster.connect(0, 1);
    const Usec sent = cluster.fabric.now().time_since_epoch();
    network.loss = 1;
    cluster.fabric.set_network(network);
    cluster.ping(0, 1, 1);
    cluster.run(60s);
    CHECK(cluster.last(1, "ping").at == sent + 5ms + 200ms * (1 + 2 + 4 + 8 + 16 + 5 * 32));
}

TEST_CASE("messages held up by a cut are tried again at waits that double, up to a bound") {
    Cluster cluster(2, steady(5ms));
    cluster.connect(0, 1);
    const Usec sent = cluster.fabric.now().time_since_epoch();
    cluster.fabric.cut_one_way(0, 1);
    cluster.ping(0, 1, 1);
    cluster.run(20s);
    cluster.fabric.heal();
    cluster.run(20s);
    CHECK(cluster.last(1, "ping").at == sent + 5ms + 200ms * (1 + 2 + 4 + 8 + 16 + 32 + 32 + 32));
}

TEST_CASE("datagrams are lost, doubled and reordered as often as asked for") {
    NetworkFaults network = steady(5ms);
    network.datagrams = true;
    network.loss = 0.1;
    network.duplicate = 0.05;
    network.reorder = 0.1;
    Cluster cluster(2, network);
    cluster.connect(0, 1);
    constexpr uint64_t n = 10'000;
    for (uint64_t i = 1; i <= n; ++i) {
        cluster.ping(0, 1, i);
        cluster.run(1ms);
    }
    cluster.run(1s);
    const auto& counters = cluster.fabric.counters();
    CHECK(counters.lost == doctest::Approx(n * 0.1).epsilon(0.1));
    CHECK(counters.duplicated == doctest::Approx(n * 0.9 * 0.05).epsilon(0.2));
    auto numbers = cluster.numbers(1, "ping");
    CHECK(numbers.size() == n - counters.lost + counters.duplicated);
    CHECK(!std::is_sorted(numbers.begin(), numbers.end()));
    std::sort(numbers.begin(), numbers.end());
    const auto distinct = std::unique(numbers.begin(), numbers.end()) - numbers.begin();
    CHECK(static_cast<uint64_t>(distinct) == n - counters.lost);
    CHECK(cluster.fabric.in_flight() == 0);
}

TEST_CASE("a partition keeps TCP's messages until it heals, and swallows datagrams") {
    for (const bool datagrams : {false, true}) {
        CAPTURE(datagrams);
        NetworkFaults network = steady(5ms);
        network.datagrams = datagrams;
        Cluster cluster(3, network);
        cluster.connect(0, 1);
        cluster.connect(0, 2);
        cluster.fabric.partition({{0, 2}, {1}});
        for (uint64_t i = 1; i <= 20; ++i) {
            cluster.ping(0, 1, i);
            cluster.ping(0, 2, i);
            cluster.run(100ms);
        }
        CHECK(cluster.count(1, "ping") == 0);
        CHECK(cluster.numbers(2, "ping") == counted_to(20));
        cluster.fabric.heal();
        cluster.ping(0, 1, 21);
        cluster.run(10s);
        CHECK(cluster.numbers(1, "ping") == (datagrams ? std::vector<uint64_t>{21} : counted_to(21)));
        CHECK(cluster.count(0, "down") + cluster.count(1, "down") == 0);
        CHECK(cluster.fabric.in_flight() == 0);
    }
}

TEST_CASE("a one-way cut lets the other way through") {
    Cluster cluster(2, steady(5ms));
    cluster.connect(0, 1);
    cluster.fabric.cut_one_way(0, 1);
    cluster.ping(0, 1, 1);
    cluster.ping(1, 0, 2);
    cluster.run(1s);
    CHECK(cluster.count(1, "ping") == 0);
    CHECK(cluster.count(0, "ping") == 1);
}

TEST_CASE("what belongs to a process dies with it") {
    Cluster cluster(2, steady(5ms));
    int ran = 0;
    cluster.fabric.set_timer(0, 1, Instant(100ms));
    cluster.fabric.at_process(0, Instant(100ms), [&] { ++ran; });
    cluster.fabric.dial(0, {"elsewhere", 1});
    cluster.fabric.crash(0);
    cluster.fabric.start(0);
    cluster.fabric.at_process(0, Instant(200ms), [&] { ran += 10; });
    cluster.run(1s);
    CHECK(cluster.told.empty());
    CHECK(ran == 10);
}

TEST_CASE("a timer fires once, at the last instant it was set to") {
    Cluster cluster(1);
    cluster.fabric.set_timer(0, 0, Instant(50ms));
    cluster.fabric.set_timer(0, 0, Instant(300ms));  // later
    cluster.fabric.set_timer(0, 1, Instant(400ms));
    cluster.fabric.set_timer(0, 1, Instant(100ms));  // earlier
    cluster.fabric.set_timer(0, 2, Instant(100ms));
    cluster.fabric.set_timer(0, 2, never);
    cluster.run(1s);
    REQUIRE(cluster.told.size() == 2);
    CHECK(std::tuple(cluster.told[0].at, cluster.told[0].peer) == std::tuple(Usec(100ms), size_t{1}));
    CHECK(std::tuple(cluster.told[1].at, cluster.told[1].peer) == std::tuple(Usec(300ms), size_t{0}));
    cluster.fabric.set_timer(0, 0, Instant(0ms));  // long past: at once
    cluster.run(0ms);
    CHECK(cluster.told.size() == 3);
}

TEST_CASE("what reaches a paused process waits in order until it goes on") {
    Cluster cluster(2, steady(5ms));
    cluster.connect(0, 1);
    cluster.fabric.pause(1);
    const Instant due = cluster.fabric.now() + 50ms;
    cluster.fabric.set_timer(1, 0, due);
    for (uint64_t i = 1; i <= 10; ++i) cluster.ping(0, 1, i);
    cluster.run(1s);
    CHECK(cluster.told.empty());
    cluster.fabric.resume(1);
    for (uint64_t i = 11; i <= 12; ++i) cluster.ping(0, 1, i);
    cluster.run(1s);
    CHECK(cluster.numbers(1, "ping") == counted_to(12));
    CHECK(cluster.count(1, "timer") == 1);
}

TEST_CASE("a paused process that is killed forgets what waited for it") {
    Cluster cluster(2, steady(5ms));
    cluster.connect(0, 1);
    cluster.fabric.pause(1);
    for (uint64_t i = 1; i <= 10; ++i) cluster.ping(0, 1, i);
    cluster.run(100ms);
    cluster.fabric.crash(1);
    cluster.fabric.start(1);
    cluster.run(1s);
    CHECK(cluster.count(1, "ping") == 0);
    CHECK(cluster.count(0, "down") == 1);
    CHECK(cluster.fabric.in_flight() == 0);
}

TEST_CASE("a slow process takes its time over every event and loses none") {
    Cluster cluster(2, steady(5ms));
    cluster.connect(0, 1);
    cluster.fabric.slow(1, 20ms);
    const Usec sent = cluster.fabric.now().time_since_epoch();
    for (uint64_t i = 1; i <= 10; ++i) cluster.ping(0, 1, i);
    cluster.run(1s);
    CHECK(cluster.numbers(1, "ping") == counted_to(10));
    for (size_t i = 0; i < 10; ++i) CHECK(cluster.told[i].at == sent + 5ms + i * 20ms);
}

TEST_CASE("a slow machine is as slow after its process started again") {
    Cluster cluster(2, steady(5ms));
    cluster.connect(0, 1);
    cluster.fabric.slow(1, 20ms);
    for (uint64_t i = 1; i <= 10; ++i) cluster.ping(0, 1, i);
    cluster.run(30ms);
    cluster.fabric.crash(1);
    cluster.fabric.start(1);
    // Both the old process and the new one are in the middle of something.
    for (int i = 0; i < 3; ++i)
        cluster.fabric.at_process(1, cluster.fabric.now(), [&] {
            cluster.told.push_back({cluster.fabric.now().time_since_epoch(), 1, "did", 0, 0, ""});
        });
    const Usec begun = cluster.fabric.now().time_since_epoch();
    cluster.told.clear();
    cluster.run(1s);
    std::vector<Usec> did;
    for (const auto& entry : cluster.told)
        if (entry.what == "did") did.push_back(entry.at - begun);
    CHECK(did == std::vector<Usec>{0ms, 20ms, 40ms});
}

TEST_CASE("bulk messages queue for the line, control messages do not") {
    Cluster cluster(2, steady(5ms));
    cluster.fabric.set_bandwidth(1e6);
    cluster.connect(0, 1);
    const Instant sent = cluster.fabric.now();
    msg::Work work;
    for (work.seq = 1; work.seq <= 3; ++work.seq) cluster.fabric.send(0, 1, work, {}, 100'000);
    cluster.ping(0, 1, 1);
    cluster.run(1s);
    CHECK(cluster.last(1, "ping").at == sent.time_since_epoch() + 5ms);
    CHECK(cluster.last(1, "work").at == sent.time_since_epoch() + 305ms);
    CHECK(cluster.last_bulk == std::pair(sent + 205ms, sent + 305ms));
}

TEST_CASE("each direction of a pair may have its own delay and bandwidth") {
    Cluster cluster(3, steady(5ms));
    cluster.fabric.set_bandwidth(1e6);
    for (const auto& [a, b] : {std::pair(0, 1), std::pair(0, 2)}) cluster.connect(a, b);
    cluster.fabric.set_delay(0, 2, 40ms);
    cluster.fabric.set_bandwidth(0, 2, 4e6);
    const Usec sent = cluster.fabric.now().time_since_epoch();
    cluster.told.clear();
    for (const size_t to : {1, 2}) cluster.fabric.send(0, to, msg::Work{}, {}, 100'000);
    for (const size_t to : {1, 2}) cluster.ping(0, to, 1);
    cluster.ping(2, 0, 2);
    cluster.run(1s);
    CHECK(cluster.last(1, "ping").at == sent + 5ms);
    CHECK(cluster.last(2, "ping").at == sent + 40ms);
    CHECK(cluster.last(0, "ping").at == sent + 5ms);
    CHECK(cluster.last(1, "work").at == sent + 105ms);
    CHECK(cluster.last(2, "work").at == sent + 65ms);
}

TEST_CASE("all bulk of one machine shares its network card, and the first byte tells when its turn came") {
    Cluster cluster(3, steady(5ms));
    cluster.fabric.set_bandwidth(1e6);
    cluster.fabric.set_network_card(0, 1e6, 1e6);
    cluster.connect(0, 1);
    cluster.connect(0, 2);
    const Instant sent = cluster.fabric.now();
    for (const size_t to : {1, 2}) cluster.fabric.send(0, to, msg::Work{}, {}, 100'000);
    cluster.fabric.send(0, 2, msg::Work{}, {}, 50'000);
    cluster.run(1s);
    CHECK(cluster.numbers(2, "work").size() == 2);
    CHECK(cluster.last(1, "work").at == sent.time_since_epoch() + 205ms);
    CHECK(cluster.last_bulk == std::pair(sent + 205ms, sent + 255ms));
}

TEST_CASE("control messages that have bytes take their time, and those behind them wait") {
    Cluster cluster(2, steady(5ms));
    cluster.fabric.set_bandwidth(1e6);
    cluster.connect(0, 1);
    const Usec sent = cluster.fabric.now().time_since_epoch();
    cluster.fabric.send(0, 1, msg::Ping{1}, {}, 10'000);
    cluster.ping(0, 1, 2);
    cluster.run(6ms);
    CHECK(cluster.count(1, "ping") == 0);
    cluster.run(1s);
    CHECK(cluster.numbers(1, "ping") == std::vector<uint64_t>{1, 2});
    CHECK(cluster.last(1, "ping").at == sent + 15ms);
    cluster.ping(0, 1, 3);
    cluster.run(5ms);
    CHECK(cluster.count(1, "ping") == 3);
}

TEST_CASE("what was said before a connection is closed is heard; what a dead process had still to send is not") {
    Cluster cluster(2, steady(5ms));
    cluster.fabric.set_bandwidth(1e6);
    cluster.connect(0, 1);
    cluster.fabric.send(0, 1, msg::Work{}, {}, 100'000);
    cluster.fabric.send(0, 1, msg::Ping{1}, {}, 10'000);
    cluster.ping(0, 1, 2);
    SUBCASE("closed") { cluster.fabric.close(0, 1, "enough"); }
    SUBCASE("crashed") { cluster.fabric.crash(0); }
    cluster.run(1s);
    CHECK(cluster.numbers(1, "ping") == std::vector<uint64_t>{1, 2});
    CHECK(cluster.count(1, "work") == 0);
    CHECK(cluster.count(1, "down") == 1);
    CHECK(cluster.fabric.in_flight() == 0);
    // The wire is free again.
    if (!cluster.fabric.running(0)) cluster.fabric.start(0);
    cluster.connect(0, 1);
    const Usec sent = cluster.fabric.now().time_since_epoch();
    cluster.fabric.send(0, 1, msg::Work{}, {}, 100'000);
    cluster.run(1s);
    CHECK(cluster.last(1, "work").at == sent + 105ms);
}

TEST_CASE("a machine that vanishes takes along what it had not sent yet") {
    Cluster cluster(2, steady(5ms));
    cluster.fabric.set_bandwidth(1e6);
    cluster.connect(0, 1);
    cluster.fabric.send(0, 1, msg::Work{}, {}, 100'000);
    cluster.fabric.send(0, 1, msg::Ping{1}, {}, 10'000);
    cluster.fabric.vanish(0);
    cluster.run(1s);
    CHECK(cluster.told.empty());
    CHECK(cluster.fabric.in_flight() == 0);
}

namespace {
/// Random faults, connections and messages: the trace, what is left on the way, what processes were told.
auto play(uint64_t seed) {
    Random random(seed);
    NetworkFaults network;
    network.delay_mean = from_ms(random.uniform(0, 40));
    network.delay_spread = network.delay_mean / 2;
    network.loss = random.uniform(0, 0.2);
    constexpr size_t n = 5;
    Cluster cluster(n, network, seed);
    Fabric& fabric = cluster.fabric;
    fabric.set_bandwidth(1e6);
    fabric.set_network_card(0, 1.5e6, 5e5);
    uint64_t number = 0;
    for (int i = 0; i < 400; ++i) {
        const size_t a = random.below(n);
        const size_t b = random.below(n);
        switch (random.below(14)) {
            case 0: fabric.crash(a); break;
            case 1: fabric.vanish(a); break;
            case 2:
                if (a != b) fabric.cut_one_way(a, b);
                break;
            case 3: fabric.partition({{a}}); break;
            case 4: fabric.pause(a); break;
            case 5: fabric.slow(a, from_ms(random.uniform(0, 5))); break;
            case 6:
            case 7: fabric.heal(); break;
            case 8:
                for (size_t node = 0; node < n; ++node) fabric.resume(node);
                break;
            case 9:
                if (fabric.running(a) && !fabric.paused(a)) fabric.close(a, b, "random");
                break;
            case 10:
                if (!fabric.running(a)) fabric.start(a);
                break;
            case 11:
                if (fabric.running(a)) fabric.dial(a, Fabric::endpoint(b));
                break;
            default:
                // Some have bytes, so what is closed, cut or dead may still be on the wire.
                if (fabric.running(a))
                    fabric.send(a, b, msg::Ping{++number}, {}, random.chance(0.4) ? random.below(200'000) : 0);
        }
        cluster.run(from_ms(random.uniform(0, 60)));
    }
    fabric.heal();
    for (size_t node = 0; node < n; ++node) fabric.resume(node);
    cluster.run(300s);
    return std::tuple(fabric.trace_hash(), fabric.in_flight(), cluster.told);
}
}  // namespace

TEST_CASE("whatever happens, TCP keeps order, ups and downs alternate, nothing leaks, and equal seeds replay") {
    CHECK(rc::check("", [](uint64_t seed) {
        const auto [hash, in_flight, told] = play(seed);
        RC_ASSERT(in_flight == 0U);
        std::map<std::pair<size_t, size_t>, uint64_t> last_number;
        std::map<std::pair<size_t, size_t>, uint64_t> up;
        for (const auto& entry : told) {
            const auto pair = std::pair(entry.node, entry.peer);
            if (entry.what == "ping") {
                RC_ASSERT(entry.number > last_number[pair]);
                last_number[pair] = entry.number;
                RC_ASSERT(up[pair] != 0U);
            } else if (entry.what == "up") {
                RC_ASSERT(entry.number > up[pair]);
                up[pair] = entry.number;
            } else if (entry.what == "down") {
                RC_ASSERT(up[pair] == entry.number);
            }
        }
        const auto again = play(seed);
        RC_ASSERT(std::get<0>(again) == hash);
        RC_ASSERT(std::get<2>(again).size() == told.size());
    }));
}

TEST_CASE("another seed is another run") {
    NetworkFaults network;
    network.delay_spread = from_ms(0.4);
    const auto hash = [&](uint64_t seed) {
        Cluster cluster(2, network, seed);
        cluster.connect(0, 1);
        for (uint64_t i = 0; i < 10; ++i) cluster.ping(0, 1, i);
        cluster.run(1s);
        return cluster.fabric.trace_hash();
    };
    CHECK(hash(1) == hash(1));
    CHECK(hash(1) != hash(2));
}
