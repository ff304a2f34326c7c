#include "src/transport/network.hpp"

#include <algorithm>

#include <sys/resource.h>

#include "eddy/real_clock.hpp"
#include "src/transport/network_impl.hpp"

namespace eddy::transport {
namespace {

/// An endpoint that led to this very node is not dialled again for so long.
constexpr Usec own_endpoint_memory = std::chrono::minutes(1);

/// For cameras, models and libraries.
constexpr uint64_t other_descriptors = 512;

/// Two connections for each peer and dial: the usual 1024 open files may not hold them all.
void make_room_for_descriptors(uint64_t wanted) {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return;
    limit.rlim_cur = std::min<rlim_t>(wanted, limit.rlim_max);
    setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

const char* to_string(DialFailure failure) {
    switch (failure) {
        case DialFailure::unresolved: return "unresolved";
        case DialFailure::unreachable: return "unreachable";
        case DialFailure::timeout: return "timeout";
        case DialFailure::not_eddy: return "not-eddy";
        case DialFailure::other_version: return "other-version";
        case DialFailure::other_cluster: return "other-cluster";
        case DialFailure::wrong_key: return "wrong-key";
        case DialFailure::claimed: return "claimed";
        case DialFailure::self: return "self";
        case DialFailure::already_joined: return "already-joined";
        case DialFailure::full: return "full";
        case DialFailure::closed: return "closed";
    }
    return "unknown";
}

Network::Impl::Impl(Loop& loop_, NetworkConfig config_, NetworkEvents& events_, LogFn log_)
    : loop(loop_),
      config(std::move(config_)),
      events(events_),
      log(log_ ? std::move(log_) : [](LogLevel, const std::string&) {}),
      log_limited(log),
      soon(loop_, [this] { flush(); }),
      ticker(loop_, [this] { tick(); }) {
    identity = {config.cluster,
                config.cluster_key,
                {config.id, config.incarnation, config.name, config.advertise.value_or(config.listen)},
                {},
                config.chain_hash};
    const auto random = random_nonce();
    if (random)
        std::copy_n(random.value().begin(), identity.instance.size(), identity.instance.begin());
    else
        ready = random.error();
    if (!is_clean(config.name, name_bytes_max) || !is_clean(config.cluster, name_bytes_max))
        ready = invalid("[node] name and [cluster] name must be printable text of at most " +
                        std::to_string(name_bytes_max) + " bytes");
    bounds = {{{config.control_message_bytes_max, std::min(config.bulk_message_bytes_max, work_bytes_max)}},
              config.handshake_timeout,
              config.stall_timeout};
    budget.bytes_max = config.receiving_bytes_max;
    // A claimant is held for twice as long, within its handshake.
    life_timeout = std::min(config.life_timeout, config.handshake_timeout / 4);
    const Usec tick_interval =
        std::clamp<Usec>(std::min({config.handshake_timeout, config.stall_timeout, life_timeout}) / 4,
                         std::chrono::milliseconds(5), std::chrono::milliseconds(250));
    ticker.start(tick_interval, tick_interval);
}

Network::Impl::~Impl() {
    for (auto& [number, link] : connections) link->cut();
}

Result<Endpoint> Network::Impl::listen() {
    if (!ready) return ready.error();
    make_room_for_descriptors(2 * (config.peers_max + config.dials_max) + config.half_open_max + other_descriptors);
    auto fresh = std::make_unique<TcpListener>(loop, [this](std::unique_ptr<Stream> stream) {
        accept(std::move(stream));
        flush();
    });
    const auto bound = fresh->listen(config.listen, config.cluster_key.empty());
    if (!bound) return bound.error();
    listener = std::move(fresh);

    Endpoint told = config.advertise.value_or(Endpoint{bound.value().host, 0});
    if (told.port == 0) told.port = bound.value().port;
    if (is_wildcard(told.host)) {
        told.host = first_outer_address();
        if (told.host.empty()) told.host = "127.0.0.1";
        log(LogLevel::info, "listening on every interface; other nodes are told " +
                                to_string(Address{told.host, told.port, false}) +
                                " (set [node] advertise if they cannot reach that)");
    }
    identity.member.endpoint = told;
    return told;
}

void Network::Impl::connect(const Endpoint& endpoint) {
    if (closing || !ready || dials.contains(endpoint) || given_way.contains(endpoint)) return;
    const auto fail = [&](DialFailure failure, const std::string& reason) {
        defer([this, endpoint, failure, reason] { events.on_dial_failed(endpoint, failure, reason); });
    };
    if (const auto it = known.find(endpoint); it != known.end() && peers.contains(it->second))
        return fail(DialFailure::already_joined, "this endpoint leads to a peer");
    if (const auto it = own.find(endpoint); it != own.end() && loop.now() - it->second < own_endpoint_memory)
        return fail(DialFailure::self, "this endpoint leads to this very node");
    if (dials.size() >= config.dials_max)
        return fail(DialFailure::full, std::to_string(dials.size()) + " dials are under way");
    dials[endpoint].tcp =
        std::make_unique<TcpDial>(loop, endpoint, config.handshake_timeout,
                                  [this, endpoint](std::unique_ptr<Stream> stream, const TcpDial::Failure& failure) {
                                      dialled(endpoint, Lane::control, std::move(stream), failure);
                                  });
}

Status Network::Impl::send(const NodeId& peer, const Message& message, std::vector<HostTensor> tensors) {
    const auto it = peers.find(peer);
    if (it == peers.end() || it->second.bye_deadline != never)
        return unavailable("node " + short_name(peer) + " is not connected");
    Session& session = it->second;
    auto encoded = encode(message, std::move(tensors));
    if (!encoded) return encoded.error();
    const Lane lane = lane_of(message);
    Connection& link = *session.lanes[static_cast<size_t>(lane)];
    if (lane == Lane::control)
        return say(*it, std::move(encoded).value()) ? success()
                                                    : unavailable("node " + short_name(peer) + " does not read");
    const uint64_t queued = link.queued_bytes();
    if (queued > 0 && queued + encoded->bytes > config.bulk_queue_bytes_max) {
        session.owes_drained = true;
        return exhausted("the bulk queue to node " + short_name(peer) + " is full");
    }
    link.write(std::move(encoded).value());
    return success();
}

bool Network::Impl::say(std::pair<const NodeId, Session>& peer, Encoded message) {
    Connection& link = *peer.second.lanes[static_cast<size_t>(Lane::control)];
    if (link.queued_bytes() + message.bytes > config.control_queue_bytes_max) {
        drop_peer(peer.first, "it does not read: its control queue is full");
        return false;
    }
    link.write(std::move(message));
    return true;
}

void Network::Impl::close(const std::string& reason, Usec within, std::function<void()> done) {
    if (closing) return;
    closing = true;
    on_close_done = std::move(done);
    listener.reset();
    dials.clear();
    given_way.clear();
    candidates.clear();
    const Instant deadline = loop.now() + within;
    for (auto& [id, session] : peers)
        for (const Link& link : session.lanes) link->bye(reason, deadline);
    peers.clear();
    std::vector<Link> rest;
    for (const auto& [number, link] : connections)
        if (link->stage() != Connection::Stage::lingering) rest.push_back(link);
    for (const Link& link : rest) cut(link);
    defer([this] { finish_closing_if_done(); });
}

void Network::Impl::finish_closing_if_done() {
    if (!closing || !connections.empty() || !on_close_done) return;
    const auto done = std::move(on_close_done);
    on_close_done = nullptr;
    done();
}

void Network::Impl::tick() {
    const Instant now = loop.now();
    std::vector<Link> links;
    links.reserve(connections.size());
    for (const auto& [number, link] : connections) links.push_back(link);
    for (const Link& link : links) link->check_deadlines(now);
    std::vector<NodeId> overdue;
    for (const auto& [id, session] : peers)
        if (now >= session.bye_deadline) overdue.push_back(id);
    for (const NodeId& id : overdue) drop_peer(id, "it left: " + peers[id].bye_reason);
    check_lives(now);
    flush();
}

void Network::Impl::defer(std::function<void()> call) {
    deferred.push_back(std::move(call));
    soon.start(Usec(0), Usec(0));
}

void Network::Impl::flush() {
    while (!deferred.empty()) {
        const auto call = std::move(deferred.front());
        deferred.pop_front();
        call();
    }
}

Network::Network(Loop& loop, NetworkConfig config, NetworkEvents& events, LogFn log)
    : impl_(std::make_shared<Impl>(loop, std::move(config), events, std::move(log))) {}
Network::~Network() = default;

Result<Endpoint> Network::listen() { return impl_->listen(); }
void Network::connect(const Endpoint& endpoint) { impl_->connect(endpoint); }
Status Network::send(const NodeId& peer, const Message& message, std::vector<HostTensor> tensors) {
    return impl_->send(peer, message, std::move(tensors));
}
void Network::disconnect(const NodeId& peer, const std::string& reason) { impl_->drop_peer(peer, reason); }
void Network::close(const std::string& reason, Usec within, std::function<void()> done) {
    impl_->close(reason, within, std::move(done));
}

size_t Network::peers() const { return impl_->peers.size(); }
size_t Network::connections() const { return impl_->connections.size(); }
std::optional<Endpoint> Network::dialled(const NodeId& peer) const {
    const auto it = impl_->peers.find(peer);
    return it == impl_->peers.end() ? std::nullopt : it->second.dialled;
}
Traffic Network::traffic() const { return impl_->traffic; }

std::optional<Traffic> Network::traffic(const NodeId& peer) const {
    const auto it = impl_->peers.find(peer);
    if (it == impl_->peers.end()) return std::nullopt;
    Traffic traffic;
    for (const auto& link : it->second.lanes) {
        traffic.tx_bytes += link->tx_bytes();
        traffic.rx_bytes += link->rx_bytes();
    }
    return traffic;
}

uint64_t Network::bulk_queued_bytes(const NodeId& peer) const {
    const auto it = impl_->peers.find(peer);
    return it == impl_->peers.end() ? 0 : it->second.lanes[static_cast<size_t>(Lane::bulk)]->queued_bytes();
}

}  // namespace eddy::transport
