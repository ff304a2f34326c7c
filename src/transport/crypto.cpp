#include "src/transport/crypto.hpp"

#include <algorithm>
#include <string>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "eddy/assert.hpp"

namespace eddy::transport {

Digest sha256(std::span<const std::byte> bytes) {
    Digest digest{};
    unsigned int size = 0;
    EDDY_ASSERT(EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) == 1);
    EDDY_ASSERT(size == digest.size());
    return digest;
}

NodeId node_id_of(std::string_view cluster, std::string_view node_name) {
    std::string text(cluster);
    text += '\0';
    text += node_name;
    const Digest digest = sha256(text);
    NodeId id;
    std::copy_n(digest.begin(), id.bytes.size(), id.bytes.begin());
    return id;
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
