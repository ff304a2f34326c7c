// Goal: any two nodes are joined by exactly one pair of connections, whoever dials, and learn in order what becomes of
// it. Method: two or three networks on one loop over loopback.
#include <algorithm>
#include <array>

#include <sys/resource.h>

#include "eddy/random.hpp"
#include "network_harness.hpp"

namespace eddy::transport::testing {
namespace {

HostTensor tensor_of(size_t bytes, uint8_t fill) {
    auto data = allocate_bytes(bytes);
    std::fill_n(data.get(), bytes, std::byte{fill});
    return {{ValueId{3}, DType::u8, {static_cast<int64_t>(bytes)}, {}}, SharedBytes(data, bytes)};
}

/// Rounds of the loop until nothing has happened for some of them: a test that nothing follows.
void settle(Loop& loop) {
    loop.run_until([] { return false; }, std::chrono::milliseconds(60));
}

}  // namespace

TEST_CASE("a node that dials another is joined to it by one pair of connections") {
    for (const std::string key : {"", "a cluster key"}) {
        CAPTURE(key);
        Loop loop;
        Node a(loop, 1, key);
        Node b(loop, 2, key);
        a.network->connect(b.endpoint);
        require_joined(loop, a, b);
        CHECK(a.network->connections() == 2);
        CHECK(b.network->connections() == 2);
        CHECK(a.up[b.id()].name == "node-2");
        CHECK(a.up[b.id()].endpoint == b.endpoint);
        CHECK(b.up[a.id()].endpoint == a.endpoint);
        CHECK(b.up[a.id()].incarnation == Incarnation{1});
    }
}

TEST_CASE("a Work message arrives with its tensors, its size and its times") {
    Loop loop;
    Node a(loop, 1);
    Node b(loop, 2);
    a.network->connect(b.endpoint);
    require_joined(loop, a, b);
    b.received.clear();
    msg::Work work;
    work.seq = 77;
    const auto before = a.network->traffic();
    REQUIRE(a.network->send(b.id(), work, {tensor_of(803000, 9), tensor_of(5, 8)}).ok());
    CHECK(a.network->bulk_queued_bytes(b.id()) >= 803000);
    REQUIRE(wait(loop, [&] { return !b.received.empty(); }));
    const Incoming& incoming = b.received[0];
    CHECK(std::get<msg::Work>(incoming.message) == work);
    CHECK(incoming.connection == b.connection[a.id()]);
    REQUIRE(incoming.tensors.size() == 2);
    const auto all_are = [](const HostTensor& tensor, uint8_t value) {
        return std::all_of(tensor.bytes.data(), tensor.bytes.data() + tensor.bytes.size(),
                           [value](std::byte byte) { return byte == std::byte{value}; });
    };
    CHECK(incoming.tensors[0].bytes.size() == 803000);
    CHECK(all_are(incoming.tensors[0], 9));
    CHECK(all_are(incoming.tensors[1], 8));
    CHECK(incoming.bytes > 803000);
    CHECK(incoming.bytes < 804000);
    REQUIRE(wait(loop, [&] { return a.network->bulk_queued_bytes(b.id()) == 0; }));
    CHECK(a.network->traffic().tx_bytes - before.tx_bytes == incoming.bytes);
    CHECK(a.drained > 0);
    CHECK(b.network->traffic(a.id())->rx_bytes >= incoming.bytes);
    CHECK(b.network->traffic().rx_bytes == a.network->traffic().tx_bytes);
}

TEST_CASE("messages on one lane arrive in the order in which they were sent") {
    Loop loop;
    Node a(loop, 1);
    Node b(loop, 2);
    a.network->connect(b.endpoint);
    require_joined(loop, a, b);
    b.received.clear();
    for (uint64_t i = 0; i < 500; ++i) REQUIRE(a.network->send(b.id(), msg::Ping{i}).ok());
    REQUIRE(wait(loop, [&] { return b.received.size() == 500; }));
    for (uint64_t i = 0; i < 500; ++i) CHECK(std::get<msg::Ping>(b.received[i].message).sequence == i);
}

TEST_CASE("two nodes that dial each other at the same time end with one pair, and stay so") {
    for (int round = 0; round < 20; ++round) {
        Loop loop;
        Node a(loop, 1, "key");
        Node b(loop, 2, "key");
        a.network->connect(b.endpoint);
        // Some rounds of head start, so that every stage of one handshake meets every stage of the other.
        int turns = round / 2;
        loop.run_until([&] { return turns-- <= 0; }, patience);
        b.network->connect(a.endpoint);
        if (round % 2 == 1) a.network->connect({"localhost", b.endpoint.port});
        require_joined(loop, a, b);
        REQUIRE(wait(loop, [&] { return a.network->connections() == 2 && b.network->connections() == 2; }));
        settle(loop);
        CHECK(a.ups == 1);
        CHECK(b.ups == 1);
        CHECK(a.downs.empty());
        CHECK(b.downs.empty());
        // A dial that came too late for the pair is told to have failed; one that gave way to it is not.
        for (const Node* node : {&a, &b})
            for (const auto& [failure, reason] : node->failures) CHECK(failure == DialFailure::already_joined);
    }
}

TEST_CASE("connecting again to a peer that is up changes nothing") {
    Loop loop;
    Node a(loop, 1);
    Node b(loop, 2);
    a.network->connect(b.endpoint);
    a.network->connect(b.endpoint);
    require_joined(loop, a, b);
    a.network->connect(b.endpoint);
    b.network->connect(a.endpoint);
    b.network->connect(a.endpoint);
    settle(loop);
    REQUIRE(wait(loop, [&] { return a.network->connections() == 2 && b.network->connections() == 2; }));
    CHECK(a.ups == 1);
    CHECK(b.ups == 1);
    CHECK(a.downs.empty());
    // Known to lead to a peer; or dialled once, and found to.
    CHECK(a.failures.size() == 1);
    CHECK(b.failures.size() == 1);
    for (const Node* node : {&a, &b}) CHECK(node->failures.at(0).first == DialFailure::already_joined);
    CHECK_FALSE(b.logged("cannot connect"));  // it is nothing that people need to know
    b.network->connect(a.endpoint);
    settle(loop);
    CHECK(b.failures.size() == 2);
    require_joined(loop, a, b);
}

TEST_CASE("a node that dials itself is told so, and nothing is joined") {
    Loop loop;
    Node a(loop, 1, "key");
    a.network->connect(a.endpoint);
    REQUIRE(wait(loop, [&] { return !a.failures.empty(); }));
    CHECK(a.failures[0].first == DialFailure::self);
    CHECK(a.logged("very node"));
    REQUIRE(wait(loop, [&] { return a.network->connections() == 0; }));
    CHECK(a.ups == 0);
    // A seed list that names the node itself must not cost a dial each time it is tried.
    const uint64_t sent = a.network->traffic().tx_bytes;
    a.network->connect(a.endpoint);
    REQUIRE(wait(loop, [&] { return a.failures.size() == 2; }));
    CHECK(a.failures[1].first == DialFailure::self);
    CHECK(a.network->traffic().tx_bytes == sent);
}

TEST_CASE("disconnecting tells the other side why, and a new connection has a higher number") {
    Loop loop;
    Node a(loop, 1);
    Node b(loop, 2);
    a.network->connect(b.endpoint);
    require_joined(loop, a, b);
    const uint64_t first = a.connection[b.id()];
    a.network->disconnect(b.id(), "enough for today");
    CHECK(a.sees(b));  // told from the loop, not from within
    CHECK_FALSE(a.network->send(b.id(), msg::Ping{}).ok());
    REQUIRE(wait(loop, [&] { return !a.sees(b) && !b.sees(a); }));
    CHECK(a.downs.at(0).second == "enough for today");
    CHECK(b.downs.at(0).second.find("enough for today") != std::string::npos);
    REQUIRE(wait(loop, [&] { return a.network->connections() == 0 && b.network->connections() == 0; }));
    b.network->connect(a.endpoint);
    require_joined(loop, a, b);
    CHECK(a.connection[b.id()] > first);
}

TEST_CASE("a node that vanishes is noticed, and its higher incarnation takes its place") {
    Loop loop;
    Node a(loop, 1);
    auto b = std::make_unique<Node>(loop, 2);
    a.network->connect(b->endpoint);
    require_joined(loop, a, *b);
    b->network.reset();
    REQUIRE(wait(loop, [&] { return a.up.empty(); }));
    auto config = Node::defaults(2);
    config.incarnation.value = 2;
    Node again(loop, config);
    again.network->connect(a.endpoint);
    require_joined(loop, a, again);
    CHECK(a.up[again.id()].incarnation.value == 2);
}

TEST_CASE("a peer that reads nothing fills its bulk queue, and the sender is told when there is room again") {
    Loop loop;
    Loop frozen;  // does not run while the peer is to be slow
    auto config = Node::defaults(1);
    config.bulk_queue_bytes_max = 4 << 20;
    Node a(loop, config);
    Node b(frozen, 2);
    a.network->connect(b.endpoint);
    const auto step = [](Loop& other) {
        bool once = false;
        other.run_until([&] { return std::exchange(once, true); }, std::chrono::milliseconds(1));
    };
    REQUIRE(wait(loop, [&] {
        step(frozen);
        return a.sees(b) && b.sees(a);
    }));
    Status status = success();
    uint64_t sent = 0;
    for (; sent < 100 && status.ok(); ++sent) status = a.network->send(b.id(), msg::Work{}, {tensor_of(1 << 20, 1)});
    REQUIRE_FALSE(status.ok());
    CHECK(status.error().code == ErrorCode::exhausted);
    CHECK(a.network->bulk_queued_bytes(b.id()) <= 4 << 20);
    CHECK(sent >= 4);
    CHECK(a.drained == 0);
    std::optional<uint64_t> left;
    a.react_to_room = [&] { left = left.value_or(a.network->bulk_queued_bytes(b.id())); };
    CHECK(a.network->send(b.id(), msg::Ping{1}).ok());  // the other lane does not suffer
    REQUIRE(wait(loop, [&] {
        step(frozen);
        return a.drained > 0;
    }));
    CHECK(left.value() > 0);  // who was refused need not wait until the queue is empty
    CHECK(a.network->send(b.id(), msg::Work{}, {tensor_of(1 << 20, 1)}).ok());
    REQUIRE(wait(loop, [&] {
        step(frozen);
        return b.received.size() == sent + 1;
    }));
    CHECK(b.progress > 0);
    // A message larger than the whole queue goes out when the queue is empty.
    REQUIRE(wait(loop, [&] {
        step(frozen);
        return a.network->bulk_queued_bytes(b.id()) == 0;
    }));
    CHECK(a.network->send(b.id(), msg::Work{}, {tensor_of(6 << 20, 1)}).ok());
}

TEST_CASE("a peer that does not read its control messages is dropped") {
    Loop loop;
    Loop frozen;
    auto config = Node::defaults(1);
    config.control_queue_bytes_max = 64 * 1024;
    Node a(loop, config);
    Node b(frozen, 2);
    a.network->connect(b.endpoint);
    REQUIRE(wait(loop, [&] {
        bool once = false;
        frozen.run_until([&] { return std::exchange(once, true); }, std::chrono::milliseconds(1));
        return a.sees(b) && b.sees(a);
    }));
    const msg::Leave wordy{std::string(1000, 'x')};
    for (int i = 0; i < 100000 && a.network->peers() == 1; ++i) (void)a.network->send(b.id(), wordy);
    CHECK(a.network->peers() == 0);
    CHECK(a.sees(b));
    REQUIRE(wait(loop, [&] { return !a.sees(b); }));
    CHECK(a.downs.at(0).second.find("does not read") != std::string::npos);
    REQUIRE(wait(loop, [&] { return a.network->connections() == 0; }));
}

TEST_CASE("closing delivers what was sent before, and then the reason") {
    Loop loop;
    Node a(loop, 1);
    Node b(loop, 2);
    a.network->connect(b.endpoint);
    require_joined(loop, a, b);
    b.received.clear();
    for (int i = 0; i < 3; ++i) REQUIRE(a.network->send(b.id(), msg::Work{}, {tensor_of(2 << 20, 1)}).ok());
    REQUIRE(a.network->send(b.id(), msg::Result{}).ok());
    int done = 0;
    a.network->close("maintenance", patience, [&] { ++done; });
    CHECK(done == 0);
    REQUIRE(wait(loop, [&] { return done == 1 && !b.sees(a); }));
    CHECK(b.received.size() == 4);
    CHECK(b.downs.at(0).second.find("maintenance") != std::string::npos);
    CHECK(a.network->connections() == 0);
    CHECK(a.downs.empty());
    b.network->connect(a.endpoint);
    REQUIRE(wait(loop, [&] { return !b.failures.empty(); }));
    CHECK(b.failures[0].first == DialFailure::unreachable);
}

TEST_CASE("closing ends in time though the peer does not read") {
    Loop loop;
    Loop frozen;
    Node a(loop, 1);
    Node b(frozen, 2);
    a.network->connect(b.endpoint);
    REQUIRE(wait(loop, [&] {
        bool once = false;
        frozen.run_until([&] { return std::exchange(once, true); }, std::chrono::milliseconds(1));
        return a.sees(b) && b.sees(a);
    }));
    REQUIRE(a.network->send(b.id(), msg::Work{}, {tensor_of(32 << 20, 1)}).ok());
    bool done = false;
    const Instant before = loop.now();
    a.network->close("", std::chrono::milliseconds(100), [&] { done = true; });
    REQUIRE(wait(loop, [&] { return done; }));
    CHECK(loop.now() - before >= std::chrono::milliseconds(100));
    CHECK(a.network->connections() == 0);
}

TEST_CASE("a listener may send, disconnect, connect and close from within what it is told") {
    Loop loop;
    Node a(loop, 1);
    Node b(loop, 2);
    bool done = false;
    b.react = [&](const Incoming& incoming) {
        CHECK(b.network->send(incoming.peer, msg::Pong{1}).ok());
        b.network->connect(a.endpoint);
        b.network->disconnect(incoming.peer, "from within");
        b.network->close("from within", patience, [&] { done = true; });
    };
    a.network->connect(b.endpoint);
    REQUIRE(wait(loop, [&] { return a.sees(b); }));
    REQUIRE(a.network->send(b.id(), msg::Ping{1}).ok());
    REQUIRE(a.network->send(b.id(), msg::Ping{2}).ok());
    REQUIRE(wait(loop, [&] { return done && !a.sees(b); }));
    CHECK(b.received.size() == 1);
    CHECK(a.received.size() == 1);
}

TEST_CASE("a port in use is an error that names the key and the address") {
    Loop loop;
    Node a(loop, 1);
    auto config = Node::defaults(2);
    config.listen = a.endpoint;
    Network second(loop, config, a, nullptr);
    const auto listening = second.listen();
    REQUIRE_FALSE(listening.ok());
    CHECK(listening.error().code == ErrorCode::unavailable);
    CHECK(listening.error().message.find("[node] listen = \"127.0.0.1:" + std::to_string(a.endpoint.port)) == 0);
    CHECK(listening.error().message.find("in use") != std::string::npos);
}

TEST_CASE("without a cluster key only loopback may be listened on or dialled") {
    Loop loop;
    auto config = Node::defaults(1);
    config.listen = {"0.0.0.0", 0};
    Node sink(loop, 2);
    Network open(loop, config, sink, nullptr);
    REQUIRE_FALSE(open.listen().ok());
    CHECK(open.listen().error().message.find("[cluster] key") != std::string::npos);
    config.cluster_key = "secret";
    Network keyed(loop, config, sink, nullptr);
    const auto listening = keyed.listen();
    REQUIRE(listening.ok());
    CHECK(listening->host != "0.0.0.0");
    CHECK(listening->port != 0);
    config.listen = {"no-such-host.invalid", 0};
    Network lost(loop, config, sink, nullptr);
    REQUIRE_FALSE(lost.listen().ok());
    CHECK(lost.listen().error().message.find("resolved") != std::string::npos);
}

TEST_CASE("a dial that comes to nothing says why") {
    Loop loop;
    Node a(loop, 1);
    Endpoint gone;
    {
        Node b(loop, 2);
        gone = b.endpoint;
    }
    a.network->connect(gone);
    a.network->connect({"no-such-host.invalid", 1});
    REQUIRE(wait(loop, [&] { return a.failures.size() == 2; }));
    std::sort(a.failures.begin(), a.failures.end());
    CHECK(a.failures[0].first == DialFailure::unresolved);
    CHECK(a.failures[1].first == DialFailure::unreachable);
    // The log says it once, the listener each time.
    const size_t lines = a.lines.size();
    a.network->connect(gone);
    REQUIRE(wait(loop, [&] { return a.failures.size() == 3; }));
    CHECK(a.lines.size() == lines);
}

TEST_CASE("of more dials at a time than allowed the last ones fail at once") {
    Loop loop;
    auto config = Node::defaults(1);
    config.dials_max = 2;
    Node a(loop, config);
    Node b(loop, 2);
    Node c(loop, 3);
    for (const Node* node : {&b, &c}) a.network->connect(node->endpoint);
    a.network->connect({"127.0.0.2", 1});
    CHECK(a.failures.empty());  // told from the loop
    REQUIRE(wait(loop, [&] { return a.sees(b) && a.sees(c) && a.failures.size() == 1; }));
    CHECK(a.failures[0].first == DialFailure::full);
}

TEST_CASE("who listens may open files for as many peers and dials as are allowed") {
    rlimit before{};
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
    rlimit low = before;
    low.rlim_cur = std::min<rlim_t>(256, before.rlim_max);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
    Loop loop;
    Node a(loop, 1);
    rlimit after{};
    REQUIRE(getrlimit(RLIMIT_NOFILE, &after) == 0);
    CHECK(after.rlim_cur >= std::min<rlim_t>(2 * (a.config.peers_max + a.config.dials_max), after.rlim_max));
    CHECK(after.rlim_max == before.rlim_max);
    setrlimit(RLIMIT_NOFILE, &before);
}

TEST_CASE("no more peers are taken than allowed") {
    Loop loop;
    auto config = Node::defaults(1);
    config.peers_max = 1;
    Node a(loop, config);
    Node b(loop, 2);
    Node c(loop, 3);
    b.network->connect(a.endpoint);
    require_joined(loop, a, b);
    c.network->connect(a.endpoint);
    REQUIRE(wait(loop, [&] { return !c.failures.empty(); }));
    CHECK(c.failures[0].first == DialFailure::full);
    require_joined(loop, a, b);
}

TEST_CASE("three nodes survive a hundred random dials, hang-ups and deaths, and nothing leaks") {
    constexpr uint64_t seed = 4711;
    CAPTURE(seed);
    Random random(seed);
    Loop loop;
    std::array<std::unique_ptr<Node>, 3> nodes;
    std::array<uint64_t, 3> lives{};
    const auto start = [&](size_t i) {
        auto config = Node::defaults(static_cast<uint8_t>(i + 1), "key");
        config.incarnation.value = ++lives[i];
        nodes[i] = std::make_unique<Node>(loop, config);
    };
    for (size_t i = 0; i < 3; ++i) start(i);
    for (int step = 0; step < 100; ++step) {
        const size_t i = random.below(3);
        const size_t j = (i + 1 + random.below(2)) % 3;
        switch (random.below(5)) {
            case 0: nodes[i]->network->disconnect(nodes[j]->id(), "at random"); break;
            case 1:
                if (random.chance(0.3)) start(i);
                break;
            case 2: (void)nodes[i]->network->send(nodes[j]->id(), msg::Work{}, {tensor_of(300000, 1)}); break;
            default: nodes[i]->network->connect(nodes[j]->endpoint);
        }
        uint64_t turns = random.below(6);
        loop.run_until([&] { return turns-- == 0; }, std::chrono::milliseconds(20));
    }
    // When all is quiet again, whoever dials is joined, by two connections to each peer and not one more.
    REQUIRE(wait(loop, [&] {
        for (auto& from : nodes)
            for (auto& to : nodes)
                if (from != to && !from->sees(*to)) from->network->connect(to->endpoint);
        return std::all_of(nodes.begin(), nodes.end(),
                           [](const auto& node) { return node->up.size() == 2 && node->network->connections() == 4; });
    }));
    require_joined(loop, *nodes[0], *nodes[1]);
    require_joined(loop, *nodes[1], *nodes[2]);
    require_joined(loop, *nodes[2], *nodes[0]);
}

}  // namespace eddy::transport::testing
