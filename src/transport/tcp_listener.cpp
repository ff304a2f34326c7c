#include <uv.h>

#include "src/transport/loop_handles.hpp"
#include "src/transport/tcp.hpp"
#include "src/transport/tcp_stream.hpp"

namespace eddy::transport {
namespace {

constexpr int backlog = 128;

std::string shown(const Endpoint& endpoint) { return to_string(Address{.host = endpoint.host, .port = endpoint.port}); }

}  // namespace

struct TcpListener::Handle {
    uv_tcp_t tcp{};
    TcpListener* listener = nullptr;
};

TcpListener::TcpListener(Loop& loop, Accepted accepted) : loop_(loop), accepted_(std::move(accepted)) {}

TcpListener::~TcpListener() {
    if (handle_ == nullptr) return;
    handle_->listener = nullptr;
    close_and_free(handle_, reinterpret_cast<uv_handle_t*>(&handle_->tcp));
}

Result<Address> TcpListener::listen(const Endpoint& endpoint, bool loopback_only) {
    const std::string where = "[node] listen = \"" + shown(endpoint) + "\": ";
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE;
    uv_getaddrinfo_t resolve{};
    const std::string port = std::to_string(endpoint.port);
    int status = uv_getaddrinfo(&loop_.handles().loop, &resolve, nullptr, endpoint.host.c_str(), port.c_str(), &hints);
    if (status != 0) return invalid(where + "the host cannot be resolved: " + uv_text(status));
    const std::unique_ptr<addrinfo, decltype(&uv_freeaddrinfo)> found(resolve.addrinfo, uv_freeaddrinfo);
    if (loopback_only && !address_of(found->ai_addr).loopback)
        return invalid(where + "without [cluster] key only loopback addresses (127.0.0.1, ::1) are allowed");

    handle_ = new Handle{.listener = this};
    uv_tcp_init(&loop_.handles().loop, &handle_->tcp);
    handle_->tcp.data = handle_;
    status = uv_tcp_bind(&handle_->tcp, found->ai_addr, 0);
    if (status == 0)
        status = uv_listen(reinterpret_cast<uv_stream_t*>(&handle_->tcp), backlog, [](uv_stream_t* server, int error) {
            TcpListener* listener = static_cast<Handle*>(server->data)->listener;
            if (listener == nullptr || error != 0) return;
            auto* accepted = new TcpStream::Handle;
            uv_tcp_init(server->loop, &accepted->tcp);
            if (uv_accept(server, reinterpret_cast<uv_stream_t*>(&accepted->tcp)) != 0)
                return close_and_free(accepted, reinterpret_cast<uv_handle_t*>(&accepted->tcp));
            listener->accepted_(std::make_unique<TcpStream>(accepted));
        });
    if (status == UV_EADDRINUSE)
        return unavailable(where + "the port is in use by another program (or another eddy-node)");
    if (status != 0) return invalid(where + "cannot listen: " + uv_text(status));

    sockaddr_storage bound{};
    int size = sizeof bound;
    uv_tcp_getsockname(&handle_->tcp, reinterpret_cast<sockaddr*>(&bound), &size);
    return address_of(reinterpret_cast<sockaddr*>(&bound));
}

bool is_wildcard(const std::string& host) { return host.empty() || host == "0.0.0.0" || host == "::" || host == "*"; }

std::string first_outer_address() {
    uv_interface_address_t* interfaces = nullptr;
    int count = 0;
    std::string found;
    if (uv_interface_addresses(&interfaces, &count) != 0) return found;
    for (int i = 0; i < count && found.empty(); ++i)
        if (interfaces[i].is_internal == 0 && interfaces[i].address.address4.sin_family == AF_INET)
            found = address_of(reinterpret_cast<const sockaddr*>(&interfaces[i].address.address4)).host;
    uv_free_interface_addresses(interfaces, count);
    return found;
}

}  // namespace eddy::transport
