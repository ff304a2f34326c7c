// One iterative lookup (Chord, section 4.2): asks ever closer nodes before the key until one of them knows the key's
// successor, then makes sure that this successor lives. Nodes that do not answer are passed by: the next best
// candidate is asked instead. Decides only whom to ask; the ring does the talking.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "eddy/messages.hpp"

namespace eddy::ring {

/// The end of a lookup.
struct LookupResult {
    uint64_t lookup = 0;
    NodeId key;
    bool found = false;
    msg::Member owner;      ///< the key's successor, seen alive by this lookup; only if found
    uint32_t hops = 0;      ///< nodes asked that answered
    uint32_t timeouts = 0;  ///< nodes asked or dialled in vain
    Usec took{0};
};

class Lookup {
public:
    enum class Why : uint8_t {
        asked,      ///< by the ring's owner
        join,       ///< where does this node belong, in the ring of someone else
        finger,     ///< one finger of the table
        introduce,  ///< where does another node belong, in this ring
    };
    static constexpr size_t candidates_max = 32;
    static constexpr uint32_t questions_max = 64;

    Lookup(uint64_t number, const NodeId& self, const NodeId& key, Why why, Instant now)
        : number_(number), self_(self), key_(key), why_(why), begun_(now) {}

    [[nodiscard]] uint64_t number() const { return number_; }
    [[nodiscard]] const NodeId& key() const { return key_; }
    [[nodiscard]] Why why() const { return why_; }

    /// A node to ask. Where it lies does not matter: the closest before the key is asked first.
    void offer(const msg::Member& candidate);
    /// The key's successor and those after it, as told by `from`, which is the key's predecessor.
    void conclude(const msg::Member& from, std::vector<msg::Member> successors);

    /// What is known if all nearer nodes prove dead: `from` lives, and has these successors from the key on.
    void reckon(const msg::Member& from, std::vector<msg::Member> successors);

    /// Whom to ask next, or to see alive; nothing if it came to its end. The question stands until answered or failed.
    std::optional<msg::Member> next(Instant now);
    [[nodiscard]] const std::optional<msg::Member>& asked() const { return asked_; }
    [[nodiscard]] Instant asked_at() const { return asked_at_; }
    /// Number of the question now standing; an answer to another one is late.
    [[nodiscard]] uint64_t question() const { return question_; }
    void set_question(uint64_t question) { question_ = question; }

    /// The node asked has answered.
    void on_found(const msg::Found& found);
    /// The node asked is silent, or cannot be reached.
    void on_failed();
    /// The question or its answer may have got lost, or the connection closed under it. True, once: ask again.
    bool may_ask_again() { return !std::exchange(asked_again_, true); }

    void wait_again(Instant now) { asked_at_ = now; }

    [[nodiscard]] bool finished() const { return finished_; }
    [[nodiscard]] bool checking() const { return concluded_; }
    /// Who gave the answer: the key's predecessor. Meaningful if it concluded.
    [[nodiscard]] const msg::Member& predecessor() const { return predecessor_; }
    [[nodiscard]] const std::vector<msg::Member>& successors() const { return successors_; }
    [[nodiscard]] LookupResult result(Instant now) const;

private:
    struct Candidate {
        msg::Member member;
        bool used = false;
        bool failed = false;
    };
    void end(bool found);
    bool begin_second_round();

    uint64_t number_;
    NodeId self_;
    NodeId key_;
    Why why_;
    Instant begun_;
    std::vector<Candidate> candidates_;  ///< closest to the key last: most are closer than those before
    std::vector<msg::Member> successors_;
    msg::Member predecessor_;
    std::optional<msg::Member> closest_;      ///< of those who answered without knowing for sure
    std::vector<msg::Member> closest_after_;  ///< the key's successors as that one sees them
    std::optional<msg::Member> asked_;
    Instant asked_at_{};
    uint64_t question_ = 0;
    uint32_t questions_ = 0;
    uint32_t hops_ = 0;
    uint32_t timeouts_ = 0;
    size_t checked_ = 0;  ///< successors found dead so far
    bool asked_again_ = false;
    bool second_round_ = false;
    bool concluded_ = false;
    bool finished_ = false;
    bool found_ = false;
};

}  // namespace eddy::ring
