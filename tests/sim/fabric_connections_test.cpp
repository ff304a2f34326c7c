// Connections of the simulated network. Goal: both ends are told what a real pair of machines would be told, in the
// right order, whoever dials, closes, dies or is cut off.
#include <algorithm>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "sim/fabric.hpp"
#include "tests/sim/recording_cluster.hpp"

using namespace eddy;
using namespace eddy::sim;

TEST_CASE("a dial brings both ends up, the dialled one first, with the same connection") {
    Cluster cluster(2, steady(10ms));
    cluster.fabric.dial(0, Fabric::endpoint(1));
    cluster.run(1s);
    REQUIRE(cluster.told.size() == 2);
    CHECK(cluster.told[0].node == 1);
    CHECK(cluster.told[0].at == 30ms);
    CHECK(cluster.told[1].node == 0);
    CHECK(cluster.told[1].at == 40ms);
    CHECK(cluster.told[0].number == cluster.told[1].number);
    cluster.fabric.dial(0, Fabric::endpoint(1));
    cluster.fabric.dial(1, Fabric::endpoint(0));
    cluster.run(1s);
    CHECK(cluster.told.size() == 2);  // already up
}

TEST_CASE("dials that cross make one connection") {
    Cluster cluster(2, steady(10ms));
    cluster.fabric.dial(0, Fabric::endpoint(1));
    cluster.run(5ms);
    cluster.fabric.dial(1, Fabric::endpoint(0));
    cluster.run(1s);
    CHECK(cluster.count(0, "up") == 1);
    CHECK(cluster.count(1, "up") == 1);
    CHECK(cluster.count(0, "down") + cluster.count(1, "down") == 0);
}

TEST_CASE("a machine refuses for a dead process; nobody answers for a silent one or across a cut") {
    Cluster cluster(5, steady(10ms));
    cluster.fabric.crash(1);
    cluster.fabric.vanish(2);
    cluster.fabric.cut_one_way(3, 0);  // the answers do not come back
    cluster.fabric.partition({{4}});
    for (size_t i = 0; i < 5; ++i) cluster.fabric.dial(0, Fabric::endpoint(i));
    cluster.fabric.dial(0, {"elsewhere", 7});
    cluster.fabric.dial(0, Fabric::endpoint(5));
    cluster.run(20s);
    std::vector<size_t> refused;
    for (const auto& entry : cluster.told) {
        CHECK(entry.what == "failed");
        refused.push_back(entry.peer);
    }
    std::sort(refused.begin(), refused.end());
    const auto port = [](size_t node) { return size_t{Fabric::endpoint(node).port}; };
    CHECK(refused == std::vector<size_t>{7, port(0), port(1), port(5)});
}

TEST_CASE("a closed connection is down at both ends, with what was sent before it") {
    Cluster cluster(2, steady(5ms));
    cluster.connect(0, 1);
    cluster.ping(0, 1, 1);
    cluster.fabric.close(0, 1, "enough");
    cluster.ping(0, 1, 2);
    CHECK_FALSE(cluster.fabric.connected(0, 1));
    cluster.run(1s);
    CHECK(cluster.numbers(1, "ping") == counted_to(1));
    CHECK(cluster.last(0, "down").reason == "enough");
    CHECK(cluster.last(1, "down").reason == "enough");
    CHECK(cluster.last(1, "down").number == cluster.last(0, "down").number);
}

TEST_CASE("the end of a connection does not overtake what was sent before it") {
    NetworkFaults network = steady(20ms);
    network.delay_spread = 20ms;
    for (uint64_t seed = 1; seed <= 20; ++seed) {
        Cluster cluster(2, network, seed);
        cluster.connect(0, 1);
        for (uint64_t i = 1; i <= 5; ++i) cluster.ping(0, 1, i);
        if (seed % 2 == 0)
            cluster.fabric.close(0, 1, "enough");
        else
            cluster.fabric.crash(0);
        cluster.run(1s);
        CHECK(cluster.numbers(1, "ping") == counted_to(5));
        CHECK(cluster.count(1, "down") == 1);
    }
}

TEST_CASE("a connection that is closed while a cut holds up its messages forgets them") {
    Cluster cluster(2, steady(5ms));
    cluster.connect(0, 1);
    cluster.fabric.cut_one_way(0, 1);
    for (uint64_t i = 1; i <= 5; ++i) cluster.ping(0, 1, i);
    cluster.run(100ms);
    CHECK(cluster.fabric.in_flight() == 5);
    cluster.fabric.close(1, 0, "no sign of life");
    CHECK(cluster.fabric.in_flight() == 0);
    cluster.fabric.heal();
    cluster.run(10s);
    CHECK(cluster.count(1, "ping") == 0);
    CHECK(cluster.count(0, "down") == 1);
}

TEST_CASE("behind a cut one end stays up until it writes and hears a reset") {
    Cluster cluster(2, steady(5ms));
    cluster.connect(0, 1);
    cluster.fabric.partition({{0}, {1}});
    cluster.fabric.close(0, 1, "no sign of life");
    cluster.run(1s);
    CHECK(cluster.fabric.connected(1, 0));
    cluster.fabric.heal();
    cluster.run(1s);
    CHECK(cluster.count(1, "down") == 0);
    cluster.ping(1, 0, 1);
    cluster.run(1s);
    CHECK(cluster.last(1, "down").reason == "the connection was reset");
    CHECK(cluster.count(0, "ping") == 0);
}

TEST_CASE("a crash resets connections; a vanished machine tells nobody until it is back") {
    Cluster cluster(3, steady(5ms));
    cluster.connect(0, 1);
    cluster.connect(0, 2);
    cluster.fabric.crash(1);
    cluster.fabric.vanish(2);
    cluster.ping(0, 2, 1);
    cluster.run(1s);
    CHECK(cluster.count(0, "down") == 1);
    CHECK(cluster.last(0, "down").peer == 1);
    cluster.fabric.start(2);
    cluster.ping(0, 2, 2);
    cluster.run(1s);
    CHECK(cluster.last(0, "down").peer == 2);
    CHECK(cluster.count(2, "ping") == 0);
}

TEST_CASE("a machine that came back replaces its old connection when it dials") {
    Cluster cluster(2, steady(5ms));
    cluster.connect(0, 1);
    cluster.fabric.vanish(1);
    cluster.fabric.start(1);
    cluster.fabric.dial(1, Fabric::endpoint(0));
    cluster.run(1s);
    REQUIRE(cluster.told.size() == 3);
    CHECK(cluster.told[0].what == "down");
    CHECK(cluster.told[1].what == "up");
    CHECK(cluster.told[1].node == 0);
    CHECK(cluster.told[0].number < cluster.told[1].number);
    CHECK(cluster.told[2].node == 1);
}

TEST_CASE("the dialled one may write at once: nothing overtakes the handshake, be it TCP or a datagram") {
    NetworkFaults network = steady(20ms);
    network.delay_spread = 20ms;
    for (const bool datagrams : {false, true}) {
        network.datagrams = datagrams;
        for (uint64_t seed = 1; seed <= 30; ++seed) {
            Cluster cluster(2, network, seed);
            cluster.greet = true;
            cluster.fabric.dial(0, Fabric::endpoint(1));
            cluster.run(1s);
            CHECK(cluster.count(1, "ping") == 1);
            CHECK(cluster.count(0, "ping") == 1);
        }
    }
}

TEST_CASE("a dial that arrives after the other end was lost ends the old connection first") {
    Cluster cluster(2, steady(10ms));
    cluster.fabric.dial(1, Fabric::endpoint(0));
    cluster.run(25ms);
    cluster.fabric.dial(0, Fabric::endpoint(1));  // crosses the other
    cluster.run(25ms);
    REQUIRE(cluster.fabric.connected(0, 1));
    const uint64_t old = cluster.last(0, "up").number;
    cluster.told.clear();
    cluster.fabric.vanish(1);
    cluster.fabric.start(1);
    cluster.run(1s);
    CHECK(cluster.last(0, "down").number == old);
    CHECK(cluster.last(0, "up").number > old);
    CHECK(cluster.last(0, "down").at < cluster.last(0, "up").at);
    CHECK(cluster.last(1, "up").number == cluster.last(0, "up").number);
}

TEST_CASE("a dial that a paused process answers too late comes to nothing") {
    Cluster cluster(2, steady(5ms));
    cluster.fabric.pause(1);
    cluster.fabric.dial(0, Fabric::endpoint(1));
    cluster.run(10s);
    cluster.fabric.resume(1);
    cluster.run(10s);
    CHECK(cluster.told.empty());
}
