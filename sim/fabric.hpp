// The virtual clock, the machines and the network between them, for every simulated world: what a process is told, and
// when. It knows neither rings nor cores; a world (sim/simulation.hpp, sim/ring_world.hpp) is its host and puts
// production code into the processes.
//
// A connection has two ends, and each side knows only its own: after a crash behind a cut, one end stays up until its
// owner closes it or hears a reset. Machines answer for dead processes (refused, reset); a silent machine answers
// nothing. What reaches a paused process waits in order; a slow one takes its time over every event.
//
// Single thread. Everything follows from the seed and the calls made. Instants begin at zero.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "eddy/messages.hpp"
#include "eddy/random.hpp"
#include "sim/faults.hpp"
#include "sim/machine.hpp"
#include "sim/pool.hpp"
#include "sim/shared_links.hpp"

namespace eddy::sim {

class Fabric {
public:
    /// A world. Called only from run(), for processes that exist, never from inside another call of the fabric's.
    class Host {
    public:
        virtual ~Host() = default;
        /// `life`: of the peer's process that this connection leads to, as it said when it was made.
        virtual void on_peer_up(size_t node, size_t peer, uint64_t connection, uint32_t life) = 0;
        virtual void on_peer_down(size_t node, size_t peer, uint64_t connection, const std::string& reason) = 0;
        virtual void on_dial_failed(size_t node, const Endpoint& endpoint, const std::string& reason) = 0;
        virtual void on_message(size_t node, Delivery& delivery) = 0;
        virtual void on_timer(size_t node, uint32_t timer) = 0;
    };

    static constexpr uint16_t port_base = 1000;
    static constexpr size_t nodes_max = 60'000;

    Fabric(uint64_t seed, NetworkFaults network, Host& host);

    // -- machines and processes ---------------------------------------------------------------------------------------
    size_t add();  ///< a machine without a process
    [[nodiscard]] static Endpoint endpoint(size_t node);
    void start(size_t node);   ///< a process begins; there must be none
    void crash(size_t node);   ///< the process ends, if there is one: its connections are reset
    void vanish(size_t node);  ///< nothing leaves or reaches the machine until start()
    void pause(size_t node);
    void resume(size_t node);
    void slow(size_t node, Usec per_event);
    [[nodiscard]] bool running(size_t node) const { return machines_[node].running; }
    [[nodiscard]] bool paused(size_t node) const { return machines_[node].paused; }
    /// Which of the machine's processes runs now, counted from 1.
    [[nodiscard]] uint32_t life(size_t node) const { return machines_[node].life + 1; }

    // -- the network --------------------------------------------------------------------------------------------------
    void partition(const std::vector<std::vector<size_t>>& groups);  ///< those in none form one together
    void cut_one_way(size_t from, size_t to);
    void heal();
    void set_network(const NetworkFaults& network) { network_ = network; }
    /// Of messages that have bytes: per direction of a pair, all (before anything is sent) or one (at any time).
    void set_bandwidth(double bytes_per_s) { wires_.set_width(bytes_per_s); }
    void set_bandwidth(size_t from, size_t to, double bytes_per_s);
    /// All that a machine sends, and all that it receives, goes through its network card: unlimited, unless it is set.
    void set_network_card(size_t node, double out_bytes_per_s, double in_bytes_per_s);
    /// One way, for this pair instead of the network's mean.
    void set_delay(size_t from, size_t to, Usec delay);
    [[nodiscard]] bool reaches(size_t from, size_t to) const;

    // -- what processes do --------------------------------------------------------------------------------------------
    /// PeerUp follows at both ends; or DialFailed, if a machine refused; or nothing.
    void dial(size_t from, const Endpoint& endpoint);
    /// Closes this node's end, and the other's once it hears of it. PeerDown follows at both.
    void close(size_t node, size_t peer, const std::string& reason);
    /// Without a connection it does nothing. With no `bytes` it takes no room on the wire, only the delay. What has
    /// some shares the wire with all else that is under way (sim/shared_links.hpp), one message of a lane at a time.
    void send(size_t from, size_t to, const Message& message, std::span<const TensorRef> tensors, uint64_t bytes);
    /// on_timer follows at or after `when`; a later call replaces an earlier one, `never` takes it back.
    void set_timer(size_t node, uint32_t timer, Instant when);
    /// Something of the process's own, which dies with it and waits while it is paused.
    void at_process(size_t node, Instant when, std::function<void()> action);
    [[nodiscard]] bool connected(size_t node, size_t peer) const;
    [[nodiscard]] size_t connections(size_t node) const { return machines_[node].links.size(); }

    // -- time ---------------------------------------------------------------------------------------------------------
    [[nodiscard]] Instant now() const { return now_; }
    void at(Instant when, std::function<void()> action);
    [[nodiscard]] Instant next_event() const { return queue_.empty() ? never : queue_.top().at; }
    void step();  ///< the next event; there must be one
    void run_until(Instant end);
    [[nodiscard]] const FabricCounters& counters() const { return counters_; }
    /// Of all events so far: what, where, when. Equal runs have equal ones.
    [[nodiscard]] uint64_t trace_hash() const { return trace_hash_; }
    [[nodiscard]] size_t in_flight() const { return deliveries_.used(); }
    /// Messages sent and not come to yet, in no particular order; some will find nobody.
    void each_in_flight(const std::function<void(const Delivery&)>& visit) const;

private:
    enum class Kind : uint8_t {
        message,
        resend,
        dial,
        refused,
        established,
        closed,
        timer,
        process,
        world,
        serve,
        wire
    };
    [[nodiscard]] static bool is_for_process(Kind kind);
    [[nodiscard]] Usec one_way(size_t from, size_t to);
    [[nodiscard]] Usec transit(size_t from, size_t to);
    [[nodiscard]] const Link* find(size_t node, size_t peer) const;
    [[nodiscard]] Link* find(size_t node, size_t peer) {
        return const_cast<Link*>(std::as_const(*this).find(node, peer));
    }
    [[nodiscard]] Link* find(size_t node, size_t peer, uint64_t connection);
    [[nodiscard]] Link* receiver_of(const Delivery& delivery);
    uint32_t insert(size_t node, size_t peer, uint64_t connection);
    void erase(size_t node, size_t peer);
    void drop_held(Link& link);
    void join_line(uint32_t delivery, uint32_t end, size_t lane);
    void put_on_wire(uint32_t line);
    void leave_line(uint32_t line);
    void drop_line(Link& link, size_t lane);
    void flush_control(Link& link);
    void set_off(uint32_t delivery, Link& link, size_t lane);
    void run_wire(const QueuedEvent& event);
    void watch_wire();
    void give_back(uint32_t delivery);
    void end_process(size_t node);
    uint64_t push(Instant at, Kind kind, size_t node, uint32_t index, uint8_t extra = 0);
    void tell_closed(size_t node, size_t peer, uint64_t connection, const std::string& reason, bool from_peer,
                     Instant at);
    void send_datagram(uint32_t index, Instant earliest);
    void dispatch(const QueuedEvent& event);
    void handle(const QueuedEvent& event);
    void discard(const QueuedEvent& event);
    void arrive(uint32_t index);
    void hold_up(Link& link, uint32_t index);
    void resend(uint32_t index);
    void answer_dial(uint32_t index);
    void accept(const Note& note, uint32_t index);
    void establish(uint32_t index);
    void refused(uint32_t index);
    void closed(uint32_t index);
    void fire(const QueuedEvent& event);
    void serve(const QueuedEvent& event);
    void hear(uint64_t value) { trace_hash_ = (trace_hash_ ^ value) * 0x100000001b3ULL; }

    NetworkFaults network_;
    SharedLinks wires_;
    Instant wire_event_at_ = never;
    uint64_t wire_event_ = 0;  ///< sequence of the one that counts
    std::map<std::pair<uint32_t, uint32_t>, Usec> delays_;
    Host& host_;
    Random random_;
    Instant now_{};
    EventQueue queue_;
    std::vector<Machine> machines_;
    std::set<std::pair<uint32_t, uint32_t>> cuts_;
    bool partitioned_ = false;
    Pool<Link> links_;
    Pool<Line> lines_;
    Pool<Delivery> deliveries_;
    Pool<Note> notes_;
    Pool<Action> actions_;
    uint64_t next_connection_ = 1;
    FabricCounters counters_;
    uint64_t trace_hash_ = 0xcbf29ce484222325ULL;
};

}  // namespace eddy::sim
