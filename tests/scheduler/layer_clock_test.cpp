// Goal: layer times are followed when they change and not when a run stalls, and a node that sees only slivers of its
// model does not think itself slow. Method: runs as a device with known times would make them.
#include "scheduler/layer_clock.hpp"

#include <cmath>
#include <numeric>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "eddy/random.hpp"

using namespace eddy;
using namespace eddy::scheduler;

namespace {

ModelProfile profile_of(const std::vector<int>& times_us) {
    ModelProfile profile;
    for (const int time_us : times_us) profile.layers.push_back({.name = "l", .time = Usec(time_us)});
    return profile;
}

/// About like MobileNetV2: 9 ms in 30 layers.
ModelProfile thirty_layers() {
    std::vector<int> times_us;
    for (int i = 0; i < 30; ++i) times_us.push_back(100 + i * 37 % 400);
    return profile_of(times_us);
}

/// A device whose layers take the profile's times by `factor`, and each run `overhead` besides.
struct Device {
    ModelProfile profile;
    double factor = 1;
    Usec overhead{0};
    double noise = 0;
    Random random{7};

    Usec run(LayerClock& clock, uint16_t first, uint16_t last, bool measured = false, double stall = 1) {
        std::vector<Usec> times;
        Usec busy = overhead;
        for (uint16_t i = first; i < last; ++i) {
            const double time_s = to_seconds(profile.layers[i].time) * factor;
            times.push_back(from_seconds(time_s * (1 + noise * random.uniform(-1, 1)) * stall));
            busy += times.back();
        }
        clock.on_run(first, last, busy, measured ? times : std::vector<Usec>());
        return busy;
    }
};

double whole(const LayerClock& clock) { return clock.seconds(0, clock.layers()); }

}  // namespace

TEST_CASE("before any run, times are the profile's by the scale") {
    const LayerClock clock(profile_of({100, 0, 300}), 4);
    CHECK(clock.layers() == 3);
    CHECK(clock.layer_s() == std::vector<double>{0.0004, 0, 0.0012});
    CHECK(clock.seconds(0, 3) == doctest::Approx(0.0016));
    CHECK(clock.seconds(1, 3) == doctest::Approx(0.0012));
    CHECK(clock.seconds(2, 2) == 0);
    CHECK(clock.scale() == doctest::Approx(4));
}

TEST_CASE("a device that becomes twice as slow, or fast, is followed within forty runs") {
    for (const double factor : {2.0, 0.5})
        for (const bool measured : {false, true})
            for (const uint16_t step : {uint16_t{30}, uint16_t{10}, uint16_t{15}}) {
                CAPTURE(factor);
                CAPTURE(step);
                Device device{thirty_layers()};
                LayerClock clock(device.profile, 1);
                for (int i = 0; i < 60; ++i) device.run(clock, 0, 30, measured);
                device.factor = factor;
                uint16_t at = 0;
                for (int i = 0; i < 40; ++i) {
                    device.run(clock, at, at + step, measured);
                    at = static_cast<uint16_t>((at + step) % 30);
                }
                CHECK(clock.scale() == doctest::Approx(factor).epsilon(0.02));
                const auto times = clock.layer_s();
                for (size_t i = 0; i < 30; ++i)
                    CHECK(times[i] ==
                          doctest::Approx(to_seconds(device.profile.layers[i].time) * factor).epsilon(0.02));
            }
}

TEST_CASE("one run that stalls, however long, moves no estimate by more than a few per cent") {
    CHECK(rc::check("a stall", [] {
        const auto seed = *rc::gen::arbitrary<uint64_t>();
        const auto stall_at = *rc::gen::inRange(0, 60);
        const double stall = *rc::gen::element(100.0, 1e6);
        const auto first = *rc::gen::inRange<uint16_t>(0, 30);
        const auto last = static_cast<uint16_t>(*rc::gen::inRange<int>(first + 1, 31));
        const bool measured = *rc::gen::arbitrary<bool>();
        Device sound{thirty_layers(), 1, Usec(5), 0.015, Random(seed)};
        Device stalling = sound;
        LayerClock clock(sound.profile, 1);
        LayerClock stalled(sound.profile, 1);
        for (int i = 0; i < 60; ++i) {
            sound.run(clock, 0, 30, measured);
            stalling.run(stalled, 0, 30, measured);
            if (i == stall_at) stalling.run(stalled, first, last, measured, stall);
            const auto expected = clock.layer_s();
            const auto times = stalled.layer_s();
            for (size_t l = 0; l < 30; ++l) RC_ASSERT(std::abs(times[l] / expected[l] - 1) < 0.05);
            RC_ASSERT(std::abs(stalled.scale() / clock.scale() - 1) < 0.05);
        }
    }));
}

TEST_CASE("times that are one of two, as under a quota, give their mean and not now the one, now the other") {
    CHECK(rc::check("two times", [] {
        Random random(*rc::gen::arbitrary<uint64_t>());
        LayerClock clock(profile_of({1000}), 1);
        double least = 1;
        double most = 0;
        for (int i = 0; i < 400; ++i) {
            clock.on_run(0, 1, random.uniform(0, 1) < 0.5 ? Usec(2000) : Usec(18000));
            if (i < 20) continue;
            least = std::min(least, clock.seconds(0, 1));
            most = std::max(most, clock.seconds(0, 1));
        }
        double sum = 0;
        for (int i = 0; i < 400; ++i) {
            clock.on_run(0, 1, i % 2 == 0 ? Usec(2000) : Usec(18000));
            if (i >= 40) sum += clock.seconds(0, 1) / 360;
        }
        RC_ASSERT(std::abs(sum - 0.010) < 0.0005);
        RC_ASSERT(least < 0.010);
        RC_ASSERT(most > 0.010);
    }));
}

TEST_CASE("measured layers find their own times, and runs that are not measured keep their proportions") {
    const ModelProfile truth = profile_of({400, 100, 100, 400});
    Device device{truth};
    LayerClock clock(profile_of({100, 400, 400, 100}), 1);
    for (int i = 0; i < 13; ++i) device.run(clock, 0, 4, true);
    CHECK(clock.seconds(0, 1) == doctest::Approx(0.0004));
    CHECK(clock.seconds(1, 2) == doctest::Approx(0.0001));
    device.factor = 3;
    for (int i = 0; i < 13; ++i) device.run(clock, 0, 4);
    CHECK(clock.seconds(0, 1) == doctest::Approx(0.0012));
    CHECK(clock.seconds(1, 2) == doctest::Approx(0.0003));
}

TEST_CASE("runs that overlap tell their layers apart without measuring them") {
    Device device{profile_of({300, 100, 200})};
    LayerClock clock(profile_of({200, 200, 200}), 1);
    for (int i = 0; i < 60; ++i) {
        device.run(clock, 0, 1);
        device.run(clock, 0, 2);
        device.run(clock, 1, 3);
    }
    CHECK(clock.seconds(0, 1) == doctest::Approx(0.0003).epsilon(0.05));
    CHECK(clock.seconds(1, 2) == doctest::Approx(0.0001).epsilon(0.1));
    CHECK(clock.seconds(2, 3) == doctest::Approx(0.0002).epsilon(0.1));
}

TEST_CASE("pauses and overheads are the lane's time too, whatever the layers say") {
    Device device{profile_of({100, 300})};
    device.overhead = Usec(400);  // a duty cycle of one half
    LayerClock clock(device.profile, 1);
    for (int i = 0; i < 13; ++i) device.run(clock, 0, 2, true);
    CHECK(clock.seconds(0, 2) == doctest::Approx(0.0008));
    CHECK(clock.seconds(0, 1) == doctest::Approx(0.0002));
}

TEST_CASE("a node that is given only slivers finds the slivers slow, and not itself") {
    Device device{thirty_layers(), 1, Usec(300)};
    LayerClock clock(device.profile, 1);
    for (int i = 0; i < 1000; ++i) device.run(clock, 0, 1);  // 100 µs and 3 times as much overhead
    CHECK(clock.seconds(0, 1) == doctest::Approx(0.0004));
    CHECK(clock.scale() < 1.05);
    for (int i = 0; i < 1000; ++i) device.run(clock, 4, 7);  // a quarter of it overhead
    CHECK(clock.scale() < 1.1);
}

TEST_CASE("a slow device that is given slivers afterwards is not taken for a fast one") {
    Device device{thirty_layers(), 3, Usec(50)};
    LayerClock clock(device.profile, 1);
    for (int i = 0; i < 40; ++i) device.run(clock, 0, 30);
    for (int i = 0; i < 1000; ++i) device.run(clock, 29, 30);
    CHECK(clock.scale() == doctest::Approx(3).epsilon(0.05));
}

TEST_CASE("layers that are not run any more follow the device, if enough of it is seen") {
    Device device{thirty_layers()};
    LayerClock clock(device.profile, 1);
    for (int i = 0; i < 100; ++i) device.run(clock, 0, 30);
    device.factor = 2;
    const uint16_t from = 18;
    REQUIRE(clock.seconds(from, 30) > 0.3 * whole(clock));
    for (int i = 0; i < 100; ++i) device.run(clock, from, 30);
    CHECK(clock.scale() < 1.7);  // the rest was seen lately
    for (int i = 0; i < 100; ++i) device.run(clock, from, 30);
    CHECK(clock.scale() == doctest::Approx(2).epsilon(0.02));
    device.factor = 1;
    device.run(clock, 0, 30);  // one sample after a long time does not speak for itself
    CHECK(clock.seconds(0, from) == doctest::Approx(2 * to_seconds(Usec(1)) *
                                                    [&] {
                                                        int64_t us = 0;
                                                        for (uint16_t i = 0; i < from; ++i)
                                                            us += device.profile.layers[i].time.count();
                                                        return static_cast<double>(us);
                                                    }())
                                        .epsilon(0.02));
}

TEST_CASE("odd runs and odd profiles do no harm") {
    LayerClock nothing(profile_of({}), 2);
    CHECK(nothing.layers() == 0);
    CHECK(nothing.seconds(0, 0) == 0);
    CHECK(nothing.scale() == 2);
    CHECK(LayerClock().layers() == 0);

    LayerClock zeros(profile_of({0, 0}), 2);
    CHECK(zeros.scale() == 2);
    for (int i = 0; i < 17; ++i) zeros.on_run(0, 2, Usec(10));
    for (const double each_s : zeros.layer_s()) CHECK(each_s == doctest::Approx(5e-6));
    CHECK(zeros.scale() == 2);

    LayerClock clock(profile_of({100, 300}), 1);
    int busy_us = 400;
    for (const std::vector<Usec>& times : std::vector<std::vector<Usec>>{
             {}, {Usec(5)}, {Usec(-1), Usec(5)}, {Usec(0), Usec(0)}, {Usec(1), Usec(1), Usec(2)}}) {
        busy_us += 400;
        for (int i = 0; i < 17; ++i) clock.on_run(0, 2, Usec(busy_us), times);
        for (int i = 0; i < 9; ++i) clock.on_run(0, 2, Usec(-i), times);
        CHECK(clock.seconds(0, 1) == doctest::Approx(busy_us * 0.25e-6));
        CHECK(clock.seconds(1, 2) == doctest::Approx(busy_us * 0.75e-6));
    }
}

TEST_CASE("after any runs, times are finite, not negative, and add up") {
    CHECK(rc::check("any runs", [] {
        LayerClock clock(thirty_layers(), 1);
        Random random(*rc::gen::arbitrary<uint64_t>());
        for (int i = 0; i < 300; ++i) {
            const auto first = static_cast<uint16_t>(random.below(30));
            const auto last = static_cast<uint16_t>(first + 1 + random.below(30 - first));
            clock.on_run(first, last, Usec(random.chance(0.1) ? INT64_MAX : static_cast<int64_t>(random.below(5000))));
        }
        const auto times = clock.layer_s();
        for (const double time : times) RC_ASSERT((std::isfinite(time) && time >= 0));
        const double sum = std::accumulate(times.begin(), times.end(), 0.0);
        RC_ASSERT(std::abs(sum - whole(clock)) <= 1e-9 * sum);
        RC_ASSERT(std::abs(clock.seconds(0, 11) + clock.seconds(11, 30) - sum) <= 1e-9 * sum);
    }));
}
