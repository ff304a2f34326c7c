#include "tests/src/camera/media.hpp"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "src/camera/av.hpp"

namespace eddy::camera::test {
namespace {

void check(int code, const char* what) {
    if (code < 0) throw std::runtime_error(std::string(what) + ": " + av::reason(code));
}

struct Muxer {
    AVFormatContext* context = nullptr;
    ~Muxer() {
        if (context == nullptr) return;
        avio_closep(&context->pb);
        avformat_free_context(context);
    }
};

}  // namespace

TempFolder::TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "eddy-camera-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
}

TempFolder::~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

void write_video(const std::string& path, const Video& video) {
    av::initialise();
    const av::Owned<AVFilterGraph> graph(avfilter_graph_alloc());
    AVFilterInOut* ins = nullptr;
    AVFilterInOut* outs = nullptr;
    const std::string text = video.graph + ",format=" + video.pixels + ",buffersink@sink";
    check(avfilter_graph_parse2(graph.get(), text.c_str(), &ins, &outs), "graph");
    check(avfilter_graph_config(graph.get(), nullptr), "graph");
    AVFilterContext* sink = graph->filters[graph->nb_filters - 1];
    for (unsigned i = 0; i < graph->nb_filters; ++i) {
        if (std::string(graph->filters[i]->filter->name) == "buffersink") sink = graph->filters[i];
    }

    Muxer muxer;
    check(avformat_alloc_output_context2(&muxer.context, nullptr, nullptr, path.c_str()), "container");
    const AVCodec* encoder = avcodec_find_encoder_by_name(video.encoder.c_str());
    if (encoder == nullptr) throw std::runtime_error("no encoder " + video.encoder);
    const av::Owned<AVCodecContext> codec(avcodec_alloc_context3(encoder));
    codec->width = av_buffersink_get_w(sink);
    codec->height = av_buffersink_get_h(sink);
    codec->pix_fmt = static_cast<AVPixelFormat>(av_buffersink_get_format(sink));
    codec->time_base = av_buffersink_get_time_base(sink);
    codec->framerate = av_buffersink_get_frame_rate(sink);
    const av::Owned<AVFrame> frame(av_frame_alloc());
    const av::Owned<AVPacket> packet(av_packet_alloc());
    check(av_buffersink_get_frame(sink, frame.get()), "source");
    codec->color_range = frame->color_range;
    codec->colorspace = frame->colorspace;
    codec->gop_size = 5;
    codec->bit_rate = 800'000;
    if ((muxer.context->oformat->flags & AVFMT_GLOBALHEADER) != 0) codec->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    check(avcodec_open2(codec.get(), encoder, nullptr), "encoder");
    AVStream* stream = avformat_new_stream(muxer.context, nullptr);
    stream->time_base = codec->time_base;
    stream->avg_frame_rate = codec->framerate;
    check(avcodec_parameters_from_context(stream->codecpar, codec.get()), "stream");
    check(avio_open(&muxer.context->pb, path.c_str(), AVIO_FLAG_WRITE), "file");
    check(avformat_write_header(muxer.context, nullptr), "header");

    for (uint64_t i = 0; i <= video.frames; ++i) {
        if (i > 0 && i < video.frames) check(av_buffersink_get_frame(sink, frame.get()), "source");
        check(avcodec_send_frame(codec.get(), i < video.frames ? frame.get() : nullptr), "encode");
        av_frame_unref(frame.get());
        while (avcodec_receive_packet(codec.get(), packet.get()) == 0) {
            av_packet_rescale_ts(packet.get(), codec->time_base, stream->time_base);
            check(av_interleaved_write_frame(muxer.context, packet.get()), "write");
        }
    }
    check(av_write_trailer(muxer.context), "trailer");
}

Picture gradient(uint32_t width, uint32_t height, uint32_t seed) {
    const size_t size = size_t{width} * height * 3;
    auto bytes = allocate_bytes(size);
    for (uint32_t y = 0; y < height; ++y) {
        for (uint32_t x = 0; x < width; ++x) {
            std::byte* p = bytes.get() + (size_t{y} * width + x) * 3;
            p[0] = static_cast<std::byte>(x * 255 / width);
            p[1] = static_cast<std::byte>(y * 255 / height);
            p[2] = static_cast<std::byte>(seed * 40);
        }
    }
    return {width, height, SharedBytes(std::move(bytes), size)};
}

std::vector<uint8_t> bytes_of(const HostTensor& image) {
    const auto* begin = reinterpret_cast<const uint8_t*>(image.bytes.data());
    return {begin, begin + image.bytes.size()};
}

std::vector<std::vector<uint8_t>> frames_of(const std::string& input, uint64_t count, bool loop) {
    auto reader = FrameReader::open(input, small_images(loop));
    if (!reader) throw std::runtime_error(reader.error().message);
    std::vector<std::vector<uint8_t>> frames;
    while (frames.size() < count) {
        auto next = reader->next();
        if (!next) throw std::runtime_error(next.error().message);
        if (!*next) break;
        frames.push_back(bytes_of((*next)->image));
    }
    return frames;
}

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void write_file(const std::string& path, const std::string& content) {
    std::ofstream(path, std::ios::binary) << content;
}

}  // namespace eddy::camera::test
