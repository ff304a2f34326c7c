// Handshakes done by hand, up to the point where a test departs from them.
#pragma once

#include <algorithm>
#include <optional>
#include <string>

#include "stranger.hpp"

namespace eddy::transport::testing {

/// One side of a handshake done by hand, up to the point where a test departs from it.
struct ByHand {
    Identity identity;
    Nonce nonce{};
    Handshake handshake;
    Stranger& socket;
    Usec clock{0};

    ByHand(Stranger& socket_, uint8_t id, const std::string& key, Lane lane = Lane::control,
           std::optional<Nonce> session = std::nullopt, Role role = Role::dialler, bool probe = false)
        : identity(identity_of(id, key, probe)),
          nonce(*random_nonce()),
          handshake(identity, role, nonce, lane, session),
          socket(socket_) {}

    /// Says hello and hears the answer.
    Packet greet(Loop& loop) {
        socket.say(handshake.preamble());
        socket.say(handshake.hello(clock));
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
        socket.say(handshake.hello(clock));
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

}  // namespace eddy::transport::testing
