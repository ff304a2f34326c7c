#include "src/camera/waiter.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "eddy/real_clock.hpp"

namespace eddy::camera {
namespace {

class RealWaiter : public Waiter {
public:
    Instant now() override { return real_now(); }

    bool wait_until(Instant at) override {
        std::unique_lock lock(mutex_);
        while (!stopping_) {
            const Instant here = real_now();
            if (here >= at) return true;
            // In spans: the condition variable counts nanoseconds, in which a far instant overflows.
            const Instant until = std::min(at, here + std::chrono::hours(1));
            changed_.wait_until(lock, std::chrono::steady_clock::time_point(until.time_since_epoch()));
        }
        return false;
    }

    void stop() override {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        changed_.notify_all();
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool stopping_ = false;  ///< by mutex_
};

}  // namespace

std::shared_ptr<Waiter> real_waiter() { return std::make_shared<RealWaiter>(); }

}  // namespace eddy::camera
