// What a connection tells its network once it exists: messages, progress, the end.
#include <algorithm>

#include "src/transport/network_impl.hpp"

namespace eddy::transport {
namespace {

/// After Bye on one lane, how long the rest of the other may take to come.
constexpr Usec bye_grace = std::chrono::seconds(2);

}  // namespace

void Network::Impl::on_delivery(Connection& connection, Delivery delivery, uint64_t bytes) {
    const Session* session = peer_of(connection);
    if (session == nullptr) return;
    Incoming incoming{session->member.id,
                      session->connection,
                      std::move(delivery.message),
                      std::move(delivery.tensors),
                      connection.first_byte(),
                      connection.last_byte(),
                      bytes};
    tell([&](NetworkEvents& listener_) { listener_.on_received(std::move(incoming)); });
    flush();
}

void Network::Impl::on_partial(Connection& connection) {
    Session* session = peer_of(connection);
    if (session == nullptr || connection.handshake().lane() != Lane::bulk) return;
    const Instant now = connection.last_byte();
    if (now - session->last_progress < config.progress_interval) return;
    session->last_progress = now;
    const NodeId id = session->member.id;
    tell([&](NetworkEvents& listener_) { listener_.on_progress(id); });
    flush();
}

void Network::Impl::on_bye(Connection& connection, const std::string& reason) {
    Session* session = peer_of(connection);
    if (session == nullptr) return;
    session->bye[static_cast<size_t>(connection.handshake().lane())] = true;
    session->bye_reason = reason;
    if (session->bye_deadline == never)
        session->bye_deadline = loop.now() + std::min(bye_grace, config.handshake_timeout);
    if (session->bye[0] && session->bye[1]) drop_peer(session->member.id, "it left: " + reason);
    flush();
}

void Network::Impl::on_unknown(Connection& connection, const std::string& what) {
    const std::string& host = connection.remote().host;
    log_limited(LogLevel::info, "unknown " + host, host + ": ignored " + what, loop.now());
}

void Network::Impl::on_written(Connection& connection, uint64_t bytes) {
    traffic.tx_bytes += bytes;
    if (connection.handshake().lane() != Lane::bulk) return;
    Session* session = peer_of(connection);
    if (session == nullptr || session->connection == 0) return;
    const uint64_t queued = connection.queued_bytes();
    const bool fell = queued <= config.bulk_low_water_bytes && queued + bytes > config.bulk_low_water_bytes;
    if (!fell && !session->owes_drained) return;
    session->owes_drained = false;
    const NodeId id = session->member.id;
    tell([&](NetworkEvents& listener_) { listener_.on_drained(id); });
    flush();
}

void Network::Impl::on_bytes_in(Connection&, uint64_t bytes) { traffic.rx_bytes += bytes; }

void Network::Impl::on_ended(Connection& connection, DialFailure failure, const std::string& reason) {
    const size_t lane = static_cast<size_t>(connection.handshake().lane());
    if (Session* session = peer_of(connection)) {
        if (connection.offended())
            log_limited(LogLevel::warning, "offence " + connection.remote().host,
                        "dropped " + described(session->member) + " at " + to_string(connection.remote()) +
                            ", which broke the protocol: " + reason,
                        loop.now());
        // After its Bye a lane may end; what the other lane still carries is waited for.
        if (!session->bye[lane]) drop_peer(session->member.id, reason);
        return flush();
    }
    if (const auto dial = dial_of(connection); dial != dials.end()) {
        dial_failed(dial, failure, reason);
        return flush();
    }
    candidates.erase(connection.number());
    came_to_nothing(connection.number(), reason);
    if (failure == DialFailure::already_joined) return flush();
    const std::string& host = connection.remote().host;
    const LogLevel level = failure == DialFailure::self ? LogLevel::debug : LogLevel::warning;
    log_limited(level, host + to_string(failure) + reason.substr(0, 24),
                "turned away " + to_string(connection.remote()) + ": " + reason, loop.now());
    flush();
}

void Network::Impl::on_closed(Connection& connection) {
    connections.erase(connection.number());
    finish_closing_if_done();
}

}  // namespace eddy::transport
