// Picture files, by FFmpeg's own encoders and decoders.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <new>

#include "src/camera/decoder.hpp"
#include "src/camera/frame_reader.hpp"
#include "src/camera/scaler.hpp"

namespace eddy::camera {
namespace {

struct Coding {
    AVCodecID codec;
    AVPixelFormat format;
};

// JPEG without thinned-out colour: thin coloured outlines would smear.
Result<Coding> coding_for(const std::string& path) {
    std::string ending = std::filesystem::path(path).extension().string();
    std::transform(ending.begin(), ending.end(), ending.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    if (ending == ".png") return Coding{AV_CODEC_ID_PNG, AV_PIX_FMT_RGB24};
    if (ending == ".jpg" || ending == ".jpeg") return Coding{AV_CODEC_ID_MJPEG, AV_PIX_FMT_YUVJ444P};
    return invalid("a picture's name ends in .png, .jpg or .jpeg, this one in \"" + ending + "\"");
}

Result<av::Owned<AVFrame>> as_frame(const Picture& picture, AVPixelFormat format) {
    const auto width = static_cast<int>(picture.width), height = static_cast<int>(picture.height);
    av::Owned<AVFrame> frame(av_frame_alloc());
    if (!frame) return exhausted("out of memory");
    frame->format = format;
    frame->width = width;
    frame->height = height;
    if (av_frame_get_buffer(frame.get(), 64) < 0) return exhausted("out of memory");
    const auto* rgb = reinterpret_cast<const uint8_t*>(picture.rgb.data());
    const int row_bytes = width * 3;
    if (format == AV_PIX_FMT_RGB24) {
        av_image_copy_plane(frame->data[0], frame->linesize[0], rgb, row_bytes, row_bytes, height);
        return frame;
    }
    const av::Owned<SwsContext> context(sws_getContext(width, height, AV_PIX_FMT_RGB24, width, height, format,
                                                       SWS_BILINEAR | SWS_ACCURATE_RND | SWS_BITEXACT, nullptr, nullptr,
                                                       nullptr));
    if (!context) return unsupported("cannot be converted for this kind of file");
    sws_scale(context.get(), &rgb, &row_bytes, 0, height, frame->data, frame->linesize);
    return frame;
}

Result<av::Owned<AVPacket>> encode(const Picture& picture, const Coding& coding) {
    av::LogScope log;
    const AVCodec* encoder = avcodec_find_encoder(coding.codec);
    if (encoder == nullptr) return unsupported("this FFmpeg cannot write such files");
    av::Owned<AVCodecContext> codec(avcodec_alloc_context3(encoder));
    av::Owned<AVPacket> packet(av_packet_alloc());
    if (!codec || !packet) return exhausted("out of memory");
    codec->width = static_cast<int>(picture.width);
    codec->height = static_cast<int>(picture.height);
    codec->pix_fmt = coding.format;
    codec->time_base = {1, 25};
    codec->flags |= AV_CODEC_FLAG_QSCALE;
    codec->global_quality = FF_QP2LAMBDA * 2;
    codec->thread_count = 1;
    if (coding.format != AV_PIX_FMT_RGB24) codec->color_range = AVCOL_RANGE_JPEG;
    auto frame = as_frame(picture, coding.format);
    if (!frame) return frame.error();
    (*frame)->quality = codec->global_quality;
    int code = avcodec_open2(codec.get(), encoder, nullptr);
    if (code >= 0) code = avcodec_send_frame(codec.get(), frame->get());
    if (code >= 0) code = avcodec_send_frame(codec.get(), nullptr);
    if (code >= 0) code = avcodec_receive_packet(codec.get(), packet.get());
    if (code < 0) return internal("encoding failed: " + av::reason(code, log));
    return packet;
}

}  // namespace

Status write_picture(const Picture& picture, const std::string& path) try {
    av::initialise();
    const auto error = [&](const std::string& why) { return "picture \"" + path + "\": " + why; };
    const uint64_t pixels = uint64_t{picture.width} * picture.height;
    if (pixels == 0 || pixels > frame_pixels_max || picture.rgb.size() != pixels * 3)
        return invalid(error("not a picture to write"));
    const auto coding = coding_for(path);
    if (!coding) return invalid(error(coding.error().message));
    auto packet = encode(picture, *coding);
    if (!packet) return Error{packet.error().code, error(packet.error().message)};

    // Beside it and renamed: nobody sees half a picture.
    const std::string beside = path + ".part";
    std::FILE* file = std::fopen(beside.c_str(), "wb");
    if (file == nullptr) return unavailable(error(std::generic_category().message(errno)));
    const auto size = static_cast<size_t>((*packet)->size);
    const bool written = std::fwrite((*packet)->data, 1, size, file) == size;
    const bool closed = std::fclose(file) == 0;
    std::error_code failed;
    if (written && closed) std::filesystem::rename(beside, path, failed);
    if (written && closed && !failed) return success();
    const std::string why = failed ? failed.message() : std::generic_category().message(errno);
    std::filesystem::remove(beside, failed);
    return unavailable(error(why));
} catch (const std::bad_alloc&) {
    return exhausted("picture \"" + path + "\": out of memory");
}

Result<Picture> read_picture(const std::string& path) try {
    const auto error = [&](const Error& cause) {
        return Error{cause.code, "picture \"" + path + "\": " + cause.message};
    };
    DecoderTarget target;
    target.url = "file:" + path;
    target.open_timeout = from_seconds(10);
    target.analyse = false;
    target.patient = true;
    auto decoder = Decoder::open(target);
    if (!decoder) return error(decoder.error());
    av::Owned<AVFrame> frame(av_frame_alloc());
    if (!frame) return error(exhausted("out of memory"));
    auto decoded = (*decoder)->next(frame.get());
    if (!decoded) return error(decoded.error());
    if (!*decoded) return error(invalid("no picture in it: " + (*decoder)->last_corruption()));
    Scaler scaler(0, 0);
    if (auto status = scaler.prepare(frame.get()); !status) return error(status.error());
    auto rgb = scaler.rgb(frame.get());
    if (!rgb) return error(rgb.error());
    const auto width = static_cast<uint32_t>(frame->width), height = static_cast<uint32_t>(frame->height);
    return Picture{width, height, SharedBytes(std::move(*rgb), size_t{width} * height * 3)};
} catch (const std::bad_alloc&) {
    return exhausted("picture \"" + path + "\": out of memory");
}

}  // namespace eddy::camera
