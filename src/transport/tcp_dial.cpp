#include <algorithm>
#include <cstring>
#include <vector>

#include <uv.h>

#include "eddy/real_clock.hpp"
#include "src/transport/loop_handles.hpp"
#include "src/transport/tcp.hpp"
#include "src/transport/tcp_stream.hpp"

namespace eddy::transport {
namespace {
constexpr size_t addresses_max = 4;
}

/// Shared by the dial and the requests under way; `done` is empty once somebody has been told, or gave up.
struct TcpDial::State : std::enable_shared_from_this<TcpDial::State> {
    struct Request {
        union {
            uv_getaddrinfo_t resolve;
            uv_connect_t connect;
        };
        std::shared_ptr<State> state;
        TcpStream::Handle* handle = nullptr;
        Request() : connect{} {}
    };
    struct Timer {
        uv_timer_t handle{};
        State* state = nullptr;
    };

    uv_loop_t* loop = nullptr;
    Endpoint endpoint;
    Usec timeout{0};
    Done done;
    std::vector<sockaddr_storage> addresses;  ///< still to be tried, last first
    Failure last{DialFailure::unresolved, "the name has no address"};
    TcpStream::Handle* trying = nullptr;  ///< its connect request is under way
    Timer* timer = nullptr;
    Instant begun_at = real_now();  ///< the name's resolution, then each attempt
    Usec resolved_after{0};
    std::vector<Attempt> attempts;

    ~State() {
        if (timer != nullptr) {
            timer->state = nullptr;
            close_and_free(timer, reinterpret_cast<uv_handle_t*>(&timer->handle));
        }
    }

    void tell(std::unique_ptr<Stream> stream, Failure failure) {
        uv_timer_stop(&timer->handle);
        const Done told = std::move(done);
        done = nullptr;
        if (told) told(std::move(stream), std::move(failure));
    }

    void begin() {
        timer = new Timer{.state = this};
        uv_timer_init(loop, &timer->handle);
        timer->handle.data = timer;
        sockaddr_storage literal{};
        if (uv_ip4_addr(endpoint.host.c_str(), endpoint.port, reinterpret_cast<sockaddr_in*>(&literal)) == 0 ||
            uv_ip6_addr(endpoint.host.c_str(), endpoint.port, reinterpret_cast<sockaddr_in6*>(&literal)) == 0) {
            addresses.push_back(literal);
            // A failure may be known at once, but is told from the loop.
            return start_timer(0);
        }
        resolve();
    }

    void resolve() {
        auto* request = new Request;
        request->state = shared_from_this();
        request->resolve.data = request;
        addrinfo hints{};
        hints.ai_socktype = SOCK_STREAM;
        const int status = uv_getaddrinfo(
            loop, &request->resolve,
            [](uv_getaddrinfo_t* resolved, int result, addrinfo* found) {
                const std::unique_ptr<Request> owned(static_cast<Request*>(resolved->data));
                owned->state->resolved(result, found);
                uv_freeaddrinfo(found);
            },
            endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints);
        if (status == 0) return;
        delete request;
        last = {DialFailure::unresolved, uv_text(status)};
        start_timer(0);
    }

    void resolved(int result, const addrinfo* found) {
        if (!done) return;
        resolved_after = real_now() - begun_at;
        if (result != 0) last = {DialFailure::unresolved, "the name does not resolve: " + uv_text(result)};
        for (; found != nullptr && addresses.size() < addresses_max; found = found->ai_next) {
            sockaddr_storage address{};
            std::memcpy(&address, found->ai_addr, std::min<size_t>(found->ai_addrlen, sizeof address));
            addresses.insert(addresses.begin(), address);
        }
        next();
    }

    void start_timer(uint64_t timeout_ms) {
        uv_update_time(loop);
        uv_timer_start(
            &timer->handle,
            [](uv_timer_t* fired) {
                State* due = static_cast<Timer*>(fired->data)->state;
                const auto self = due->shared_from_this();
                if (due->trying != nullptr) {
                    due->failed({DialFailure::timeout, "no answer"});
                    due->abandon();
                }
                due->next();
            },
            timeout_ms, 0);
    }

    void failed(Failure failure) {
        attempts.back().took = real_now() - begun_at;
        attempts.back().failure = failure.reason;
        last = std::move(failure);
    }

    /// Its request is called back with UV_ECANCELED, and frees itself.
    void abandon() {
        if (trying == nullptr) return;
        close_and_free(trying, reinterpret_cast<uv_handle_t*>(&trying->tcp));
        trying = nullptr;
    }

    void next() {
        if (!done) return;
        if (addresses.empty()) return tell(nullptr, last);
        const sockaddr_storage address = addresses.back();
        addresses.pop_back();
        attempts.push_back({address_of(reinterpret_cast<const sockaddr*>(&address)), Usec(0), ""});
        begun_at = real_now();
        trying = new TcpStream::Handle;
        uv_tcp_init(loop, &trying->tcp);
        trying->tcp.data = trying;
        auto* request = new Request;
        request->state = shared_from_this();
        request->handle = trying;
        request->connect.data = request;
        const int status =
            uv_tcp_connect(&request->connect, &trying->tcp, reinterpret_cast<const sockaddr*>(&address),
                           [](uv_connect_t* connected, int result) {
                               const std::unique_ptr<Request> owned(static_cast<Request*>(connected->data));
                               owned->state->connected(owned->handle, result);
                           });
        if (status != 0) {
            delete request;
            abandon();
            failed({DialFailure::unreachable, uv_text(status)});
            return next();
        }
        start_timer(static_cast<uint64_t>(std::chrono::ceil<std::chrono::milliseconds>(timeout).count()));
    }

    void connected(TcpStream::Handle* handle, int result) {
        if (handle != trying || result == UV_ECANCELED) return;
        if (result == 0) {
            trying = nullptr;
            attempts.back().took = real_now() - begun_at;
            return tell(std::make_unique<TcpStream>(handle), {});
        }
        failed({result == UV_ETIMEDOUT ? DialFailure::timeout : DialFailure::unreachable, uv_text(result)});
        abandon();
        next();
    }
};

TcpDial::TcpDial(Loop& loop, Endpoint endpoint, Usec timeout_per_address, Done done)
    : state_(std::make_shared<State>()) {
    state_->loop = &loop.handles().loop;
    state_->endpoint = std::move(endpoint);
    state_->timeout = timeout_per_address;
    state_->done = std::move(done);
    state_->begin();
}

TcpDial::~TcpDial() {
    state_->done = nullptr;
    state_->abandon();
    uv_timer_stop(&state_->timer->handle);
}

Usec TcpDial::resolved_after() const { return state_->resolved_after; }
const std::vector<TcpDial::Attempt>& TcpDial::attempts() const { return state_->attempts; }

}  // namespace eddy::transport
