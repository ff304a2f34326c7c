#include "src/transport/handshake.hpp"

#include <algorithm>
#include <cstring>

namespace eddy::transport {
namespace {

constexpr std::array<char, 4> magic = {'E', 'D', 'D', 'Y'};

/// Over the segments with their lengths, so that no two different messages look alike.
Digest digest_of(std::span<const std::span<const std::byte>> segments) {
    std::string bytes;
    for (const auto& segment : segments) {
        bytes += std::to_string(segment.size()) + ":";
        bytes.append(reinterpret_cast<const char*>(segment.data()), segment.size());
    }
    return sha256(bytes);
}

template <size_t size>
void append(std::string& to, const std::array<uint8_t, size>& bytes) {
    to.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

void append(std::string& to, const PreambleBytes& bytes) {
    to.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace

PreambleBytes encode(const Preamble& preamble) {
    PreambleBytes bytes{};
    std::memcpy(bytes.data(), magic.data(), magic.size());
    bytes[4] = static_cast<std::byte>(preamble.version & 0xff);
    bytes[5] = static_cast<std::byte>(preamble.version >> 8);
    bytes[6] = static_cast<std::byte>(preamble.lane);
    bytes[7] = static_cast<std::byte>(preamble.role);
    return bytes;
}

std::optional<Preamble> decode_preamble(const PreambleBytes& bytes) {
    if (std::memcmp(bytes.data(), magic.data(), magic.size()) != 0) return std::nullopt;
    Preamble preamble;
    preamble.version =
        static_cast<uint16_t>(std::to_integer<unsigned>(bytes[4]) | std::to_integer<unsigned>(bytes[5]) << 8);
    if (preamble.version != protocol_version) return preamble;
    if (std::to_integer<unsigned>(bytes[6]) > 1 || std::to_integer<unsigned>(bytes[7]) > 1) return std::nullopt;
    preamble.lane = static_cast<Lane>(bytes[6]);
    preamble.role = static_cast<Role>(bytes[7]);
    return preamble;
}

Handshake::Handshake(const Identity& identity, Role role, const Nonce& nonce, Lane lane, std::optional<Nonce> session)
    : identity_(identity), role_(role), lane_(lane) {
    ours_.cluster = identity.cluster;
    ours_.member = identity.member;
    ours_.instance = identity.instance;
    ours_.nonce = nonce;
    ours_.keyed = !identity.key.empty();
    ours_.session = session;
    ours_.chain_hash = identity.chain_hash;
    ours_.probe = identity.probe;
}

bool Handshake::on_preamble(const Preamble& theirs) {
    if (theirs.role == role_) return false;
    if (role_ == Role::acceptor) lane_ = theirs.lane;
    return theirs.lane == lane_;
}

PreambleBytes Handshake::preamble() const { return encode(Preamble{protocol_version, lane_, role_}); }

Encoded Handshake::hello(Usec wall_clock) {
    ours_.wall_clock = wall_clock;
    Encoded encoded = encode(ours_);
    our_hello_ = digest_of(std::span(encoded.pieces).subspan(1));  // the segments, without their table
    return encoded;
}

Refused Handshake::on_hello(const Hello& hello, const RawMessage& raw) {
    theirs_ = hello;
    heard_ = true;
    their_hello_ = digest_of(raw.segments);
    if (hello.cluster != identity_.cluster)
        return {Refusal::other_cluster, "this node is of cluster \"" + identity_.cluster + "\", the other of \"" +
                                            hello.cluster + "\" ([cluster] name)"};
    if (hello.instance == identity_.instance) return {Refusal::self, "this is the very node that dials"};
    const bool probe = hello.probe || ours_.probe;
    if (hello.probe && (role_ == Role::dialler || lane_ != Lane::control))
        return {Refusal::malformed, "a probe where there must be none"};
    if (hello.member.id == identity_.member.id && !probe)
        return {Refusal::claimed, "node id " + short_name(hello.member.id) + " is already that of \"" +
                                      identity_.member.name +
                                      "\": every node needs a name or id, and a data_dir, of its own"};
    if (hello.keyed == identity_.key.empty())
        return {Refusal::wrong_key, identity_.key.empty() ? "the other side has a [cluster] key, this node has none"
                                                          : "this node has a [cluster] key, the other side has none"};
    if (hello.session.has_value() != (lane_ == Lane::bulk && role_ == Role::acceptor))
        return {Refusal::malformed, "a hello names a session where it must not, or none where it must"};
    return {};
}

Digest Handshake::mac_of(Role prover) const {
    const bool dialled = role_ == Role::dialler;
    std::string transcript = prover == Role::dialler ? "eddy proof of the dialler" : "eddy proof of the acceptor";
    append(transcript, encode(Preamble{protocol_version, lane_, Role::dialler}));
    append(transcript, encode(Preamble{protocol_version, lane_, Role::acceptor}));
    append(transcript, dialled ? our_hello_ : their_hello_);
    append(transcript, dialled ? their_hello_ : our_hello_);
    return hmac_sha256(identity_.key, as_span(transcript));
}

Proof Handshake::proof() const { return Proof{mac_of(role_)}; }

Refused Handshake::on_proof(const Proof& theirs) const {
    const Digest expected = mac_of(role_ == Role::dialler ? Role::acceptor : Role::dialler);
    if (equal_in_constant_time(expected, theirs.mac)) return {};
    return {Refusal::wrong_key, "the [cluster] key of the two nodes differs"};
}

}  // namespace eddy::transport
