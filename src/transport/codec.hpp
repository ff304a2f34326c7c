// Plain structs <-> Cap'n Proto (schema/eddy.capnp), without a copy of tensor bytes in either direction. Pure: no
// socket, no clock; any thread.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "eddy/ids.hpp"
#include "eddy/messages.hpp"
#include "eddy/result.hpp"
#include "eddy/tensor.hpp"
#include "src/transport/crypto.hpp"
#include "src/transport/framing.hpp"

namespace eddy::transport {

using Instance = std::array<uint8_t, 16>;

/// The transport's own messages, which never leave this room. Meanings: schema/eddy.capnp.
struct Hello {
    std::string cluster;
    msg::Member member;
    Instance instance{};
    Nonce nonce{};
    bool keyed = false;
    std::optional<Nonce> session;
    ContentHash chain_hash;
    Usec wall_clock{0};  ///< 0: not told, or not between 1970 and the year 10000
    bool probe = false;
    friend bool operator==(const Hello&, const Hello&) = default;
};
struct Proof {
    Digest mac{};
    friend bool operator==(const Proof&, const Proof&) = default;
};
struct Refuse {
    uint16_t code = 0;
    std::string text;
    friend bool operator==(const Refuse&, const Refuse&) = default;
};
struct Bye {
    std::string reason;
    friend bool operator==(const Bye&, const Bye&) = default;
};
/// Another one claims the receiver's identity: does the receiver live?
struct Inquiry {
    uint64_t number = 0;
    std::string claimant;  ///< its address, for people
    friend bool operator==(const Inquiry&, const Inquiry&) = default;
};
struct Alive {
    uint64_t number = 0;  ///< of the inquiry
    friend bool operator==(const Alive&, const Alive&) = default;
};
/// A message of the core's. The tensors alias the buffer it was received into.
struct Delivery {
    Message message;
    std::vector<HostTensor> tensors;
};
using Packet = std::variant<Hello, Proof, Refuse, Bye, Inquiry, Alive, Delivery>;

/// A message ready to be written: the pieces in order, one system call. They stay valid as long as `owner` lives,
/// which keeps the tensors' bytes too.
struct Encoded {
    std::shared_ptr<const void> owner;
    std::vector<std::span<const std::byte>> pieces;
    uint64_t bytes = 0;
};

/// Texts that are too long are cut, scores that are not finite become 0 (a broken model must not cost the frame),
/// remaining times of more than a year become one; everything else that a decoder would refuse is refused here with
/// `invalid`.
Result<Encoded> encode(const Message& message, std::vector<HostTensor> tensors);
Encoded encode(const Hello& hello);
Encoded encode(const Proof& proof);
Encoded encode(const Refuse& refuse);
Encoded encode(const Bye& bye);
Encoded encode(const Inquiry& inquiry);
Encoded encode(const Alive& alive);

/// invalid: malformed, beyond a bound, or numbers no node would send · unsupported: well-formed, but of a kind this
/// version does not know.
Result<Packet> decode(const RawMessage& raw);

/// What every message must satisfy besides the bounds of its lists; both directions apply it.
Status check(const Message& message, std::span<const HostTensor> tensors);

/// Names and hosts: valid UTF-8 without control characters, at most `bytes_max`.
bool is_clean(std::string_view text, size_t bytes_max);
/// Texts for people: made so, by replacing and cutting.
std::string cleaned(std::string_view text, size_t bytes_max);

inline constexpr size_t host_bytes_max = 255;
inline constexpr size_t backlogs_max = 4 * sources_max;
/// A message may be this much larger than the tensors it carries, or it would hold memory that nobody counts.
inline constexpr uint64_t work_overhead_bytes_max = 64 * 1024;

}  // namespace eddy::transport
