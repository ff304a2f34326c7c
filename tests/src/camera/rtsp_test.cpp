// Goal: a network camera that refuses, falls silent, dies or comes back is never the end of its stream, and never holds
// the program. Method: a real RTSP server on loopback, killed and started again on the same port.
#include <thread>

#include <doctest/doctest.h>

#include "eddy/real_clock.hpp"
#include "tests/src/camera/rtsp_server.hpp"
#include "tests/src/camera/sink.hpp"

namespace eddy::camera::test {
namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

SourceConfig camera_at(const std::string& url) {
    SourceConfig config;
    config.name = "gate";
    config.input = url;
    config.when_full = WhenFull::drop_oldest;
    return config;
}

TEST_CASE("an RTSP camera's frames arrive as they come, numbered without gaps") {
    const RtspServer server;
    ScriptedSink sink;
    LogBook log;
    Source source(camera_at(server.url()), StreamId{0}, 64, 48, sink, log.writer());
    const Instant before = real_now();
    auto status = source.start();
    REQUIRE_MESSAGE(status.ok(), (status.ok() ? "" : status.error().message));
    REQUIRE(sink.wait_for_frames(20));
    source.stop();
    const auto frames = sink.frames();
    for (size_t i = 0; i < frames.size(); ++i) {
        CHECK(frames[i].k == i);
        CHECK(frames[i].captured_at >= (i == 0 ? before : frames[i - 1].captured_at));
        CHECK(frames[i].image.bytes.size() == 64 * 48 * 3);
    }
    CHECK(sink.wait_for_end() == "stopped");
}

TEST_CASE("a killed camera is reopened when it is back, its numbers go on, and the gap is logged") {
    auto server = std::make_unique<RtspServer>();
    const uint16_t port = server->port();
    auto config = camera_at(server->url());
    config.input.insert(7, "user:secret@");
    ScriptedSink sink;
    LogBook log;
    Source source(config, StreamId{0}, 64, 48, sink, log.writer());
    REQUIRE(source.start().ok());
    REQUIRE(sink.wait_for_frames(5));
    server.reset();
    REQUIRE(log.wait_for("broke after"));
    REQUIRE(log.wait_for("Connection refused"));
    server = std::make_unique<RtspServer>(port, RtspServer::Behaviour{});
    REQUIRE(log.wait_for("is back after"));
    const size_t frames_before = sink.frames().size();
    REQUIRE(sink.wait_for_frames(frames_before + 5));
    source.stop();
    const auto ks = sink.numbers();
    for (size_t i = 0; i < ks.size(); ++i) CHECK(ks[i] == i);
    CHECK(source.counts().reopened == 1);
    CHECK(sink.times_ended() == 1);
    CHECK_MESSAGE(!contains(log.all(), "secret"), log.all());
}

TEST_CASE("a camera that is not there, or has no such stream, is an error with its reason") {
    uint16_t unused = 0;
    {
        const RtspServer gone;
        unused = gone.port();
    }
    ReaderOptions options = small_images();
    auto refused = FrameReader::open("rtsp://127.0.0.1:" + std::to_string(unused) + "/live", options);
    REQUIRE_FALSE(refused.ok());
    CHECK_MESSAGE(contains(refused.error().message, "Connection refused"), refused.error().message);
    const RtspServer server(0, {.status = 404});
    auto missing = FrameReader::open(server.url(), options);
    REQUIRE_FALSE(missing.ok());
    CHECK_MESSAGE(contains(missing.error().message, "404"), missing.error().message);
}

TEST_CASE("a camera that accepts and says nothing is given up after the time allowed") {
    const RtspServer server(0, {.answers = false});
    ReaderOptions options = small_images();
    options.open_timeout = from_ms(300);
    const Instant before = real_now();
    auto reader = FrameReader::open(server.url(), options);
    REQUIRE_FALSE(reader.ok());
    CHECK(contains(reader.error().message, server.url()));
    CHECK(real_now() - before >= from_ms(250));
    CHECK(real_now() - before < from_seconds(5));
}

TEST_CASE("a camera that falls silent is an error after the time allowed") {
    const RtspServer server(0, {.frames_max = 60});
    ReaderOptions options = small_images();
    options.read_timeout = from_ms(300);
    auto reader = FrameReader::open(server.url(), options);
    REQUIRE(reader.ok());
    uint64_t frames = 0;
    for (;;) {
        auto next = reader->next();
        if (!next) {
            CHECK_MESSAGE(contains(next.error().message, "no answer within 300 ms"), next.error().message);
            break;
        }
        REQUIRE(next->has_value());
        ++frames;
    }
    CHECK(frames <= 60);
    CHECK(frames >= 50);
}

TEST_CASE("stop returns at once while a silent camera is being read or opened") {
    const RtspServer silent_later(0, {.frames_max = 40});
    RtspServer silent(0, {.answers = false});
    ScriptedSink sink;
    LogBook log;
    Source reading(camera_at(silent_later.url()), StreamId{0}, 64, 48, sink, log.writer());
    REQUIRE(reading.start().ok());
    REQUIRE(sink.wait_for_frames(30));
    const Instant before = real_now();
    reading.stop();
    CHECK(real_now() - before < from_seconds(1));
    CHECK(sink.wait_for_end() == "stopped");

    Source opening(camera_at(silent.url()), StreamId{1}, 64, 48, sink, log.writer());
    Instant asked{};
    std::thread stopper([&] {
        silent.wait_for_client();
        asked = real_now();
        opening.request_stop();
    });
    auto status = opening.start();
    const Instant after = real_now();
    stopper.join();
    REQUIRE_FALSE(status.ok());
    CHECK(contains(status.error().message, "stopped"));
    CHECK(after >= asked);
    CHECK(after - asked < from_seconds(1));
}

TEST_CASE("a live camera with a rate is thinned to it") {
    const RtspServer server;  // 50 frames/s
    auto config = camera_at(server.url());
    config.rate_per_s = 10;
    config.frames = 6;
    ScriptedSink sink;
    LogBook log;
    Source source(config, StreamId{0}, 64, 48, sink, log.writer());
    REQUIRE(source.start().ok());
    REQUIRE(sink.wait_for_end() == "");
    const auto frames = sink.frames();
    REQUIRE(frames.size() == 6);
    // Six frames are in six different tenths of a second.
    CHECK(frames.back().captured_at - frames.front().captured_at > from_ms(400));
}

}  // namespace
}  // namespace eddy::camera::test
