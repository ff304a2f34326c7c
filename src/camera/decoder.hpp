// One opening of one FFmpeg input: packets in, decoded pictures out. Knows nothing of loops, folders or sizes asked
// for. Private to src/camera.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "eddy/result.hpp"
#include "eddy/time.hpp"
#include "src/camera/av.hpp"

namespace eddy::camera {

/// What to open, and how long to bear with it.
struct DecoderTarget {
    std::string url;
    const char* format = nullptr;    ///< FFmpeg's input format; null: found by content
    const char* protocols = "file";  ///< a playlist or a crafted file must not reach for others
    bool rtsp = false;
    bool device = false;   ///< cannot be interrupted while it waits: opened non-blocking
    bool analyse = true;   ///< look at the first packets for what the header does not say
    bool patient = false;  ///< no time limit on reading: files
    Usec open_timeout{0};
    Usec read_timeout{0};
    const std::atomic<bool>* stop = nullptr;
};

class Decoder {
public:
    static Result<std::unique_ptr<Decoder>> open(const DecoderTarget& target);

    /// Decodes into `frame`. False: the end. Corrupt packets and impossible frames are skipped and counted.
    Result<bool> next(AVFrame* frame);

    /// Timestamp of a frame of this decoder; AV_NOPTS_VALUE: it has none. Microseconds from an origin of the stream's
    /// own.
    [[nodiscard]] int64_t timestamp_us(const AVFrame* frame) const;
    [[nodiscard]] std::optional<Usec> frame_duration() const;  ///< of the nominal rate, where one is told

    [[nodiscard]] uint64_t corrupt() const { return corrupt_; }
    [[nodiscard]] const std::string& last_corruption() const { return last_corruption_; }

private:
    enum class Feed : uint8_t { packet, end };

    explicit Decoder(const DecoderTarget& target) : target_(target) {}
    Status open_container();
    Status open_codec();
    Result<Feed> feed();
    Result<Feed> read_failed(int code);
    void count_corrupt(std::string why);
    [[nodiscard]] bool stopping() const { return target_.stop != nullptr && target_.stop->load(); }
    [[nodiscard]] Error given_up(Usec patience) const;
    void bear(Usec patience);
    static int interrupted(void* self);

    DecoderTarget target_;
    Instant deadline_ = never;
    av::Owned<AVFormatContext> format_;
    av::Owned<AVCodecContext> codec_;
    av::Owned<AVPacket> packet_{av_packet_alloc()};
    AVStream* stream_ = nullptr;  ///< owned by format_
    bool draining_ = false;
    uint32_t failures_in_row_ = 0;  ///< of reading or draining, without progress in between
    uint64_t corrupt_ = 0;
    std::string last_corruption_;
    std::optional<Error> broke_;  ///< told once what was decoded before has been given out
};

}  // namespace eddy::camera
