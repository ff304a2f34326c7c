// Who speaks? Two fixed words and four messages on each connection, as a pure state machine without sockets:
//
//   dialler  -> preamble, Hello      preamble = "EDDY", protocol version (16 bits, little-endian), lane, role:
//   acceptor -> preamble, Hello      the same in every version to come, so that versions can refuse each other
//   dialler  -> Proof
//   acceptor -> Proof
//
// A proof is HMAC-SHA256 with the cluster key over the prover's role and both sides' preambles and Hellos as they
// were on the wire: so over both fresh nonces, ids, incarnations, addresses, cluster, version and lane. The roles
// differ, so a proof cannot be reflected; the nonces are fresh, so it cannot be replayed; the dialler proves first,
// so nobody collects proofs by dialling. What follows is neither encrypted nor authenticated message by message:
// that is TLS's business (stream.hpp).
#pragma once

#include <array>
#include <optional>
#include <string>

#include "src/transport/codec.hpp"
#include "src/transport/network.hpp"

namespace eddy::transport {

enum class Role : uint8_t { dialler, acceptor };

/// Why one side will not go on; on the wire as its number, which never changes its meaning.
enum class Refusal : uint16_t {
    none = 0,
    other_cluster = 1,
    wrong_key = 2,
    claimed = 3,    ///< the refuser knows another living node by this id
    self = 4,       ///< the dialler has reached itself
    duplicate = 5,  ///< a connection from the other side is preferred, or stands already
    full = 6,
    malformed = 7,
    no_session = 8,  ///< a bulk connection whose control connection is unknown
};

struct Refused {
    Refusal why = Refusal::none;
    std::string text;
};

inline constexpr size_t preamble_bytes = 8;
using PreambleBytes = std::array<std::byte, preamble_bytes>;

struct Preamble {
    uint16_t version = protocol_version;
    Lane lane = Lane::control;
    Role role = Role::dialler;
    friend bool operator==(const Preamble&, const Preamble&) = default;
};
PreambleBytes encode(const Preamble& preamble);
/// Nothing if the magic word is missing. Lane and role are meaningful only if the version is this one's; then they are
/// in range.
std::optional<Preamble> decode_preamble(const PreambleBytes& bytes);

/// What this node says of itself on every connection.
struct Identity {
    std::string cluster;
    std::string key;
    msg::Member member;
    Instance instance{};
    ContentHash chain_hash;
    bool probe = false;  ///< only asks; its member's id claims nothing
};

/// One side of one connection's handshake. The caller moves the bytes and decides about refusals of its own.
class Handshake {
public:
    /// `identity` must outlive the handshake. `session` on a dialled bulk connection.
    Handshake(const Identity& identity, Role role, const Nonce& nonce, Lane lane, std::optional<Nonce> session);

    /// An acceptor learns the lane from the dialler. False: the other end plays this end's role, or the wrong lane.
    bool on_preamble(const Preamble& theirs);
    [[nodiscard]] PreambleBytes preamble() const;
    Encoded hello(Usec wall_clock);

    /// Their Hello, with the bytes it came in. Answers whether to go on.
    Refused on_hello(const Hello& hello, const RawMessage& raw);
    [[nodiscard]] Proof proof() const;
    Refused on_proof(const Proof& theirs) const;

    [[nodiscard]] Role role() const { return role_; }
    [[nodiscard]] Lane lane() const { return lane_; }
    /// Their Hello is here, whatever became of it.
    [[nodiscard]] bool heard() const { return heard_; }
    [[nodiscard]] const Hello& theirs() const { return theirs_; }
    /// The acceptor's nonce on a control connection: names the session that its bulk connection joins.
    [[nodiscard]] const Nonce& session() const { return role_ == Role::acceptor ? ours_.nonce : theirs_.nonce; }

private:
    [[nodiscard]] Digest mac_of(Role prover) const;

    const Identity& identity_;
    Role role_;
    Lane lane_;
    Hello ours_;
    Hello theirs_;
    bool heard_ = false;
    Digest our_hello_{};  ///< hashes of the Hellos' bytes
    Digest their_hello_{};
};

}  // namespace eddy::transport
