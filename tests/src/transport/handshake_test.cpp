// Goal: nobody joins who has not proved that he holds the key, here and now and in his own role; and of several ways
// in, one is taken. Method: handshakes done by hand, on either side.
#include <algorithm>

#include "by_hand.hpp"

namespace eddy::transport::testing {

TEST_CASE("another protocol version is refused by number, on either side") {
    Loop loop;
    Node victim(loop, impatient(1));
    Stranger stranger(victim.endpoint);
    PreambleBytes future = encode(Preamble{.version = 258});
    future[6] = std::byte{77};  // what follows the version is the other version's business
    stranger.say(future);
    stranger.say(bytes_of("words of the future"));
    REQUIRE(stranger.wait_for_preamble(loop));
    PreambleBytes answer{};
    std::copy_n(stranger.heard.begin(), answer.size(), answer.begin());
    CHECK(decode_preamble(answer)->version == protocol_version);
    CHECK(victim.logged("speaks protocol version 258, this node version 2"));
    stranger.hang_up();
    require_unharmed(loop, victim);
}

TEST_CASE("a node of another cluster or with another key is refused, and both sides say so") {
    for (const bool other_cluster : {true, false}) {
        CAPTURE(other_cluster);
        Loop loop;
        Node a(loop, impatient(1, "key"));
        auto config = impatient(2, other_cluster ? "key" : "another key");
        if (other_cluster) config.cluster = "elsewhere";
        Node b(loop, config);
        b.network->connect(a.endpoint);
        REQUIRE(wait(loop, [&] { return !b.failures.empty(); }));
        CHECK(b.failures[0].first == (other_cluster ? DialFailure::other_cluster : DialFailure::wrong_key));
        CHECK(a.logged(other_cluster ? "\"elsewhere\"" : "key of the two nodes differs"));
        CHECK(b.logged("cannot connect"));
        CHECK(a.ups + b.ups == 0);
        require_unharmed(loop, a);
    }
}

TEST_CASE("a node with a key and one without refuse each other") {
    Loop loop;
    Node keyed(loop, impatient(1, "key"));
    Node open(loop, impatient(2));
    open.network->connect(keyed.endpoint);
    keyed.network->connect(open.endpoint);
    REQUIRE(wait(loop, [&] { return !open.failures.empty() && !keyed.failures.empty(); }));
    CHECK(open.failures[0].first == DialFailure::wrong_key);
    CHECK(open.failures[0].second.find("[cluster] key") != std::string::npos);
    CHECK(keyed.failures[0].first == DialFailure::wrong_key);
    CHECK(keyed.ups + open.ups == 0);
}

TEST_CASE("a stranger by hand with the right key joins, so the following refusals mean something") {
    Loop loop;
    Node victim(loop, 1, "key");
    FalseFriend stranger(loop, victim, 7);
    stranger.control.say(*encode(msg::Ping{5}, {}));
    REQUIRE(wait(loop, [&] { return victim.received.size() == 1; }));
    CHECK(victim.up[id_of(7)].name == "stranger");
}

TEST_CASE("a message that comes before the other lane stands is kept until it does") {
    Loop loop;
    Node victim(loop, 1, "key");
    Host host;
    victim.network->connect(host.endpoint);
    Stranger first(host.accept(loop));
    ByHand control(first, 7, "key", Lane::control, std::nullopt, Role::acceptor);
    const Packet proof = control.receive(loop);
    CHECK(control.handshake.on_proof(std::get<Proof>(proof)).why == Refusal::none);
    // In one piece, so that the messages are there as soon as the proof is.
    auto bytes = joined(encode(control.handshake.proof()));
    for (uint64_t i = 1; i <= 3; ++i) {
        const auto ping = joined(*encode(msg::Ping{i}, {}));
        bytes.insert(bytes.end(), ping.begin(), ping.end());
    }
    first.say(bytes);
    Stranger second(host.accept(loop));
    ByHand bulk(second, 7, "key", Lane::bulk, std::nullopt, Role::acceptor);
    REQUIRE(std::holds_alternative<Proof>(bulk.receive(loop)));
    CHECK(bulk.handshake.theirs().session == control.handshake.session());
    CHECK(victim.ups == 0);
    second.say(encode(bulk.handshake.proof()));
    REQUIRE(wait(loop, [&] { return victim.received.size() == 3; }));
    for (uint64_t i = 1; i <= 3; ++i) CHECK(std::get<msg::Ping>(victim.received[i - 1].message).sequence == i);
}

TEST_CASE("an acceptor without the key is not joined, whatever it claims") {
    Loop loop;
    Node victim(loop, impatient(1, "key"));
    Host host;
    victim.network->connect(host.endpoint);
    Stranger socket(host.accept(loop));
    ByHand control(socket, 7, "a guess", Lane::control, std::nullopt, Role::acceptor);
    const Packet theirs = control.receive(loop);
    // Neither its own proof nor the dialler's own, sent back.
    socket.say(encode(std::get<Proof>(theirs)));
    REQUIRE(wait(loop, [&] { return !victim.failures.empty(); }));
    CHECK(victim.failures[0].first == DialFailure::wrong_key);
    CHECK(victim.ups == 0);
}

TEST_CASE("a dial that reaches a node whose own connection is just coming in gives way to it") {
    Loop loop;
    Node victim(loop, 9, "key");
    Stranger incoming(victim.endpoint);
    ByHand theirs(incoming, 7, "key");
    theirs.greet(loop);
    REQUIRE(std::holds_alternative<Proof>(theirs.prove(loop)));
    Host host;
    victim.network->connect(host.endpoint);
    Stranger dialled(host.accept(loop));
    ByHand ours(dialled, 7, "key", Lane::control, std::nullopt, Role::acceptor);
    const Packet answer = ours.receive(loop);
    REQUIRE(std::holds_alternative<Refuse>(answer));
    CHECK(std::get<Refuse>(answer).code == static_cast<uint16_t>(Refusal::duplicate));
    CHECK(victim.failures.empty());
}

TEST_CASE("of two crossing dials the one from the node with the lower id goes on") {
    for (const uint8_t victim_id : {1, 9}) {
        CAPTURE(victim_id);
        Loop loop;
        Node victim(loop, victim_id, "key");
        Host host;
        victim.network->connect(host.endpoint);
        Stranger dialled(host.accept(loop));
        ByHand ours(dialled, 7, "key", Lane::control, std::nullopt, Role::acceptor);
        REQUIRE(std::holds_alternative<Proof>(ours.receive(loop)));
        Stranger incoming(victim.endpoint);
        ByHand theirs(incoming, 7, "key");
        theirs.greet(loop);
        const Packet answer = theirs.prove(loop);
        if (victim_id < 7) {
            REQUIRE(std::holds_alternative<Refuse>(answer));
            CHECK(std::get<Refuse>(answer).code == static_cast<uint16_t>(Refusal::duplicate));
            dialled.say(encode(ours.handshake.proof()));
            Stranger bulk(host.accept(loop));
        } else {
            REQUIRE(std::holds_alternative<Proof>(answer));
            CHECK(dialled.wait_for_hang_up(loop));
        }
        CHECK(victim.failures.empty());
    }
}

TEST_CASE("a proof is neither guessed, reflected nor replayed") {
    Loop loop;
    Node victim(loop, impatient(1, "key"));
    Proof captured;
    {
        FalseFriend honest(loop, victim, 7);
        Stranger observer(victim.endpoint);
        ByHand observed(observer, 8, "key");
        observed.greet(loop);
        captured = observed.handshake.proof();
    }
    REQUIRE(wait(loop, [&] { return victim.network->connections() == 0; }));
    const size_t ups = victim.ups;
    {
        Stranger guesser(victim.endpoint);
        ByHand guess(guesser, 8, "a guess");
        guess.greet(loop);
        const Packet answer = guess.prove(loop);
        REQUIRE(std::holds_alternative<Refuse>(answer));
        CHECK(std::get<Refuse>(answer).code == static_cast<uint16_t>(Refusal::wrong_key));
    }
    {
        Stranger replayer(victim.endpoint);
        ByHand replay(replayer, 8, "key");
        replay.greet(loop);
        CHECK(std::holds_alternative<Refuse>(replay.prove(loop, captured)));
    }
    {
        // Every word of the victim's sent back to it: the preamble's role gives it away.
        Stranger mirror(victim.endpoint);
        mirror.say(encode(Preamble{.role = Role::acceptor}));
        REQUIRE(mirror.wait_for_hang_up(loop));
        Stranger echo(victim.endpoint);
        ByHand reflected(echo, 8, "key");
        const Packet hello = reflected.greet(loop);
        REQUIRE(std::holds_alternative<Hello>(hello));
        // The victim's own hello, as if it were a dialler's.
        Stranger again(victim.endpoint);
        again.say(reflected.handshake.preamble());
        again.say(encode(std::get<Hello>(hello)));
        const auto refused = *decode(again.wait_for_message(loop));
        REQUIRE(std::holds_alternative<Refuse>(refused));
        CHECK(std::get<Refuse>(refused).code == static_cast<uint16_t>(Refusal::self));
    }
    CHECK(victim.ups == ups);
    require_unharmed(loop, victim);
}

TEST_CASE("a proof binds the role, the lane, both nonces and what was said") {
    const Identity a = identity_of(1, "key");
    const Identity b = identity_of(2, "key");
    const auto meet = [](Handshake& dialler, Handshake& acceptor) {
        REQUIRE(acceptor.on_preamble(Preamble{protocol_version, dialler.lane(), Role::dialler}));
        const auto raw_of = [](const Encoded& encoded) { return *assemble(joined(encoded)); };
        const auto first = raw_of(dialler.hello(Usec(0)));
        CHECK(acceptor.on_hello(std::get<Hello>(*decode(first)), first).why == Refusal::none);
        const auto second = raw_of(acceptor.hello(Usec(0)));
        CHECK(dialler.on_hello(std::get<Hello>(*decode(second)), second).why == Refusal::none);
    };
    const auto nonce = [](uint8_t fill) {
        Nonce made;
        made.fill(fill);
        return made;
    };
    Handshake dialler(a, Role::dialler, nonce(1), Lane::control, std::nullopt);
    Handshake acceptor(b, Role::acceptor, nonce(2), Lane::control, std::nullopt);
    meet(dialler, acceptor);
    CHECK(acceptor.on_proof(dialler.proof()).why == Refusal::none);
    CHECK(dialler.on_proof(acceptor.proof()).why == Refusal::none);
    CHECK(acceptor.on_proof(acceptor.proof()).why == Refusal::wrong_key);
    CHECK(dialler.on_proof(dialler.proof()).why == Refusal::wrong_key);
    CHECK(dialler.session() == nonce(2));
    CHECK(acceptor.session() == nonce(2));

    std::vector<Digest> macs = {dialler.proof().mac, acceptor.proof().mac};
    const auto mac_with = [&](const Identity& identity, uint8_t ours, uint8_t theirs, Lane lane) {
        std::optional<Nonce> session;
        if (lane == Lane::bulk) session = nonce(9);
        Handshake one(identity, Role::dialler, nonce(ours), lane, session);
        Handshake other(b, Role::acceptor, nonce(theirs), lane, std::nullopt);
        meet(one, other);
        return one.proof().mac;
    };
    macs.push_back(mac_with(a, 3, 2, Lane::control));
    macs.push_back(mac_with(a, 1, 3, Lane::control));
    macs.push_back(mac_with(a, 1, 2, Lane::bulk));
    Identity other = a;
    other.member.incarnation.value = 2;
    macs.push_back(mac_with(other, 1, 2, Lane::control));
    other = a;
    other.member.endpoint.port = 2;
    macs.push_back(mac_with(other, 1, 2, Lane::control));
    CHECK(mac_with(a, 1, 2, Lane::control) == macs[0]);
    std::sort(macs.begin(), macs.end());
    CHECK(std::unique(macs.begin(), macs.end()) == macs.end());
}

TEST_CASE("a bulk connection without its control connection, or with another's, is refused") {
    Loop loop;
    Node victim(loop, impatient(1, "key"));
    Stranger alone(victim.endpoint);
    ByHand orphan(alone, 7, "key", Lane::bulk, Nonce{});
    Packet answer = orphan.greet(loop);
    REQUIRE(std::holds_alternative<Refuse>(answer));
    CHECK(std::get<Refuse>(answer).code == static_cast<uint16_t>(Refusal::no_session));

    Stranger socket(victim.endpoint);
    ByHand control(socket, 7, "key");
    control.greet(loop);
    REQUIRE(std::holds_alternative<Proof>(control.prove(loop)));
    Stranger thief(victim.endpoint);
    ByHand stolen(thief, 8, "key", Lane::bulk, control.handshake.session());
    answer = stolen.greet(loop);
    REQUIRE(std::holds_alternative<Refuse>(answer));
    CHECK(std::get<Refuse>(answer).code == static_cast<uint16_t>(Refusal::no_session));
    CHECK(victim.ups == 0);
    // A control connection whose bulk connection never comes does not stay.
    REQUIRE(socket.wait_for_hang_up(loop));
    require_unharmed(loop, victim);
}

TEST_CASE("silence at any point of the handshake ends the connection") {
    Loop loop;
    Node victim(loop, impatient(1, "key"));
    Stranger mute(victim.endpoint);
    Stranger half(victim.endpoint);
    half.say(bytes_of("EDD"));
    Stranger hello(victim.endpoint);
    ByHand shy(hello, 7, "key");
    shy.greet(loop);
    Stranger slow(victim.endpoint);
    ByHand torn(slow, 8, "key");
    slow.say(torn.handshake.preamble());
    const auto bytes = joined(torn.handshake.hello(Usec(0)));
    slow.say(std::span(bytes).first(bytes.size() / 2));
    for (Stranger* stranger : {&mute, &half, &hello, &slow}) CHECK(stranger->wait_for_hang_up(loop));
    CHECK(victim.logged("took too long"));
    require_unharmed(loop, victim);
}

}  // namespace eddy::transport::testing
