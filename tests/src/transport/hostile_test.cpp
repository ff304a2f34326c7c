// Goal: whatever a stranger or a false friend sends, it ends in its own disconnection and a log line, and the node goes
// on serving its peers. Method: bare sockets against a network, with short timeouts.
#include <algorithm>
#include <cstring>

#include "by_hand.hpp"
#include "capnp_tool.hpp"

namespace eddy::transport::testing {

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
    const msg::Member neighbour{{}, {}, "name", {"host", 1}};
    auto malformed = joined(*encode(msg::Found{1, true, {neighbour}}, {}));
    // After the table, the root pointer and the words that say what kind it is: a pointer to nowhere.
    std::fill(malformed.begin() + 32, malformed.end(), std::byte{0xff});
    const std::vector<Offence> offences = {
        {"tensors on the control lane", "wrong connection", joined(*encode(msg::Work{}, {})), {}},
        {"a heartbeat on the bulk lane", "wrong connection", {}, joined(*encode(msg::Ping{}, {}))},
        {"rows on the control lane", "wrong connection", joined(*encode(msg::Rows{}, {})), {}},
        {"a receipt of rows on the bulk lane", "wrong connection", {}, joined(*encode(msg::RowsAck{}, {}))},
        {"a second hello", "handshake again", joined(encode(Hello{"eddy", neighbour, {}, {}, true, {}, {}})), {}},
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

TEST_CASE("impossible messages drop their sender, with one log line however often it comes back") {
    const std::string node = "node = '12345678901234567890'";
    const std::string member = "(" + node + ", name = 'n', host = 'h', port = 1)";
    const auto list = [&](size_t count) {
        std::string text = "[";
        for (size_t i = 0; i < count; ++i) text += (i == 0 ? "" : ", ") + member;
        return text + "]";
    };
    const auto remaining = [](const std::string& entries) { return "(nodeState = (remaining = [" + entries + "]))"; };
    std::string many = "(layer = 0)";
    for (size_t i = 1; i <= remaining_max; ++i) many += ", (layer = " + std::to_string(i) + ")";
    std::string numbers = "1";
    for (size_t i = 0; i < msg::released_max; ++i) numbers += ", 1";
    struct Offence {
        std::string message;
        std::string reason;
    };
    const std::vector<Offence> offences = {
        {"(findSuccessor = (request = 1, key = 'too short'))", "a node id has 9 bytes (must be 20)"},
        {"(findSuccessor = (request = 1))", "a node id has 0 bytes"},
        {"(found = (request = 1, before = " + list(found_members_max + 1) + "))", "entries (at most"},
        {"(found = (request = 1, after = " + list(found_members_max + 1) + "))", "entries (at most"},
        {"(getNeighbours = (request = 0))", "no number"},
        {"(neighbours = (request = 1, successors = " + list(members_max + 1) + "))", "65 entries (at most 64)"},
        {"(neighbours = (request = 1, successors = " + list(1500) + "))", "1500 entries (at most 64)"},
        {"(neighbours = (unchanged = true, predecessor = " + member + "))", "not changed"},
        {"(neighbours = (predecessor = (port = 1)))", "a node id has 0 bytes"},
        {"(introduce = (" + node + ", host = 'h', port = 0))", "no host or no port"},
        {"(introduce = (" + node + ", host = '', port = 1))", "no host or no port"},
        {"(introduce = (" + node + ", name = 'a\\nb', host = 'h', port = 1))", "not printable"},
        {"(nodeState = (pressure = -1))", "a pressure is not finite"},
        {"(ack = (released = [" + numbers + "]))", "257 entries (at most 256)"},
        {remaining(many), "17 entries (at most 16)"},
        {remaining("(layer = 5), (layer = 5)"), "order of their layers"},
        {remaining("(layer = 5, timeUsec = -1)"), "negative"},
        {remaining("(layer = 5, price = -1)"), "price"},
        {remaining("(layer = 5, price = nan)"), "price"},
        {remaining("(layer = 5, price = 1e7)"), "price"},
        {remaining("(layer = 5, timeUsec = 9223372036854775807)"), "longer than a year"},
    };
    Loop loop;
    Node victim(loop, impatient(1, "key"));
    for (const Offence& offence : offences) {
        CAPTURE(offence.reason);
        std::string text = offence.message;
        std::replace(text.begin(), text.end(), '\'', '"');
        const auto bytes = run_capnp("encode", bytes_of(text));
        REQUIRE_FALSE(bytes.empty());
        const size_t downs = victim.downs.size();
        FalseFriend stranger(loop, victim, 7);
        stranger.control.say(bytes);
        REQUIRE(wait(loop, [&] { return victim.downs.size() == downs + 1; }));
        CHECK(victim.downs.back().second.find(offence.reason) != std::string::npos);
    }
    CHECK(victim.received.empty());
    const auto says = [](const std::string& line) { return line.find("broke the protocol") != std::string::npos; };
    CHECK(std::count_if(victim.lines.begin(), victim.lines.end(), says) == 1);
    require_unharmed(loop, victim);
}

TEST_CASE("a peer that inquires without end is answered within bounds, and logged once") {
    Loop loop;
    auto config = impatient(1, "key");
    config.control_queue_bytes_max = 64 * 1024;
    config.stall_timeout = patience;
    Node victim(loop, config);
    FalseFriend stranger(loop, victim, 7);
    stranger.control.say(encode(Alive{5}));  // nobody asked
    stranger.control.say(encode(Inquiry{7, "10.0.0.9:1\n"}));
    const Packet answer = *decode(stranger.control.wait_for_message(loop));
    REQUIRE(std::holds_alternative<Alive>(answer));
    CHECK(std::get<Alive>(answer).number == 7);
    CHECK(victim.logged("another process, at 10.0.0.9:1?, asks \"stranger\""));
    std::vector<std::byte> many;
    const auto one = joined(encode(Inquiry{8, "10.0.0.9:2"}));
    for (int i = 0; i < 200; ++i) many.insert(many.end(), one.begin(), one.end());
    // Never read: at some point the victim has said enough.
    REQUIRE(wait(loop, [&] {
        if (victim.downs.empty()) stranger.control.try_say(many);
        return !victim.downs.empty();
    }));
    CHECK(victim.downs[0].second.find("does not read") != std::string::npos);
    const auto says = [](const std::string& line) { return line.find("this very node") != std::string::npos; };
    CHECK(std::count_if(victim.lines.begin(), victim.lines.end(), says) == 1);
    stranger.control.hang_up();
    stranger.bulk.hang_up();
    require_unharmed(loop, victim);
}

TEST_CASE("a node that says it listens nowhere does not come in") {
    Loop loop;
    Node victim(loop, impatient(1, "key"));
    Stranger socket(victim.endpoint);
    Identity nowhere = identity_of(7, "key");
    nowhere.member.endpoint.port = 0;
    Handshake handshake(nowhere, Role::dialler, *random_nonce(), Lane::control, std::nullopt);
    socket.say(handshake.preamble());
    socket.say(handshake.hello(Usec(0)));
    CHECK(socket.wait_for_hang_up(loop));
    CHECK(victim.logged("listens on port 0"));
    require_unharmed(loop, victim);
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
