// SHA-256, HMAC and random numbers for keys, through OpenSSL. Stateless; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "eddy/ids.hpp"
#include "eddy/result.hpp"

namespace eddy::transport {

using Digest = std::array<uint8_t, 32>;
using Nonce = std::array<uint8_t, 32>;

inline std::span<const std::byte> as_span(std::string_view text) {
    return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

Digest sha256(std::span<const std::byte> bytes);
inline Digest sha256(std::string_view text) { return sha256(as_span(text)); }

/// Where a node without a configured id sits on the ring: the first 160 bits of SHA-256("cluster" 0 "name"), of which
/// the leading ones give way to the zone's: of each of its levels, "a", "a/b", "a/b/c", the first 16 bits of
/// SHA-256("zone" 0 path). So a zone is one stretch of the ring, and so is each zone within it.
NodeId node_id_of(std::string_view cluster, std::string_view node_name, std::string_view zone = {});
/// Is `id` on the zone's stretch? Every id is in the empty zone.
bool in_zone(const NodeId& id, std::string_view zone);

Digest hmac_sha256(std::string_view key, std::span<const std::byte> message);

/// Takes the same time wherever the two differ.
bool equal_in_constant_time(std::span<const uint8_t> a, std::span<const uint8_t> b);

/// From the system's cryptographic generator; fails only if that does.
Result<Nonce> random_nonce();

}  // namespace eddy::transport
