#include "src/transport/loop.hpp"

#include <algorithm>

#include <signal.h>

#include "eddy/assert.hpp"
#include "eddy/real_clock.hpp"
#include "src/transport/loop_handles.hpp"

namespace eddy::transport {
namespace {

constexpr int timers_max = 64;

template <class Handle>
void close_handle(Handle* handle) {
    auto* base = reinterpret_cast<uv_handle_t*>(handle);
    if (uv_is_closing(base) == 0) uv_close(base, nullptr);
}

void on_signal(uv_signal_t* handle, int number) {
    auto& handles = *static_cast<LoopHandles*>(handle->data);
    if (handles.on_signal) handles.on_signal(number);
}

/// libuv writes with writev, which has no MSG_NOSIGNAL: a peer that hangs up must not end the process.
void ignore_broken_pipes() {
    struct sigaction action {};
    if (sigaction(SIGPIPE, nullptr, &action) == 0 && action.sa_handler == SIG_DFL) {
        action.sa_handler = SIG_IGN;
        sigaction(SIGPIPE, &action, nullptr);
    }
}

}  // namespace

void LoopHandles::start(Timer& timer) {
    // The loop counts whole milliseconds of the same monotonic clock: round the instant, not the distance, or the
    // timer fires early.
    uv_update_time(&loop);
    const auto due = std::chrono::ceil<std::chrono::milliseconds>(timer.at.time_since_epoch()).count();
    const auto left = due - static_cast<int64_t>(uv_now(&loop));
    uv_timer_start(
        &timer.handle,
        [](uv_timer_t* handle) {
            // A copy: the callback may arm this very timer again.
            const Loop::Callback callback = static_cast<Timer*>(handle->data)->callback;
            if (callback) callback();
        },
        left > 0 ? static_cast<uint64_t>(left) : 0, 0);
}

Loop::Loop() : handles_(std::make_unique<LoopHandles>()) {
    ignore_broken_pipes();
    EDDY_ASSERT(uv_loop_init(&handles_->loop) == 0);
    EDDY_ASSERT(uv_async_init(&handles_->loop, &handles_->wake, [](uv_async_t* handle) {
                    auto& handles = *static_cast<LoopHandles*>(handle->data);
                    if (handles.on_wake) handles.on_wake();
                }) == 0);
    EDDY_ASSERT(uv_async_init(&handles_->loop, &handles_->stop, [](uv_async_t* handle) {
                    auto& handles = *static_cast<LoopHandles*>(handle->data);
                    handles.stopping = true;
                    uv_stop(&handles.loop);
                }) == 0);
    EDDY_ASSERT(uv_timer_init(&handles_->loop, &handles_->deadline) == 0);
    handles_->wake.data = handles_.get();
    handles_->stop.data = handles_.get();
}

Loop::~Loop() {
    close_handle(&handles_->wake);
    close_handle(&handles_->stop);
    close_handle(&handles_->deadline);
    if (handles_->on_signal) {
        close_handle(&handles_->interrupt);
        close_handle(&handles_->terminate);
    }
    for (auto& [number, timer] : handles_->timers) close_handle(&timer->handle);
    // Close callbacks of users that are gone already run here too.
    uv_run(&handles_->loop, UV_RUN_DEFAULT);
    EDDY_ASSERT(uv_loop_close(&handles_->loop) == 0);
}

void Loop::run() {
    while (!handles_->stopping) uv_run(&handles_->loop, UV_RUN_DEFAULT);
    handles_->stopping = false;
}

bool Loop::run_until(const std::function<bool()>& done, Usec timeout) {
    const Instant until = now() + timeout;
    while (!done()) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - now()).count();
        if (left <= 0) return false;
        uv_update_time(&handles_->loop);
        uv_timer_start(
            &handles_->deadline, [](uv_timer_t*) {}, static_cast<uint64_t>(left), 0);
        uv_run(&handles_->loop, UV_RUN_ONCE);
        uv_timer_stop(&handles_->deadline);
    }
    return true;
}

void Loop::stop() { uv_async_send(&handles_->stop); }
void Loop::on_wake(Callback callback) { handles_->on_wake = std::move(callback); }
void Loop::wake() { uv_async_send(&handles_->wake); }

void Loop::arm(int timer, Instant at, Callback callback) {
    if (at == never) return disarm(timer);
    auto& slot = handles_->timers[timer];
    if (!slot) {
        EDDY_ASSERT(handles_->timers.size() <= timers_max);
        slot = std::make_unique<LoopHandles::Timer>();
        slot->handle.data = slot.get();
        EDDY_ASSERT(uv_timer_init(&handles_->loop, &slot->handle) == 0);
    }
    slot->callback = std::move(callback);
    slot->at = at;
    handles_->start(*slot);
}

void Loop::disarm(int timer) {
    const auto found = handles_->timers.find(timer);
    if (found != handles_->timers.end()) uv_timer_stop(&found->second->handle);
}

void Loop::on_stop_signal(std::function<void(int)> callback) {
    const bool first = !handles_->on_signal;
    handles_->on_signal = std::move(callback);
    if (!first) return;
    for (auto [handle, number] : {std::pair{&handles_->interrupt, SIGINT}, std::pair{&handles_->terminate, SIGTERM}}) {
        EDDY_ASSERT(uv_signal_init(&handles_->loop, handle) == 0);
        handle->data = handles_.get();
        EDDY_ASSERT(uv_signal_start(handle, on_signal, number) == 0);
    }
}

Instant Loop::now() const { return real_now(); }

UvTimer::UvTimer(Loop& loop, Loop::Callback callback) : holder_(new Holder) {
    holder_->callback = std::move(callback);
    holder_->handle.data = holder_;
    EDDY_ASSERT(uv_timer_init(&loop.handles().loop, &holder_->handle) == 0);
}

UvTimer::~UvTimer() {
    uv_close(reinterpret_cast<uv_handle_t*>(&holder_->handle),
             [](uv_handle_t* closed) { delete static_cast<Holder*>(closed->data); });
}

void UvTimer::start(Usec after, Usec repeat) {
    const auto to_whole_ms = [](Usec duration) {
        return static_cast<uint64_t>(std::chrono::ceil<std::chrono::milliseconds>(duration).count());
    };
    uv_update_time(holder_->handle.loop);
    uv_timer_start(
        &holder_->handle, [](uv_timer_t* fired) { static_cast<Holder*>(fired->data)->callback(); }, to_whole_ms(after),
        to_whole_ms(repeat));
}

}  // namespace eddy::transport
