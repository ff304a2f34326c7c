// Goal: every frame of a source is numbered, on time and accounted for, whatever its sink does. Method: real sources on
// small videos, with a scripted sink and a clock that only moves when it is waited for.
#include "src/camera/source.hpp"

#include <atomic>
#include <thread>

#include <doctest/doctest.h>

#include "eddy/real_clock.hpp"
#include "src/camera/pacer.hpp"
#include "tests/src/camera/sink.hpp"

namespace eddy::camera::test {
namespace {

constexpr StreamId stream{7};

SourceConfig config_for(const std::string& input, WhenFull when_full) {
    SourceConfig config;
    config.name = "cam";
    config.input = input;
    config.when_full = when_full;
    return config;
}

// A source at 64 x 48 with all it needs.
struct Rig {
    explicit Rig(const SourceConfig& config, bool real_time = false)
        : source(config, stream, 64, 48, sink, log.writer(), real_time ? nullptr : clock) {}
    LogBook log;
    ScriptedSink sink;
    std::shared_ptr<FakeWaiter> clock = std::make_shared<FakeWaiter>();
    Source source;
};

std::vector<uint64_t> first_numbers(uint64_t count) {
    std::vector<uint64_t> ks(count);
    for (uint64_t k = 0; k < count; ++k) ks[k] = k;
    return ks;
}

TEST_CASE("a file's frames arrive in order, at their own pace, as the frame reader sees them") {
    const TempFolder folder;
    write_video(folder / "v.avi");
    const auto expected = frames_of(folder / "v.avi", 100);
    Rig rig(config_for(folder / "v.avi", WhenFull::block));
    REQUIRE(rig.source.start().ok());
    REQUIRE(rig.sink.wait_for_end() == "");
    const auto frames = rig.sink.frames();
    REQUIRE(frames.size() == 12);
    for (uint64_t k = 0; k < 12; ++k) {
        CHECK(frames[k].k == k);
        CHECK(frames[k].stream == stream);
        CHECK(frames[k].captured_at == FakeWaiter::start + Usec{100'000} * static_cast<int64_t>(k));
        CHECK(frames[k].missed == 0);
        CHECK(bytes_of(frames[k].image) == expected[k]);
    }
    rig.source.stop();
    CHECK(rig.sink.times_ended() == 1);
    CHECK(rig.source.counts().captured == 12);
}

TEST_CASE("rate_per_s sets the schedule, and `frames` where a looped file stops") {
    const TempFolder folder;
    write_video(folder / "v.avi", {.frames = 3});
    auto config = config_for(folder / "v.avi", WhenFull::block);
    config.rate_per_s = 4;
    config.loop = true;
    config.frames = 8;
    Rig rig(config);
    REQUIRE(rig.source.start().ok());
    REQUIRE(rig.sink.wait_for_end() == "");
    const auto frames = rig.sink.frames();
    REQUIRE(rig.sink.numbers() == first_numbers(8));
    const auto once = frames_of(folder / "v.avi", 100);
    for (uint64_t k = 0; k < 8; ++k) {
        CHECK(frames[k].captured_at == FakeWaiter::start + from_ms(250.0 * static_cast<double>(k)));
        CHECK(bytes_of(frames[k].image) == once[k % 3]);
    }
}

TEST_CASE("Poisson arrivals follow the stream's name") {
    auto config = config_for("lavfi:testsrc2=size=64x48", WhenFull::block);
    config.rate_per_s = 10;
    config.arrivals = Arrivals::poisson;
    config.frames = 20;
    Rig rig(config);
    REQUIRE(rig.source.start().ok());
    REQUIRE(rig.sink.wait_for_end() == "");
    Pacer pacer(10.0, Arrivals::poisson, "cam", FakeWaiter::start);
    for (const auto& frame : rig.sink.frames()) CHECK(frame.captured_at == pacer.next(Usec{0}));
}

TEST_CASE("without room a frame keeps its number, and the next accepted one tells how many were missed") {
    const TempFolder folder;
    write_video(folder / "v.avi");
    const auto expected = frames_of(folder / "v.avi", 100);
    for (const WhenFull policy : {WhenFull::drop_oldest, WhenFull::drop_newest}) {
        Rig rig(config_for(folder / "v.avi", policy));
        rig.sink.room = [](uint64_t k) { return k < 2 || (k >= 5 && k < 10); };
        rig.sink.waited = []() -> bool { throw std::logic_error("a source that drops must not wait"); };
        REQUIRE(rig.source.start().ok());
        REQUIRE(rig.sink.wait_for_end() == "");
        CHECK(rig.sink.numbers() == std::vector<uint64_t>{0, 1, 5, 6, 7, 8, 9});
        const auto frames = rig.sink.frames();
        for (const auto& frame : frames) {
            CHECK(frame.missed == (frame.k == 5 ? 3 : 0));
            CHECK(bytes_of(frame.image) == expected[frame.k]);
        }
        CHECK(rig.sink.missed_at_end() == 2);
        CHECK(rig.source.counts().missed == 5);
        CHECK(rig.source.counts().captured == frames.size() + 5);
    }
}

TEST_CASE("a blocking source asks for room before each frame and loses none, even if offers are refused") {
    const TempFolder folder;
    write_video(folder / "v.avi");
    Rig rig(config_for(folder / "v.avi", WhenFull::block));
    uint64_t asked = 0, refused = 0;
    rig.sink.waited = [&] { return ++asked > 0; };
    rig.sink.room = [&](uint64_t k) { return k % 3 != 0 || refused++ % 2 == 1; };  // every third at its second offer
    REQUIRE(rig.source.start().ok());
    REQUIRE(rig.sink.wait_for_end() == "");
    CHECK(rig.sink.numbers() == first_numbers(12));
    CHECK(rig.source.counts().missed == 0);
    CHECK(asked == 12 + 4 + 1);  // each frame, the four refused ones again, and once before the end was seen
}

TEST_CASE("a blocking source that is behind its schedule keeps the scheduled instants") {
    auto config = config_for("lavfi:testsrc2=size=64x48", WhenFull::block);
    config.rate_per_s = 10;
    config.frames = 30;
    Rig rig(config);
    // A stall of 2 s before frame 5: frames 5 … 24 are late, and come as fast as they can.
    uint64_t asked = 0;
    rig.sink.waited = [&] {
        if (asked++ == 5) rig.clock->advance(from_seconds(2));
        return true;
    };
    REQUIRE(rig.source.start().ok());
    REQUIRE(rig.sink.wait_for_end() == "");
    const auto frames = rig.sink.frames();
    REQUIRE(frames.size() == 30);
    for (const auto& frame : frames)
        CHECK(frame.captured_at == FakeWaiter::start + Usec{100'000} * static_cast<int64_t>(frame.k));
    CHECK(rig.clock->now() == FakeWaiter::start + from_seconds(2.9));
}

TEST_CASE("a sink that stops while a source waits for room ends it") {
    Rig rig(config_for("lavfi:testsrc2=size=64x48", WhenFull::block));
    uint64_t asked = 0;
    rig.sink.waited = [&] { return ++asked <= 4; };
    REQUIRE(rig.source.start().ok());
    CHECK(rig.sink.wait_for_end() == "stopped");
    CHECK(rig.sink.numbers() == first_numbers(4));
    CHECK(rig.source.counts().captured == 4);
}

TEST_CASE("stopping a blocking source in the middle of a refused frame counts that frame as missed") {
    Rig rig(config_for("lavfi:testsrc2=size=64x48", WhenFull::block));
    bool refused = false;
    rig.sink.room = [&](uint64_t k) { return !(refused = k == 3); };
    rig.sink.waited = [&] { return !refused; };
    REQUIRE(rig.source.start().ok());
    CHECK(rig.sink.wait_for_end() == "stopped");
    CHECK(rig.source.counts().captured == 4);
    CHECK(rig.source.counts().missed == 1);
    CHECK(rig.sink.missed_at_end() == 1);
}

TEST_CASE("stop returns at once while the next frame is due in an hour") {
    auto config = config_for("lavfi:testsrc2=size=64x48", WhenFull::drop_oldest);
    config.rate_per_s = 1.0 / 3600;
    Rig rig(config, true);
    REQUIRE(rig.source.start().ok());
    REQUIRE(rig.sink.wait_for_frames(1));
    const Instant before = real_now();
    rig.source.stop();
    CHECK(real_now() - before < from_seconds(1));
    CHECK(rig.sink.wait_for_end() == "stopped");
    CHECK(rig.sink.numbers() == first_numbers(1));
    rig.source.stop();
    CHECK(rig.sink.times_ended() == 1);
}

TEST_CASE("in real time frames are not offered before they are due") {
    auto config = config_for("lavfi:testsrc2=size=64x48", WhenFull::drop_oldest);
    config.rate_per_s = 50;
    config.frames = 11;
    Rig rig(config, true);
    std::vector<Usec> early;
    std::vector<Instant> offered;
    rig.sink.room = [&](uint64_t) {
        offered.push_back(real_now());
        return true;
    };
    REQUIRE(rig.source.start().ok());
    REQUIRE(rig.sink.wait_for_end() == "");
    const auto frames = rig.sink.frames();
    REQUIRE(frames.size() == 11);
    for (size_t k = 0; k < frames.size(); ++k) CHECK(offered[k] >= frames[k].captured_at);
    CHECK(frames[10].captured_at - frames[0].captured_at == from_ms(200));
}

TEST_CASE("an input that does not open is an error that names source, input and reason, and nothing was captured") {
    const TempFolder folder;
    for (const std::string& input :
         {folder / "none.avi", std::string("/dev/video99"), std::string("rtsp://127.0.0.1:1/x")}) {
        Rig rig(config_for(input, WhenFull::block));
        auto status = rig.source.start();
        REQUIRE_FALSE(status.ok());
        CAPTURE(status.error().message);
        CHECK(status.error().message.find("\"cam\"") != std::string::npos);
        CHECK(status.error().message.find(input) != std::string::npos);
        const char* reason = input[0] == 'r' ? "Connection refused" : "No such file or directory";
        CHECK(status.error().message.find(reason) != std::string::npos);
        rig.source.stop();
        CHECK(rig.sink.times_ended() == 0);
    }
}

TEST_CASE("impossible rates are refused") {
    for (const double rate : {0.0, -1.0, 1e9, std::numeric_limits<double>::quiet_NaN()}) {
        auto config = config_for("lavfi:testsrc2", WhenFull::block);
        config.rate_per_s = rate;
        CHECK_FALSE(Rig(config).source.start().ok());
    }
    auto config = config_for("lavfi:testsrc2", WhenFull::block);
    config.arrivals = Arrivals::poisson;
    CHECK_FALSE(Rig(config).source.start().ok());
}

TEST_CASE("a folder whose pictures vanish while it is looped over ends with a reason") {
    const TempFolder folder;
    REQUIRE(write_picture(gradient(40, 30, 1), folder / "a.png").ok());
    auto config = config_for(folder.path(), WhenFull::block);
    config.loop = true;
    Rig rig(config);
    uint64_t asked = 0;
    rig.sink.waited = [&] {
        if (++asked == 6) std::filesystem::remove(folder / "a.png");
        return true;
    };
    REQUIRE(rig.source.start().ok());
    const auto reason = rig.sink.wait_for_end();
    REQUIRE(reason.has_value());
    CHECK(reason->find("a.png: No such file or directory") != std::string::npos);
    CHECK(rig.sink.numbers() == first_numbers(5));
    CHECK(rig.log.count("corrupt packet or picture skipped so far") == 1);
}

TEST_CASE("corrupt pictures are counted and told of, at most once a minute") {
    const TempFolder folder;
    for (const char* good : {"a.png", "c.png", "e.png", "g.png"})
        REQUIRE(write_picture(gradient(40, 30, 1), folder / good).ok());
    for (int i = 10; i < 30; ++i) write_file(folder / ("b" + std::to_string(i) + ".png"), "no picture");
    for (const char* bad : {"d.png", "f.png"}) write_file(folder / bad, "no picture");
    for (const double rate_per_s : {1.0, 1.0 / 40}) {
        auto config = config_for(folder.path(), WhenFull::block);
        config.rate_per_s = rate_per_s;
        Rig rig(config);
        REQUIRE(rig.source.start().ok());
        REQUIRE(rig.sink.wait_for_end() == "");
        CHECK(rig.sink.numbers() == first_numbers(4));
        CHECK(rig.source.counts().corrupt == 22);
        // Met at 0 s, 1 s and 2 s, or at 0 s, 40 s and 80 s.
        CHECK(rig.log.count("20 corrupt packets or pictures skipped so far") == 1);
        CHECK(rig.log.count("skipped so far") == (rate_per_s == 1.0 ? 1 : 2));
        CHECK(rig.log.count("22 corrupt packets or pictures skipped so far") == (rate_per_s == 1.0 ? 0 : 1));
    }
}

}  // namespace
}  // namespace eddy::camera::test
