// A FrameSink that plays by a script and remembers what it was given, and a clock that never waits.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "src/camera/source.hpp"
#include "src/camera/waiter.hpp"
#include "tests/src/camera/media.hpp"

namespace eddy::camera::test {

inline constexpr auto patience = std::chrono::seconds(120);

class ScriptedSink : public FrameSink {
public:
    /// Whether frame k finds room, and what wait_for_room() answers; both default to yes. On the capture thread.
    std::function<bool(uint64_t k)> room = [](uint64_t) { return true; };
    std::function<bool()> waited = [] { return true; };

    bool offer(Frame&& frame) override {
        if (!room(frame.k)) return false;
        const std::lock_guard lock(mutex_);
        frames_.push_back(std::move(frame));
        changed_.notify_all();
        return true;
    }
    bool wait_for_room() override { return waited(); }
    void ended(std::string reason, uint64_t missed) override {
        const std::lock_guard lock(mutex_);
        ++ended_;
        reason_ = std::move(reason);
        missed_at_end_ = missed;
        changed_.notify_all();
    }

    bool wait_for_frames(size_t count) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, patience, [&] { return frames_.size() >= count; });
    }
    /// The reason, once ended() was called.
    std::optional<std::string> wait_for_end() {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, patience, [&] { return ended_ > 0; })) return std::nullopt;
        return reason_;
    }
    std::vector<Frame> frames() {
        const std::lock_guard lock(mutex_);
        return frames_;
    }
    std::vector<uint64_t> numbers() {
        std::vector<uint64_t> ks;
        for (const auto& frame : frames()) ks.push_back(frame.k);
        return ks;
    }
    int times_ended() {
        const std::lock_guard lock(mutex_);
        return ended_;
    }
    uint64_t missed_at_end() {
        const std::lock_guard lock(mutex_);
        return missed_at_end_;
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<Frame> frames_;
    int ended_ = 0;
    std::string reason_;
    uint64_t missed_at_end_ = 0;
};

/// Time passes only by being waited for, or by advance().
class FakeWaiter : public Waiter {
public:
    static constexpr Instant start{from_seconds(500)};
    Instant now() override {
        const std::lock_guard lock(mutex_);
        return now_;
    }
    bool wait_until(Instant at) override {
        const std::lock_guard lock(mutex_);
        now_ = std::max(now_, at);
        return !stopping_;
    }
    void stop() override {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    void advance(Usec span) {
        const std::lock_guard lock(mutex_);
        now_ += span;
    }

private:
    std::mutex mutex_;
    Instant now_ = start;
    bool stopping_ = false;
};

/// Log lines, and waiting for one that says something.
class LogBook {
public:
    LogFn writer() {
        return [this](LogLevel, const std::string& text) {
            const std::lock_guard lock(mutex_);
            lines_.push_back(text);
            changed_.notify_all();
        };
    }
    /// Times a line with `part` in it was written.
    size_t count(const std::string& part) {
        const std::lock_guard lock(mutex_);
        return count_locked(part);
    }
    bool wait_for(const std::string& part) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, patience, [&] { return count_locked(part) > 0; });
    }
    std::string all() {
        const std::lock_guard lock(mutex_);
        std::string text;
        for (const auto& line : lines_) text += line + "\n";
        return text;
    }

private:
    size_t count_locked(const std::string& part) const {
        size_t n = 0;
        for (const auto& line : lines_) n += line.find(part) != std::string::npos ? 1 : 0;
        return n;
    }
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::string> lines_;
};

}  // namespace eddy::camera::test
