#include "src/control/peer_checks.hpp"

#include <set>

#include <doctest/doctest.h>

using namespace eddy::control;

namespace {

const std::string id_a(40, 'a');
const std::string id_b(40, 'b');

OwnFacts own() {
    OwnFacts facts;
    facts.id = id_a;
    facts.cluster = "porch";
    facts.chain_hash = std::string(64, '1');
    return facts;
}

PeerProbe reached() {
    PeerProbe probe;
    probe.kind = "seed";
    probe.address = "10.0.0.7:7070";
    probe.reach = Reach::proved;
    probe.took_ms = 1.25;
    probe.version = 1;
    probe.hello = PeerHello{"b", id_b, 4, "porch", "10.0.0.7:7070", std::string(64, '1'), 0.2};
    return probe;
}

PeerProbe failed(Reach reach, std::string reason = "") {
    PeerProbe probe = reached();
    probe.reach = reach;
    probe.reason = std::move(reason);
    return probe;
}

OwnFacts running(bool with_peer) {
    OwnFacts facts = own();
    facts.status = NodeStatus{};
    facts.status->name = "a";
    facts.status->id = id_a;
    facts.status->incarnation = 2;
    RingMember self;
    self.id = id_a;
    RingMember peer;
    peer.id = id_b;
    facts.status->ring = {self};
    if (with_peer) facts.status->ring.push_back(peer);
    return facts;
}

/// The only check, which must be wrong.
Check only(const PeerProbe& probe, const OwnFacts& facts = own()) {
    const Checks checks = explain(probe, facts);
    REQUIRE(checks.size() == 1);
    CHECK_FALSE(checks[0].ok);
    CHECK(checks[0].check == "seed");
    CHECK(checks[0].where == "10.0.0.7:7070");
    return checks[0];
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a peer in order is one line with who it is and how fast it answered") {
    CHECK(explain(reached(), own()) ==
          Checks{well("seed", "10.0.0.7:7070", "b (bbbbbbbb), incarnation 4, answered in 1.2 ms")});
}

TEST_CASE("every way to fail has a problem of its own, and advice") {
    std::set<std::string> problems;
    size_t count = 0;
    for (const Reach reach : {Reach::unresolved, Reach::refused, Reach::no_route, Reach::filtered, Reach::silent,
                              Reach::not_eddy, Reach::other_version, Reach::other_cluster, Reach::wrong_key,
                              Reach::key_needed, Reach::claimed, Reach::full, Reach::closed}) {
        CAPTURE(word(reach));
        const Check check = only(failed(reach));
        CHECK_FALSE(check.advice.empty());
        problems.insert(check.problem);
        ++count;
        CHECK(reach_of(word(reach)) == reach);
    }
    CHECK(problems.size() == count);
    CHECK_FALSE(reach_of("bewitched").has_value());
}

TEST_CASE("what was found stands in the problem") {
    CHECK(has(only(failed(Reach::refused)).problem, "port 7070"));
    CHECK(has(only(failed(Reach::unresolved, "unknown node")).problem, "\"10.0.0.7\" does not resolve (unknown node)"));
    PeerProbe version = failed(Reach::other_version);
    version.version = 9;
    CHECK(only(version).problem == "it speaks version 9 of the protocol, this node version 1");
    PeerProbe cluster = failed(Reach::other_cluster);
    cluster.hello->cluster = "yard";
    CHECK(only(cluster).problem == "it is of cluster \"yard\", this node of \"porch\"");
    CHECK(has(only(failed(Reach::wrong_key, "the other side has none")).problem, "the other side has none"));
    PeerProbe mute = failed(Reach::closed, "reset");
    CHECK(has(only(mute).problem, "half-way (reset)"));
    mute.version.reset();
    CHECK(has(only(mute).problem, "before a word was said (reset)"));
    PeerProbe named = failed(Reach::filtered);
    named.addresses = {"192.0.2.1", "192.0.2.2"};
    CHECK(has(only(named).problem, "10.0.0.7 is 192.0.2.1, 192.0.2.2"));
}

TEST_CASE("a clock more than five seconds off is told, ahead or behind, also when the handshake failed") {
    for (const double ahead : {5.1, -5.1, 7200.0}) {
        PeerProbe probe = reached();
        probe.hello->clock_ahead_s = ahead;
        const Checks checks = explain(probe, own());
        REQUIRE(checks.size() == 2);
        CHECK(checks[0].ok);
        CHECK(checks[1].check == "clock");
        CHECK(has(checks[1].problem, ahead > 0 ? "ahead of" : "behind"));
    }
    PeerProbe probe = reached();
    probe.hello->clock_ahead_s = 61;
    CHECK(has(explain(probe, own())[1].problem, "61.0 s ahead"));
    probe.hello->clock_ahead_s = -4.9;
    CHECK(explain(probe, own()).size() == 1);
    probe.hello->clock_ahead_s.reset();
    CHECK(explain(probe, own()).size() == 1);
    PeerProbe foreign = failed(Reach::other_cluster);
    foreign.hello->clock_ahead_s = 100;
    CHECK(explain(foreign, own()).size() == 2);
}

TEST_CASE("another model is told, a missing one is not: such a node relays") {
    PeerProbe probe = reached();
    probe.hello->chain_hash = std::string(64, '2');
    const Checks checks = explain(probe, own());
    REQUIRE(checks.size() == 2);
    CHECK(checks[1].check == "model");
    CHECK(has(checks[1].problem, "22222222 there, 11111111 here"));
    probe.hello->chain_hash.clear();
    CHECK(explain(probe, own()).size() == 1);
    OwnFacts relay = own();
    relay.chain_hash.clear();
    CHECK(explain(reached(), relay).size() == 1);
}

TEST_CASE("a peer that tells others to dial its own loopback is told, unless it was reached there") {
    PeerProbe probe = reached();
    probe.hello->address = "127.0.0.1:7070";
    const Checks checks = explain(probe, own());
    REQUIRE(checks.size() == 2);
    CHECK(checks[1].check == "advertise");
    probe.address = "localhost:7070";
    CHECK(explain(probe, own()).size() == 1);
}

TEST_CASE("this node itself is recognised by id, name and incarnation; another with its id is not") {
    PeerProbe probe = reached();
    probe.hello->id = id_a;
    probe.hello->name = "a";
    probe.hello->incarnation = 2;
    CHECK(explain(probe, running(false)) == Checks{well("seed", "10.0.0.7:7070", "is this node itself")});
    CHECK(explain(failed(Reach::self), own()) == Checks{well("seed", "10.0.0.7:7070", "is this node itself")});
    // Not running, so the one that answers is another.
    CHECK(has(only(probe).problem, "another node has this node's id (\"a\", incarnation 2, at 10.0.0.7:7070)"));
    probe.hello->incarnation = 3;
    CHECK(has(only(probe, running(false)).problem, "another node has this node's id"));
    probe.hello->incarnation = 2;
    probe.hello->name = "copy";
    CHECK(has(only(probe, running(false)).problem, "another node has this node's id"));
}

TEST_CASE("a peer that the running node lacks is told, with what the node's last try met") {
    CHECK(explain(reached(), running(true)).size() == 1);
    OwnFacts facts = running(false);
    Checks checks = explain(reached(), facts);
    REQUIRE(checks.size() == 2);
    CHECK(checks[1].check == "ring");
    CHECK_FALSE(checks[1].ok);

    facts.status->unreached = {{"10.0.0.9:1", "full", "elsewhere", 1}, {"10.0.0.7:7070", "claimed", "taken by b2", 1}};
    checks = explain(reached(), facts);
    REQUIRE(checks.size() == 2);
    CHECK(has(checks[1].problem, "another node has this node's id (taken by b2)"));
    CHECK(has(checks[1].advice, "data_dir"));
    facts.status->unreached = {{"10.0.0.7:7070", "bewitched", "a later Eddy's word", 1}};
    CHECK(has(explain(reached(), facts)[1].problem, "a later Eddy's word"));
}
