// Goal: these are the standard's functions (vectors of FIPS 180-4 and RFC 4231), and nonces are fresh.
#include "src/transport/crypto.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <rapidcheck.h>

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

TEST_CASE("a zone gives 16 leading bits for each of its levels, and the rest is as without one") {
    const NodeId plain = node_id_of("eddy", "left");
    const auto bytes_as = [](const NodeId& a, const NodeId& b, size_t from, size_t to) {
        return std::equal(a.bytes.begin() + from, a.bytes.begin() + to, b.bytes.begin() + from);
    };
    const std::vector<std::string> path = {"house", "house/2", "house/2/kitchen"};
    for (size_t levels = 1; levels <= path.size(); ++levels) {
        const NodeId id = node_id_of("eddy", "left", path[levels - 1]);
        const NodeId other = node_id_of("elsewhere", "right", path[levels - 1]);
        CHECK(bytes_as(id, other, 0, 2 * levels));
        CHECK_FALSE(bytes_as(id, other, 2 * levels, 20));
        CHECK(bytes_as(id, plain, 2 * levels, 20));
        // Each level is that of the whole path so far, so the second floors of two houses are no neighbours.
        CHECK(bytes_as(id, node_id_of("eddy", "left", path[2]), 0, 2 * levels));
        for (const auto& zone : path) CHECK(in_zone(id, zone) == (zone.size() <= path[levels - 1].size()));
        CHECK(in_zone(id, ""));
    }
    CHECK_FALSE(bytes_as(node_id_of("", "", "house/2"), node_id_of("", "", "shed/2"), 2, 4));
    // Fixed for all versions to come: devices of different ones must agree where a zone is.
    CHECK(to_string(node_id_of("eddy", "left", "house/2/kitchen")).substr(0, 12) == "7d06098797ab");
}

TEST_CASE("the nodes of a zone, at every level, sit side by side on the ring") {
    CHECK(rc::check("contiguous", [] {
        const auto name = [](int max) { return std::to_string(*rc::gen::inRange(0, max)); };
        std::vector<std::pair<NodeId, std::string>> ring;
        std::set<std::string> zones;
        const int nodes = *rc::gen::inRange(1, 40);
        for (int i = 0; i < nodes; ++i) {
            std::string zone = name(4);
            for (int levels = *rc::gen::inRange(0, 3); levels > 0; --levels) zone += "/" + name(3);
            ring.emplace_back(node_id_of("eddy", std::to_string(i), zone), zone);
            for (size_t end = 0; end != std::string::npos;) zones.insert(zone.substr(0, end = zone.find('/', end + 1)));
        }
        std::sort(ring.begin(), ring.end());
        for (const auto& wanted : zones) {
            // Round the ring, a stretch begins once.
            const auto within = [&](const auto& node) { return (node.second + "/").starts_with(wanted + "/"); };
            size_t begins = 0;
            for (size_t i = 0; i < ring.size(); ++i) {
                RC_ASSERT(in_zone(ring[i].first, wanted) == within(ring[i]));
                begins += within(ring[i]) && !within(ring[(i + ring.size() - 1) % ring.size()]) ? 1 : 0;
            }
            RC_ASSERT(begins <= 1);
        }
    }));
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
