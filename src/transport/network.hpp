// A node's place on the wire: listens, dials, proves who speaks, and carries messages between any two nodes over a
// pair of TCP connections each (control: small and prompt; bulk: tensors). See design.md §5 for the rules of the wire
// and schema/eddy.capnp for the encoding.
//
// Owner: the composition root. Thread: the loop's; no method may be called from another one. No listener method is
// called from within a method of Network: what disconnect() or send() cause is told later, in order.
// Errors: whatever a peer sends ends at worst in its disconnection and a log line (once per address and kind, then
// once a minute).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "eddy/ids.hpp"
#include "eddy/log.hpp"
#include "eddy/messages.hpp"
#include "eddy/result.hpp"
#include "eddy/tensor.hpp"
#include "eddy/time.hpp"
#include "src/transport/loop.hpp"

namespace eddy::transport {

/// Of the preamble; nodes of different versions refuse each other by name.
inline constexpr uint16_t protocol_version = 2;

struct NetworkConfig {
    std::string cluster = "eddy";
    std::string cluster_key;  ///< empty: loopback only, and nobody proves anything
    NodeId id;
    Incarnation incarnation;
    std::string name;
    Endpoint listen{"127.0.0.1", 7070};  ///< port 0: the system's choice
    std::optional<Endpoint> advertise;   ///< what others dial; port 0: the one listened on
    ContentHash chain_hash;              ///< told in the hello; all zero: no model

    // Bounds. Bytes are counted as on the wire.
    size_t peers_max = 256;                                  ///< two connections each
    size_t dials_max = 128;                                  ///< at the same time, two connections each
    size_t half_open_max = 64;                               ///< accepted ones whose handshake is not through
    uint64_t control_message_bytes_max = 256 * 1024;         ///< received
    uint64_t bulk_message_bytes_max = work_bytes_max;        ///< received
    uint64_t receiving_bytes_max = uint64_t{512} << 20;      ///< messages half received, all peers together
    uint64_t control_queue_bytes_max = uint64_t{1} << 20;    ///< per peer; more: it does not read, and is dropped
    uint64_t bulk_queue_bytes_max = uint64_t{8} << 20;       ///< per peer; an empty queue takes any one message
    uint64_t bulk_low_water_bytes = 0;                       ///< on_drained when the queue falls to this
    Usec handshake_timeout = std::chrono::seconds(5);        ///< per connection, from TCP to the last proof
    Usec stall_timeout = std::chrono::seconds(10);           ///< half a message, then nothing
    Usec life_timeout = std::chrono::milliseconds(800);      ///< for a peer to show that it lives, if asked
    Usec life_memory = std::chrono::seconds(5);              ///< for so long it is not asked again
    Usec progress_interval = std::chrono::milliseconds(50);  ///< at most one on_progress per peer in this time
};

/// Why a dial came to nothing: what `eddy doctor` explains.
enum class DialFailure : uint8_t {
    unresolved,      ///< the name does not resolve
    unreachable,     ///< no route, refused: nobody listens there
    timeout,         ///< no answer: filtered, or hung
    not_eddy,        ///< something else listens there
    other_version,   ///< of the protocol
    other_cluster,   ///< another cluster's name
    wrong_key,       ///< the cluster keys differ, or only one side has one
    claimed,         ///< another node by the same id is up, and answers
    self,            ///< the endpoint is this very node
    already_joined,  ///< the endpoint is a peer that is up already
    full,            ///< too many peers there, or peers or dials here
    closed,          ///< the connection ended half-way
};
const char* to_string(DialFailure failure);

/// A whole, well-formed message. The tensors alias the one buffer it was received into.
struct Incoming {
    NodeId peer;
    uint64_t connection = 0;
    Message message;
    std::vector<HostTensor> tensors;  ///< in the order of the wire
    Instant first_byte{};
    Instant last_byte{};
    uint64_t bytes = 0;  ///< on the wire
};

/// Called on the loop's thread. An implementation may call any method of Network, but must not destroy it.
class NetworkEvents {
public:
    virtual ~NetworkEvents() = default;

    /// Both connections stand and the peer has proved who it is. `connection` rises and tells two lives apart.
    virtual void on_peer_up(const msg::Member& peer, uint64_t connection) = 0;
    virtual void on_peer_down(const NodeId& peer, uint64_t connection, const std::string& reason) = 0;
    virtual void on_received(Incoming incoming) = 0;
    /// Part of a bulk message arrived (rate-limited): the peer lives, though its heartbeat may be queued.
    virtual void on_progress(const NodeId& peer) = 0;
    /// The bulk queue to this peer fell to the low-water mark, or has room again after a refused send.
    virtual void on_drained(const NodeId& peer) = 0;
    /// A connect() came to nothing. For one that gave way to another connection with the same node: only if that one
    /// comes to nothing as well.
    virtual void on_dial_failed(const Endpoint&, DialFailure, const std::string& /*reason*/) {}
};

struct Traffic {
    uint64_t tx_bytes = 0;
    uint64_t rx_bytes = 0;
};

class Network {
public:
    /// `loop` and `events` must outlive the network.
    Network(Loop& loop, NetworkConfig config, NetworkEvents& events, LogFn log);
    /// Cuts every connection at once and tells nobody; close() is the polite way.
    ~Network();
    Network(const Network&) = delete;
    Network& operator=(const Network&) = delete;

    /// Starts to listen. Gives what others should dial: `advertise` if set, else the address bound to (of a wildcard
    /// address: that of the first interface which is not loopback). Blocks while a host name resolves.
    Result<Endpoint> listen();

    /// Tries once to reach a node; on_peer_up follows, or on_dial_failed (already_joined, if it is a peer already).
    /// Repeated calls while trying do nothing.
    void connect(const Endpoint& endpoint);

    /// Queues a message on its lane; tensors belong to Work only, and their bytes are kept alive until written.
    /// unavailable: the peer is not up · exhausted: the bulk queue is full, on_drained will follow · invalid: it could
    /// not be decoded at the other end either, so it is not sent. A full control queue drops the peer.
    Status send(const NodeId& peer, const Message& message, std::vector<HostTensor> tensors = {});

    /// on_peer_down follows, soon. The peer is told the reason. Unknown peers: nothing.
    void disconnect(const NodeId& peer, const std::string& reason);

    /// Stops listening and dialling, says Bye after what is queued, and calls `done` (once, from the loop) when all
    /// is written and the peers have hung up, or after `within`. Peers go down without on_peer_down.
    void close(const std::string& reason, Usec within, std::function<void()> done);

    [[nodiscard]] size_t peers() const;
    /// The endpoint whose connect() led to this peer, which may be another than the peer tells; nothing if none did.
    [[nodiscard]] std::optional<Endpoint> dialled(const NodeId& peer) const;
    /// Bytes handed to and taken from the system, handshakes included, since the start.
    [[nodiscard]] Traffic traffic() const;
    /// Of the connection that stands now; nothing if the peer is not up.
    [[nodiscard]] std::optional<Traffic> traffic(const NodeId& peer) const;
    [[nodiscard]] uint64_t bulk_queued_bytes(const NodeId& peer) const;
    /// Every connection, of whatever state: for tests of bounds and leaks.
    [[nodiscard]] size_t connections() const;

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace eddy::transport
