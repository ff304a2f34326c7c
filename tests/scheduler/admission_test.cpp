// Goal: rates that are measured are right, admission stays within its bounds, and sources share by their weights.
// Method: the two rules of admission.hpp around one server that serves the longest backlog, as `layered` does.
#include "scheduler/admission.hpp"

#include <array>
#include <vector>

#include <doctest/doctest.h>
#include <rapidcheck.h>

using namespace eddy;
using namespace eddy::scheduler;

namespace {

int number(int from, int to) { return *rc::gen::inRange(from, to + 1); }

struct Source {
    double weight = 1;
    uint32_t here = 0;
    float held = 0;
    RateMeter admitted{std::chrono::seconds(4)};
    int served = 0;
};

/// What is served of each of two sources that always have more, in the second half of two minutes; the server takes
/// `per_s` frames, so many that those of a light source are not a handful in the memory of its rate.
std::array<double, 2> shared(std::array<double, 2> weights, double per_s, uint32_t queue_frames) {
    std::array<Source, 2> sources;
    for (size_t j = 0; j < 2; ++j) sources[j].weight = weights[j];
    const int slots = static_cast<int>(120 * per_s);
    for (int slot = 0; slot < slots; ++slot) {
        const Instant now(from_seconds(slot / per_s));
        double pressure = 0;
        const auto want = [&](const Source& source) {
            const double rate = source.admitted.per_s(now);
            return rate > 0 ? source.weight / rate : 0;
        };
        for (const Source& source : sources) pressure = std::max(pressure, want(source));
        for (Source& source : sources) {
            const double backlog = wanted_backlog(want(source), pressure, 0);
            while (source.here < admitted_frames(backlog, queue_frames)) {
                source.held = held_back(source.held, true, backlog, ++source.here, from_ms(20));
                source.admitted.count(now);
            }
            RC_ASSERT(source.here <= queue_frames);
        }
        const auto length = [](const Source& source) { return static_cast<float>(source.here) + source.held; };
        Source& longest = sources[length(sources[1]) > length(sources[0]) ? 1 : 0];
        --longest.here;
        if (slot >= slots / 2) ++longest.served;
    }
    return {static_cast<double>(sources[0].served), static_cast<double>(sources[1].served)};
}

}  // namespace

TEST_CASE("two sources at one server share it by their weights") {
    CHECK(rc::check("any weights", [] {
        const std::array<double, 2> weights{static_cast<double>(number(1, 6)), static_cast<double>(number(1, 6))};
        const auto served = shared(weights, number(80, 200), static_cast<uint32_t>(number(8, 32)));
        RC_LOG() << served[0] << " " << served[1];
        RC_ASSERT(std::abs(served[0] * weights[1] / (served[1] * weights[0]) - 1) < 0.05);
    }));
}

TEST_CASE("a source's backlog is the deepest by the power of its part of the largest w / r, and deepest_backlog at most without a priority") {
    CHECK(wanted_backlog(3, 4, 0) == doctest::Approx(deepest_backlog * 81 / 256));
    CHECK(wanted_backlog(1, 4, 0) == deepest_backlog * want_ratio_min);
    CHECK(wanted_backlog(4, 4, 0) == deepest_backlog);
    CHECK(wanted_backlog(5, 4, 0) == deepest_backlog);  // what was heard of the ring is older
    CHECK(wanted_backlog(0, 0, 0) == deepest_backlog);
    CHECK(wanted_backlog(0, 1, 0) ==
          deepest_backlog * want_ratio_min);   // whatever others claim       // nothing was admitted yet
    for (const uint8_t priority : {1, 255}) {  // more than any weight, but no more than the queue takes
        CHECK(wanted_backlog(1, 4, priority) == prior_backlog);
        CHECK(admitted_frames(prior_backlog, 16) == admitted_frames(deepest_backlog, 16));
    }
    CHECK(prior_backlog > deepest_backlog);
}

TEST_CASE("no source holds more than its queue takes, nor less than two") {
    CHECK(rc::check("any backlog", [] {
        const auto queue_frames = static_cast<uint32_t>(number(0, 300));
        const double want = number(0, 1000) * 1e-3;
        const uint32_t most = admitted_frames(
            wanted_backlog(want, number(0, 1000) * 1e-3, static_cast<uint8_t>(number(0, 2))), queue_frames);
        RC_ASSERT(most <= queue_frames);
        RC_ASSERT(most >= std::min(queue_frames, admitted_frames_min));
        RC_ASSERT(most <= std::max(admitted_frames_min, static_cast<uint32_t>(filled_share * queue_frames)));
    }));
    CHECK(admitted_frames(deepest_backlog, 16) == 12);
    CHECK(admitted_frames(deepest_backlog / 2, 16) == 6);
    CHECK(admitted_frames(0, 16) == 2);
    CHECK(admitted_frames(deepest_backlog, 1) == 1);
}

TEST_CASE("what the reservoir holds back counts more the longer it does, and is forgotten as slowly") {
    constexpr Usec step = from_ms(100);  // 3 frames
    float held = 0;
    for (int i = 1; i <= 4; ++i) CHECK((held = held_back(held, true, 40, 10, step)) == doctest::Approx(3 * i));
    CHECK(held_back(29.75F, true, 40, 10, step) == 30);  // no further than what is lacking
    CHECK(held_back(30, true, 40, 10, step) == 30);
    CHECK(held_back(30, true, 40, 20, step) == doctest::Approx(27));
    CHECK(held_back(20.25F, true, 40, 20, step) == 20);
    CHECK(held_back(5, true, 4, 20, step) == doctest::Approx(2));
    CHECK(held_back(5, false, 40, 2, step) == doctest::Approx(2));  // nothing waits: the queue is all there is
    CHECK(held_back(0.5F, false, 40, 2, step) == 0);
}

TEST_CASE("what is held back ends at what the queue lacks of the backlog, and is never negative") {
    CHECK(rc::check("any course", [] {
        float held = 0;
        for (int i = 0; i < 50; ++i) {
            const float before = held;
            const Usec elapsed = from_ms(number(0, 500));
            const auto step = 1.001F * held_back_per_s * static_cast<float>(to_seconds(elapsed));
            held = held_back(held, number(0, 2) > 0, number(0, 84), static_cast<uint32_t>(number(0, 100)), elapsed);
            RC_ASSERT(held >= 0);
            RC_ASSERT(held <= before + step);
            RC_ASSERT(held >= before - step);
        }
        const double backlog = number(0, 84);
        const auto here = static_cast<uint32_t>(number(0, 100));
        for (int i = 0; i < 200; ++i) held = held_back(held, true, backlog, here, from_ms(50));
        RC_ASSERT(held == std::max(0.0F, static_cast<float>(backlog - here)));
    }));
}

TEST_CASE("a steady rate is measured within 5 % from the first second on, and forgotten") {
    CHECK(rc::check("any rate", [] {
        RateMeter meter(std::chrono::seconds(4));
        const double per_s = number(25, 500);
        Instant now(from_seconds(number(0, 1000)));
        RC_ASSERT(meter.per_s(now) == 0);
        const Instant end = now + std::chrono::seconds(number(1, 30));
        while (now < end) {
            meter.count(now);
            now += from_seconds(1 / per_s);
        }
        RC_ASSERT(std::abs(meter.per_s(now) / per_s - 1) < 0.05);
        const double then = meter.per_s(now);
        RC_ASSERT(meter.per_s(now + std::chrono::seconds(20)) < 0.3 * then);
        RC_ASSERT(meter.per_s(now + std::chrono::seconds(80)) < 1e-6 * then);
    }));
}

TEST_CASE("recent events count more, by a factor of e in each memory") {
    RateMeter meter(std::chrono::seconds(1));
    for (int i = 0; i < 1000; ++i) meter.count(Instant(from_ms(10 * i)));
    const Instant end(from_ms(9990));
    CHECK(meter.per_s(end) == doctest::Approx(100).epsilon(0.01));
    CHECK(meter.per_s(end + std::chrono::seconds(1)) == doctest::Approx(meter.per_s(end) / std::exp(1)).epsilon(0.001));
    RateMeter twice(std::chrono::seconds(1));
    for (int i = 0; i < 1000; ++i) twice.count(Instant(from_ms(10 * i)), 2);
    CHECK(twice.per_s(end) == doctest::Approx(2 * meter.per_s(end)));
}

TEST_CASE("the first events are no rate of thousands") {
    RateMeter meter(std::chrono::seconds(4));
    meter.count(Instant{});
    CHECK(meter.per_s(Instant{}) == doctest::Approx(4).epsilon(0.05));
    meter.count(Instant(Usec(1)));
    CHECK(meter.per_s(Instant(Usec(1))) == doctest::Approx(8).epsilon(0.05));
}
