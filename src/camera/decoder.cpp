#include "src/camera/decoder.hpp"

#include <algorithm>
#include <thread>
#include <vector>

#include "eddy/real_clock.hpp"
#include "src/camera/frame_reader.hpp"
#include "src/camera/resolve.hpp"

namespace eddy::camera {
namespace {

constexpr uint32_t failures_in_row_max = 100;
/// V4L2 waits in an ioctl that nothing interrupts, so the device is opened non-blocking and asked this often.
constexpr auto device_pause = std::chrono::milliseconds(4);

bool size_possible(const AVFrame* frame) {
    return frame->width > 0 && frame->height > 0 &&
           static_cast<uint64_t>(frame->width) * static_cast<uint64_t>(frame->height) <= frame_pixels_max;
}

}  // namespace

int Decoder::interrupted(void* self) {
    const auto* decoder = static_cast<Decoder*>(self);
    return decoder->stopping() || (decoder->deadline_ != never && real_now() > decoder->deadline_) ? 1 : 0;
}

void Decoder::bear(Usec patience) { deadline_ = real_now() + patience; }

Error Decoder::given_up(Usec patience) const {
    if (stopping()) return unavailable("stopped");
    return unavailable("no answer within " + std::to_string(patience.count() / 1000) + " ms");
}

Result<std::unique_ptr<Decoder>> Decoder::open(const DecoderTarget& target) {
    av::initialise();
    std::unique_ptr<Decoder> decoder(new Decoder(target));
    decoder->bear(target.open_timeout);
    if (auto status = decoder->open_container(); !status) return status.error();
    if (auto status = decoder->open_codec(); !status) return status.error();
    decoder->deadline_ = never;
    return decoder;
}

Status Decoder::open_container() {
    if (target_.rtsp) {
        if (auto found = resolve(host_of(target_.url), deadline_, target_.stop); !found) return found;
    }
    av::LogScope log;
    const AVInputFormat* format = nullptr;
    if (target_.format != nullptr) {
        format = av_find_input_format(target_.format);
        if (format == nullptr) return unsupported(std::string("this FFmpeg has no input \"") + target_.format + "\"");
    }
    AVFormatContext* context = avformat_alloc_context();
    if (context == nullptr) return exhausted("out of memory");
    context->interrupt_callback = {interrupted, this};
    if (target_.device) context->flags |= AVFMT_FLAG_NONBLOCK;

    av::Options options;
    options.set("protocol_whitelist", target_.protocols);
    options.set("pattern_type", "none");  // a '%' in a picture's name is a '%'
    if (target_.rtsp) {
        options.set("rtsp_transport", "tcp");  // over UDP lost packets become broken pictures
        options.set("timeout", std::to_string(target_.open_timeout.count()));
    }
    // On failure FFmpeg frees the context itself.
    const int opened = avformat_open_input(&context, target_.url.c_str(), format, options.get());
    // An interrupted open says so in several ways.
    if (opened < 0 && interrupted(this) != 0) return given_up(target_.open_timeout);
    if (opened < 0) return unavailable(av::reason(opened, log));
    format_.reset(context);
    if (!target_.analyse) return success();

    // The analysis decodes too: the bound on sizes must reach its decoders.
    std::vector<AVDictionary*> bounds(format_->nb_streams, nullptr);
    for (auto& bound : bounds) {
        av_dict_set_int(&bound, "max_pixels", static_cast<int64_t>(frame_pixels_max), 0);
        av_dict_set_int(&bound, "threads", 1, 0);
    }
    const int analysed = avformat_find_stream_info(format_.get(), bounds.empty() ? nullptr : bounds.data());
    for (auto& bound : bounds) av_dict_free(&bound);
    if (interrupted(this) != 0) return given_up(target_.open_timeout);
    if (analysed < 0) return invalid(av::reason(analysed, log));
    return success();
}

Status Decoder::open_codec() {
    av::LogScope log;
    const AVCodec* codec = nullptr;
    const int index = av_find_best_stream(format_.get(), AVMEDIA_TYPE_VIDEO, -1, -1, &codec, 0);
    if (index == AVERROR_DECODER_NOT_FOUND) return unsupported("this FFmpeg cannot decode its video");
    if (index < 0) return invalid("there is no video in it");
    stream_ = format_->streams[index];
    for (unsigned i = 0; i < format_->nb_streams; ++i) {
        if (static_cast<int>(i) != index) format_->streams[i]->discard = AVDISCARD_ALL;
    }
    codec_.reset(avcodec_alloc_context3(codec));
    if (!codec_ || !packet_) return exhausted("out of memory");
    int code = avcodec_parameters_to_context(codec_.get(), stream_->codecpar);
    if (code < 0) return invalid(av::reason(code, log));
    codec_->pkt_timebase = stream_->time_base;
    codec_->max_pixels = static_cast<int64_t>(frame_pixels_max);
    // One thread: damaged streams decode the same way every time, and the cores belong to the models.
    codec_->thread_count = 1;
    code = avcodec_open2(codec_.get(), codec, nullptr);
    if (code < 0) return invalid(av::reason(code, log));
    return success();
}

void Decoder::count_corrupt(std::string why) {
    ++corrupt_;
    last_corruption_ = std::move(why);
}

Result<bool> Decoder::next(AVFrame* frame) {
    if (!target_.patient) bear(target_.read_timeout);
    av::LogScope log;
    for (;;) {
        if (interrupted(this) != 0) return given_up(target_.read_timeout);
        log.clear();
        const int code = avcodec_receive_frame(codec_.get(), frame);
        if (code == 0) {
            failures_in_row_ = 0;
            if (size_possible(frame) && sws_isSupportedInput(static_cast<AVPixelFormat>(frame->format)) > 0)
                return true;
            count_corrupt("a picture of " + std::to_string(frame->width) + " x " + std::to_string(frame->height) +
                          " pixels in a format that cannot be converted");
            av_frame_unref(frame);
        } else if (code == AVERROR(EAGAIN)) {
            auto fed = feed();
            if (!fed) return fed.error();
        } else if (code == AVERROR_EOF) {
            if (broke_) return *broke_;
            return false;
        } else {
            count_corrupt(av::reason(code, log));
            // A decoder that keeps failing while it is drained gives nothing more.
            if (draining_ && ++failures_in_row_ > failures_in_row_max) return false;
        }
    }
}

// Gives the decoder one more packet, or tells it that none follow.
Result<Decoder::Feed> Decoder::feed() {
    av::LogScope log;
    const int read = av_read_frame(format_.get(), packet_.get());
    if (read < 0) return read_failed(read);
    failures_in_row_ = 0;
    struct Unref {
        AVPacket* packet;
        ~Unref() { av_packet_unref(packet); }
    } unref{packet_.get()};
    if (packet_->stream_index != stream_->index) return Feed::packet;
    if ((packet_->flags & AV_PKT_FLAG_CORRUPT) != 0) {
        count_corrupt("a packet marked corrupt by the container");
    } else if (packet_->size == 0 && packet_->side_data_elems == 0) {
        count_corrupt("an empty packet");  // to the decoder it would mean the end of the stream
    } else if (const int sent = avcodec_send_packet(codec_.get(), packet_.get()); sent < 0) {
        count_corrupt(av::reason(sent, log));
    }
    return Feed::packet;
}

Result<Decoder::Feed> Decoder::read_failed(int code) {
    if (interrupted(this) != 0) return given_up(target_.read_timeout);
    if (code == AVERROR(EAGAIN)) {
        std::this_thread::sleep_for(device_pause);
        return Feed::packet;
    }
    // Damage in the middle of a file: FFmpeg finds its way again, or not.
    if (code == AVERROR_INVALIDDATA && ++failures_in_row_ <= failures_in_row_max) {
        count_corrupt(av::reason(code));
        return Feed::packet;
    }
    if (code != AVERROR_EOF) broke_ = unavailable(av::reason(code));
    draining_ = true;
    failures_in_row_ = 0;
    avcodec_send_packet(codec_.get(), nullptr);
    return Feed::end;
}

int64_t Decoder::timestamp_us(const AVFrame* frame) const {
    const int64_t ticks = frame->best_effort_timestamp;
    return ticks == AV_NOPTS_VALUE ? AV_NOPTS_VALUE : av_rescale_q(ticks, stream_->time_base, AV_TIME_BASE_Q);
}

std::optional<Usec> Decoder::frame_duration() const {
    const AVRational rate = av_guess_frame_rate(format_.get(), stream_, nullptr);
    if (rate.num <= 0 || rate.den <= 0) return std::nullopt;
    return from_seconds(1.0 / std::clamp(av_q2d(rate), 0.001, 1000.0));
}

}  // namespace eddy::camera
