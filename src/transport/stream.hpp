// A stream of bytes in both directions: the seam between TCP and framing. TcpStream is the plain one. TLS goes in here:
// a TlsStream that implements Stream, owns a TcpStream and is its Reader, decrypts into the space its own reader gives
// and encrypts what is written; nothing above this line changes (the handshake then proves knowledge of the cluster
// key over an encrypted stream, and may bind the proof to the TLS session by adding its exporter to the transcript).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "src/transport/codec.hpp"

namespace eddy::transport {

/// The other end, as numbers.
struct Address {
    std::string host;
    uint16_t port = 0;
    bool loopback = false;
};
inline std::string to_string(const Address& address) {
    const bool v6 = address.host.find(':') != std::string::npos;
    return (v6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

/// Thread: the loop's. Destroying it closes at once.
class Stream {
public:
    /// Whoever reads. May destroy the stream from within any of these.
    class Reader {
    public:
        virtual ~Reader() = default;
        /// Where the next bytes belong: never empty.
        virtual std::span<std::byte> space() = 0;
        virtual void arrived(size_t bytes) = 0;
        /// The other end has hung up, or the stream broke; nothing follows.
        virtual void ended(const std::string& reason) = 0;
        /// The system has taken `bytes` more of what was written.
        virtual void written(uint64_t bytes) = 0;
    };

    virtual ~Stream() = default;
    /// Begins or goes on reading; `reader` must outlive the stream.
    virtual void read(Reader& reader) = 0;
    virtual void pause() = 0;
    /// Queues the pieces, in one system call where the system takes them; their owner is kept until then.
    virtual void write(Encoded message) = 0;
    /// No more will be written: the other end sees the end of the stream after what is queued.
    virtual void finish() = 0;
    [[nodiscard]] virtual uint64_t queued_bytes() const = 0;
    [[nodiscard]] virtual const Address& remote() const = 0;
};

}  // namespace eddy::transport
