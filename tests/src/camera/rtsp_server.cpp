#include "tests/src/camera/rtsp_server.hpp"

#include <algorithm>
#include <functional>
#include <stdexcept>

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/camera/av.hpp"

namespace eddy::camera::test {
namespace {

constexpr int frame_pause_ms = 20;

bool write_all(int socket, const std::string& bytes) {
    for (size_t sent = 0; sent < bytes.size();) {
        const ssize_t n = send(socket, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
        if (n <= 0) return false;
        sent += static_cast<size_t>(n);
    }
    return true;
}

std::string header_of(const std::string& request, const std::string& name) {
    const size_t at = request.find("\r\n" + name + ":");
    if (at == std::string::npos) return {};
    const size_t begin = request.find_first_not_of(' ', at + name.size() + 3);
    return request.substr(begin, request.find("\r\n", begin) - begin);
}

// testsrc2 as MPEG-4 in RTP packets, each given to `out` as it would go over an interleaved connection.
class Camera {
public:
    explicit Camera(std::function<void(std::string)> out) : out_(std::move(out)) {
        graph_.reset(avfilter_graph_alloc());
        AVFilterInOut* ins = nullptr;
        AVFilterInOut* outs = nullptr;
        check(avfilter_graph_parse2(graph_.get(), "testsrc2=size=160x120:rate=25,format=yuv420p,buffersink", &ins,
                                    &outs));
        check(avfilter_graph_config(graph_.get(), nullptr));
        for (unsigned i = 0; i < graph_->nb_filters; ++i) {
            if (std::string(graph_->filters[i]->filter->name) == "buffersink") sink_ = graph_->filters[i];
        }
        const AVCodec* encoder = avcodec_find_encoder(AV_CODEC_ID_MPEG4);
        codec_.reset(avcodec_alloc_context3(encoder));
        codec_->width = 160;
        codec_->height = 120;
        codec_->pix_fmt = AV_PIX_FMT_YUV420P;
        codec_->time_base = {1, 25};
        codec_->gop_size = 5;
        codec_->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;  // the SDP carries it
        check(avcodec_open2(codec_.get(), encoder, nullptr));
        check(avformat_alloc_output_context2(&muxer_, nullptr, "rtp", "rtp://127.0.0.1"));
        AVStream* stream = avformat_new_stream(muxer_, nullptr);
        check(avcodec_parameters_from_context(stream->codecpar, codec_.get()));
        stream->time_base = codec_->time_base;
        constexpr int buffer = 4096;
        muxer_->pb =
            avio_alloc_context(static_cast<uint8_t*>(av_malloc(buffer)), buffer, 1, this, nullptr, packet, nullptr);
        muxer_->pb->max_packet_size = 1400;
        muxer_->packet_size = 1400;
    }
    ~Camera() {
        if (begun_) av_write_trailer(muxer_);  // frees what the header allocated
        av_freep(&muxer_->pb->buffer);
        avio_context_free(&muxer_->pb);
        avformat_free_context(muxer_);
    }
    Camera(const Camera&) = delete;
    Camera& operator=(const Camera&) = delete;

    std::string sdp() {
        char text[4096];
        check(av_sdp_create(&muxer_, 1, text, sizeof text));
        return std::string(text) + "a=control:streamid=0\r\n";
    }
    void send_frame() {
        if (!begun_) check(avformat_write_header(muxer_, nullptr));
        begun_ = true;
        check(av_buffersink_get_frame(sink_, frame_.get()));
        check(avcodec_send_frame(codec_.get(), frame_.get()));
        av_frame_unref(frame_.get());
        while (avcodec_receive_packet(codec_.get(), packet_.get()) == 0) {
            av_packet_rescale_ts(packet_.get(), codec_->time_base, muxer_->streams[0]->time_base);
            check(av_write_frame(muxer_, packet_.get()));
            av_packet_unref(packet_.get());
        }
    }

private:
    static void check(int code) {
        if (code < 0) throw std::runtime_error("camera: " + av::reason(code));
    }
    // One call is one RTP or RTCP packet.
    static int packet(void* self, uint8_t* data, int size) {
        const bool rtcp = size > 1 && data[1] >= 200 && data[1] <= 204;
        std::string framed = {'$', static_cast<char>(rtcp ? 1 : 0), static_cast<char>(size >> 8),
                              static_cast<char>(size)};
        framed.append(reinterpret_cast<char*>(data), static_cast<size_t>(size));
        static_cast<Camera*>(self)->out_(std::move(framed));
        return size;
    }

    std::function<void(std::string)> out_;
    av::Owned<AVFilterGraph> graph_;
    AVFilterContext* sink_ = nullptr;
    av::Owned<AVCodecContext> codec_;
    av::Owned<AVFrame> frame_{av_frame_alloc()};
    av::Owned<AVPacket> packet_{av_packet_alloc()};
    AVFormatContext* muxer_ = nullptr;
    bool begun_ = false;
};

}  // namespace

RtspServer::RtspServer(uint16_t port, Behaviour behaviour) : behaviour_(behaviour) {
    av::initialise();
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int yes = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    socklen_t size = sizeof address;
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener_, 8) != 0 ||
        getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0 || pipe(wake_) != 0) {
        throw std::runtime_error("no RTSP server");
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
}

RtspServer::~RtspServer() {
    close(wake_[1]);
    thread_.join();
    close(listener_);
    close(wake_[0]);
}

bool RtspServer::wait_for_client() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(120), [&] { return had_client_; });
}

void RtspServer::serve() {
    for (;;) {
        pollfd both[2] = {{listener_, POLLIN, 0}, {wake_[0], POLLIN, 0}};
        poll(both, 2, -1);
        if (both[1].revents != 0) return;
        const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (client < 0) continue;
        {
            const std::lock_guard lock(mutex_);
            had_client_ = true;
        }
        changed_.notify_all();
        session(client);
        close(client);
    }
}

void RtspServer::session(int client) {
    bool open = true;
    Camera camera([&](const std::string& bytes) { open = open && write_all(client, bytes); });
    bool playing = false;
    uint64_t frames = 0;
    std::string received;
    while (open) {
        const bool sends = playing && frames < behaviour_.frames_max;
        pollfd both[2] = {{client, POLLIN, 0}, {wake_[0], POLLIN, 0}};
        if (poll(both, 2, sends ? frame_pause_ms : -1) == 0) {
            camera.send_frame();
            ++frames;
            continue;
        }
        if (both[1].revents != 0) return;
        char buffer[4096];
        const ssize_t n = recv(client, buffer, sizeof buffer, 0);
        if (n <= 0) return;
        if (!behaviour_.answers) continue;
        received.append(buffer, static_cast<size_t>(n));
        // The client's RTCP reports come interleaved with its requests.
        while (received.size() >= 4 && received[0] == '$') {
            const size_t size = 4 + (static_cast<uint8_t>(received[2]) << 8) + static_cast<uint8_t>(received[3]);
            if (received.size() < size) break;
            received.erase(0, size);
        }
        const size_t end = received.find("\r\n\r\n");
        if (received.empty() || received[0] == '$' || end == std::string::npos) continue;
        const std::string request = received.substr(0, end + 2);
        received.erase(0, end + 4);
        const std::string method = request.substr(0, request.find(' '));
        std::string answer = "CSeq: " + header_of(request, "CSeq") + "\r\n";
        std::string status = "200 OK", body;
        if (method == "OPTIONS") answer += "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n";
        if (method == "DESCRIBE" && behaviour_.status != 200) status = std::to_string(behaviour_.status) + " Not Found";
        if (method == "DESCRIBE" && behaviour_.status == 200) {
            body = camera.sdp();
            answer += "Content-Type: application/sdp\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
        }
        if (method == "SETUP") answer += "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n";
        if (method == "PLAY") answer += "Session: 1\r\n";
        open = write_all(client, "RTSP/1.0 " + status + "\r\n" + answer + "\r\n" + body);
        playing = playing || method == "PLAY";
        if (method == "TEARDOWN") return;
    }
}

}  // namespace eddy::camera::test
