// Goal: the loop keeps its promises about time, threads and signals.
#include "src/transport/loop.hpp"

#include <future>
#include <vector>

#include <doctest/doctest.h>
#include <signal.h>

namespace eddy::transport {
namespace {
constexpr Usec patience = std::chrono::seconds(60);
}

TEST_CASE("timers fire at or after their instant, in order, and once") {
    Loop loop;
    std::vector<int> fired;
    const Instant start = loop.now();
    for (const int ms : {30, 10, 20}) {
        const Instant at = start + std::chrono::milliseconds(ms);
        loop.arm(ms, at, [&, at, ms] {
            CHECK(loop.now() >= at);
            fired.push_back(ms);
        });
    }
    loop.arm(1, start, [&] { fired.push_back(1); });
    REQUIRE(loop.run_until([&] { return fired.size() == 4; }, patience));
    CHECK(fired == std::vector<int>{1, 10, 20, 30});
    CHECK_FALSE(loop.run_until([&] { return fired.size() > 4; }, std::chrono::milliseconds(30)));
}

TEST_CASE("arming a timer again replaces it, and never disarms it") {
    Loop loop;
    int first = 0;
    int second = 0;
    loop.arm(1, loop.now() + std::chrono::milliseconds(5), [&] { ++first; });
    loop.arm(1, loop.now() + std::chrono::milliseconds(10), [&] { ++second; });
    loop.arm(2, loop.now() + std::chrono::milliseconds(1), [&] { ++first; });
    loop.arm(2, never, [&] { ++first; });
    loop.arm(3, loop.now() + std::chrono::milliseconds(1), [&] { ++first; });
    loop.disarm(3);
    loop.disarm(99);
    REQUIRE(loop.run_until([&] { return second == 1; }, patience));
    CHECK(first == 0);
}

TEST_CASE("a timer may arm itself again from within") {
    Loop loop;
    int times = 0;
    std::function<void()> again = [&] {
        if (++times < 5) loop.arm(1, loop.now(), again);
    };
    loop.arm(1, loop.now(), again);
    CHECK(loop.run_until([&] { return times == 5; }, patience));
}

TEST_CASE("another thread can wake the loop and stop it, also before it runs") {
    Loop loop;
    int wakes = 0;
    loop.on_wake([&] {
        if (++wakes == 1) loop.stop();
    });
    auto other = std::async(std::launch::async, [&] { loop.wake(); });
    loop.run();
    other.get();
    CHECK(wakes == 1);
    loop.stop();
    loop.run();
    loop.wake();
    CHECK(loop.run_until([&] { return wakes == 2; }, patience));
}

TEST_CASE("signals to stop arrive as calls on the loop's thread") {
    Loop loop;
    std::vector<int> signals;
    loop.on_stop_signal([&](int number) { signals.push_back(number); });
    ::raise(SIGTERM);
    REQUIRE(loop.run_until([&] { return signals.size() == 1; }, patience));
    ::raise(SIGINT);
    REQUIRE(loop.run_until([&] { return signals.size() == 2; }, patience));
    CHECK(signals == std::vector<int>{SIGTERM, SIGINT});
}

}  // namespace eddy::transport
