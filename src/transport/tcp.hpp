// TCP through libuv: listening, dialling, and the plain Stream. Thread: the loop's; all must be destroyed before it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "eddy/messages.hpp"
#include "eddy/result.hpp"
#include "src/transport/loop.hpp"
#include "src/transport/network.hpp"
#include "src/transport/stream.hpp"

namespace eddy::transport {

/// Unsent bytes the kernel may hold per connection: more only adds delay that no queue of ours sees.
inline constexpr int notsent_lowat_bytes = 128 * 1024;

/// An accepting socket.
class TcpListener {
public:
    using Accepted = std::function<void(std::unique_ptr<Stream>)>;

    TcpListener(Loop& loop, Accepted accepted);
    ~TcpListener();
    TcpListener(const TcpListener&) = delete;
    TcpListener& operator=(const TcpListener&) = delete;

    /// Gives the address bound to. Blocks while a host name resolves.
    Result<Address> listen(const Endpoint& endpoint, bool loopback_only);

private:
    struct Handle;
    Loop& loop_;
    Handle* handle_ = nullptr;  ///< freed by the loop after it is closed
    Accepted accepted_;
};

/// One attempt to reach an endpoint: resolves its name, then tries its addresses in turn, each for
/// `timeout_per_address`. Destroying it gives up.
class TcpDial {
public:
    struct Failure {
        DialFailure kind = DialFailure::unreachable;
        std::string reason;
    };
    struct Attempt {
        Address address;
        Usec took{0};
        std::string failure;  ///< empty: connected
    };
    /// Called once, from the loop, unless the dial is destroyed before. May destroy the dial.
    using Done = std::function<void(std::unique_ptr<Stream>, Failure)>;

    TcpDial(Loop& loop, Endpoint endpoint, Usec timeout_per_address, Done done);
    ~TcpDial();
    TcpDial(const TcpDial&) = delete;
    TcpDial& operator=(const TcpDial&) = delete;

    /// How it went, for whoever wants to know more than the end.
    [[nodiscard]] Usec resolved_after() const;
    [[nodiscard]] const std::vector<Attempt>& attempts() const;

private:
    struct State;
    std::shared_ptr<State> state_;
};

/// The address others may dial when listening on every interface: the first that is not loopback, if there is one.
std::string first_outer_address();
bool is_wildcard(const std::string& host);

}  // namespace eddy::transport
