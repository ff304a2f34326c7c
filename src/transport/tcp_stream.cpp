#include "src/transport/tcp_stream.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "eddy/assert.hpp"
#include "src/transport/tcp.hpp"

namespace eddy::transport {
namespace {

struct Write {
    uv_write_t request{};
    TcpStream::Handle* handle = nullptr;
    Encoded message;
};

constexpr unsigned keepalive_idle_s = 5;

void set_options(uv_tcp_t* tcp) {
    uv_tcp_nodelay(tcp, 1);
    uv_tcp_keepalive(tcp, 1, keepalive_idle_s);
    uv_os_fd_t fd = -1;
    if (uv_fileno(reinterpret_cast<uv_handle_t*>(tcp), &fd) == 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &notsent_lowat_bytes, sizeof notsent_lowat_bytes);
}

bool is_loopback(const sockaddr* from) {
    if (from->sa_family == AF_INET)
        return (ntohl(reinterpret_cast<const sockaddr_in*>(from)->sin_addr.s_addr) >> 24) == 127;
    if (from->sa_family != AF_INET6) return false;
    const auto& v6 = reinterpret_cast<const sockaddr_in6*>(from)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
}

}  // namespace

Address address_of(const sockaddr* from) {
    Address address;
    std::array<char, NI_MAXHOST> host{};
    const socklen_t size = from->sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
    if (getnameinfo(from, size, host.data(), host.size(), nullptr, 0, NI_NUMERICHOST) == 0) address.host = host.data();
    if (from->sa_family == AF_INET6)
        address.port = ntohs(reinterpret_cast<const sockaddr_in6*>(from)->sin6_port);
    else if (from->sa_family == AF_INET)
        address.port = ntohs(reinterpret_cast<const sockaddr_in*>(from)->sin_port);
    address.loopback = is_loopback(from);
    return address;
}

TcpStream::TcpStream(Handle* handle) : handle_(handle) {
    handle_->stream = this;
    handle_->tcp.data = handle_;
    set_options(&handle_->tcp);
    sockaddr_storage peer{};
    int size = sizeof peer;
    auto* address = reinterpret_cast<sockaddr*>(&peer);
    if (uv_tcp_getpeername(&handle_->tcp, address, &size) == 0) remote_ = address_of(address);
}

TcpStream::~TcpStream() {
    handle_->stream = nullptr;
    close_and_free(handle_, reinterpret_cast<uv_handle_t*>(&handle_->tcp));
}

void TcpStream::read(Reader& reader) {
    reader_ = &reader;
    uv_read_start(
        reinterpret_cast<uv_stream_t*>(&handle_->tcp),
        [](uv_handle_t* handle, size_t, uv_buf_t* buffer) {
            const auto space = static_cast<Handle*>(handle->data)->stream->reader_->space();
            *buffer = uv_buf_init(reinterpret_cast<char*>(space.data()),
                                  static_cast<unsigned>(std::min<size_t>(space.size(), 1U << 30)));
        },
        [](uv_stream_t* handle, ssize_t count, const uv_buf_t*) {
            auto* holder = static_cast<Handle*>(handle->data);  // outlives the stream
            TcpStream* stream = holder->stream;
            if (stream == nullptr || count == 0) return;
            // Nothing of *stream may be touched after these: the reader may have destroyed it.
            if (count > 0) {
                stream->reader_->arrived(static_cast<size_t>(count));
                if (holder->stream != nullptr) holder->stream->wait_for_enough(static_cast<size_t>(count));
                return;
            }
            uv_read_stop(handle);
            stream->reader_->ended(count == UV_EOF ? "the other end hung up" : uv_strerror(static_cast<int>(count)));
        });
}

/// In the middle of a large message the system need not wake this process for every packet.
void TcpStream::wait_for_enough(size_t arrived) {
    const Instant now{from_ms(static_cast<double>(uv_now(handle_->tcp.loop)))};
    const int wanted = static_cast<int>(pace_.next(arrived, reader_->space().size(), now));
    if (wanted == lowat_) return;
    lowat_ = wanted;
    uv_os_fd_t fd = -1;
    if (uv_fileno(reinterpret_cast<uv_handle_t*>(&handle_->tcp), &fd) == 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &lowat_, sizeof lowat_);
}

void TcpStream::pause() { uv_read_stop(reinterpret_cast<uv_stream_t*>(&handle_->tcp)); }

void TcpStream::write(Encoded message) {
    EDDY_ASSERT(!finished_);
    auto* write = new Write{.handle = handle_, .message = std::move(message)};
    write->request.data = write;
    std::vector<uv_buf_t> buffers;
    buffers.reserve(write->message.pieces.size());
    for (const auto& piece : write->message.pieces)
        // libuv's buffers are not const, but writing does not change them.
        buffers.push_back(uv_buf_init(const_cast<char*>(reinterpret_cast<const char*>(piece.data())),
                                      static_cast<unsigned>(piece.size())));
    queued_bytes_ += write->message.bytes;
    const int status = uv_write(&write->request, reinterpret_cast<uv_stream_t*>(&handle_->tcp), buffers.data(),
                                static_cast<unsigned>(buffers.size()), [](uv_write_t* request, int result) {
                                    const std::unique_ptr<Write> done(static_cast<Write*>(request->data));
                                    TcpStream* stream = done->handle->stream;
                                    if (stream == nullptr) return;
                                    stream->queued_bytes_ -= done->message.bytes;
                                    if (stream->reader_ == nullptr) return;
                                    if (result == 0) return stream->reader_->written(done->message.bytes);
                                    stream->reader_->ended(uv_strerror(result));
                                });
    // The reader learns of the failure from its own side of the stream, which is broken as well.
    if (status != 0) {
        queued_bytes_ -= write->message.bytes;
        delete write;
    }
}

void TcpStream::finish() {
    if (finished_) return;
    finished_ = true;
    auto* request = new uv_shutdown_t{};
    const int status = uv_shutdown(request, reinterpret_cast<uv_stream_t*>(&handle_->tcp),
                                   [](uv_shutdown_t* done, int) { delete done; });
    if (status != 0) delete request;
}

}  // namespace eddy::transport
