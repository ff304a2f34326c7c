// What a program without Eddy would do: libuv, one connection, requests and replies of fixed size, no format, reused
// buffers. It runs on the same loop as Eddy's network, so that both pay for the same polling.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "src/transport/loop.hpp"

namespace eddy::bench {

/// Answers each `request_bytes` with `reply_bytes`; sizes are the client's to announce in its first 16 bytes.
class RawServer {
public:
    explicit RawServer(transport::Loop& loop);
    ~RawServer();
    [[nodiscard]] uint16_t port() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

class RawClient {
public:
    RawClient(transport::Loop& loop, uint16_t port, size_t request_bytes, size_t reply_bytes);
    ~RawClient();
    /// Sends one request and runs the loop until its reply is in.
    bool exchange();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace eddy::bench
