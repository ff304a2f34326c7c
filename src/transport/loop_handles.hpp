// The libuv side of Loop, for the sources of this room.
#pragma once

#include <map>
#include <memory>
#include <string>

#include <uv.h>

#include "src/transport/loop.hpp"

namespace eddy::transport {

struct LoopHandles {
    struct Timer {
        uv_timer_t handle{};
        Loop::Callback callback;
        Instant at = never;
    };

    uv_loop_t loop{};
    uv_async_t wake{};
    uv_async_t stop{};
    uv_timer_t deadline{};  ///< of run_until
    uv_signal_t interrupt{};
    uv_signal_t terminate{};
    bool stopping = false;  ///< loop's thread only
    Loop::Callback on_wake;
    std::function<void(int)> on_signal;
    std::map<int, std::unique_ptr<Timer>> timers;

    void start(Timer& timer);
};

/// A timer of an object's own: stops with it.
class UvTimer {
public:
    UvTimer(Loop& loop, Loop::Callback callback);
    ~UvTimer();
    UvTimer(const UvTimer&) = delete;
    UvTimer& operator=(const UvTimer&) = delete;

    /// `repeat` zero: once.
    void start(Usec after, Usec repeat);

private:
    struct Holder {
        uv_timer_t handle{};
        Loop::Callback callback;
    };
    Holder* holder_;  ///< freed by the loop after it is closed
};

/// A libuv error as words: "connection refused".
inline std::string uv_text(int status) { return uv_strerror(status); }

}  // namespace eddy::transport
