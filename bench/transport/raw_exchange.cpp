#include "bench/transport/raw_exchange.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include <uv.h>

#include "src/transport/loop_handles.hpp"

namespace eddy::bench {
namespace {

using Sizes = std::array<uint64_t, 2>;  ///< request, reply
constexpr Usec patience = std::chrono::seconds(20);

/// Reads messages of a fixed size into a buffer of its own, writes others. Lives until the process ends: a benchmark.
struct Pipe {
    uv_tcp_t tcp{};
    uv_connect_t connect{};
    std::vector<char> in;
    std::vector<char> out;
    size_t filled = 0;
    bool sized = false;  ///< server: the client has announced its sizes
    std::function<void()> on_message;

    uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(&tcp); }

    void start() {
        uv_tcp_nodelay(&tcp, 1);
        uv_read_start(
            stream(),
            [](uv_handle_t* handle, size_t, uv_buf_t* buffer) {
                auto* self = static_cast<Pipe*>(handle->data);
                *buffer =
                    uv_buf_init(self->in.data() + self->filled, static_cast<unsigned>(self->in.size() - self->filled));
            },
            [](uv_stream_t* handle, ssize_t count, const uv_buf_t*) {
                auto* self = static_cast<Pipe*>(handle->data);
                if (count < 0) uv_read_stop(handle);
                if (count <= 0) return;
                self->filled += static_cast<size_t>(count);
                if (self->filled < self->in.size()) return;
                self->filled = 0;
                self->on_message();
            });
    }
    void send(char* data, size_t size) {
        uv_buf_t buffer = uv_buf_init(data, static_cast<unsigned>(size));
        // A request of its own: the answer to this write may come before the loop has told of its completion.
        auto* write = new uv_write_t{};
        uv_write(write, stream(), &buffer, 1, [](uv_write_t* done, int) { delete done; });
    }
};

void close_now(Pipe* pipe) {
    uv_close(reinterpret_cast<uv_handle_t*>(&pipe->tcp),
             [](uv_handle_t* handle) { delete static_cast<Pipe*>(handle->data); });
}

}  // namespace

struct RawServer::Impl {
    Pipe* listener = new Pipe;
    std::vector<Pipe*> clients;
};

RawServer::RawServer(transport::Loop& loop) : impl_(std::make_unique<Impl>()) {
    Pipe* listener = impl_->listener;
    uv_tcp_init(&loop.handles().loop, &listener->tcp);
    listener->tcp.data = listener;
    sockaddr_in address{};
    uv_ip4_addr("127.0.0.1", 0, &address);
    uv_tcp_bind(&listener->tcp, reinterpret_cast<sockaddr*>(&address), 0);
    listener->on_message = [this] {
        auto* client = new Pipe;
        uv_tcp_init(impl_->listener->tcp.loop, &client->tcp);
        client->tcp.data = client;
        uv_accept(impl_->listener->stream(), client->stream());
        impl_->clients.push_back(client);
        client->in.resize(sizeof(Sizes));
        client->on_message = [client] {
            if (client->sized) return client->send(client->out.data(), client->out.size());
            Sizes sizes{};
            std::memcpy(&sizes, client->in.data(), sizeof sizes);
            client->in.resize(sizes[0]);
            client->out.resize(sizes[1]);
            client->sized = true;
        };
        client->start();
    };
    uv_listen(listener->stream(), 4, [](uv_stream_t* server, int) { static_cast<Pipe*>(server->data)->on_message(); });
}

RawServer::~RawServer() {
    for (Pipe* client : impl_->clients) close_now(client);
    close_now(impl_->listener);
}

uint16_t RawServer::port() const {
    sockaddr_in address{};
    int size = sizeof address;
    uv_tcp_getsockname(&impl_->listener->tcp, reinterpret_cast<sockaddr*>(&address), &size);
    return ntohs(address.sin_port);
}

struct RawClient::Impl {
    transport::Loop& loop;
    Pipe* pipe = new Pipe;
    bool replied = false;
};

RawClient::RawClient(transport::Loop& loop, uint16_t port, size_t request_bytes, size_t reply_bytes)
    : impl_(std::make_unique<Impl>(Impl{loop})) {
    Pipe* pipe = impl_->pipe;
    uv_tcp_init(&loop.handles().loop, &pipe->tcp);
    pipe->tcp.data = pipe;
    pipe->in.resize(reply_bytes);
    pipe->out.assign(std::max(request_bytes, sizeof(Sizes)), 'x');
    pipe->on_message = [this] { impl_->replied = true; };
    const Sizes sizes{request_bytes, reply_bytes};
    std::vector<char> announced(sizeof sizes);
    std::memcpy(announced.data(), &sizes, sizeof sizes);
    sockaddr_in address{};
    uv_ip4_addr("127.0.0.1", port, &address);
    bool connected = false;
    pipe->connect.data = &connected;
    uv_tcp_connect(&pipe->connect, &pipe->tcp, reinterpret_cast<sockaddr*>(&address),
                   [](uv_connect_t* request, int) { *static_cast<bool*>(request->data) = true; });
    loop.run_until([&] { return connected; }, patience);
    pipe->start();
    uv_write_t announce{};
    bool written = false;
    announce.data = &written;
    uv_buf_t buffer = uv_buf_init(announced.data(), static_cast<unsigned>(announced.size()));
    uv_write(&announce, pipe->stream(), &buffer, 1,
             [](uv_write_t* request, int) { *static_cast<bool*>(request->data) = true; });
    loop.run_until([&] { return written; }, patience);
    pipe->out.resize(request_bytes);
}

RawClient::~RawClient() { close_now(impl_->pipe); }

bool RawClient::exchange() {
    impl_->replied = false;
    impl_->pipe->send(impl_->pipe->out.data(), impl_->pipe->out.size());
    return impl_->loop.run_until([this] { return impl_->replied; }, patience);
}

}  // namespace eddy::bench
