// The ring as one node sees it: who is in it, who comes next, who is gone.
//
// This is the simple form for small clusters (up to members_max nodes): every node keeps a connection to every other
// and hears its heartbeat; members learn of each other from Neighbours messages and from seeds. The interface is what
// a full Chord overlay needs as well.
//
// Pure: told the time, emits effects. One owner (NodeCore), one thread. Input from peers is hostile until checked.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "eddy/effects.hpp"
#include "eddy/messages.hpp"
#include "eddy/random.hpp"

namespace eddy::ring {

struct RingConfig {
    msg::Member self;             ///< endpoint: where others reach this node
    std::vector<Endpoint> seeds;  ///< tried for ever; one that is `self` is ignored
    Usec heartbeat_every = from_ms(500);
    Usec silent_max = from_ms(3000);  ///< a peer that shows no life for so long is gone
    Usec neighbours_every = from_ms(2000);
    Usec dial_every_min = from_ms(250);
    Usec dial_every_max = from_ms(5000);
    Usec complain_every = std::chrono::seconds(60);  ///< about a seed that does not answer
};

class Ring {
public:
    Ring(RingConfig config, uint64_t seed);

    void start(Instant now, EffectSink& sink);
    void on_peer_up(const msg::Member& peer, Instant now, EffectSink& sink);
    void on_peer_down(const NodeId& peer, const std::string& reason, Instant now, EffectSink& sink);
    /// Any sign of life: a message, or bytes of one.
    void on_life(const NodeId& peer, Instant now);
    void on_message(const NodeId& from, const msg::Ping& ping, EffectSink& sink);
    void on_message(const NodeId& from, const msg::Pong& pong, Instant now);
    void on_message(const NodeId& from, const msg::Neighbours& neighbours, Instant now, EffectSink& sink);
    void on_message(const NodeId& from, const msg::Leave& leave, Instant now, EffectSink& sink);
    /// Call at next_wakeup() or later; calling early or often is harmless.
    void tick(Instant now, EffectSink& sink);
    /// Tell everyone that this node leaves. It goes on answering, but dials nobody any more.
    void leave(const std::string& reason, EffectSink& sink);

    [[nodiscard]] Instant next_wakeup() const { return next_wakeup_; }

    /// Members in ring order beginning with this node, itself included.
    [[nodiscard]] const std::vector<msg::Member>& members() const { return members_; }
    /// Rises with every change of members().
    [[nodiscard]] uint64_t epoch() const { return epoch_; }
    /// The next member clockwise; nothing in a ring of one.
    [[nodiscard]] std::optional<NodeId> successor() const;
    [[nodiscard]] std::optional<NodeId> predecessor() const;
    [[nodiscard]] bool is_member(const NodeId& id) const;
    /// It announced its leave, and has not come back since.
    [[nodiscard]] bool has_left(const NodeId& id) const { return left_.count(id) != 0; }
    /// Smoothed round trip of heartbeats; zero while unknown.
    [[nodiscard]] Usec round_trip(const NodeId& peer) const;
    /// When the peer joined this node's view; nothing if it is not in it.
    [[nodiscard]] std::optional<Instant> member_since(const NodeId& peer) const;

    void check_invariants() const;

private:
    struct Peer {
        msg::Member member;
        Instant since{};
        Instant heard{};
        Instant pinged{};
        uint64_t ping_sequence = 0;
        Usec round_trip{0};
        bool leaving = false;
    };
    struct Dial {
        Instant next{};
        Usec every{0};
        uint32_t tries = 0;
        bool seed = false;
        Instant first_try{};
        Instant complained{};
    };

    [[nodiscard]] bool connected_to(const Endpoint& endpoint) const;
    void rebuild_members();
    void consider(const Endpoint& endpoint, bool seed, Instant now);
    void dial_due(Instant now, EffectSink& sink);
    void heartbeat_due(Instant now, EffectSink& sink);
    void send_neighbours(EffectSink& sink) const;
    [[nodiscard]] msg::Neighbours neighbours() const;

    RingConfig config_;
    Random random_;
    std::map<NodeId, Peer> peers_;
    std::map<Endpoint, Dial> dials_;      ///< bounded: seeds and members_max more
    std::map<NodeId, Incarnation> left_;  ///< announced their leave; not dialled again in that life
    std::vector<msg::Member> members_;
    uint64_t epoch_ = 0;
    Instant next_wakeup_{};
    Instant next_neighbours_{};
    Instant last_tick_{};
    bool leaving_ = false;
};

}  // namespace eddy::ring
