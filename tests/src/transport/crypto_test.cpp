// Goal: these are the standard's functions (vectors of FIPS 180-4 and RFC 4231), and nonces are fresh.
#include "src/transport/crypto.hpp"

#include <set>
#include <vector>

#include <doctest/doctest.h>

#include "src/transport/log_limiter.hpp"

namespace eddy::transport {
namespace {
std::string hex(const Digest& digest) { return detail::hex(digest.data(), digest.size()); }
}  // namespace

TEST_CASE("SHA-256 and HMAC-SHA-256 give the published values") {
    CHECK(hex(sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(hex(sha256("")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(hex(hmac_sha256("Jefe", as_span("what do ya want for nothing?"))) ==
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    CHECK(hex(hmac_sha256("", as_span(""))) == "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST_CASE("a node's id depends on its cluster and its name, and on where one ends") {
    CHECK(to_string(node_id_of("eddy", "left")) == to_string(node_id_of("eddy", "left")));
    const std::set<NodeId> ids = {node_id_of("eddy", "left"), node_id_of("eddy", "right"), node_id_of("eddyl", "eft"),
                                  node_id_of("", "eddyleft")};
    CHECK(ids.size() == 4);
}

TEST_CASE("comparison sees every difference") {
    const Digest a = sha256("a");
    for (size_t i = 0; i < a.size(); ++i) {
        Digest b = a;
        b[i] ^= 1;
        CHECK_FALSE(equal_in_constant_time(a, b));
    }
    CHECK(equal_in_constant_time(a, a));
    CHECK_FALSE(equal_in_constant_time(a, std::span(a).first(31)));
}

TEST_CASE("nonces differ") {
    std::set<Nonce> nonces;
    for (int i = 0; i < 1000; ++i) nonces.insert(*random_nonce());
    CHECK(nonces.size() == 1000);
}

TEST_CASE("a repeated log line appears once a minute with the count of those left out") {
    std::vector<std::string> lines;
    LogLimiter limiter([&](LogLevel, const std::string& line) { lines.push_back(line); });
    const Instant start{};
    for (int s = 0; s <= 120; ++s) limiter(LogLevel::info, "a", "line", start + std::chrono::seconds(s));
    limiter(LogLevel::info, "b", "other", start);
    CHECK(lines == std::vector<std::string>{"line", "line (59 more since the last such line)",
                                            "line (59 more since the last such line)", "other"});
    // Kinds are strangers' doing, so their number is bounded: the oldest is forgotten.
    lines.clear();
    const Instant later = start + std::chrono::seconds(121);
    for (size_t i = 0; i < LogLimiter::kinds_max; ++i) limiter(LogLevel::info, std::to_string(i), "x", later);
    CHECK(lines.size() == LogLimiter::kinds_max);
    limiter(LogLevel::info, "a", "again", later);
    CHECK(lines.back() == "again");
}

}  // namespace eddy::transport
