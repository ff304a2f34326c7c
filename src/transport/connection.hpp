// One TCP connection through its life: preamble, handshake, messages, the end. It knows one lane; which two connections
// make a peer is its owner's business (network_impl.hpp).
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "src/transport/framing.hpp"
#include "src/transport/handshake.hpp"
#include "src/transport/stream.hpp"

namespace eddy::transport {

class Connection;

/// Whom a connection tells. All calls come from the loop, none from within a method of Connection. An owner may drop
/// its reference from within any of them.
class ConnectionOwner {
public:
    virtual ~ConnectionOwner() = default;
    /// Their Hello is sound, though not proved. A refusal ends the connection; Refusal::duplicate does so quietly.
    virtual Refused on_hello(Connection& connection) = 0;
    /// Both have proved who they are (dialler), or the dialler has (acceptor: its own proof follows if not refused).
    /// Nothing: it has to wait; Connection::decide() follows, or the handshake takes too long.
    virtual std::optional<Refused> on_proved(Connection& connection) = 0;
    /// The handshake is through on this connection.
    virtual void on_ready(Connection& connection) = 0;
    virtual void on_delivery(Connection& /*connection*/, Delivery, uint64_t /*bytes*/) {}
    virtual void on_partial(Connection& /*connection*/) {}
    /// Control lane only.
    virtual void on_inquiry(Connection& /*connection*/, const Inquiry&) {}
    virtual void on_alive(Connection& /*connection*/, const Alive&) {}
    virtual void on_bye(Connection& /*connection*/, const std::string& /*reason*/) {}
    virtual void on_unknown(Connection& /*connection*/, const std::string& /*what*/) {}
    virtual void on_written(Connection& /*connection*/, uint64_t /*bytes*/) {}
    virtual void on_bytes_in(Connection& /*connection*/, uint64_t /*bytes*/) {}
    /// It came to an end that the owner did not ask for; at most once. `failure` is for whoever dialled.
    virtual void on_ended(Connection& connection, DialFailure failure, const std::string& reason) = 0;
    /// Nothing is left of it: after on_ended, or after a polite end that the owner asked for. Not after cut().
    virtual void on_closed(Connection& connection) = 0;
};

struct ConnectionBounds {
    std::array<uint64_t, 2> message_bytes_max;  ///< by Lane
    Usec handshake_timeout;
    Usec stall_timeout;
};

class Connection final : public std::enable_shared_from_this<Connection>, private Stream::Reader {
public:
    enum class Stage : uint8_t { preamble, hello, proof, held, ready, open, lingering, ended };

    /// All references must outlive the connection. Call start() next.
    Connection(uint64_t number, ConnectionOwner& owner, std::unique_ptr<Stream> stream, Handshake handshake,
               ReceiveBudget& budget, const ConnectionBounds& bounds, Instant now);
    ~Connection() override = default;

    void start();
    /// Ends the waiting for the owner's word (stage held).
    void decide(const Refused& refused);
    /// From ready to open: messages are delivered from now on, one that was early first (from the loop).
    void open();
    void write(Encoded message);
    /// Says why, then ends politely: what was queued is still written, until the other end hangs up or `deadline`.
    /// The owner hears no more of it but on_closed.
    void refuse(const Refused& refused, Instant deadline);
    void bye(const std::string& reason, Instant deadline);
    /// Ends at once, and tells nobody.
    void cut();
    /// Ends what has waited too long: to be called several times in each timeout.
    void check_deadlines(Instant now);

    [[nodiscard]] uint64_t number() const { return number_; }
    [[nodiscard]] Stage stage() const { return stage_; }
    [[nodiscard]] const Handshake& handshake() const { return handshake_; }
    /// Of the protocol; nothing before their preamble is here.
    [[nodiscard]] const std::optional<uint16_t>& their_version() const { return their_version_; }
    [[nodiscard]] const Address& remote() const { return remote_; }
    /// It ended because the other side broke the protocol.
    [[nodiscard]] bool offended() const { return offended_; }
    [[nodiscard]] uint64_t queued_bytes() const { return stream_ ? stream_->queued_bytes() : 0; }
    [[nodiscard]] uint64_t tx_bytes() const { return tx_bytes_; }
    [[nodiscard]] uint64_t rx_bytes() const { return rx_bytes_; }
    [[nodiscard]] Instant first_byte() const { return first_byte_; }
    [[nodiscard]] Instant last_byte() const { return last_byte_; }

private:
    std::span<std::byte> space() override;
    void arrived(size_t bytes) override;
    void ended(const std::string& reason) override;
    void written(uint64_t bytes) override;

    void on_preamble();
    void on_message(RawMessage raw);
    void on_handshake_packet(const Packet& packet, const RawMessage& raw);
    void on_hello(const Hello& hello, const RawMessage& raw);
    void on_proof(const Proof& proof);
    void on_open_packet(Packet packet, uint64_t bytes);
    void linger(Instant deadline);
    void fail(DialFailure failure, const std::string& reason);
    void offend(const std::string& reason);

    uint64_t number_;
    ConnectionOwner& owner_;
    std::unique_ptr<Stream> stream_;
    Handshake handshake_;
    Assembler assembler_;
    const ConnectionBounds& bounds_;
    Address remote_;
    Stage stage_ = Stage::preamble;
    PreambleBytes preamble_{};
    size_t preamble_filled_ = 0;
    std::optional<uint16_t> their_version_;
    std::optional<RawMessage> early_;  ///< came before the other lane stood
    Instant deadline_;                 ///< of the handshake, or of lingering
    Instant first_byte_{};             ///< of the current message
    Instant last_byte_{};
    bool offended_ = false;
    uint64_t tx_bytes_ = 0;
    uint64_t rx_bytes_ = 0;
};

/// What a refusal means to the one who dialled.
DialFailure dial_failure(Refusal why);

}  // namespace eddy::transport
