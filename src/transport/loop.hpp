// One event loop on one thread: sockets, timers, signals, and a doorbell for the other threads. It owns no protocol
// state; Network and LineServer hang their handles on it and must be destroyed before it.
//
// Thread: everything but wake() and stop() belongs to the thread that runs the loop (before run(): to whoever
// constructs). Errors: the constructor aborts only if the system has no file descriptor left for an epoll instance.
#pragma once

#include <functional>
#include <memory>

#include "eddy/log.hpp"
#include "eddy/time.hpp"

namespace eddy::transport {

struct LoopHandles;  // the library's side; loop_handles.hpp

class Loop {
public:
    using Callback = std::function<void()>;

    Loop();
    ~Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    /// Serves until stop(). May be called again afterwards.
    void run();
    /// Serves until `done` holds (checked after each round of events) or `timeout` has passed; says whether it holds.
    bool run_until(const std::function<bool()>& done, Usec timeout);
    /// Any thread, any time: makes run() return after the current round of events; also a run() that has not begun.
    void stop();

    /// Called on the loop's thread after wake(). Many wake() may become one call; none is lost.
    void on_wake(Callback callback);
    /// Any thread, wait-free.
    void wake();

    /// Calls `callback` once, at or after `at` (milliseconds are the loop's grain). A later call for the same `timer`
    /// replaces an earlier one; `never` disarms. Timer numbers are the caller's; small ones, at most 64 of them.
    void arm(int timer, Instant at, Callback callback);
    void disarm(int timer);

    /// SIGINT and SIGTERM come here instead of ending the process, as long as the loop lives.
    void on_stop_signal(std::function<void(int signal)> callback);

    /// This machine's steady clock.
    [[nodiscard]] Instant now() const;

    /// For this room only.
    [[nodiscard]] LoopHandles& handles() { return *handles_; }

private:
    std::unique_ptr<LoopHandles> handles_;
};

}  // namespace eddy::transport
