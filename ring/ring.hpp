// The ring as one node sees it: a Chord overlay (Stoica et al., SIGCOMM 2001) with the operations as Zave corrected
// them (arXiv 1610.01140): a better successor is taken over only once it has answered, together with its list; a dead
// one gives way to the next in the list; the predecessor is replaced when it is further or dead.
//
// Beyond Chord:
//  - rings smaller than the successor list, down to one: the list is then the whole ring;
//  - two rings become one: lost peers and seeds are called for ever, and whoever is reached is introduced to the place
//    it belongs (`Introduce`; after Shafaat, Ghodsi, Haridi, "Handling network partitions and mergers", 2009);
//  - changes are told on at once (Neighbours unasked, to the predecessor); the periodic stabilisation repairs what
//    was lost on the way.
//
// Pure: told the time, emits effects (send, connect, disconnect, log). One owner, one thread. Input from peers is
// hostile until checked: bounded, complained of once, never an abort. Messages may come doubled, out of order or never.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "eddy/effects.hpp"
#include "ring/dial_book.hpp"
#include "ring/finger_table.hpp"
#include "ring/id_map.hpp"
#include "ring/lookup.hpp"
#include "ring/peers.hpp"
#include "ring/ring_config.hpp"
#include "ring/successor_list.hpp"

namespace eddy::ring {

class Ring {
public:
    Ring(RingConfig config, uint64_t seed);

    void start(Instant now, EffectSink& sink);
    /// `dialled`: the endpoint this node had called, where it was this node that called.
    void on_peer_up(const msg::Member& peer, Instant now, EffectSink& sink, const Endpoint* dialled = nullptr);
    void on_peer_down(const NodeId& peer, const std::string& reason, Instant now, EffectSink& sink);
    /// `somebody_there`: it was answered, and refused for now; that is no death.
    void on_dial_failed(const Endpoint& endpoint, bool somebody_there, Instant now, EffectSink& sink);
    /// Any sign of life: a message, or bytes of one.
    void on_life(const NodeId& peer, Instant now);
    /// False: not a message of the ring's.
    bool on_message(const NodeId& from, const Message& message, Instant now, EffectSink& sink);
    /// Call at next_wakeup() or later; calling early or often is harmless.
    void tick(Instant now, EffectSink& sink);
    /// Tell the others that this node leaves. It goes on answering, but calls nobody any more.
    void leave(const std::string& reason, Instant now, EffectSink& sink);
    /// Changes with every call above.
    [[nodiscard]] Instant next_wakeup() const { return next_wakeup_; }

    /// Members in ring order beginning with this node, itself included; at most view_max.
    [[nodiscard]] const std::vector<msg::Member>& members() const { return members_; }
    /// Rises with every change of members().
    [[nodiscard]] uint64_t epoch() const { return epoch_; }
    /// Those after this node. The first list_max of them are Chord's successor list.
    [[nodiscard]] const std::vector<msg::Member>& successors() const { return successors_.members(); }
    /// The next member clockwise; nothing in a ring of one.
    [[nodiscard]] std::optional<NodeId> successor() const;
    [[nodiscard]] std::optional<NodeId> predecessor() const;
    [[nodiscard]] bool is_member(const NodeId& id) const { return since_.count(id) != 0; }
    /// Members that died, as far as can be told from here, since the last call. Whoever is only out of view is not
    /// lost.
    std::set<NodeId> take_lost() { return std::exchange(lost_, {}); }
    /// It announced its leave, and has not come back since.
    [[nodiscard]] bool has_left(const NodeId& id) const { return left_.count(id) != 0; }
    /// Smoothed round trip of heartbeats; zero while unknown.
    [[nodiscard]] Usec round_trip(const NodeId& peer) const;
    /// When the member came into this node's view; nothing if it is not in it.
    [[nodiscard]] std::optional<Instant> member_since(const NodeId& peer) const;
    /// Of a connected peer: its last sign of life.
    [[nodiscard]] std::optional<Instant> last_heard(const NodeId& peer) const;
    [[nodiscard]] size_t contacts() const { return contacts_.size(); }
    [[nodiscard]] const std::map<unsigned, msg::Member>& fingers() const { return fingers_.fingers(); }

    /// Begins to look for the successor of `key`; gives the lookup's number. At most lookups_max at a time: beyond,
    /// it fails at once.
    uint64_t lookup(const NodeId& key, Instant now, EffectSink& sink);
    /// Those that came to their end since the last call.
    std::vector<LookupResult> take_lookups() { return std::exchange(finished_lookups_, {}); }

    void check_invariants() const;
    static constexpr size_t lookups_max = 64;

private:
    static constexpr Usec push_every = from_ms(20);  ///< changes within so short a time are told on together

    // messages (ring_messages.cpp)
    void receive(Contact& from, const msg::Ping& ping, Instant now, EffectSink& sink);
    void receive(Contact& from, const msg::Pong& pong, Instant now, EffectSink& sink);
    void receive(Contact& from, const msg::FindSuccessor& question, Instant now, EffectSink& sink);
    void receive(Contact& from, const msg::Found& found, Instant now, EffectSink& sink);
    void receive(Contact& from, const msg::GetNeighbours& question, Instant now, EffectSink& sink);
    void receive(Contact& from, const msg::Neighbours& neighbours, Instant now, EffectSink& sink);
    void receive(Contact& from, const msg::Notify& notify, Instant now, EffectSink& sink);
    void receive(Contact& from, const msg::Introduce& introduce, Instant now, EffectSink& sink);
    void receive(Contact& from, const msg::Leave& leave, Instant now, EffectSink& sink);
    void complain_once(const Contact& about, const std::string& what, EffectSink& sink);

    // stabilisation (ring_stabilise.cpp)
    void stabilise(Instant now, EffectSink& sink);
    void stabilise_alone(Instant now, EffectSink& sink);
    void hear_neighbours(Contact& head, const msg::Neighbours& neighbours, Instant now, EffectSink& sink);
    void consider(const msg::Member& better, Instant now, EffectSink& sink);
    void consider_skipped(const std::vector<msg::Member>& followers, Instant now, EffectSink& sink);
    void adopt_candidate(Contact& from, const msg::Neighbours& neighbours, Instant now, EffectSink& sink);
    void take_list(Contact& head, const std::vector<msg::Member>& followers, Instant now, EffectSink& sink);
    void give_up_candidate(Instant now, EffectSink& sink);
    void set_predecessor(const msg::Member& member, Instant now, EffectSink& sink);
    void reach_successor(Instant now, EffectSink& sink);
    void gone(NodeId id, const std::string& reason, Instant now, EffectSink& sink);
    void after_change(Instant now);
    void tell_neighbours(const NodeId& to, uint64_t request, EffectSink& sink);
    void remove_from_list(const NodeId& id);
    void remember_lost(const NodeId& id);
    void rebuild_members(const std::string& reason, Instant now, EffectSink& sink);
    [[nodiscard]] bool believable(const msg::Member& member, Instant now) const;
    [[nodiscard]] bool better_than_successor(const NodeId& id) const;

    // lookups, fingers, introductions (ring_lookup.cpp)
    uint64_t begin_lookup(const NodeId& key, Lookup::Why why, const msg::Member* via, Instant now, EffectSink& sink);
    void advance(uint64_t number, Instant now, EffectSink& sink);
    void ask(Lookup& lookup, const msg::Member& whom, Instant now, EffectSink& sink);
    void finish(const Lookup& lookup, Instant now, EffectSink& sink);
    void sweep_lookups(Instant now, EffectSink& sink);
    void question_failed(const Endpoint& whom, bool unconnected_only, Instant now, EffectSink& sink);
    void drop_if_deaf(NodeId id, Instant since, Instant now, EffectSink& sink);
    [[nodiscard]] bool looking(Lookup::Why why) const;
    void join_at(const Lookup& lookup, Instant now, EffectSink& sink);
    [[nodiscard]] msg::Member next_to_try(const Lookup& lookup, Instant now, EffectSink& sink);
    void join_through(const msg::Member& contact, Instant now, EffectSink& sink);
    void introduce(const msg::Member& member, Instant now, EffectSink& sink);
    void find_next_finger(Instant now, EffectSink& sink);
    void set_finger(const LookupResult& result, Instant now);
    void end_finger_round();
    [[nodiscard]] std::vector<msg::Member> closest_before(const NodeId& key, size_t at_most) const;
    [[nodiscard]] std::vector<msg::Member> successors_from(const NodeId& key) const;

    // time (ring_tick.cpp)
    void heartbeats_due(Instant now, EffectSink& sink);
    void deadlines_due(Instant now, EffectSink& sink);
    void dials_due(Instant now, EffectSink& sink);
    void sweep_contacts(Instant now, EffectSink& sink);
    void sweep_memories(Instant now);
    void hurry_heartbeats(Instant now) { wake_at(next_heartbeats_ = now); }
    void call_stranger_again(const Contact& peer, Instant now);
    void wake_at(Instant at) { next_wakeup_ = std::min(next_wakeup_, at); }
    [[nodiscard]] bool needed(const NodeId& peer) const;
    bool make_room_for_peer(EffectSink& sink);
    Contact* contact(const NodeId& id) { return contacts_.find(id); }
    void use(const NodeId& to, const Message& message, Instant now, EffectSink& sink);
    [[nodiscard]] bool alone() const { return successors_.empty(); }

    RingConfig config_;
    Random random_;
    IdMap<Contact> contacts_;  ///< at most peers_max
    SuccessorList successors_;
    std::optional<msg::Member> predecessor_;
    std::optional<msg::Member> told_predecessor_;  ///< of the successor, as it last told
    FingerTable fingers_;
    DialBook dials_;
    std::optional<Candidate> candidate_;
    std::map<uint64_t, Lookup> lookups_;  ///< at most lookups_max
    std::vector<LookupResult> finished_lookups_;
    std::map<NodeId, Absence> dead_;             ///< bounded
    std::set<NodeId> lost_;                      ///< bounded
    std::map<NodeId, Absence> left_;             ///< announced their leave; bounded
    std::map<NodeId, Introduction> introduced_;  ///< lately; bounded
    std::map<NodeId, Instant> avoided_;          ///< did not answer a lookup; not asked again for a while; bounded
    std::map<NodeId, Instant> reaching_;         ///< the next successors, since when a connection is awaited
    std::set<std::pair<NodeId, std::string>> complained_;  ///< bounded
    std::vector<msg::Member> members_;
    std::map<NodeId, Instant> since_;  ///< of members_
    uint64_t epoch_ = 1;
    uint64_t version_ = 1;  ///< of predecessor and list, as told to others
    uint64_t next_request_ = 1;
    uint64_t stabilise_request_ = 0;
    unsigned next_finger_ = 0;
    unsigned current_finger_ = 0;
    std::pair<NodeId, size_t> in_vain_;  ///< while alone: who comes next, and how many from there were tried in vain
    Usec finger_pace_{};
    bool fingers_known_ = false;  ///< one whole round is through
    bool push_due_ = false;
    bool leaving_ = false;
    Instant next_heartbeats_{};
    Instant next_stabilise_{};
    Instant next_finger_at_{};
    Instant next_sweep_{};
    Instant pushed_{};
    Instant alone_since_{};
    std::optional<Instant> ring_seen_;    ///< by a lookup that was to find this node's place
    Instant successor_deadline_ = never;  ///< not connected to the successor: dead if not reached by then
    Instant next_wakeup_{};
    Instant last_tick_{};
};

}  // namespace eddy::ring
