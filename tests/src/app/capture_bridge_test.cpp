#include "src/app/capture_bridge.hpp"

#include <thread>

#include <doctest/doctest.h>

using namespace eddy;
using namespace eddy::app;

namespace {

camera::Frame frame(uint64_t k) {
    camera::Frame frame;
    frame.k = k;
    return frame;
}

struct Bridged {
    CaptureQueue queue;
    int wakes = 0;
    CaptureBridge bridge{StreamId{3}, 2, queue, [this] { ++wakes; }};

    std::vector<uint64_t> drain() {
        std::vector<uint64_t> numbers;
        CaptureEvent event;
        while (queue.try_dequeue(event))
            if (auto* f = std::get_if<camera::Frame>(&event)) numbers.push_back(f->k);
        return numbers;
    }
};

}  // namespace

TEST_CASE("no more frames cross than there are permits, and each one rings the bell") {
    Bridged b;
    CHECK(b.bridge.offer(frame(0)));
    CHECK(b.bridge.offer(frame(1)));
    CHECK_FALSE(b.bridge.offer(frame(2)));
    CHECK(b.wakes == 2);
    CHECK(b.drain() == std::vector<uint64_t>{0, 1});
    CHECK_FALSE(b.bridge.offer(frame(3)));  // taken out of the queue is not yet out of the reservoir
    b.bridge.add_permits(1);
    CHECK(b.bridge.offer(frame(4)));
    CHECK(b.drain() == std::vector<uint64_t>{4});
}

TEST_CASE("a refused frame is left as it was, so that it can be offered again") {
    Bridged b;
    (void)b.bridge.offer(frame(0));
    (void)b.bridge.offer(frame(1));
    auto waiting = frame(2);
    waiting.image.bytes = SharedBytes(allocate_bytes(10), 10);
    CHECK_FALSE(b.bridge.offer(std::move(waiting)));
    CHECK(waiting.image.bytes.size() == 10);
}

TEST_CASE("a camera that waits for room goes on when a permit comes, and gives up when the node stops") {
    Bridged b;
    CHECK(b.bridge.wait_for_room());
    (void)b.bridge.offer(frame(0));
    (void)b.bridge.offer(frame(1));
    bool room = false;
    std::thread camera([&] { room = b.bridge.wait_for_room(); });
    b.bridge.add_permits(1);
    camera.join();
    CHECK(room);
    (void)b.bridge.offer(frame(2));
    std::thread stopped([&] { room = b.bridge.wait_for_room(); });
    b.bridge.stop();
    stopped.join();
    CHECK_FALSE(room);
}

TEST_CASE("the end of a stream crosses without a permit, after its last frame") {
    Bridged b;
    (void)b.bridge.offer(frame(0));
    (void)b.bridge.offer(frame(1));
    b.bridge.ended("broken", 5);
    CaptureEvent event;
    StreamEnd end;
    int events = 0;
    while (b.queue.try_dequeue(event)) {
        ++events;
        if (auto* e = std::get_if<StreamEnd>(&event)) {
            end = *e;
            CHECK(events == 3);
        }
    }
    CHECK(end.stream == StreamId{3});
    CHECK(end.reason == "broken");
    CHECK(end.missed == 5);
}
