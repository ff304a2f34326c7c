// Goal: whatever a stranger or a false friend sends, it ends in its own disconnection and a log line, and the node goes
// on serving its peers. Method: bare sockets against a network, with short timeouts.
#include <algorithm>
#include <cstring>

#include "stranger.hpp"

namespace eddy::transport::testing {
namespace {

NetworkConfig impatient(uint8_t id, const std::string& key = "") {
    auto config = Node::defaults(id, key);
    config.handshake_timeout = std::chrono::milliseconds(100);
    config.stall_timeout = std::chrono::milliseconds(100);
    return config;
}

std::vector<std::byte> bytes_of(std::string_view text) {
    const auto bytes = as_span(text);
    return {bytes.begin(), bytes.end()};
}

/// After every attack: the victim has forgotten the attacker, and still takes honest peers.
void require_unharmed(Loop& loop, Node& victim) {
    REQUIRE(wait(loop, [&] { return victim.network->connections() == 2 * victim.up.size(); }));
    auto config = Node::defaults(200, victim.config.cluster_key);
    config.cluster = victim.config.cluster;
    Node honest(loop, config);
    honest.network->connect(victim.endpoint);
    require_joined(loop, victim, honest);
}

/// One side of a handshake done by hand, up to the point where a test departs from it.
struct ByHand {
    Identity identity;
    Nonce nonce{};
    Handshake handshake;
    Stranger& socket;

    ByHand(Stranger& socket_, uint8_t id, const std::string& key, Lane lane = Lane::control,
           std::optional<Nonce> session = std::nullopt, Role role = Role::dialler)
        : identity(identity_of(id, key)),
          nonce(*random_nonce()),
          handshake(identity, role, nonce, lane, session),
          socket(socket_) {}

    /// Says hello and hears the answer.
    Packet greet(Loop& loop) {
        socket.say(handshake.preamble());
        socket.say(handshake.hello());
        const auto raw = socket.wait_for_message(loop);
        Packet packet = *decode(raw);
        if (const auto* hello = std::get_if<Hello>(&packet))
            CHECK(handshake.on_hello(*hello, raw).why == Refusal::none);
        return packet;
    }
    Packet prove(Loop& loop, const Proof& proof) {
        socket.say(encode(proof));
        return *decode(socket.wait_for_message(loop));
    }
    /// The same as the one who is dialled: everything but the last proof.
    Packet receive(Loop& loop) {
        const auto first = socket.wait_for_message(loop);
        PreambleBytes theirs{};
        std::copy_n(socket.heard.begin(), theirs.size(), theirs.begin());
        REQUIRE(handshake.on_preamble(*decode_preamble(theirs)));
        CHECK(handshake.on_hello(std::get<Hello>(*decode(first)), first).why == Refusal::none);
        socket.say(handshake.preamble());
        socket.say(handshake.hello());
        return *decode(socket.wait_for_message(loop));
    }
    Packet prove(Loop& loop) { return prove(loop, handshake.proof()); }
};

/// A stranger who holds the key and has joined by hand.
struct FalseFriend {
    Stranger control;
    Stranger bulk;

    FalseFriend(Loop& loop, Node& victim, uint8_t id) : control(victim.endpoint), bulk(victim.endpoint) {
        const std::string& key = victim.config.cluster_key;
        ByHand first(control, id, key);
        REQUIRE(std::holds_alternative<Hello>(first.greet(loop)));
        REQUIRE(std::holds_alternative<Proof>(first.prove(loop)));
        ByHand second(bulk, id, key, Lane::bulk, first.handshake.session());
        REQUIRE(std::holds_alternative<Hello>(second.greet(loop)));
        const Packet theirs = second.prove(loop);
        REQUIRE(std::holds_alternative<Proof>(theirs));
        CHECK(second.handshake.on_proof(std::get<Proof>(theirs)).why == Refusal::none);
        REQUIRE(wait(loop, [&] { return victim.up.contains(id_of(id)); }));
    }
};

}  // namespace

TEST_CASE("garbage is turned away with one log line, however often it comes") {
    Loop loop;
    Node victim(loop, impatient(1, "key"));
    for (int i = 0; i < 5; ++i) {
        Stranger stranger(victim.endpoint);
        stranger.say(bytes_of("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
        REQUIRE(stranger.wait_for_hang_up(loop));
        CHECK(stranger.heard.empty());
    }
    const auto says = [](const std::string& line) { return line.find("does not speak Eddy") != std::string::npos; };
    CHECK(std::count_if(victim.lines.begin(), victim.lines.end(), says) == 1);
    require_unharmed(loop, victim);
}

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
    CHECK(victim.logged("speaks protocol version 258, this node version 1"));
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

TEST_CASE("a peer that says goodbye on one lane and then nothing is not waited for for ever") {
    Loop loop;
    Node victim(loop, impatient(1, "key"));
    FalseFriend stranger(loop, victim, 7);
    stranger.control.say(encode(Bye{"off\nI go"}));
    REQUIRE(wait(loop, [&] { return !victim.network->send(id_of(7), msg::Ping{}).ok(); }));
    CHECK(victim.downs.empty());
    REQUIRE(wait(loop, [&] { return !victim.downs.empty(); }));
    CHECK(victim.downs[0].second == "it left: off?I go");
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
        const auto first = raw_of(dialler.hello());
        CHECK(acceptor.on_hello(std::get<Hello>(*decode(first)), first).why == Refusal::none);
        const auto second = raw_of(acceptor.hello());
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
    const auto bytes = joined(torn.handshake.hello());
    slow.say(std::span(bytes).first(bytes.size() / 2));
    for (Stranger* stranger : {&mute, &half, &hello, &slow}) CHECK(stranger->wait_for_hang_up(loop));
    CHECK(victim.logged("took too long"));
    require_unharmed(loop, victim);
}

TEST_CASE("huge announced sizes are refused before and after the handshake") {
    Loop loop;
    Node victim(loop, impatient(1, "key"));
    const uint32_t huge[] = {0, 0x1fffffff};
    {
        Stranger stranger(victim.endpoint);
        stranger.say(Preamble{});
        stranger.say(std::as_bytes(std::span(huge)));
        REQUIRE(stranger.wait_for_hang_up(loop));
        CHECK(victim.logged("at most 4096"));
    }
    FalseFriend stranger(loop, victim, 7);
    stranger.bulk.say(std::as_bytes(std::span(huge)));
    REQUIRE(wait(loop, [&] { return !victim.downs.empty(); }));
    CHECK(victim.downs[0].second.find("announces a message of 4294967") != std::string::npos);
    require_unharmed(loop, victim);
}

TEST_CASE("half a message and then silence, or the end, drops the peer") {
    for (const bool hang_up : {false, true}) {
        CAPTURE(hang_up);
        Loop loop;
        Node victim(loop, impatient(1, "key"));
        FalseFriend stranger(loop, victim, 7);
        auto data = allocate_bytes(100000);
        const HostTensor tensor{{ValueId{}, DType::u8, {100000}, {}}, SharedBytes(data, 100000)};
        const auto bytes = joined(*encode(msg::Work{}, {tensor}));
        stranger.bulk.say(std::span(bytes).first(60000));
        REQUIRE(wait(loop, [&] { return victim.progress > 0; }));
        if (hang_up) stranger.bulk.hang_up();
        REQUIRE(wait(loop, [&] { return !victim.downs.empty(); }));
        CHECK(victim.downs[0].second.find(hang_up ? "hung up" : "middle of a message") != std::string::npos);
        CHECK(victim.received.empty());
        stranger.control.hang_up();
        stranger.bulk.hang_up();
        require_unharmed(loop, victim);
    }
}

TEST_CASE("an idle peer is not taken for a stalled one") {
    Loop loop;
    auto config = impatient(1, "key");
    config.stall_timeout = std::chrono::milliseconds(20);
    Node victim(loop, config);
    FalseFriend stranger(loop, victim, 7);
    loop.run_until([&] { return !victim.downs.empty(); }, std::chrono::milliseconds(150));
    CHECK(victim.downs.empty());
}

TEST_CASE("a peer that breaks the protocol after joining is dropped, and told why") {
    struct Offence {
        std::string name;
        std::string reason;
        std::vector<std::byte> control;
        std::vector<std::byte> bulk;
    };
    auto malformed = joined(*encode(msg::Neighbours{{{}}}, {}));
    // After the table, the root pointer and the words that say what kind it is: a pointer to nowhere.
    std::fill(malformed.begin() + 32, malformed.end(), std::byte{0xff});
    const std::vector<Offence> offences = {
        {"tensors on the control lane", "wrong connection", joined(*encode(msg::Work{}, {})), {}},
        {"a heartbeat on the bulk lane", "wrong connection", {}, joined(*encode(msg::Ping{}, {}))},
        {"a second hello", "handshake again", joined(encode(Hello{})), {}},
        {"a malformed message", "malformed", malformed, {}},
        {"zeros", "empty message", std::vector<std::byte>(64), {}},
    };
    for (const Offence& offence : offences) {
        CAPTURE(offence.name);
        Loop loop;
        Node victim(loop, impatient(1, "key"));
        FalseFriend stranger(loop, victim, 7);
        if (!offence.control.empty()) stranger.control.say(offence.control);
        if (!offence.bulk.empty()) stranger.bulk.say(offence.bulk);
        REQUIRE(wait(loop, [&] { return !victim.downs.empty(); }));
        CHECK(victim.downs[0].second.find(offence.reason) != std::string::npos);
        // The lane that still stands carries the reason.
        Stranger& other = offence.control.empty() ? stranger.control : stranger.bulk;
        const auto bye = *decode(other.wait_for_message(loop));
        REQUIRE(std::holds_alternative<Bye>(bye));
        CHECK(std::get<Bye>(bye).reason.find(offence.reason) != std::string::npos);
        CHECK(victim.received.empty());
        stranger.control.hang_up();
        stranger.bulk.hang_up();
        require_unharmed(loop, victim);
    }
}

TEST_CASE("a peer that floods with dials cannot keep others out") {
    Loop loop;
    auto config = Node::defaults(1, "key");
    config.half_open_max = 8;
    Node victim(loop, config);
    std::vector<std::unique_ptr<Stranger>> strangers;
    for (int i = 0; i < 50; ++i) {
        strangers.push_back(std::make_unique<Stranger>(victim.endpoint));
        CHECK(victim.network->connections() <= 8);
        if (i % 5 == 0) loop.run_until([] { return false; }, std::chrono::milliseconds(2));
    }
    CHECK(wait(loop, [&] { return victim.logged("too many unfinished"); }));
    Node honest(loop, 2, "key");
    honest.network->connect(victim.endpoint);
    require_joined(loop, victim, honest);
    CHECK(victim.network->connections() <= 8 + 2);
}

TEST_CASE("something else that listens where a node was expected is named") {
    Loop loop;
    Node a(loop, impatient(1));
    Host host;
    const auto dialled = [&] {
        a.network->connect(host.endpoint);
        return host.accept(loop);
    };
    const auto next_failure = [&] {
        const size_t before = a.failures.size();
        REQUIRE(wait(loop, [&] { return a.failures.size() > before; }));
        return a.failures.back().first;
    };
    Stranger silent(dialled());
    CHECK(next_failure() == DialFailure::timeout);
    Stranger other(dialled());
    other.say(bytes_of("220 mail.example ESMTP\r\n"));
    CHECK(next_failure() == DialFailure::not_eddy);
    Stranger old(dialled());
    old.say(encode(Preamble{.version = 0}));
    CHECK(next_failure() == DialFailure::other_version);
    Stranger mirror(dialled());
    mirror.say(encode(Preamble{.role = Role::dialler}));
    CHECK(next_failure() == DialFailure::not_eddy);
    Stranger short_lived(dialled());
    short_lived.hang_up();
    CHECK(next_failure() == DialFailure::closed);
}

}  // namespace eddy::transport::testing
