#include "src/camera/source.hpp"

#include <cstdio>
#include <system_error>
#include <thread>
#include <utility>

#include "src/camera/frame_reader.hpp"
#include "src/camera/pacer.hpp"
#include "src/camera/waiter.hpp"

namespace eddy::camera {
namespace {

/// Corrupt packets and failing attempts to reopen are told of at most this often.
constexpr Usec log_pause = from_seconds(60);

std::string seconds_text(Usec span) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f s", to_seconds(span));
    return text;
}

std::string count_text(uint64_t count, const char* one, const char* many) {
    return std::to_string(count) + " " + (count == 1 ? one : many);
}

}  // namespace

struct Source::Impl {
    SourceConfig config;
    StreamId stream;
    uint32_t width, height;
    FrameSink& sink;
    LogFn log_to;
    std::shared_ptr<Waiter> waiter;
    std::atomic<bool> stop{false};
    std::atomic<uint64_t> captured{0}, missed{0}, corrupt{0}, reopened{0};
    bool started = false;
    // From here on of the capture thread alone.
    std::optional<FrameReader> reader;
    bool held = false;            ///< the reader stands on a frame, found while reopening, that was not taken yet
    uint64_t missed_since = 0;    ///< the last accepted frame
    uint64_t corrupt_before = 0;  ///< by readers no longer here
    uint64_t corrupt_logged = 0;
    std::optional<Instant> corrupt_logged_at;
    Backoff backoff;
    std::thread thread;  ///< last: ends before what it uses

    Impl(SourceConfig c, StreamId s, uint32_t w, uint32_t h, FrameSink& k, LogFn l, std::shared_ptr<Waiter> t)
        : config(std::move(c)),
          stream(s),
          width(w),
          height(h),
          sink(k),
          log_to(std::move(l)),
          waiter(t ? std::move(t) : real_waiter()),
          backoff(seed_of(config.name) ^ static_cast<uint64_t>(waiter->now().time_since_epoch().count())) {}

    [[nodiscard]] bool blocks() const { return config.when_full == WhenFull::block; }
    void log(LogLevel level, const std::string& text) const {
        if (log_to) log_to(level, "source \"" + config.name + "\": " + text);
    }
    [[nodiscard]] Status check() const;
    Result<FrameReader> open();
    void run();
    std::string capture();
    bool deliver(Instant at, HostTensor image);
    Result<bool> advance();
    bool reopen(const Error& cause);
    void count_corrupt();
};

Status Source::Impl::check() const {
    const auto& rate = config.rate_per_s;
    if (rate && !(*rate >= rate_per_s_min && *rate <= rate_per_s_max)) {
        return invalid("source \"" + config.name + "\": rate_per_s = " + std::to_string(*rate) +
                       " is not between 0.000001 and 10000");
    }
    if (!rate && config.arrivals == Arrivals::poisson) {
        return invalid("source \"" + config.name + "\": arrivals = \"poisson\" needs rate_per_s");
    }
    return success();
}

Result<FrameReader> Source::Impl::open() {
    ReaderOptions options;
    options.width = width;
    options.height = height;
    options.loop = config.loop;
    options.stop = &stop;
    return FrameReader::open(config.input, options);
}

void Source::Impl::run() {
    std::string reason = capture();
    const uint64_t frames = captured.load();
    const std::string after = " after " + count_text(frames, "frame", "frames");
    if (reason.empty() || stop.load()) {
        log(LogLevel::info, (reason.empty() ? "ended" : "stopped") + after);
    } else {
        log(LogLevel::error, reason + "; ended" + after);
    }
    reader.reset();
    sink.ended(std::move(reason), missed_since);
}

// Until the end, whose reason it returns.
std::string Source::Impl::capture() {
    const bool live = is_live(reader->kind());
    Pacer pacer(config.rate_per_s, config.arrivals, config.name, waiter->now());
    while (!config.frames || captured.load() < *config.frames) {
        if (stop.load() || (blocks() && !sink.wait_for_room())) return "stopped";
        auto next = advance();
        if (!next) {
            if (stop.load()) return "stopped";
            if (!live) return next.error().message;
            if (!reopen(next.error())) return "stopped";
            continue;
        }
        if (!*next) return {};
        const Instant now = waiter->now();
        if (live && !pacer.take(now)) continue;  // before converting: that is most of the cost
        auto frame = reader->current();
        if (!frame) return frame.error().message;
        const Instant at = live ? now : pacer.next(frame->position);
        if (!live && !waiter->wait_until(at)) return "stopped";
        if (!deliver(at, std::move(frame->image))) return "stopped";
    }
    return {};
}

// The reader's next frame. False: the end.
Result<bool> Source::Impl::advance() {
    if (std::exchange(held, false)) return true;
    auto next = reader->advance();
    count_corrupt();
    return next;
}

// Numbers the frame. False: stopping.
bool Source::Impl::deliver(Instant at, HostTensor image) {
    Frame frame{stream, captured.fetch_add(1), at, std::move(image), missed_since};
    while (!sink.offer(std::move(frame))) {  // NOLINT(bugprone-use-after-move): refused, it is left as it was
        if (blocks() && !stop.load() && sink.wait_for_room()) continue;
        ++missed_since;
        missed.fetch_add(1);
        return !blocks();
    }
    missed_since = 0;
    return true;
}

void Source::Impl::count_corrupt() {
    const uint64_t total = corrupt_before + reader->corrupt();
    corrupt.store(total);
    if (total == corrupt_logged) return;
    const Instant now = waiter->now();
    if (corrupt_logged_at && now - *corrupt_logged_at < log_pause) return;
    corrupt_logged = total;
    corrupt_logged_at = now;
    log(LogLevel::warning, count_text(total, "corrupt packet or picture", "corrupt packets or pictures") +
                               " skipped so far; the last: " + reader->last_corruption());
}

// Tries until the input gives a frame again, and keeps that frame. False: stopping.
bool Source::Impl::reopen(const Error& cause) {
    const Instant broke_at = waiter->now();
    log(LogLevel::warning,
        cause.message + "; broke after " + count_text(captured.load(), "frame", "frames") + ", will be reopened");
    corrupt_before += reader->corrupt();
    Instant logged_at = broke_at;
    for (uint64_t attempt = 1;; ++attempt) {
        // Closed before it is opened again: a device gives itself to one only.
        reader.reset();
        if (!waiter->wait_until(waiter->now() + backoff.next())) return false;
        Error failed;
        if (auto opened = open(); !opened) {
            failed = opened.error();
        } else {
            reader = std::move(opened).value();
            auto first = reader->advance();
            count_corrupt();
            held = first.ok() && *first;
            if (held) break;
            corrupt_before += reader->corrupt();
            failed = first.ok() ? unavailable("the stream ended") : first.error();
        }
        if (stop.load()) return false;
        const Instant now = waiter->now();
        if (attempt == 1 || now - logged_at >= log_pause) {
            logged_at = now;
            log(LogLevel::warning, failed.message + "; away for " + seconds_text(now - broke_at) + ", " +
                                       count_text(attempt, "attempt", "attempts") + " to reopen so far");
        }
    }
    backoff.reset();
    reopened.fetch_add(1);
    log(LogLevel::info,
        "input \"" + without_password(config.input) + "\" is back after " + seconds_text(waiter->now() - broke_at));
    return true;
}

Source::Source(SourceConfig config, StreamId stream, uint32_t width, uint32_t height, FrameSink& sink, LogFn log,
               std::shared_ptr<Waiter> waiter)
    : impl_(std::make_unique<Impl>(std::move(config), stream, width, height, sink, std::move(log), std::move(waiter))) {
}

Source::~Source() { stop(); }

Status Source::start() try {
    EDDY_ASSERT(!impl_->started);
    impl_->started = true;
    if (auto status = impl_->check(); !status) return status;
    auto opened = impl_->open();
    if (!opened) {
        return Error{opened.error().code, "source \"" + impl_->config.name + "\": " + opened.error().message};
    }
    impl_->reader = std::move(opened).value();
    impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
    return success();
} catch (const std::system_error& e) {
    return exhausted("source \"" + impl_->config.name + "\": no thread for it: " + e.what());
}

void Source::request_stop() {
    impl_->stop.store(true);
    impl_->waiter->stop();
}

void Source::stop() {
    request_stop();
    if (impl_->thread.joinable()) impl_->thread.join();
}

SourceCounts Source::counts() const {
    return {impl_->captured.load(), impl_->missed.load(), impl_->corrupt.load(), impl_->reopened.load()};
}

}  // namespace eddy::camera
