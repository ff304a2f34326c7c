// Goal: an id belongs to whoever answers: a restart gets in though the old connection still seems to stand, and a
// second device with the same identity never unseats one that lives. Method: peers that do not run (as if stopped, or
// without power), that answer, or that only seem to.
#include <algorithm>
#include <utility>

#include "by_hand.hpp"

namespace eddy::transport::testing {
namespace {

/// Runs two loops in turns.
bool wait_both(Loop& loop, Loop& other, const std::function<bool()>& done) {
    return wait(loop, [&] {
        bool once = false;
        other.run_until([&] { return std::exchange(once, true); }, std::chrono::milliseconds(1));
        return done();
    });
}

NetworkConfig life(uint8_t id, uint64_t incarnation) {
    auto config = Node::defaults(id, "key");
    config.incarnation.value = incarnation;
    return config;
}

/// What the one with that id was asked by `victim`, if it was.
std::optional<Inquiry> asked(Loop& loop, FalseFriend& peer) {
    const Packet packet = *decode(peer.control.wait_for_message(loop));
    if (const auto* inquiry = std::get_if<Inquiry>(&packet)) return *inquiry;
    return std::nullopt;
}

}  // namespace

TEST_CASE("a peer that answers keeps its id, whatever incarnation the claimant has, and all three logs say so") {
    for (const uint64_t incarnation : {1, 5, 9}) {
        CAPTURE(incarnation);
        Loop loop;
        Node a(loop, life(1, 1));
        Node holder(loop, life(2, 5));
        Node claimant(loop, life(2, incarnation));
        holder.network->connect(a.endpoint);
        require_joined(loop, a, holder);
        claimant.network->connect(a.endpoint);
        REQUIRE(wait(loop, [&] { return !claimant.failures.empty(); }));
        CHECK(claimant.failures[0].first == DialFailure::claimed);
        CHECK(claimant.logged("which answers: every node needs a name or id, and a data_dir, of its own"));
        CHECK(a.logged("turned away"));
        CHECK(holder.logged("asks \"node-1\""));
        CHECK(holder.logged("as this very node"));
        // Dialling the claimant does not unseat the holder either, nor does dialling a node of one's own id.
        a.network->connect(claimant.endpoint);
        claimant.network->connect(holder.endpoint);
        REQUIRE(wait(loop, [&] { return !a.failures.empty() && claimant.failures.size() == 2; }));
        CHECK(a.failures[0].first == DialFailure::claimed);
        CHECK(claimant.failures[1].first == DialFailure::claimed);
        CHECK(a.downs.empty());
        CHECK(a.ups == 1);
        CHECK(claimant.ups == 0);
        require_joined(loop, a, holder);
        REQUIRE(wait(loop, [&] { return a.network->connections() == 2; }));
    }
}

TEST_CASE("who has just answered is not asked again, and claimants are refused at once") {
    Loop loop;
    Loop other;
    Node a(loop, life(1, 1));
    Node holder(other, life(2, 5));
    Node claimant(loop, life(2, 6));
    holder.network->connect(a.endpoint);
    REQUIRE(wait_both(loop, other, [&] { return a.sees(holder) && holder.sees(a); }));
    claimant.network->connect(a.endpoint);
    REQUIRE(wait_both(loop, other, [&] { return claimant.failures.size() == 1; }));
    // From here on the holder does not run, but its word still stands.
    for (size_t i = 2; i < 5; ++i) {
        claimant.network->connect(a.endpoint);
        REQUIRE(wait(loop, [&] { return claimant.failures.size() == i; }));
        CHECK(claimant.failures.back().first == DialFailure::claimed);
    }
    CHECK(a.downs.empty());
}

TEST_CASE("a life that does not answer makes room when its time is over, for any incarnation, and cannot come back") {
    for (const uint64_t incarnation : {1, 9}) {  // a wiped folder, and a restart
        CAPTURE(incarnation);
        Loop loop;
        Loop stopped;
        auto config = life(1, 1);
        config.life_timeout = std::chrono::seconds(1);
        config.handshake_timeout = patience;
        Node a(loop, config);
        Node old(stopped, life(2, 5));
        old.network->connect(a.endpoint);
        REQUIRE(wait_both(loop, stopped, [&] { return a.sees(old) && old.sees(a); }));
        Node fresh(loop, life(2, incarnation));
        const Instant before = loop.now();
        fresh.network->connect(a.endpoint);
        REQUIRE(wait(loop, [&] { return fresh.sees(a); }));
        CHECK(loop.now() - before >= a.config.life_timeout);
        require_joined(loop, a, fresh);
        CHECK(a.up[fresh.id()].incarnation.value == incarnation);
        CHECK(a.downs.at(0).second.find("does not answer") != std::string::npos);
        CHECK(a.ups == 2);
        CHECK(fresh.failures.empty());
        // The old one goes on, and finds its place taken.
        REQUIRE(wait_both(loop, stopped, [&] { return !old.sees(a); }));
        old.network->connect(a.endpoint);
        REQUIRE(wait_both(loop, stopped, [&] { return !old.failures.empty(); }));
        CHECK(old.failures[0].first == DialFailure::claimed);
        CHECK(a.downs.size() == 1);
        require_joined(loop, a, fresh);
    }
}

TEST_CASE("a restarted node that is dialled, not dialling, takes the place of a life that does not answer") {
    Loop loop;
    Loop stopped;
    Node a(loop, life(1, 1));
    Node old(stopped, life(2, 5));
    old.network->connect(a.endpoint);
    REQUIRE(wait_both(loop, stopped, [&] { return a.sees(old) && old.sees(a); }));
    Node fresh(loop, life(2, 6));
    a.network->connect(fresh.endpoint);
    fresh.network->connect(a.endpoint);  // both ways at once
    REQUIRE(wait(loop, [&] { return fresh.sees(a) && a.ups == 2; }));
    require_joined(loop, a, fresh);
    CHECK(a.downs.size() == 1);
    for (const auto& [failure, reason] : a.failures) CHECK(failure == DialFailure::already_joined);
    for (const auto& [failure, reason] : fresh.failures) CHECK(failure == DialFailure::already_joined);
    REQUIRE(wait(loop, [&] { return a.network->connections() == 2 && fresh.network->connections() == 2; }));
}

TEST_CASE("only the right answer keeps the place: neither other bytes nor another number") {
    for (const bool right : {false, true}) {
        CAPTURE(right);
        Loop loop;
        auto config = life(1, 1);
        config.life_timeout = right ? patience : std::chrono::milliseconds(60);
        Node a(loop, config);
        FalseFriend standing(loop, a, 2);
        Node claimant(loop, life(2, 1));
        const Instant before = loop.now();
        claimant.network->connect(a.endpoint);
        const auto inquiry = asked(loop, standing);
        REQUIRE(inquiry.has_value());
        CHECK(inquiry->claimant.find("127.0.0.1:") == 0);
        standing.control.say(*encode(msg::Ping{1}, {}));
        standing.control.say(encode(Alive{right ? inquiry->number : inquiry->number + 1}));
        REQUIRE(wait(loop, [&] { return claimant.sees(a) || !claimant.failures.empty(); }));
        CHECK(claimant.sees(a) != right);
        CHECK(a.downs.empty() == right);
        // Bytes that are no answer bought a second wait, and no third.
        if (!right) CHECK(loop.now() - before >= 2 * config.life_timeout);
        if (right) CHECK(claimant.failures[0].first == DialFailure::claimed);
    }
}

TEST_CASE("who hangs up or says goodbye while it is asked has answered too") {
    for (const bool politely : {false, true}) {
        CAPTURE(politely);
        Loop loop;
        auto config = life(1, 1);
        // Nobody is heard out: the wait for an answer, or for the end of a goodbye, would outlast the test.
        config.handshake_timeout = 2 * patience;
        config.stall_timeout = 2 * patience;
        config.life_timeout = 2 * patience;
        Node a(loop, config);
        FalseFriend standing(loop, a, 2);
        Node claimant(loop, life(2, 1));
        if (politely) {
            standing.control.say(encode(Bye{"I go"}));
            REQUIRE(wait(loop, [&] { return !a.network->send(id_of(2), msg::Ping{}).ok(); }));
            claimant.network->connect(a.endpoint);
        } else {
            claimant.network->connect(a.endpoint);
            REQUIRE(asked(loop, standing).has_value());
            standing.bulk.hang_up();
        }
        require_joined(loop, a, claimant);
        CHECK(a.downs.size() == 1);
    }
}

TEST_CASE("of two claimants who wait together one gets in, and the other is refused by it") {
    Loop loop;
    Loop stopped;
    Node a(loop, life(1, 1));
    Node old(stopped, life(2, 5));
    old.network->connect(a.endpoint);
    REQUIRE(wait_both(loop, stopped, [&] { return a.sees(old) && old.sees(a); }));
    Node first(loop, life(2, 6));
    Node second(loop, life(2, 7));
    first.network->connect(a.endpoint);
    second.network->connect(a.endpoint);
    REQUIRE(wait(loop, [&] {
        for (Node* node : {&first, &second})
            if (!node->sees(a) && node->network->connections() == 0) node->network->connect(a.endpoint);
        return first.sees(a) != second.sees(a) && first.failures.size() + second.failures.size() > 0;
    }));
    Node& winner = first.sees(a) ? first : second;
    require_joined(loop, a, winner);
    CHECK((first.sees(a) ? second : first).failures.back().first == DialFailure::claimed);
}

TEST_CASE("a claimant who gives up while it waits leaves nothing behind") {
    Loop loop;
    Loop stopped;
    Node a(loop, impatient(1, "key"));
    Node old(stopped, life(2, 5));
    old.network->connect(a.endpoint);
    REQUIRE(wait_both(loop, stopped, [&] { return a.sees(old) && old.sees(a); }));
    {
        Stranger socket(a.endpoint);
        ByHand claimant(socket, 2, "key");
        REQUIRE(std::holds_alternative<Hello>(claimant.greet(loop)));
        socket.say(encode(claimant.handshake.proof()));
        REQUIRE(wait(loop, [&] { return a.logged("asked whether it lives"); }));
        // Nor may it speak while it waits.
        socket.say(*encode(msg::Ping{1}, {}));
        CHECK(socket.wait_for_hang_up(loop));
    }
    REQUIRE(wait(loop, [&] { return a.network->connections() == 2 * a.up.size(); }));
    require_unharmed(loop, a);
}

TEST_CASE("a stranger without the key who claims a peer's id does not even have it asked") {
    Loop loop;
    Node a(loop, life(1, 1));
    FalseFriend standing(loop, a, 2);
    Stranger socket(a.endpoint);
    ByHand claimant(socket, 2, "a guess");
    REQUIRE(std::holds_alternative<Hello>(claimant.greet(loop)));
    CHECK(std::holds_alternative<Refuse>(claimant.prove(loop)));
    // What comes next on the control lane is what is sent next.
    REQUIRE(a.network->send(id_of(2), msg::Ping{77}).ok());
    CHECK_FALSE(asked(loop, standing).has_value());
    CHECK(a.downs.empty());
}

}  // namespace eddy::transport::testing
