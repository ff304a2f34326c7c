#include "src/transport/line_server.hpp"

#include <array>
#include <set>
#include <vector>

#include <unistd.h>
#include <uv.h>

#include "eddy/real_clock.hpp"
#include "src/transport/loop_handles.hpp"
#include "src/transport/unix_socket.hpp"

namespace eddy::transport {
namespace {

/// A client that asks nothing for so long makes room.
constexpr Usec silence_max = std::chrono::seconds(10);

}  // namespace

struct LineServer::Impl {
    Impl(Loop& loop_, std::string path_, Answer answer_, LogFn log_)
        : loop(loop_), path(std::move(path_)), answer(std::move(answer_)), log(std::move(log_)), ticker(loop_, [this] {
              hang_up_on_the_silent();
          }) {}

    Loop& loop;
    std::string path;
    Answer answer;
    LogFn log;
    UvTimer ticker;
    uv_pipe_t* pipe = nullptr;  ///< freed by the loop after it is closed
    bool owns_file = false;
    struct Connected;
    std::set<Connected*> clients;

    struct Connected {
        uv_pipe_t pipe{};
        Impl* server = nullptr;  ///< none once it is closing
        std::string line;
        std::array<char, 4096> space{};
        Instant since = real_now();
        std::string reply;
        uv_write_t write{};
    };

    void close(Connected* client) {
        clients.erase(client);
        client->server = nullptr;
        client->pipe.data = client;
        uv_close(reinterpret_cast<uv_handle_t*>(&client->pipe),
                 [](uv_handle_t* handle) { delete static_cast<Connected*>(handle->data); });
    }

    void hang_up_on_the_silent() {
        const Instant now = real_now();
        std::vector<Connected*> silent;
        for (Connected* client : clients)
            if (now - client->since > silence_max) silent.push_back(client);
        for (Connected* client : silent) close(client);
    }

    void on_connection() {
        auto* client = new Connected;
        uv_pipe_init(&loop.handles().loop, &client->pipe, 0);
        client->pipe.data = client;
        client->server = this;
        clients.insert(client);
        const bool accepted =
            uv_accept(reinterpret_cast<uv_stream_t*>(pipe), reinterpret_cast<uv_stream_t*>(&client->pipe)) == 0;
        if (!accepted || clients.size() > line_clients_max) return close(client);
        uv_read_start(
            reinterpret_cast<uv_stream_t*>(&client->pipe),
            [](uv_handle_t* handle, size_t, uv_buf_t* buffer) {
                auto& space = static_cast<Connected*>(handle->data)->space;
                *buffer = uv_buf_init(space.data(), static_cast<unsigned>(space.size()));
            },
            [](uv_stream_t* handle, ssize_t count, const uv_buf_t*) {
                auto* asking = static_cast<Connected*>(handle->data);
                if (count == 0 || asking->server == nullptr) return;
                if (count < 0) return asking->server->close(asking);
                asking->server->on_bytes(asking, static_cast<size_t>(count));
            });
    }

    void on_bytes(Connected* client, size_t count) {
        client->line.append(client->space.data(), count);
        const size_t end = client->line.find('\n');
        if (end == std::string::npos && client->line.size() <= line_bytes_max) return;
        uv_read_stop(reinterpret_cast<uv_stream_t*>(&client->pipe));
        if (end == std::string::npos || end > line_bytes_max) {
            client->reply = "error: a line of more than " + std::to_string(line_bytes_max) + " bytes\n";
        } else {
            client->line.resize(end);
            if (!client->line.empty() && client->line.back() == '\r') client->line.pop_back();
            client->reply = answer(client->line);
        }
        client->since = real_now();
        uv_buf_t buffer = uv_buf_init(client->reply.data(), static_cast<unsigned>(client->reply.size()));
        const int status = uv_write(&client->write, reinterpret_cast<uv_stream_t*>(&client->pipe), &buffer, 1,
                                    [](uv_write_t* request, int) {
                                        auto* told = reinterpret_cast<Connected*>(request->handle->data);
                                        if (told->server != nullptr) told->server->close(told);
                                    });
        if (status != 0) close(client);
    }
};

LineServer::LineServer(Loop& loop, std::string path, Answer answer, LogFn log)
    : impl_(std::make_shared<Impl>(loop, std::move(path), std::move(answer), std::move(log))) {}

LineServer::~LineServer() {
    while (!impl_->clients.empty()) impl_->close(*impl_->clients.begin());
    if (impl_->pipe == nullptr) return;
    // libuv removes the file of a pipe that it bound itself; this one was bound by hand.
    if (impl_->owns_file) ::unlink(impl_->path.c_str());
    uv_close(reinterpret_cast<uv_handle_t*>(impl_->pipe),
             [](uv_handle_t* handle) { delete reinterpret_cast<uv_pipe_t*>(handle); });
}

Status LineServer::listen() {
    auto bound = bind_private_socket(impl_->path);
    if (!bound) return bound.error();
    impl_->owns_file = true;
    impl_->pipe = new uv_pipe_t{};
    uv_pipe_init(&impl_->loop.handles().loop, impl_->pipe, 0);
    impl_->pipe->data = impl_.get();
    int status = uv_pipe_open(impl_->pipe, bound.value());
    if (status != 0) ::close(bound.value());
    if (status == 0)
        status = uv_listen(reinterpret_cast<uv_stream_t*>(impl_->pipe), static_cast<int>(line_clients_max),
                           [](uv_stream_t* server, int error) {
                               if (error == 0) static_cast<Impl*>(server->data)->on_connection();
                           });
    if (status != 0) return unavailable("control socket " + impl_->path + ": cannot listen: " + uv_text(status));
    impl_->ticker.start(silence_max / 2, silence_max / 2);
    return success();
}

}  // namespace eddy::transport
