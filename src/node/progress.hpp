// Does a neighbour get on with what it is sent? Who is silent the ring finds (ring/heartbeat.hpp); this finds who is
// heard of, or will be, and does not get on, in times of what that neighbour itself took lately:
//
//   held up   a message is without receipt for `patience` times what it should take by the link's usual speed and the
//             usual delay, and for held_up_least; until that message is receipted
//   slow      so much slower than usually was the link for the last few messages, and by what is worth a way around;
//             until one shows half that speed
//   stuck     what it has accepted is neither passed on nor finished for `patience` times what that took lately, and
//             for stuck_least; until anything of it is. What it is given meanwhile, as probes or because there is no
//             other way, is queued again after the same time
//
// *Routed around* (NodeCore::choose_way). Who does not get on is passed over: work goes to the next member in ring
// order that does, nothing goes to this one but probes, and the ring keeps it, for it may live. What it has no receipt
// for is queued again, once it is stuck also what it had accepted: a false alarm costs these frames' way once more, and
// what comes late from it is known by `attempt` and by what was seen. If nobody gets on, the successor is used as ever
// and has what it was sent; while it is stuck it gets no more than probes. A slow one is used again as well if the one
// used instead is hardly faster: then the network became slow, not this neighbour. Nothing may be worth sending over a
// link that was found slow, so nothing would show that it is fast again: probes go over it as well.
//
// Pure; one neighbour and one connection; one owner, one thread. Bounded: messages_max messages, `window` speeds.
#pragma once

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

#include "eddy/time.hpp"

namespace eddy::node {

/// A smoothed time and how far it varies (RFC 6298).
class Smoothed {
public:
    void add(Usec sample);
    [[nodiscard]] Usec most() const { return mean_ + 4 * deviation_; }

private:
    Usec mean_{0}, deviation_{0};
    bool known_ = false;
};

class Progress {
public:
    enum class Pace : uint8_t { well, held_up, slow, stuck };

    static constexpr int patience = 4;
    static constexpr Usec held_up_least = from_ms(250);
    /// Above what a frame may rest behind others that are served (scheduler/policy.hpp).
    static constexpr Usec stuck_least = std::chrono::seconds(6);
    static constexpr Usec unknown_takes = from_ms(1000);  ///< what a message should take while no speed is known
    /// A message that takes no longer than this on the link is not slow, whatever is usual: on fast links a receiver
    /// that waits for its processor looks like that.
    static constexpr Usec slow_least = from_ms(25);
    static constexpr Usec probe_first = std::chrono::seconds(1);
    static constexpr Usec probe_most = std::chrono::seconds(8);

    // -- what happens ------------------------------------------------------------------------------------------------
    void on_sent(uint64_t seq, uint64_t bytes, Instant now);
    /// All up to `seq` are receipted; the bytes of that one arrived within `span`.
    void on_receipt(uint64_t seq, Usec span, Instant now);
    /// The neighbour let go of something it had held for so long.
    void on_released(Usec held, Instant now);
    /// This node itself stood still: what was not heard meanwhile means nothing.
    void forgive(Instant now);
    /// What time brings. `oldest`: since when it holds what it holds longest; nothing: it holds nothing.
    void look(std::optional<Instant> oldest, Instant now);

    // -- what follows ------------------------------------------------------------------------------------------------
    [[nodiscard]] Pace pace() const { return pace_; }
    [[nodiscard]] bool well() const { return pace_ == Pace::well; }
    /// Of messages lately, as the receiver saw them; of one that is held up what it can be at most. 0: not known.
    [[nodiscard]] double bytes_per_s() const;
    /// One more message may go, to see whether it gets on again.
    [[nodiscard]] bool wants_probe(Instant now) const;
    void on_probe(Instant now);
    /// Slow is what it is from now on, until a probe shows half of what it was.
    void accept_speed();
    /// If the speed changed at one blow, so that what was learned before says nothing; told once.
    [[nodiscard]] std::optional<double> take_new_speed() { return std::exchange(new_speed_, std::nullopt); }
    /// Who holds something for longer, and lets go of nothing meanwhile, is stuck.
    [[nodiscard]] Usec stuck_after() const { return std::max(stuck_least, patience * held_.most()); }
    /// How long the oldest message waits for its receipt.
    [[nodiscard]] Usec waits(Instant now) const;

private:
    static constexpr size_t messages_max = 256;  ///< the oldest are forgotten beyond
    static constexpr size_t window = 33;         ///< speeds that the usual one is the median of
    static constexpr size_t enough = 5;          ///< of them to know it
    static constexpr size_t lately = 3;
    static constexpr uint64_t bytes_least = 16 * 1024;  ///< less, or in a shorter time, says nothing about speed:
    static constexpr Usec span_least = Usec{50};        ///< it was in the receiver's kernel already
    struct Message {
        uint64_t seq;
        uint64_t bytes;
        Instant sent;
    };

    [[nodiscard]] Usec should_take(uint64_t bytes) const;
    [[nodiscard]] double usual() const;
    [[nodiscard]] double recent() const;
    [[nodiscard]] bool looks_slow(double bytes_per_s, uint64_t bytes) const;
    [[nodiscard]] bool looks_well(double bytes_per_s) const;
    void add_speed(double bytes_per_s);
    void turn(Pace pace, Instant now);

    Pace pace_ = Pace::well;
    std::deque<Message> unreceipted_;
    Instant receipted_{};       ///< last
    Smoothed delay_;            ///< of receipts, beyond the transmission
    std::deque<double> usual_;  ///< speeds while it was well; at most `window`
    std::deque<double> last_;   ///< speeds; at most `lately`
    double former_ = 0;         ///< usual before a slow one was accepted; 0: none was
    std::optional<double> new_speed_;
    uint64_t slow_bytes_ = 0;  ///< of the message that showed how slow it is
    double at_most_ = 0;       ///< speed, by the wait for a receipt; 0: says nothing
    Smoothed held_;            ///< of what was released
    Instant released_{};       ///< last
    Instant probe_at_{};
    Usec probe_pause_ = probe_first;
};

[[nodiscard]] const char* name_of(Progress::Pace pace);

}  // namespace eddy::node
