#include "src/transport/connection.hpp"

#include <array>

#include "eddy/assert.hpp"
#include "eddy/real_clock.hpp"

namespace eddy::transport {
namespace {

/// No message of a handshake comes near this.
constexpr uint64_t handshake_bytes_max = 4096;
/// How long a refused peer may take to read why.
constexpr Usec refusal_linger = std::chrono::seconds(1);

Encoded raw_bytes(const PreambleBytes& bytes) {
    auto owner = std::make_shared<PreambleBytes>(bytes);
    Encoded encoded;
    encoded.pieces.emplace_back(owner->data(), owner->size());
    encoded.bytes = owner->size();
    encoded.owner = std::move(owner);
    return encoded;
}

}  // namespace

DialFailure dial_failure(Refusal why) {
    switch (why) {
        case Refusal::other_cluster: return DialFailure::other_cluster;
        case Refusal::wrong_key: return DialFailure::wrong_key;
        case Refusal::claimed: return DialFailure::claimed;
        case Refusal::self: return DialFailure::self;
        case Refusal::duplicate: return DialFailure::already_joined;
        case Refusal::full: return DialFailure::full;
        case Refusal::none:
        case Refusal::malformed:
        case Refusal::no_session: break;
    }
    return DialFailure::closed;
}

Connection::Connection(uint64_t number, ConnectionOwner& owner, std::unique_ptr<Stream> stream, Handshake handshake,
                       ReceiveBudget& budget, const ConnectionBounds& bounds, Instant now)
    : number_(number),
      owner_(owner),
      stream_(std::move(stream)),
      handshake_(std::move(handshake)),
      assembler_(handshake_bytes_max, budget),
      bounds_(bounds),
      remote_(stream_->remote()),
      deadline_(now + bounds.handshake_timeout) {}

void Connection::start() {
    if (handshake_.role() == Role::dialler) {
        write(raw_bytes(handshake_.preamble()));
        write(handshake_.hello(real_wall_clock()));
    }
    stream_->read(*this);
}

void Connection::open() {
    EDDY_ASSERT(stage_ == Stage::ready);
    stage_ = Stage::open;
    deadline_ = never;
    if (early_) {
        RawMessage raw = *std::move(early_);
        early_.reset();
        const auto self = shared_from_this();
        stream_->read(*this);
        on_message(std::move(raw));
    }
}

void Connection::write(Encoded message) {
    if (stream_ && stage_ < Stage::lingering) stream_->write(std::move(message));
}

void Connection::refuse(const Refused& refused, Instant deadline) {
    write(encode(Refuse{static_cast<uint16_t>(refused.why), refused.text}));
    linger(deadline);
}

void Connection::bye(const std::string& reason, Instant deadline) {
    write(encode(Bye{reason}));
    linger(deadline);
}

void Connection::linger(Instant deadline) {
    if (stage_ >= Stage::lingering) return;
    stage_ = Stage::lingering;
    deadline_ = deadline;
    stream_->finish();
    // Unread bytes would turn the end into a reset, which destroys what was just said.
    stream_->read(*this);
}

void Connection::cut() {
    stage_ = Stage::ended;
    stream_.reset();
}

void Connection::fail(DialFailure failure, const std::string& reason) {
    if (stage_ == Stage::ended) return;
    const bool agreed = stage_ == Stage::lingering;
    cut();
    if (!agreed) owner_.on_ended(*this, failure, reason);
    owner_.on_closed(*this);
}

void Connection::offend(const std::string& reason) {
    offended_ = true;
    fail(DialFailure::closed, reason);
}

void Connection::check_deadlines(Instant now) {
    if (stage_ == Stage::ended) return;
    const auto self = shared_from_this();
    if (now >= deadline_) {
        const bool silent = handshake_.role() == Role::dialler && stage_ == Stage::preamble;
        return fail(silent ? DialFailure::timeout : DialFailure::closed, "the handshake took too long");
    }
    if (stage_ == Stage::open && !assembler_.between_messages() && now - last_byte_ > bounds_.stall_timeout) {
        fail(DialFailure::closed, "stopped in the middle of a message");
    }
}

std::span<std::byte> Connection::space() {
    // What is said after the end was agreed is read and forgotten.
    static thread_local std::array<std::byte, 64 * 1024> nowhere;
    if (stage_ >= Stage::lingering) return nowhere;
    if (stage_ == Stage::preamble) return std::span(preamble_).subspan(preamble_filled_);
    return assembler_.space();
}

void Connection::arrived(size_t bytes) {
    const auto self = shared_from_this();
    rx_bytes_ += bytes;
    owner_.on_bytes_in(*this, bytes);
    if (stage_ >= Stage::lingering) return;
    if (stage_ == Stage::preamble) {
        preamble_filled_ += bytes;
        if (preamble_filled_ == preamble_.size()) on_preamble();
        return;
    }
    last_byte_ = real_now();
    if (assembler_.between_messages()) first_byte_ = last_byte_;
    const auto complete = assembler_.arrived(bytes);
    if (!complete && complete.error().code != ErrorCode::invalid)
        return fail(DialFailure::closed, complete.error().message);
    if (!complete) return offend(complete.error().message);
    if (complete.value()) return on_message(assembler_.take());
    if (stage_ == Stage::open) owner_.on_partial(*this);
}

void Connection::ended(const std::string& reason) {
    const auto self = shared_from_this();
    fail(DialFailure::closed, reason);
}

void Connection::written(uint64_t bytes) {
    const auto self = shared_from_this();
    tx_bytes_ += bytes;
    owner_.on_written(*this, bytes);
}

void Connection::on_preamble() {
    const auto theirs = decode_preamble(preamble_);
    if (!theirs) return fail(DialFailure::not_eddy, "does not speak Eddy's protocol");
    their_version_ = theirs->version;
    if (theirs->version != protocol_version) {
        // The other version reads this one's number from the answer.
        if (handshake_.role() == Role::acceptor) write(raw_bytes(handshake_.preamble()));
        linger(real_now() + refusal_linger);
        return owner_.on_ended(*this, DialFailure::other_version,
                               "speaks protocol version " + std::to_string(theirs->version) + ", this node version " +
                                   std::to_string(protocol_version) + ": update the older one");
    }
    if (!handshake_.on_preamble(*theirs)) return fail(DialFailure::not_eddy, "answers with this node's own words");
    if (handshake_.role() == Role::acceptor) write(raw_bytes(handshake_.preamble()));
    stage_ = Stage::hello;
}

void Connection::on_message(RawMessage raw) {
    auto packet = decode(raw);
    const bool refusal = packet && std::holds_alternative<Refuse>(*packet);
    if (stage_ == Stage::ready && !refusal) {
        early_ = std::move(raw);
        return stream_->pause();
    }
    if (!packet) {
        if (packet.error().code == ErrorCode::unsupported && stage_ == Stage::open)
            return owner_.on_unknown(*this, packet.error().message);
        return offend(packet.error().message);
    }
    if (stage_ == Stage::open) return on_open_packet(std::move(packet).value(), raw.bytes);
    on_handshake_packet(packet.value(), raw);
}

void Connection::on_handshake_packet(const Packet& packet, const RawMessage& raw) {
    if (const auto* refuse = std::get_if<Refuse>(&packet))
        return fail(dial_failure(static_cast<Refusal>(refuse->code)), "refused: " + refuse->text);
    const auto* hello = std::get_if<Hello>(&packet);
    if (hello != nullptr && stage_ == Stage::hello) return on_hello(*hello, raw);
    const auto* proof = std::get_if<Proof>(&packet);
    if (proof != nullptr && stage_ == Stage::proof) return on_proof(*proof);
    offend("spoke out of turn in the handshake");
}

void Connection::on_hello(const Hello& hello, const RawMessage& raw) {
    Refused refused = handshake_.on_hello(hello, raw);
    if (refused.why == Refusal::none) refused = owner_.on_hello(*this);
    if (stage_ == Stage::ended) return;
    if (refused.why != Refusal::none) {
        refuse(refused, real_now() + refusal_linger);
        return owner_.on_ended(*this, dial_failure(refused.why), refused.text);
    }
    write(handshake_.role() == Role::acceptor ? handshake_.hello(real_wall_clock()) : encode(handshake_.proof()));
    stage_ = Stage::proof;
}

void Connection::on_proof(const Proof& proof) {
    std::optional<Refused> refused = handshake_.on_proof(proof);
    if (refused->why == Refusal::none) refused = owner_.on_proved(*this);
    if (stage_ == Stage::ended) return;
    stage_ = Stage::held;
    if (refused) decide(*refused);
}

void Connection::decide(const Refused& refused) {
    EDDY_ASSERT(stage_ == Stage::held);
    const auto self = shared_from_this();
    if (refused.why != Refusal::none) {
        refuse(refused, real_now() + refusal_linger);
        return owner_.on_ended(*this, dial_failure(refused.why), refused.text);
    }
    if (handshake_.role() == Role::acceptor) write(encode(handshake_.proof()));
    stage_ = Stage::ready;
    assembler_.set_message_bytes_max(bounds_.message_bytes_max[static_cast<size_t>(handshake_.lane())]);
    owner_.on_ready(*this);
}

void Connection::on_open_packet(Packet packet, uint64_t bytes) {
    if (const auto* bye = std::get_if<Bye>(&packet)) return owner_.on_bye(*this, bye->reason);
    auto* delivery = std::get_if<Delivery>(&packet);
    const auto* inquiry = std::get_if<Inquiry>(&packet);
    const auto* alive = std::get_if<Alive>(&packet);
    if (delivery == nullptr && inquiry == nullptr && alive == nullptr) return offend("began the handshake again");
    if ((delivery != nullptr ? lane_of(delivery->message) : Lane::control) != handshake_.lane())
        return offend("sent a message on the wrong connection");
    if (inquiry != nullptr) return owner_.on_inquiry(*this, *inquiry);
    if (alive != nullptr) return owner_.on_alive(*this, *alive);
    owner_.on_delivery(*this, std::move(*delivery), bytes);
}

}  // namespace eddy::transport
