#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "src/config/node_config.hpp"

using namespace eddy;
using namespace eddy::config;

TEST_CASE("an endpoint is a host and a port, of either family") {
    CHECK(*parse_endpoint("127.0.0.1:80") == Endpoint{"127.0.0.1", 80});
    CHECK(*parse_endpoint("[::1]:65535") == Endpoint{"::1", 65535});
    CHECK(*parse_endpoint("[fe80::1%eth0]:1") == Endpoint{"fe80::1%eth0", 1});
    CHECK(*parse_endpoint("my-node.local:0") == Endpoint{"my-node.local", 0});
}

TEST_CASE("what is no endpoint is refused") {
    for (const char* text : {"", ":", "host", "host:", ":80", "host:65536", "host:-1", "host: 80", "host:80 ",
                             "ho st:80", "::1:80", "[]:80", "[host]:80", "[::1:80", "host:0x10", "a/b:80"}) {
        INFO(text);
        CHECK_FALSE(parse_endpoint(text).ok());
    }
    CHECK_FALSE(parse_endpoint(std::string(300, 'a') + ":80").ok());
}

TEST_CASE("writing an endpoint and reading it gives the same one") {
    CHECK(rc::check("of any host", [] {
        const auto v6 = *rc::gen::arbitrary<bool>();
        const auto host =
            v6 ? "::" + std::to_string(*rc::gen::inRange(1, 9999)) : *rc::gen::nonEmpty(rc::gen::string<std::string>());
        const Endpoint endpoint{host, *rc::gen::arbitrary<uint16_t>()};
        const auto read = parse_endpoint(to_string(endpoint));
        if (read.ok()) RC_ASSERT(*read == endpoint);
        if (v6) RC_ASSERT(read.ok());
    }));
}

TEST_CASE("loopback is told from what only looks like it") {
    for (const char* host : {"127.0.0.1", "127.1.2.3", "localhost", "::1"}) CHECK(is_loopback({host, 1}));
    for (const char* host : {"0.0.0.0", "128.0.0.1", "127.example.org", "127.0.0.1.example.org",
                             "::", "localhost.evil.org", "10.0.0.1", "127.0.0"})
        CHECK_FALSE(is_loopback({host, 1}));
}

TEST_CASE("an input is a file unless it has a scheme or is a device") {
    for (const char* input : {"a.avi", "/srv/films", "file:a.avi", "file:///a.avi", "dir/with:colon.mp4", "://x"})
        CHECK(input_kind(input) == InputKind::file);
    for (const char* input :
         {"rtsp://cam/1", "http://cam/mjpeg", "udp://0.0.0.0:5000", "/dev/video0", "lavfi:testsrc2"})
        CHECK(input_kind(input) == InputKind::live);
}
