// Goal: a lookup that hangs holds nobody. Method: calls that hang for as long as the test wants.
#include "src/camera/resolve.hpp"

#include <future>
#include <memory>
#include <thread>

#include <doctest/doctest.h>

#include "eddy/real_clock.hpp"

namespace eddy::camera {
namespace {

TEST_CASE("the host is found in any form of address") {
    CHECK(host_of("rtsp://cam.local/live") == "cam.local");
    CHECK(host_of("rtsp://cam:554") == "cam");
    CHECK(host_of("rtsps://me:p@ss:word@10.0.0.7:8554/a@b:c/d?e") == "10.0.0.7");
    CHECK(host_of("rtsp://[fe80::1]:554/x") == "fe80::1");
    CHECK(host_of("rtsp://[fe80::1") == "");
    CHECK(host_of("rtsp:///x") == "");
    CHECK(host_of("x") == "");
}

TEST_CASE("addresses and localhost resolve, and an address without a host is refused") {
    const Instant deadline = real_now() + from_seconds(20);
    for (const char* host : {"127.0.0.1", "::1", "localhost"}) CHECK(resolve(host, deadline, nullptr).ok());
    CHECK_FALSE(resolve("", deadline, nullptr).ok());
    auto unknown = resolve("no host has spaces", deadline, nullptr);
    REQUIRE_FALSE(unknown.ok());
    CHECK(unknown.error().message.find("no host has spaces") != std::string::npos);
}

TEST_CASE("a call that ends in time gives its own answer") {
    auto good = run_abandonable([] { return success(); }, real_now() + from_seconds(20), nullptr);
    CHECK(good.ok());
    auto bad = run_abandonable([]() -> Status { return invalid("why"); }, real_now() + from_seconds(20), nullptr);
    REQUIRE_FALSE(bad.ok());
    CHECK(bad.error().message == "why");
}

TEST_CASE("a call that hangs is left behind at the deadline, or when stop is set") {
    auto release = std::make_shared<std::promise<void>>();
    const auto released = std::make_shared<std::shared_future<void>>(release->get_future().share());
    const auto hang = [released]() -> Status {
        released->wait();
        return success();
    };
    auto late = run_abandonable(hang, real_now() + from_ms(20), nullptr);
    REQUIRE_FALSE(late.ok());
    CHECK(late.error().message == "no answer in time");

    std::atomic<bool> stop{false};
    std::thread stopper([&] { stop = true; });
    auto stopped = run_abandonable(hang, real_now() + from_seconds(60), &stop);
    stopper.join();
    REQUIRE_FALSE(stopped.ok());
    CHECK(stopped.error().message == "stopped");
    release->set_value();
}

}  // namespace
}  // namespace eddy::camera
