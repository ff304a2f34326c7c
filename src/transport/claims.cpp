// Two processes under one id: the one that is a peer already keeps it as long as it shows that it lives. A restart
// after a power cut so gets in at once though the old connection still seems to stand, whatever its incarnation, and of
// two devices with copied folders the second one is turned away.
#include <algorithm>

#include "src/transport/network_impl.hpp"

namespace eddy::transport {
namespace {

constexpr size_t control_lane = static_cast<size_t>(Lane::control);

uint64_t received(const std::array<std::shared_ptr<Connection>, 2>& lanes) {
    return lanes[0]->rx_bytes() + lanes[1]->rx_bytes();
}

}  // namespace

Refused Network::Impl::claimed(const Session& standing) {
    return {Refusal::claimed, "node id " + short_name(standing.member.id) + " is taken by " +
                                  described(standing.member) + " at " +
                                  to_string(standing.lanes[control_lane]->remote()) + ", incarnation " +
                                  std::to_string(standing.member.incarnation.value) +
                                  ", which answers: every node needs a name or id, and a data_dir, of its own (was "
                                  "this one's folder or card copied?)"};
}

std::optional<Refused> Network::Impl::judge(const Connection& claimant) {
    const Hello& hello = claimant.handshake().theirs();
    const auto it = peers.find(hello.member.id);
    if (it == peers.end()) {
        if (peers.size() < config.peers_max) return Refused{};
        return Refused{Refusal::full, "already connected to " + std::to_string(peers.size()) + " nodes"};
    }
    Session& standing = it->second;
    if (standing.instance == hello.instance) return Refused{};
    if (standing.bye_deadline != never) {
        drop_peer(hello.member.id, "it left: " + standing.bye_reason);
        return Refused{};
    }
    const Instant now = loop.now();
    if (now < standing.alive_until) return claimed(standing);
    if (standing.inquiry) return std::nullopt;
    const uint64_t number = ++inquiry_numbers;
    standing.inquiry = LifeCheck{number, now + life_timeout, received(standing.lanes)};
    const std::string address = to_string(claimant.remote());
    log_limited(LogLevel::info, "claim " + claimant.remote().host,
                address + " asks to join as " + described(standing.member) + ", which is connected already and now " +
                    "asked whether it lives",
                now);
    say(*it, encode(Inquiry{number, address}));
    return std::nullopt;
}

void Network::Impl::settle_claims(const NodeId& id) {
    std::vector<Link> held;
    for (const auto& [number, link] : connections)
        if (link->stage() == Connection::Stage::held && link->handshake().theirs().member.id == id)
            held.push_back(link);
    for (const Link& link : held) {
        // What is decided for one may end another.
        if (link->stage() != Connection::Stage::held) continue;
        if (const auto answer = on_proved(*link)) link->decide(*answer);
    }
}

void Network::Impl::check_lives(Instant now) {
    std::vector<NodeId> silent;
    for (auto& [id, session] : peers) {
        if (!session.inquiry || now < session.inquiry->deadline) continue;
        // Bytes on their way prove little, for a dead machine's may still arrive; but they earn a second wait.
        if (received(session.lanes) == session.inquiry->bytes_before || session.inquiry->extended) {
            silent.push_back(id);
            continue;
        }
        session.inquiry->extended = true;
        session.inquiry->deadline = now + life_timeout;
    }
    for (const NodeId& id : silent) drop_peer(id, "another life of it asks to join, and this one does not answer");
}

void Network::Impl::on_inquiry(Connection& connection, const Inquiry& inquiry) {
    const auto it = peers.find(connection.handshake().theirs().member.id);
    if (it == peers.end() || peer_of(connection) == nullptr) return;
    log_limited(LogLevel::warning, "claimed " + inquiry.claimant.substr(0, inquiry.claimant.rfind(':')),
                "another process, at " + inquiry.claimant + ", asks " + described(it->second.member) +
                    " to join as this very node (id " + short_name(identity.member.id) +
                    "): it is turned away while this node answers; every node needs a name or id, and a data_dir, of "
                    "its own (was this one's folder or card copied?)",
                loop.now());
    say(*it, encode(Alive{inquiry.number}));
    flush();
}

void Network::Impl::on_alive(Connection& connection, const Alive& alive) {
    Session* session = peer_of(connection);
    if (session == nullptr || !session->inquiry || session->inquiry->number != alive.number) return;
    session->inquiry.reset();
    session->alive_until = loop.now() + config.life_memory;
    settle_claims(session->member.id);
    flush();
}

}  // namespace eddy::transport
