#include "src/transport/crypto.hpp"

#include <algorithm>
#include <string>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "eddy/assert.hpp"
#include "eddy/config.hpp"

namespace eddy::transport {

Digest sha256(std::span<const std::byte> bytes) {
    Digest digest{};
    unsigned int size = 0;
    EDDY_ASSERT(EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) == 1);
    EDDY_ASSERT(size == digest.size());
    return digest;
}

namespace {

/// Two bytes for each level of the path.
std::string zone_prefix(std::string_view zone) {
    std::string prefix;
    for (size_t end = 0; end < zone.size() && prefix.size() < 2 * zone_levels_max; ++end) {
        end = std::min(zone.find('/', end), zone.size());
        const Digest digest = sha256(std::string("zone") + '\0' + std::string(zone.substr(0, end)));
        prefix.append({static_cast<char>(digest[0]), static_cast<char>(digest[1])});
    }
    return prefix;
}

}  // namespace

NodeId node_id_of(std::string_view cluster, std::string_view node_name, std::string_view zone) {
    std::string text(cluster);
    text += '\0';
    text += node_name;
    const Digest digest = sha256(text);
    NodeId id;
    std::copy_n(digest.begin(), id.bytes.size(), id.bytes.begin());
    const std::string prefix = zone_prefix(zone);
    std::copy(prefix.begin(), prefix.end(), id.bytes.begin());
    return id;
}

bool in_zone(const NodeId& id, std::string_view zone) {
    const std::string prefix = zone_prefix(zone);
    return std::equal(prefix.begin(), prefix.end(), id.bytes.begin(),
                      [](char a, uint8_t b) { return static_cast<uint8_t>(a) == b; });
}

Digest hmac_sha256(std::string_view key, std::span<const std::byte> message) {
    Digest digest{};
    unsigned int size = 0;
    EDDY_ASSERT(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                     reinterpret_cast<const unsigned char*>(message.data()), message.size(), digest.data(),
                     &size) != nullptr);
    EDDY_ASSERT(size == digest.size());
    return digest;
}

bool equal_in_constant_time(std::span<const uint8_t> a, std::span<const uint8_t> b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

Result<Nonce> random_nonce() {
    Nonce nonce{};
    if (RAND_bytes(nonce.data(), static_cast<int>(nonce.size())) != 1)
        return internal("the system's random number generator failed");
    return nonce;
}

}  // namespace eddy::transport
