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

/// The first 160 bits of SHA-256("cluster" 0 "name"): where a node without a configured id sits on the ring.
NodeId node_id_of(std::string_view cluster, std::string_view node_name);

Digest hmac_sha256(std::string_view key, std::span<const std::byte> message);

/// Takes the same time wherever the two differ.
bool equal_in_constant_time(std::span<const uint8_t> a, std::span<const uint8_t> b);

/// From the system's cryptographic generator; fails only if that does.
Result<Nonce> random_nonce();

}  // namespace eddy::transport
