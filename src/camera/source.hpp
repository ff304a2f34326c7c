// A camera stream on its own thread: opens the input, keeps time, numbers the frames and hands them to a FrameSink.
// Frame k exists from the moment it is due, whether there is room for it or not: a frame without room is missed and
// counted, never renumbered.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "eddy/config.hpp"
#include "eddy/ids.hpp"
#include "eddy/log.hpp"
#include "eddy/result.hpp"
#include "eddy/tensor.hpp"
#include "eddy/time.hpp"

namespace eddy::camera {

class Waiter;

/// Frame k of a stream.
struct Frame {
    StreamId stream;
    uint64_t k = 0;
    /// The scheduled instant for files, folders and lavfi (late or not); the instant of arrival for live inputs.
    Instant captured_at{};
    HostTensor image;     ///< u8, RGB, [height, width, 3], at the model's input size; meta.value is left at 0
    uint64_t missed = 0;  ///< frames between the last accepted one and this one that found no room
};

/// Where frames go. Implemented by src/app; every call comes from the capture thread of the source, one at a time.
class FrameSink {
public:
    virtual ~FrameSink() = default;
    /// Must not block. False: no room, and `frame` was left as it was; it counts as missed unless the source blocks.
    virtual bool offer(Frame&& frame) = 0;
    /// Blocks until there is room; asked only by sources whose when_full is `block`. False: stopping. Whoever stops
    /// the source must make this return first (or from another thread): Source::stop() cannot wake it.
    virtual bool wait_for_room() = 0;
    /// The last call, once for every start() that succeeded. `reason`: empty if the input or the asked number of
    /// frames simply ended, "stopped" after stop(), otherwise what broke. `missed`: as in Frame, after the last one.
    virtual void ended(std::string reason, uint64_t missed) = 0;
};

/// What a source has seen so far.
struct SourceCounts {
    uint64_t captured = 0;  ///< frames numbered, missed ones included
    uint64_t missed = 0;
    uint64_t corrupt = 0;   ///< packets and pictures that could not be decoded, frames of impossible size
    uint64_t reopened = 0;  ///< times a live input broke and came back
};

/// Owns the capture thread. `sink` must outlive it. Pace:
/// - files, folders and lavfi with rate_per_s: frame k is due at start + k/rate, or at the k-th instant of a Poisson
///   process whose gaps follow from the stream's name; without: at the stream's own timestamps (pictures: one a
///   second);
/// - live inputs (rtsp://, /dev/video*): as they come; with rate_per_s thinned to at most that rate.
/// A live input that breaks or is silent for 10 s is reopened after 0.5 s … 30 s (exponential, jittered), for ever, and
/// the gap is logged. A file that cannot be read on ends the stream with a reason.
class Source {
public:
    /// width, height: the model's input, pixels. `waiter`: the clock to keep time by; null for the real one.
    Source(SourceConfig config, StreamId stream, uint32_t width, uint32_t height, FrameSink& sink, LogFn log,
           std::shared_ptr<Waiter> waiter = nullptr);
    ~Source();  ///< stop()
    Source(const Source&) = delete;
    Source& operator=(const Source&) = delete;

    /// Opens the input (at most about 10 s) and starts the thread. Once. The error names the input and FFmpeg's reason.
    Status start();
    /// Asks the thread to end, without waiting; any thread. A start() in progress gives up too.
    void request_stop();
    /// request_stop(), then waits for the thread: well under a second, if the sink does not hold it. Idempotent.
    void stop();

    /// Any thread.
    [[nodiscard]] SourceCounts counts() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace eddy::camera
