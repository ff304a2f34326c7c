// From the cameras' threads to the core's: a lock-free queue whose bound is kept by permits. The core hands a permit
// back for every frame that leaves the reservoir, so reservoir and queue together hold no more than was agreed.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <variant>

#include <concurrentqueue/concurrentqueue.h>

#include "src/camera/source.hpp"

namespace eddy::app {

struct StreamEnd {
    StreamId stream;
    std::string reason;
    uint64_t missed = 0;
};
/// A camera that could not be opened.
struct StartFailure {
    Error error;
};
using CaptureEvent = std::variant<camera::Frame, StreamEnd, StartFailure>;
using CaptureQueue = moodycamel::ConcurrentQueue<CaptureEvent>;

/// One a stream. Camera side: FrameSink, on the camera's thread. Core side: add_permits() and stop(), any thread.
class CaptureBridge final : public camera::FrameSink {
public:
    /// `queue` is shared by all streams and outlives this; `wake` is called after every push.
    CaptureBridge(StreamId stream, uint32_t permits, CaptureQueue& queue, std::function<void()> wake)
        : stream_(stream), permits_(permits), queue_(queue), wake_(std::move(wake)) {}

    bool offer(camera::Frame&& frame) override {
        {
            const std::lock_guard lock(mutex_);
            if (permits_ == 0) return false;
            --permits_;
        }
        queue_.enqueue(std::move(frame));
        wake_();
        return true;
    }
    bool wait_for_room() override {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return permits_ > 0 || stopping_; });
        return !stopping_;
    }
    void ended(std::string reason, uint64_t missed) override {
        queue_.enqueue(StreamEnd{stream_, std::move(reason), missed});
        wake_();
    }

    void add_permits(uint32_t count) {
        {
            const std::lock_guard lock(mutex_);
            permits_ += count;
        }
        changed_.notify_one();
    }
    void stop() {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        changed_.notify_one();
    }

private:
    StreamId stream_;
    std::mutex mutex_;
    std::condition_variable changed_;
    uint32_t permits_;       // protected by mutex_
    bool stopping_ = false;  // protected by mutex_
    CaptureQueue& queue_;
    std::function<void()> wake_;
};

}  // namespace eddy::app
