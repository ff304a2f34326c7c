// One thread for what takes long and must not hold up the loop: compiling plans, making them. In the order asked for.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace eddy::app {

class Background {
public:
    Background() : thread_([this] { serve(); }) {}
    /// Waits for the task at hand; others are not begun any more.
    ~Background() {
        {
            const std::lock_guard lock(mutex_);
            ended_ = true;
        }
        changed_.notify_all();
        thread_.join();
    }
    Background(const Background&) = delete;
    Background& operator=(const Background&) = delete;

    /// Any thread. `task` must not throw.
    void post(std::function<void()> task) {
        {
            const std::lock_guard lock(mutex_);
            tasks_.push_back(std::move(task));
        }
        changed_.notify_all();
    }

    /// Whoever owns it wants its end: no other task is begun. Any thread; a task may ask.
    [[nodiscard]] bool ending() const {
        const std::lock_guard lock(mutex_);
        return ended_;
    }

private:
    void serve() {
        std::unique_lock lock(mutex_);
        for (;;) {
            changed_.wait(lock, [this] { return ended_ || !tasks_.empty(); });
            if (ended_) return;
            const auto task = std::move(tasks_.front());
            tasks_.pop_front();
            lock.unlock();
            task();
            lock.lock();
        }
    }

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::function<void()>> tasks_;  ///< the rest is protected by mutex_
    bool ended_ = false;
    std::thread thread_;
};

}  // namespace eddy::app
