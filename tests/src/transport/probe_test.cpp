// Goal: whoever asks who is at an address learns how far he came and why no further, and disturbs nobody. Method:
// probes of networks, of bare sockets, and of nothing.
#include "src/transport/probe.hpp"

#include <optional>

#include "by_hand.hpp"
#include "eddy/real_clock.hpp"

namespace eddy::transport::testing {
namespace {

ProbeConfig asker(const std::string& key = "key") {
    ProbeConfig config;
    config.cluster_key = key;
    config.name = "doctor";
    config.timeout = patience / 5;
    return config;
}

ProbeReport ask(Loop& loop, const ProbeConfig& config, const Endpoint& endpoint) {
    std::optional<ProbeReport> report;
    Probe probe(loop, config, endpoint, [&](const ProbeReport& told) { report = told; });
    REQUIRE(wait(loop, [&] { return report.has_value(); }));
    CHECK(report->endpoint == endpoint);
    CHECK(report->failure.has_value() == !report->proved);
    return *report;
}

}  // namespace

TEST_CASE("a probe learns who answers, proves itself and is proved to, and makes no peer") {
    for (const std::string key : {"key", ""}) {
        CAPTURE(key);
        Loop loop;
        auto config = Node::defaults(1, key);
        config.chain_hash.bytes[3] = 9;
        config.incarnation.value = 7;
        Node node(loop, config);
        const auto report = ask(loop, asker(key), node.endpoint);
        CHECK(report.proved);
        REQUIRE(report.attempts.size() == 1);
        CHECK(report.attempts[0].address == "127.0.0.1:" + std::to_string(node.endpoint.port));
        CHECK(report.attempts[0].failure.empty());
        CHECK(report.version == protocol_version);
        REQUIRE(report.facts.has_value());
        CHECK(report.facts->cluster == "eddy");
        CHECK(report.facts->member == msg::Member{node.id(), Incarnation{7}, "node-1", node.endpoint});
        CHECK(report.facts->keyed == !key.empty());
        CHECK(report.facts->chain_hash == config.chain_hash);
        REQUIRE(report.facts->clock_ahead.has_value());
        CHECK(std::chrono::abs(*report.facts->clock_ahead) < std::chrono::seconds(1));
        CHECK(report.facts->round_trip > Usec(0));
        REQUIRE(wait(loop, [&] { return node.network->connections() == 0; }));
        CHECK(node.ups == 0);
        CHECK(node.lines.empty());
    }
}

TEST_CASE("a probe under the id of a peer disturbs neither the peer nor the node asked, however often it comes") {
    Loop loop;
    auto config = Node::defaults(1, "key");
    config.peers_max = 1;
    Node asked(loop, config);
    Node peer(loop, 2, "key");
    peer.network->connect(asked.endpoint);
    require_joined(loop, asked, peer);
    for (int i = 0; i < 20; ++i) CHECK(ask(loop, asker(), asked.endpoint).proved);
    // By hand, for a Probe has no id: that of the peer, and that of the node asked.
    for (const uint8_t id : {2, 1}) {
        Stranger socket(asked.endpoint);
        ByHand by_hand(socket, id, "key", Lane::control, std::nullopt, Role::dialler, true);
        REQUIRE(std::holds_alternative<Hello>(by_hand.greet(loop)));
        CHECK(std::holds_alternative<Proof>(by_hand.prove(loop)));
        CHECK(socket.wait_for_hang_up(loop));
    }
    CHECK(asked.downs.empty());
    CHECK(asked.ups == 1);
    require_joined(loop, asked, peer);
}

TEST_CASE("a probe says what a name, a port or a silent host has to do with it") {
    Loop loop;
    auto report = ask(loop, asker(), {"no-such-host.invalid", 1});
    CHECK(report.failure == DialFailure::unresolved);
    CHECK(report.attempts.empty());
    Endpoint gone;
    {
        Node node(loop, 1);
        gone = node.endpoint;
    }
    report = ask(loop, asker(), gone);
    CHECK(report.failure == DialFailure::unreachable);
    REQUIRE(report.attempts.size() == 1);
    CHECK(report.attempts[0].failure.find("refused") != std::string::npos);
    CHECK_FALSE(report.version.has_value());
    // Every address of a name is told of.
    report = ask(loop, asker(), {"localhost", gone.port});
    CHECK(report.failure == DialFailure::unreachable);
    CHECK(report.attempts.size() >= 1);
    Host silent;
    auto impatient_asker = asker();
    impatient_asker.timeout = std::chrono::milliseconds(100);
    report = ask(loop, impatient_asker, silent.endpoint);
    CHECK(report.failure == DialFailure::timeout);
    CHECK(report.attempts[0].failure.empty());
    CHECK_FALSE(report.version.has_value());
}

TEST_CASE("a probe tells another protocol, version, cluster and key from one another") {
    Loop loop;
    Node node(loop, 1, "key");
    auto elsewhere = asker();
    elsewhere.cluster = "elsewhere";
    auto report = ask(loop, elsewhere, node.endpoint);
    CHECK(report.failure == DialFailure::other_cluster);
    CHECK(report.version == protocol_version);
    CHECK(report.reason.find("\"elsewhere\"") != std::string::npos);
    report = ask(loop, asker("a guess"), node.endpoint);
    CHECK(report.failure == DialFailure::wrong_key);
    CHECK(report.facts->member.name == "node-1");
    CHECK(ask(loop, asker(""), node.endpoint).failure == DialFailure::wrong_key);

    Host host;
    const auto answer = [&](const std::function<void(Stranger&)>& speak) {
        std::optional<ProbeReport> told;
        Probe probe(loop, asker(), host.endpoint, [&](const ProbeReport& report_) { told = report_; });
        Stranger stranger(host.accept(loop));
        speak(stranger);
        REQUIRE(wait(loop, [&] { return told.has_value(); }));
        return *told;
    };
    report = answer([](Stranger& stranger) { stranger.say(bytes_of("220 mail.example ESMTP\r\n")); });
    CHECK(report.failure == DialFailure::not_eddy);
    report = answer([](Stranger& stranger) { stranger.say(encode(Preamble{.version = 9})); });
    CHECK(report.failure == DialFailure::other_version);
    CHECK(report.version == 9);
    report = answer([](Stranger& stranger) { stranger.hang_up(); });
    CHECK(report.failure == DialFailure::closed);
}

TEST_CASE("a clock that is far off is measured, and an impossible one is not told") {
    struct Clock {
        Usec told;
        std::optional<Usec> off;
    };
    const Usec hour = std::chrono::hours(1);
    for (const Clock& clock : {Clock{real_wall_clock() + hour, hour}, Clock{real_wall_clock() - hour, -hour},
                               Clock{Usec::min(), std::nullopt}, Clock{Usec::max(), std::nullopt}}) {
        Loop loop;
        Host host;
        std::optional<ProbeReport> told;
        Probe probe(loop, asker(), host.endpoint, [&](const ProbeReport& report) { told = report; });
        Stranger stranger(host.accept(loop));
        ByHand by_hand(stranger, 7, "key", Lane::control, std::nullopt, Role::acceptor);
        by_hand.clock = clock.told;
        REQUIRE(std::holds_alternative<Proof>(by_hand.receive(loop)));
        stranger.say(encode(by_hand.handshake.proof()));
        REQUIRE(wait(loop, [&] { return told.has_value(); }));
        CHECK(told->proved);
        REQUIRE(told->facts->clock_ahead.has_value() == clock.off.has_value());
        if (clock.off) CHECK(std::chrono::abs(*told->facts->clock_ahead - *clock.off) < std::chrono::seconds(5));
    }
}

TEST_CASE("a probe may be destroyed at any time, also by the one it tells") {
    Loop loop;
    Node node(loop, 1, "key");
    for (int rounds = 0; rounds < 12; ++rounds) {
        bool told = false;
        auto probe = std::make_unique<Probe>(loop, asker(), node.endpoint, [&](const ProbeReport&) { told = true; });
        int left = rounds;
        loop.run_until([&] { return told || left-- == 0; }, patience);
        const bool early = !told;
        probe.reset();
        loop.run_until([] { return false; }, std::chrono::milliseconds(5));
        CHECK(told == !early);
    }
    std::unique_ptr<Probe> probe;
    bool told = false;
    probe = std::make_unique<Probe>(loop, asker(), node.endpoint, [&](const ProbeReport&) {
        told = true;
        probe.reset();
    });
    REQUIRE(wait(loop, [&] { return told; }));
    require_unharmed(loop, node);
}

TEST_CASE("who calls himself a probe on the bulk connection, or answers as one, is refused") {
    Loop loop;
    Node node(loop, impatient(1, "key"));
    Stranger socket(node.endpoint);
    ByHand bulk(socket, 7, "key", Lane::bulk, Nonce{}, Role::dialler, true);
    const auto answer = bulk.greet(loop);
    REQUIRE(std::holds_alternative<Refuse>(answer));
    CHECK(std::get<Refuse>(answer).code == static_cast<uint16_t>(Refusal::malformed));
    Host host;
    node.network->connect(host.endpoint);
    Stranger dialled(host.accept(loop));
    ByHand posing(dialled, 7, "key", Lane::control, std::nullopt, Role::acceptor, true);
    CHECK(std::holds_alternative<Refuse>(posing.receive(loop)));
    require_unharmed(loop, node);
}

}  // namespace eddy::transport::testing
