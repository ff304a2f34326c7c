// Whom to call, and when: seeds for ever, members of the view until they are connected, lost peers in the hope that
// they come back. Back-off doubles and is jittered, so that nodes started by one power switch do not dial in step.
// Pure; bounded.
#pragma once

#include <map>
#include <vector>

#include "eddy/messages.hpp"
#include "eddy/random.hpp"

namespace eddy::ring {

struct DialPace {
    Usec every_min = from_ms(250);
    Usec every_max = from_ms(4000);
    /// A seed that answered is asked again, to see that it is still in the same ring, ever more seldom.
    Usec verify_min = std::chrono::seconds(2);
    Usec verify_max = std::chrono::seconds(30);
    Usec complain_every = std::chrono::seconds(60);
};

class DialBook {
public:
    enum class Why : uint8_t {
        seed,    ///< configured; never given up
        lost,    ///< failed while it was a neighbour; never given up, but the bound may push it out
        missed,  ///< vanished from the view, or a stranger whose connection broke; given up after `tries_max`
        member,  ///< of the view, not connected; given up when it leaves the view, or after `tries_max`
    };
    static constexpr size_t entries_max = 96;  ///< beside the seeds
    static constexpr uint32_t tries_max = 20;
    static constexpr uint32_t reached_max = 5;

    DialBook(DialPace pace, uint64_t seed) : pace_(pace), random_(seed) {}

    void add(const Endpoint& endpoint, Why why, Instant now);
    /// It said goodbye. Only a seed is called again: it may be started anew and know nobody.
    void on_left(const Endpoint& endpoint, Instant now);
    /// It left the view: no reason to call it, if that was the only one.
    void forget_member(const Endpoint& endpoint);
    /// Not reached: soon again.
    void on_failed(const Endpoint& endpoint, Instant now);
    /// Others than seeds are called a few times more, until they have joined. `alone`: a seed is asked again sooner,
    /// for it may not have let this node in.
    void on_reached(const Endpoint& endpoint, bool alone, Instant now);
    /// It is in the view: nobody but a seed needs calling any more.
    void on_joined(const Endpoint& endpoint);
    /// The connection to it ended while it was used.
    void on_broke(const Endpoint& endpoint, bool stood_long, Instant now);
    /// Alone in the ring: every seed is due soon.
    void hurry_seeds(Instant now);

    struct Due {
        Endpoint endpoint;
        Why why = Why::seed;
        uint32_t tries = 0;
        bool complain = false;  ///< tell people that this seed is not reached
    };
    /// Entries to call now; their next turn is set as if nothing had answered. `alone`: complain of seeds that are not
    /// reached.
    std::vector<Due> take_due(Instant now, bool alone);
    [[nodiscard]] Instant next() const;
    [[nodiscard]] size_t size() const { return entries_.size(); }
    [[nodiscard]] size_t seeds() const { return seeds_; }
    [[nodiscard]] bool contains(const Endpoint& endpoint) const { return entries_.count(endpoint) != 0; }

private:
    struct Entry {
        Why why = Why::seed;
        Instant next{};
        Usec every{0};
        Usec verify{0};
        uint32_t tries = 0;
        uint32_t reached = 0;
        Instant added{};
        Instant complained{};
    };
    [[nodiscard]] Usec jittered(Usec delay);
    void make_room();

    DialPace pace_;
    Random random_;
    std::map<Endpoint, Entry> entries_;
    size_t seeds_ = 0;
};

}  // namespace eddy::ring
