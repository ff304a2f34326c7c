// Goal: every connect() ends in a peer or in a failure that is told, once; of several connections with one process the
// others are no failures. Method: a process by hand that comes in and is dialled at the same time.
#include "by_hand.hpp"

namespace eddy::transport::testing {
namespace {

/// Process 7, whose control connection is coming in at `victim`, answers at `host` too, where the victim has dialled
/// it.
struct BothWays {
    Loop loop;
    Node victim{loop, 9, "key"};
    Stranger incoming{victim.endpoint};
    ByHand theirs{incoming, 7, "key"};
    Host host;

    BothWays() {
        theirs.greet(loop);
        REQUIRE(std::holds_alternative<Proof>(theirs.prove(loop)));
        victim.network->connect(host.endpoint);
        Stranger dialled(host.accept(loop));
        ByHand ours(dialled, 7, "key", Lane::control, std::nullopt, Role::acceptor);
        const Packet answer = ours.receive(loop);
        REQUIRE(std::holds_alternative<Refuse>(answer));
        CHECK(std::get<Refuse>(answer).code == static_cast<uint16_t>(Refusal::duplicate));
        REQUIRE(wait(loop, [&] {
            dialled.hang_up();
            return victim.network->connections() == 1;
        }));
        CHECK(victim.failures.empty());
    }
};

}  // namespace

TEST_CASE(
    "a dial that gave way has failed when the connection it gave way to comes to nothing, and may be tried again") {
    BothWays both;
    // It is still under way, as it were.
    both.victim.network->connect(both.host.endpoint);
    CHECK(both.victim.network->connections() == 1);
    both.incoming.hang_up();
    REQUIRE(wait(both.loop, [&] { return !both.victim.failures.empty(); }));
    CHECK(both.victim.failures.size() == 1);
    CHECK(both.victim.failures[0].first == DialFailure::closed);
    CHECK(both.victim.ups == 0);
    both.victim.network->connect(both.host.endpoint);
    Stranger again(both.host.accept(both.loop));
}

TEST_CASE(
    "a dial that gave way has not failed when the other connection makes the peer, which is known by both names") {
    BothWays both;
    Stranger socket(both.victim.endpoint);
    ByHand bulk(socket, 7, "key", Lane::bulk, both.theirs.handshake.session());
    REQUIRE(std::holds_alternative<Hello>(bulk.greet(both.loop)));
    REQUIRE(std::holds_alternative<Proof>(bulk.prove(both.loop)));
    REQUIRE(wait(both.loop, [&] { return both.victim.up.contains(id_of(7)); }));
    CHECK(both.victim.failures.empty());
    CHECK(both.victim.up[id_of(7)].endpoint != both.host.endpoint);
    CHECK(both.victim.network->dialled(id_of(7)) == both.host.endpoint);
    // From now on it is told at once, without a dial.
    both.victim.network->connect(both.host.endpoint);
    REQUIRE(wait(both.loop, [&] { return !both.victim.failures.empty(); }));
    CHECK(both.victim.failures[0].first == DialFailure::already_joined);
}

TEST_CASE("who comes in and thinks better of it is let go at once, so that he can be dialled") {
    BothWays both;
    const Instant before = both.loop.now();
    both.incoming.say(encode(Refuse{static_cast<uint16_t>(Refusal::claimed), "not with you"}));
    REQUIRE(both.incoming.wait_for_hang_up(both.loop));
    CHECK(both.loop.now() - before < both.victim.config.handshake_timeout / 2);
    REQUIRE(wait(both.loop, [&] { return both.victim.failures.size() == 1; }));
}

TEST_CASE("of two dials to one process by two names both have failed when the first one ends") {
    Loop loop;
    Node victim(loop, 9, "key");
    Host host;
    victim.network->connect(host.endpoint);
    Stranger first(host.accept(loop));
    ByHand one(first, 7, "key", Lane::control, std::nullopt, Role::acceptor);
    REQUIRE(std::holds_alternative<Proof>(one.receive(loop)));
    victim.network->connect({"localhost", host.endpoint.port});
    Stranger second(host.accept(loop));
    ByHand other(second, 7, "key", Lane::control, std::nullopt, Role::acceptor);
    REQUIRE(std::holds_alternative<Refuse>(other.receive(loop)));
    CHECK(victim.failures.empty());
    first.hang_up();
    REQUIRE(wait(loop, [&] { return victim.failures.size() == 2; }));
    for (const auto& [failure, reason] : victim.failures) CHECK(failure == DialFailure::closed);
}

TEST_CASE("a peer that was dialled by another name than it tells is known by both, at the dialling end only") {
    Loop loop;
    Node a(loop, 1, "key");
    Node b(loop, 2, "key");
    const Endpoint name{"localhost", b.endpoint.port};
    a.network->connect(name);
    require_joined(loop, a, b);
    CHECK(a.up[b.id()].endpoint == b.endpoint);
    CHECK(a.network->dialled(b.id()) == name);
    CHECK_FALSE(b.network->dialled(a.id()).has_value());
    CHECK_FALSE(a.network->dialled(id_of(77)).has_value());
}

}  // namespace eddy::transport::testing
