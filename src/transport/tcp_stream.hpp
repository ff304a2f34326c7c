// The plain Stream over a libuv TCP handle. For tcp_*.cpp only.
#pragma once

#include <memory>
#include <string>

#include <uv.h>

#include "src/transport/stream.hpp"
#include "src/transport/wake_pace.hpp"

namespace eddy::transport {

Address address_of(const sockaddr* from);

/// Closes a heap-allocated handle struct whose first member is a uv handle, and frees it afterwards.
template <class Holder>
void close_and_free(Holder* holder, uv_handle_t* handle) {
    handle->data = holder;
    uv_close(handle, [](uv_handle_t* closed) { delete static_cast<Holder*>(closed->data); });
}

class TcpStream final : public Stream {
public:
    struct Handle {
        uv_tcp_t tcp{};
        TcpStream* stream = nullptr;  ///< none once the stream is gone
    };

    /// Takes a connected handle.
    explicit TcpStream(Handle* handle);
    ~TcpStream() override;
    TcpStream(const TcpStream&) = delete;
    TcpStream& operator=(const TcpStream&) = delete;

    void read(Reader& reader) override;
    void pause() override;
    void write(Encoded message) override;
    void finish() override;
    [[nodiscard]] uint64_t queued_bytes() const override { return queued_bytes_; }
    [[nodiscard]] const Address& remote() const override { return remote_; }

private:
    void wait_for_enough(size_t arrived);

    Handle* handle_;  ///< freed by the loop after it is closed
    Reader* reader_ = nullptr;
    Address remote_;
    uint64_t queued_bytes_ = 0;
    WakePace pace_;
    int lowat_ = 1;  ///< bytes that must have come before the process is woken
    bool finished_ = false;
};

}  // namespace eddy::transport
