// Synchronous reading of any input: the one decoding path. Source uses it on its thread, `eddy results` to get
// frame k of a file again, bit-identical.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "eddy/result.hpp"
#include "eddy/tensor.hpp"
#include "eddy/time.hpp"
#include "src/camera/picture.hpp"

namespace eddy::camera {

enum class InputKind : uint8_t { file, folder, rtsp, v4l2, lavfi };

/// What an input string means: `rtsp://` and `rtsps://`, `/dev/video*`, `lavfi:GRAPH`, an existing folder, or else a
/// file. Error: another scheme (`http://`), or nothing at all.
Result<InputKind> input_kind(const std::string& input);
/// Live inputs give frames when they please, cannot wait, and are reopened when they break.
inline bool is_live(InputKind kind) { return kind == InputKind::rtsp || kind == InputKind::v4l2; }
/// The input with a password in it hidden: for logs and errors.
std::string without_password(const std::string& input);
/// `text` with the password that `input` holds, if any, hidden wherever it occurs.
std::string without_password_of(const std::string& input, std::string text);

/// No frame of more pixels is decoded.
inline constexpr uint64_t frame_pixels_max = uint64_t{8192} * 8192;

struct ReaderOptions {
    uint32_t width = 0;      ///< of the images, pixels: the model's input
    uint32_t height = 0;     ///< likewise
    bool loop = false;       ///< files and folders start again at their end
    bool full_size = false;  ///< give the picture at its own size too
    Usec open_timeout = from_seconds(10);
    Usec read_timeout = from_seconds(10);  ///< live inputs: silence for so long is an error
    /// Set from any thread: open() and next() give up within a fraction of a second. May be null; must outlive the
    /// reader.
    const std::atomic<bool>* stop = nullptr;
};

struct ReadFrame {
    HostTensor image;  ///< u8, RGB, [height, width, 3]: stretched, bilinear; the same bytes for the same input
    Usec position{0};  ///< the stream's own time since its first frame; rises, over loops too. Pictures: one a second
    std::optional<Picture> picture;
};

/// One thread at a time. Movable.
class FrameReader {
public:
    /// Files, folders and lavfi: the first frame has been decoded when this returns. The error names the input (without
    /// its password) and FFmpeg's reason.
    static Result<FrameReader> open(const std::string& input, const ReaderOptions& options);
    ~FrameReader();
    FrameReader(FrameReader&&) noexcept;
    FrameReader& operator=(FrameReader&&) noexcept;

    /// Decodes the next frame, without converting it. False: the end of the input. Error: why it broke. Corrupt
    /// packets, frames of no size or beyond frame_pixels_max and unreadable pictures are skipped and counted. A live
    /// input never ends: it breaks.
    Result<bool> advance();
    /// Converts the frame that advance() came to; only after it said true.
    Result<ReadFrame> current();
    /// advance() and current(); nothing at the end.
    Result<std::optional<ReadFrame>> next();
    /// advance() `count` times. False: the input ended first.
    Result<bool> skip(uint64_t count);

    [[nodiscard]] InputKind kind() const;
    [[nodiscard]] uint64_t corrupt() const;                    ///< skipped so far
    [[nodiscard]] const std::string& last_corruption() const;  ///< FFmpeg's words for the last one; empty: none

private:
    struct Impl;
    explicit FrameReader(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace eddy::camera
