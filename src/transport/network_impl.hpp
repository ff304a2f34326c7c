// The inside of Network: which connections make a peer, and which of two survives. For network*.cpp and peering.cpp.
//
// A control connection is made first; only then is it known who is at the other end. Its dialler then dials the bulk
// connection to the same address and names the session by the acceptor's control nonce. When both have proved
// themselves the session is complete, and becomes the peer (make before break).
//
// Two nodes may dial each other at the same time. At most one of the two dials completes: an acceptor that gets a valid
// proof while its own dial to that node is under way refuses it if its own id is the lower one, and gives up its own
// dial otherwise; a dialler that learns that a session with that node stands, or is coming in, gives up quietly.
//
// A second process that proves itself under the id of a peer waits (Connection::Stage::held) until that peer has shown
// that it lives, or has not: claims.cpp.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/transport/connection.hpp"
#include "src/transport/log_limiter.hpp"
#include "src/transport/loop_handles.hpp"
#include "src/transport/network.hpp"
#include "src/transport/tcp.hpp"

namespace eddy::transport {

struct Network::Impl final : ConnectionOwner {
    using Link = std::shared_ptr<Connection>;

    /// A peer is asked whether it lives.
    struct LifeCheck {
        uint64_t number = 0;
        Instant deadline{};
        uint64_t bytes_before = 0;  ///< received from it when it was asked
        bool extended = false;
    };
    /// Two connections with one node, or on the way there.
    struct Session {
        msg::Member member;
        Instance instance{};
        std::array<Link, 2> lanes;  ///< by Lane
        std::optional<Endpoint> dialled;
        uint64_t connection = 0;    ///< not 0: up
        std::array<bool, 2> bye{};  ///< said by the peer; more of the other lane may still come
        std::string bye_reason;
        Instant bye_deadline = never;
        bool owes_drained = false;  ///< a send was refused
        Instant last_progress{};
        std::optional<LifeCheck> inquiry;
        Instant alive_until{};  ///< it has answered: until then other claimants are refused at once
    };
    struct Process {
        NodeId id;
        Instance instance{};
        friend bool operator==(const Process&, const Process&) = default;
    };
    struct Detour {
        Process process;
        uint64_t connection = 0;
    };
    /// A connect() under way.
    struct Dial {
        std::unique_ptr<TcpDial> tcp;
        Session session;
        bool identified = false;  ///< session.member is what the other end claims
    };
    using Dials = std::map<Endpoint, Dial>;

    Impl(Loop& loop, NetworkConfig config, NetworkEvents& events, LogFn log);
    ~Impl() override;

    // network.cpp
    Result<Endpoint> listen();
    void connect(const Endpoint& endpoint);
    Status send(const NodeId& peer, const Message& message, std::vector<HostTensor> tensors);
    void close(const std::string& reason, Usec within, std::function<void()> done);
    void tick();
    /// Listener calls that must not happen within a method of Network wait here; all others go through tell().
    void defer(std::function<void()> call);
    template <class Call>
    void tell(Call call) {
        flush();
        call(events);
    }
    void flush();
    void finish_closing_if_done();
    /// Writes on the control lane; false: the peer does not read, and was dropped.
    bool say(std::pair<const NodeId, Session>& peer, Encoded message);

    // peering.cpp
    Refused on_hello(Connection& connection) override;
    std::optional<Refused> on_proved(Connection& connection) override;
    void on_ready(Connection& connection) override;
    Refused dialler_hello(Dials::iterator dial, Connection& connection);
    Refused acceptor_proved(Connection& connection);
    void accept(std::unique_ptr<Stream> stream);
    void evict_half_open();
    void dialled(const Endpoint& endpoint, Lane lane, std::unique_ptr<Stream> stream, const TcpDial::Failure& failure);
    void dial_failed(Dials::iterator dial, DialFailure failure, const std::string& reason);
    [[nodiscard]] bool up(const Process& process) const;
    /// The control connection by which a process is on its way to become a peer; 0: none. `proved`: it has proved who
    /// it is, unless this node has dialled it.
    [[nodiscard]] uint64_t other_way(const Process& process, uint64_t except, bool proved) const;
    /// False: nothing else leads to that process.
    bool give_way(const Endpoint& endpoint, const Process& process, uint64_t ended);
    /// The dials that gave way to this connection have failed.
    void came_to_nothing(uint64_t connection, const std::string& reason);
    /// A refusal says why it became no peer.
    Refused install(Session session);
    void drop_peer(NodeId id, const std::string& reason);  ///< by value: it may name the session it ends
    Link add_connection(std::unique_ptr<Stream> stream, Role role, Lane lane, std::optional<Nonce> session);
    void cut(const Link& link);
    Dials::iterator dial_of(const Connection& connection);
    std::map<uint64_t, Session>::iterator candidate_of(const Connection& connection);
    Session* peer_of(const Connection& connection);

    // claims.cpp
    /// May this node, which has proved itself, become a peer? Nothing: one by its id is being asked whether it lives.
    std::optional<Refused> judge(const Connection& claimant);
    static Refused claimed(const Session& standing);
    void settle_claims(const NodeId& id);
    void check_lives(Instant now);
    void on_inquiry(Connection& connection, const Inquiry& inquiry) override;
    void on_alive(Connection& connection, const Alive& alive) override;

    // network_events.cpp
    void on_delivery(Connection& connection, Delivery delivery, uint64_t bytes) override;
    void on_partial(Connection& connection) override;
    void on_bye(Connection& connection, const std::string& reason) override;
    void on_unknown(Connection& connection, const std::string& what) override;
    void on_written(Connection& connection, uint64_t bytes) override;
    void on_bytes_in(Connection& connection, uint64_t bytes) override;
    void on_ended(Connection& connection, DialFailure failure, const std::string& reason) override;
    void on_closed(Connection& connection) override;

    Loop& loop;
    NetworkConfig config;
    NetworkEvents& events;
    LogFn log;
    LogLimiter log_limited;
    Identity identity;
    Status ready = success();  ///< of the constructor
    ConnectionBounds bounds{};
    ReceiveBudget budget;
    Traffic traffic;

    std::unique_ptr<TcpListener> listener;
    std::map<uint64_t, Link> connections;    ///< every one, by number
    std::map<uint64_t, Session> candidates;  ///< accepted, wait for their bulk connection; by control connection
    Dials dials;
    /// Dials that gave way to another connection with the same process: if that comes to nothing, so have they.
    std::map<Endpoint, Detour> given_way;
    std::map<NodeId, Session> peers;   ///< up
    std::map<Endpoint, NodeId> known;  ///< endpoints seen to lead to a peer
    std::map<Endpoint, Instant> own;   ///< endpoints seen to lead to this node, and when
    uint64_t connection_numbers = 0;
    uint64_t session_numbers = 0;
    uint64_t inquiry_numbers = 0;
    Usec life_timeout{0};

    std::deque<std::function<void()>> deferred;
    UvTimer soon;
    UvTimer ticker;
    bool closing = false;
    std::function<void()> on_close_done;
};

std::string described(const msg::Member& member);

}  // namespace eddy::transport
