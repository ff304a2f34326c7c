#include "src/transport/wake_pace.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

using namespace eddy;
using namespace eddy::transport;

namespace {
constexpr size_t message = size_t{1} << 20;

/// What a reader waits for at the end of a long message that comes at this speed.
size_t settled(WakePace& pace, double bytes_per_s, Instant& now) {
    size_t wait = pace.next(8, message, now);
    for (int i = 0; i < 100; ++i) {
        now += from_seconds(static_cast<double>(wait) / bytes_per_s);
        wait = pace.next(wait, message, now);
    }
    return wait;
}
}  // namespace

TEST_CASE("a reader of large messages is woken about a hundred times a second, whatever the speed") {
    WakePace pace;
    Instant now{from_ms(5)};
    CHECK(settled(pace, 2.5e6, now) == doctest::Approx(25'000).epsilon(0.01));
    CHECK(settled(pace, 5e6, now) == doctest::Approx(50'000).epsilon(0.01));
    CHECK(settled(pace, 1e9, now) == WakePace::bytes_max);
    CHECK(settled(pace, 1e3, now) == WakePace::bytes_min);
}

TEST_CASE("the pace rises by a factor of two at most, and falls at once when the stream becomes slow") {
    WakePace pace;
    Instant now{};
    size_t wait = pace.next(8, message, now);
    CHECK(wait == WakePace::bytes_min);
    for (const size_t expected : {2, 4, 8, 16, 32, 32}) {
        wait = pace.next(wait, message, now);  // no time passed
        CHECK(wait == expected * WakePace::bytes_min);
    }
    CHECK(pace.next(wait, message, now + std::chrono::seconds(1)) == WakePace::bytes_min);
}

TEST_CASE("a pause between messages does not slow the reader down") {
    WakePace pace;
    Instant now{};
    const size_t wait = settled(pace, 5e6, now);
    CHECK(pace.next(wait, 0, now += from_ms(10)) == 1);  // the message is whole
    now += std::chrono::seconds(7);
    CHECK(pace.next(8, message, now) == doctest::Approx(wait).epsilon(0.01));
}

TEST_CASE("nobody waits for more than the message still has, nor for less than the first byte of a small one") {
    WakePace pace;
    Instant now{};
    (void)settled(pace, 1e9, now);
    CHECK(pace.next(1, 100'000, now) == 100'000);
    CHECK(pace.next(1, WakePace::bytes_min, now) == WakePace::bytes_min);
    CHECK(pace.next(1, WakePace::bytes_min - 1, now) == 1);
    CHECK(pace.next(1, 0, now) == 1);
    CHECK(rc::check("whatever comes", [] {
        WakePace any;
        Instant at{};
        for (int i = 0; i < 50; ++i) {
            const auto missing = *rc::gen::inRange<size_t>(0, message);
            at += Usec(*rc::gen::inRange<int64_t>(0, 1'000'000));
            const size_t wanted = any.next(*rc::gen::inRange<size_t>(0, message), missing, at);
            RC_ASSERT(wanted >= 1 && wanted <= std::max<size_t>(1, missing) && wanted <= WakePace::bytes_max);
        }
    }));
}
