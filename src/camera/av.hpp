// FFmpeg as this room uses it: owners for its objects, its error texts, its log lines. Private to src/camera; the only
// header here that includes FFmpeg.
#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavdevice/avdevice.h>
#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
#include <libavformat/avformat.h>
#include <libavutil/imgutils.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
}

#include <memory>
#include <string>
#include <vector>

#include "eddy/result.hpp"

namespace eddy::camera::av {

struct Deleter {
    void operator()(AVFormatContext* p) const { avformat_close_input(&p); }
    void operator()(AVCodecContext* p) const { avcodec_free_context(&p); }
    void operator()(AVPacket* p) const { av_packet_free(&p); }
    void operator()(AVFrame* p) const { av_frame_free(&p); }
    void operator()(AVFilterGraph* p) const { avfilter_graph_free(&p); }
    void operator()(SwsContext* p) const { sws_freeContext(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Deleter>;

/// An AVDictionary that frees itself.
class Options {
public:
    Options() = default;
    ~Options() { av_dict_free(&dict_); }
    Options(const Options&) = delete;
    Options& operator=(const Options&) = delete;
    void set(const char* key, const std::string& value) { av_dict_set(&dict_, key, value.c_str(), 0); }
    AVDictionary** get() { return &dict_; }

private:
    AVDictionary* dict_ = nullptr;
};

/// Registers devices, starts the network layer and takes over FFmpeg's log, once per process.
void initialise();

/// While one lives, FFmpeg's error lines of this thread are kept (the last few): its return codes alone seldom say what
/// is wrong. Outside of one they are dropped; nothing of FFmpeg's reaches standard error.
class LogScope {
public:
    LogScope();
    ~LogScope();
    LogScope(const LogScope&) = delete;
    LogScope& operator=(const LogScope&) = delete;
    [[nodiscard]] const std::vector<std::string>& lines() const { return lines_; }
    void add(std::string line);
    void clear() { lines_.clear(); }

private:
    std::vector<std::string> lines_;
    LogScope* outer_;
};

/// FFmpeg's words for a return code.
std::string reason(int code);
/// The same with what FFmpeg logged about it.
std::string reason(int code, const LogScope& log);

}  // namespace eddy::camera::av
