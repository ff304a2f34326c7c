// Which connections make a peer, and which of two survives: network_impl.hpp has the rules.
#include <algorithm>

#include "src/transport/network_impl.hpp"

namespace eddy::transport {
namespace {

constexpr size_t control_lane = static_cast<size_t>(Lane::control);
constexpr size_t bulk_lane = static_cast<size_t>(Lane::bulk);
/// How long a disconnected peer may take to read why.
constexpr Usec bye_linger = std::chrono::seconds(1);
constexpr size_t endpoints_remembered_max = 1024;

template <class Map>
void bound(Map& map, size_t entries_max) {
    if (map.size() >= entries_max) map.erase(map.begin());
}

}  // namespace

std::string described(const msg::Member& member) { return "\"" + member.name + "\" (" + short_name(member.id) + ")"; }

Network::Impl::Link Network::Impl::add_connection(std::unique_ptr<Stream> stream, Role role, Lane lane,
                                                  std::optional<Nonce> session) {
    const auto nonce = random_nonce();
    if (!nonce) {
        log_limited(LogLevel::error, "random", nonce.error().message, loop.now());
        return nullptr;
    }
    const uint64_t number = ++connection_numbers;
    auto link = std::make_shared<Connection>(
        number, *this, std::move(stream), Handshake(identity, role, *nonce, lane, session), budget, bounds, loop.now());
    connections[number] = link;
    return link;
}

void Network::Impl::cut(const Link& link) {
    if (!link) return;
    link->cut();
    connections.erase(link->number());
    came_to_nothing(link->number(), "the connection that it gave way to has ended");
}

bool Network::Impl::up(const Process& process) const {
    const auto peer = peers.find(process.id);
    return peer != peers.end() && peer->second.instance == process.instance;
}

uint64_t Network::Impl::other_way(const Process& process, uint64_t except, bool proved) const {
    for (const auto& [number, link] : connections) {
        const Handshake& other = link->handshake();
        const bool said = proved && other.role() == Role::acceptor ? link->stage() >= Connection::Stage::held
                                                                   : link->stage() >= Connection::Stage::proof;
        if (!said || link->stage() > Connection::Stage::ready || other.lane() != Lane::control) continue;
        if (number == except || other.theirs().probe) continue;
        if (Process{other.theirs().member.id, other.theirs().instance} == process) return number;
    }
    return 0;
}

bool Network::Impl::give_way(const Endpoint& endpoint, const Process& process, uint64_t ended) {
    if (up(process)) {
        defer([this, endpoint] {
            events.on_dial_failed(endpoint, DialFailure::already_joined, "this endpoint leads to a peer");
        });
        return true;
    }
    const uint64_t instead = other_way(process, ended, false);
    if (instead != 0) given_way[endpoint] = {process, instead};
    return instead != 0;
}

void Network::Impl::came_to_nothing(uint64_t connection, const std::string& reason) {
    std::vector<std::pair<Endpoint, Process>> left;
    for (const auto& [endpoint, detour] : given_way)
        if (detour.connection == connection) left.emplace_back(endpoint, detour.process);
    for (const auto& [endpoint, process] : left) {
        given_way.erase(endpoint);
        if (!give_way(endpoint, process, connection))
            defer(
                [this, endpoint = endpoint, reason] { events.on_dial_failed(endpoint, DialFailure::closed, reason); });
    }
}

Network::Impl::Dials::iterator Network::Impl::dial_of(const Connection& connection) {
    return std::find_if(dials.begin(), dials.end(), [&](const auto& entry) {
        const auto& lanes = entry.second.session.lanes;
        return lanes[0].get() == &connection || lanes[1].get() == &connection;
    });
}

std::map<uint64_t, Network::Impl::Session>::iterator Network::Impl::candidate_of(const Connection& connection) {
    if (connection.handshake().lane() == Lane::control) return candidates.find(connection.number());
    const Hello& hello = connection.handshake().theirs();
    return std::find_if(candidates.begin(), candidates.end(), [&](const auto& entry) {
        const Session& session = entry.second;
        return hello.session && session.lanes[control_lane]->handshake().session() == *hello.session &&
               session.member.id == hello.member.id && session.instance == hello.instance;
    });
}

Network::Impl::Session* Network::Impl::peer_of(const Connection& connection) {
    const auto it = peers.find(connection.handshake().theirs().member.id);
    if (it == peers.end()) return nullptr;
    return it->second.lanes[static_cast<size_t>(connection.handshake().lane())].get() == &connection ? &it->second
                                                                                                     : nullptr;
}

void Network::Impl::accept(std::unique_ptr<Stream> stream) {
    if (closing) return;
    evict_half_open();
    if (const Link link = add_connection(std::move(stream), Role::acceptor, Lane::control, std::nullopt)) link->start();
}

/// Strangers may not keep others out: the oldest connection of whoever has most of the half-open ones makes room.
void Network::Impl::evict_half_open() {
    std::map<std::string, std::vector<Link>> by_host;
    size_t half_open = 0;
    for (const auto& [number, link] : connections) {
        if (link->stage() == Connection::Stage::open || link->handshake().role() == Role::dialler) continue;
        by_host[link->remote().host].push_back(link);
        ++half_open;
    }
    if (half_open < config.half_open_max) return;
    const auto most = std::max_element(by_host.begin(), by_host.end(),
                                       [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
    log_limited(
        LogLevel::warning, "evict " + most->first,
        most->first + ": too many unfinished connections (" + std::to_string(half_open) + "), the oldest is closed",
        loop.now());
    const Link oldest = most->second.front();
    candidates.erase(oldest->number());
    cut(oldest);
}

void Network::Impl::dialled(const Endpoint& endpoint, Lane lane, std::unique_ptr<Stream> stream,
                            const TcpDial::Failure& failure) {
    const auto dial = dials.find(endpoint);
    if (dial == dials.end()) return;
    if (!stream) {
        dial_failed(dial, failure.kind, failure.reason);
        return flush();
    }
    if (config.cluster_key.empty() && !stream->remote().loopback) {
        dial_failed(dial, DialFailure::wrong_key, "without [cluster] key only nodes on this machine can be reached");
        return flush();
    }
    std::optional<Nonce> session;
    if (lane == Lane::bulk) session = dial->second.session.lanes[control_lane]->handshake().session();
    const Link link = add_connection(std::move(stream), Role::dialler, lane, session);
    if (!link) {
        dial_failed(dial, DialFailure::closed, "no random numbers");
        return flush();
    }
    dial->second.session.lanes[static_cast<size_t>(lane)] = link;
    link->start();
}

void Network::Impl::dial_failed(Dials::iterator dial, DialFailure failure, const std::string& reason) {
    const Endpoint endpoint = dial->first;
    // Out of the map first: cutting must not find it again.
    const Dial failed = std::move(dial->second);
    dials.erase(dial);
    for (const Link& link : failed.session.lanes)
        if (link && link->stage() < Connection::Stage::lingering) cut(link);
    const Link& control = failed.session.lanes[control_lane];
    if (control) came_to_nothing(control->number(), reason);
    // Of several connections with one process all but one end: that is no failure, unless the last one ends as well.
    if (failed.identified && (failure == DialFailure::already_joined || failure == DialFailure::closed)) {
        const Process process{failed.session.member.id, failed.session.instance};
        bound(known, endpoints_remembered_max);
        known[endpoint] = process.id;
        if (give_way(endpoint, process, control->number())) return;
    }
    if (failure == DialFailure::self) {
        bound(own, endpoints_remembered_max);
        own[endpoint] = loop.now();
    }
    const std::string where = to_string(Address{endpoint.host, endpoint.port, false});
    const LogLevel level = failure == DialFailure::self ? LogLevel::info : LogLevel::warning;
    log_limited(level, where + to_string(failure), "cannot connect to " + where + ": " + reason, loop.now());
    defer([this, endpoint, failure, reason] { events.on_dial_failed(endpoint, failure, reason); });
}

Refused Network::Impl::on_hello(Connection& connection) {
    const Hello& hello = connection.handshake().theirs();
    const bool control = connection.handshake().lane() == Lane::control;
    if (connection.handshake().role() == Role::dialler) {
        const auto dial = dial_of(connection);
        if (dial == dials.end()) return {Refusal::duplicate, "no longer wanted"};
        if (control) return dialler_hello(dial, connection);
        const Session& session = dial->second.session;
        if (hello.member.id != session.member.id || hello.instance != session.instance)
            return {Refusal::malformed, "another node answered on the bulk connection"};
        return {};
    }
    // What a control connection may do is said only to those who have proved themselves.
    if (control) return {};
    if (candidate_of(connection) == candidates.end())
        return {Refusal::no_session, "this bulk connection belongs to no control connection"};
    return {};
}

Refused Network::Impl::dialler_hello(Dials::iterator dial, Connection& connection) {
    const Hello& hello = connection.handshake().theirs();
    Session& session = dial->second.session;
    session.member = hello.member;
    session.instance = hello.instance;
    dial->second.identified = true;
    const Process process{hello.member.id, hello.instance};
    if (up(process) || other_way(process, connection.number(), true) != 0)
        return {Refusal::duplicate, "a connection with this node stands already"};
    return {};
}

std::optional<Refused> Network::Impl::on_proved(Connection& connection) {
    const Handshake& handshake = connection.handshake();
    if (handshake.theirs().probe) return Refused{};
    if (handshake.lane() == Lane::control) {
        const auto answer = judge(connection);
        if (!answer || answer->why != Refusal::none || handshake.role() == Role::dialler) return answer;
        return acceptor_proved(connection);
    }
    if (handshake.role() == Role::acceptor && candidate_of(connection) == candidates.end())
        return Refused{Refusal::no_session, "its control connection has gone"};
    return Refused{};
}

Refused Network::Impl::acceptor_proved(Connection& connection) {
    const Hello& hello = connection.handshake().theirs();
    const auto same = [&](const Session& other) {
        return other.member.id == hello.member.id && other.instance == hello.instance;
    };
    const auto ours = std::find_if(dials.begin(), dials.end(), [&](const auto& entry) {
        return entry.second.identified && same(entry.second.session);
    });
    if (ours != dials.end()) {
        if (identity.member.id < hello.member.id)
            return {Refusal::duplicate, "the connection from the node with the lower id is preferred"};
        dial_failed(ours, DialFailure::already_joined, "");
    }
    // The peer has given up what it had begun before, or it would not begin again.
    const auto before =
        std::find_if(candidates.begin(), candidates.end(), [&](const auto& entry) { return same(entry.second); });
    if (before != candidates.end()) {
        const Session abandoned = std::move(before->second);
        candidates.erase(before);
        cut(abandoned.lanes[control_lane]);
    }
    return {};
}

void Network::Impl::on_ready(Connection& connection) {
    const auto self = connection.shared_from_this();
    const Hello& hello = connection.handshake().theirs();
    const bool control = connection.handshake().lane() == Lane::control;
    if (connection.handshake().role() == Role::acceptor) {
        // Who only asks has heard everything, and becomes no peer.
        if (hello.probe) return connection.bye("answered", loop.now() + bye_linger);
        if (control) {
            Session& session = candidates[connection.number()];
            session.member = hello.member;
            session.instance = hello.instance;
            session.lanes[control_lane] = self;
            return;
        }
        const auto candidate = candidate_of(connection);
        Session session = std::move(candidate->second);
        candidates.erase(candidate);
        session.lanes[bulk_lane] = self;
        install(std::move(session));
        return;
    }
    const auto dial = dial_of(connection);
    if (dial == dials.end()) return cut(self);
    const Endpoint endpoint = dial->first;
    if (control) {
        const Endpoint same_place{connection.remote().host, connection.remote().port};
        dial->second.tcp = std::make_unique<TcpDial>(
            loop, same_place, config.handshake_timeout,
            [this, endpoint](std::unique_ptr<Stream> stream, const TcpDial::Failure& failure) {
                dialled(endpoint, Lane::bulk, std::move(stream), failure);
            });
        return;
    }
    Session session = std::move(dial->second.session);
    dials.erase(dial);
    bound(known, endpoints_remembered_max);
    known[endpoint] = session.member.id;
    session.dialled = endpoint;
    const Refused refused = install(std::move(session));
    if (refused.why == Refusal::none) return;
    defer([this, endpoint, refused] { events.on_dial_failed(endpoint, dial_failure(refused.why), refused.text); });
}

Refused Network::Impl::install(Session session) {
    const NodeId id = session.member.id;
    const uint64_t control_number = session.lanes[control_lane]->number();
    // Something may have changed since the proof of the control connection: another one was quicker.
    const Refused refused =
        judge(*session.lanes[control_lane])
            .value_or(Refused{Refusal::claimed, "another process has just joined under this node's id"});
    if (refused.why != Refusal::none) {
        for (const Link& link : session.lanes) link->bye(refused.text, loop.now() + bye_linger);
        came_to_nothing(control_number, refused.text);
        return refused;
    }
    std::erase_if(given_way, [&](const auto& entry) {
        if (entry.second.connection != control_number) return false;
        if (!session.dialled) session.dialled = entry.first;
        return true;
    });
    drop_peer(id, "it connected anew");
    msg::Member member = session.member;
    if (is_wildcard(member.endpoint.host)) member.endpoint.host = session.lanes[control_lane]->remote().host;
    session.member = member;
    session.connection = ++session_numbers;
    const uint64_t connection = session.connection;
    const Link lanes[2] = {session.lanes[0], session.lanes[1]};
    peers[id] = std::move(session);
    log(LogLevel::debug, "connected to " + described(member) + " at " + to_string(lanes[0]->remote()));
    tell([&](NetworkEvents& listener_) { listener_.on_peer_up(member, connection); });
    // The listener may have disconnected it already, and early messages may do so as well.
    for (const Link& link : lanes)
        if (link->stage() == Connection::Stage::ready) link->open();
    return {};
}

void Network::Impl::drop_peer(NodeId id, const std::string& reason) {
    const auto it = peers.find(id);
    if (it == peers.end()) return;
    const Session session = std::move(it->second);
    peers.erase(it);
    for (const Link& link : session.lanes) {
        // A lane that has not been opened yet ends like any other.
        if (link->stage() < Connection::Stage::lingering)
            link->bye(cleaned(reason, text_bytes_max), loop.now() + bye_linger);
    }
    log(LogLevel::debug, "lost " + described(session.member) + ": " + reason);
    defer([this, id, connection = session.connection, reason] { events.on_peer_down(id, connection, reason); });
    if (session.inquiry) defer([this, id] { settle_claims(id); });
}

}  // namespace eddy::transport
