// Goal: frames are due exactly when the stream's rate says, whatever the number of the frame, and cameras that broke
// are tried again at bounded, growing intervals. Method: the pure classes alone, with made-up instants.
#include "src/camera/pacer.hpp"

#include <set>
#include <vector>

#include <doctest/doctest.h>
#include <rapidcheck.h>

namespace eddy::camera {
namespace {

const Instant start{from_seconds(1000)};

TEST_CASE("a paced stream's frame k is due k/rate after the start, without drift") {
    Pacer pacer(3.0, Arrivals::paced, "cam", start);
    Instant due{};
    for (uint64_t k = 0; k <= 300'000; ++k) {
        due = pacer.next(Usec{77});
        if (k == 1) CHECK(due == start + Usec{333'333});
        if (k == 2) CHECK(due == start + Usec{666'667});
    }
    CHECK(due == start + from_seconds(100'000));
}

TEST_CASE("without a rate frames are due at their own timestamps") {
    Pacer pacer(std::nullopt, Arrivals::paced, "cam", start);
    CHECK(pacer.next(Usec{0}) == start);
    CHECK(pacer.next(Usec{40'000}) == start + Usec{40'000});
    CHECK(pacer.next(Usec{1'000'000}) == start + Usec{1'000'000});
}

TEST_CASE("Poisson gaps follow from the stream's name alone and have the asked rate and spread") {
    constexpr int count = 20'000;
    constexpr double rate = 50;
    Pacer pacer(rate, Arrivals::poisson, "cam", start), same(rate, Arrivals::poisson, "cam", start),
        other(rate, Arrivals::poisson, "cam2", start);
    double sum = 0, squares = 0;
    int equal_to_other = 0;
    Instant before = start;
    for (int k = 0; k < count; ++k) {
        const Instant due = pacer.next(Usec{0});
        CHECK(due == same.next(Usec{0}));
        equal_to_other += due == other.next(Usec{0}) ? 1 : 0;
        const double gap = to_seconds(due - before);
        CHECK(gap >= 0);
        sum += gap;
        squares += gap * gap;
        before = due;
    }
    CHECK(equal_to_other < 10);
    const double mean = sum / count;
    CHECK(mean == doctest::Approx(1 / rate).epsilon(0.03));
    // An exponential distribution's standard deviation is its mean.
    CHECK(std::sqrt(squares / count - mean * mean) == doctest::Approx(1 / rate).epsilon(0.05));
}

TEST_CASE("a live stream without a rate is taken whole") {
    Pacer pacer(std::nullopt, Arrivals::paced, "cam", start);
    for (int i = 0; i < 10; ++i) CHECK(pacer.take(start + Usec{i}));
}

TEST_CASE("a live stream is thinned to its rate, and a silence is not made up for") {
    Pacer pacer(10.0, Arrivals::paced, "cam", start);
    // 30 frames/s for one second: one in each tenth of it.
    int taken = 0;
    for (int i = 0; i < 30; ++i) taken += pacer.take(start + from_seconds(i / 30.0)) ? 1 : 0;
    CHECK(taken == 10);
    // An interval begins on its very microsecond, though 333,333 us are not quite a third of a second.
    Pacer thirds(3.0, Arrivals::paced, "cam", start);
    CHECK(thirds.take(start));
    CHECK(thirds.take(start + Usec{333'333}));
    CHECK_FALSE(thirds.take(start + Usec{333'334}));
    // A minute of silence, then three frames at once: one is taken.
    const Instant later = start + from_seconds(61.05);
    CHECK(pacer.take(later));
    CHECK_FALSE(pacer.take(later + Usec{1}));
    CHECK_FALSE(pacer.take(later + Usec{49'998}));
    CHECK(pacer.take(later + Usec{50'000}));
}

TEST_CASE("thinning never takes two frames in one interval of the schedule") {
    CHECK(rc::check([] {
        const double rate = *rc::gen::map(rc::gen::inRange(1, 100'000), [](int n) { return n / 100.0; });
        Pacer pacer(rate, Arrivals::paced, "cam", start);
        Instant now = start;
        std::set<uint64_t> used;
        for (const int gap_us : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 2'000'000))) {
            now += Usec{gap_us};
            if (!pacer.take(now)) continue;
            // The interval that `now` is in, by the schedule's own rounding.
            auto slot = static_cast<uint64_t>(to_seconds(now - start) * rate);
            while (start + Usec{std::llround(static_cast<double>(slot + 1) / rate * 1e6)} <= now) ++slot;
            RC_ASSERT(used.insert(slot).second);
        }
    }));
}

TEST_CASE("thinning a live stream by Poisson instants takes about the asked rate") {
    Pacer pacer(5.0, Arrivals::poisson, "cam", start);
    int taken = 0;
    for (int i = 0; i < 100'000; ++i) taken += pacer.take(start + from_ms(i * 10.0)) ? 1 : 0;
    // 1000 s at 5/s; waiting for the next of 100 frames/s costs a twentieth or so.
    CHECK(taken > 4500);
    CHECK(taken < 5200);
}

TEST_CASE("back-off grows from half a second to thirty, jittered, and starts again after a reset") {
    CHECK(rc::check([](uint64_t seed) {
        Backoff backoff(seed);
        double full_s = 0.5;
        for (int failure = 0; failure < 40; ++failure) {
            const double wait_s = to_seconds(backoff.next());
            RC_ASSERT(wait_s >= 0.5);
            RC_ASSERT(wait_s >= full_s / 2 - 1e-6);
            RC_ASSERT(wait_s <= full_s + 1e-6);
            full_s = std::min(30.0, full_s * 2);
        }
        backoff.reset();
        RC_ASSERT(backoff.next() == from_seconds(0.5));
    }));
}

TEST_CASE("two cameras do not come back at the same instants") {
    Backoff one(1), two(2);
    one.next();
    two.next();
    int equal = 0;
    for (int i = 0; i < 20; ++i) equal += one.next() == two.next() ? 1 : 0;
    CHECK(equal == 0);
}

}  // namespace
}  // namespace eddy::camera
