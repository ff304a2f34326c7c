// The checker's own book of all frames of a cluster: what was captured, what became of it, what a crash took with it.
// It is kept from outside, from what cores are given and what they deliver, and compared with their own ledgers, and
// over all lives of a source with its journal.
//
// A frame is lost if its source's process lived on and it never had an outcome; it is duplicated by every outcome after
// its first. What was open when its source died is abandoned until the node's next life tells it as "source_restarted",
// which it must at once. Only a power cut excuses that: what the journal lost the next life cannot know. A frame whose
// capture was lost stays abandoned, one whose outcome was lost is told a second time.
//
// Bounds: as many frames as are told to it. Nodes are small numbers; single thread.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "eddy/effects.hpp"
#include "src/journal/books.hpp"
#include "src/node/frame_ledger.hpp"

namespace eddy::sim {

/// What a later life of a source says of frames that an earlier one left unfinished.
inline constexpr const char* reason_restarted = "source_restarted";

struct FrameTotals {
    uint64_t captured = 0, completed = 0, failed = 0, dropped = 0;
    uint64_t abandoned = 0;  ///< open when their source died, and without an outcome since
    uint64_t retold = 0;     ///< told once more, as a power cut took their outcome out of the journal
    uint64_t lost = 0, duplicated = 0;
    std::map<std::string, uint64_t> failed_reasons, dropped_reasons;
    FrameTotals& operator+=(const FrameTotals& more);
};

class FrameBook {
public:
    struct Mistake {
        /// "DeliveredOnce", "KnownFrame", "KnownReason", "NothingLost", "NumbersRise", "SumsBalance"
        std::string rule;
        std::string text;
    };
    using Wrong = std::optional<Mistake>;

    void started(size_t node, Incarnation life, size_t streams);
    Wrong captured(size_t node, const FrameId& frame, Instant now);
    Wrong settled(size_t node, const FrameId& frame, const Outcome& outcome);
    /// The node's process ends. `said_idle`: by itself, and then nothing may be open.
    Wrong ended(size_t node, bool said_idle);
    /// What the journal of the node's last life has lost, which has just ended.
    void power_cut(size_t node, const NodeId& id, Incarnation life, std::span<const journal::Entry> lost);
    /// Does the core's ledger say what this book says? And has it told what earlier lives left open?
    [[nodiscard]] Wrong compare(size_t node, const node::FrameLedger& ledger) const;
    /// Does the node's journal add up to what this book has of all its lives?
    [[nodiscard]] Wrong compare(size_t node, const journal::Books& books) const;
    /// All is over: what is open now is lost.
    Wrong close();

    [[nodiscard]] const FrameTotals& totals() const { return totals_; }
    /// When the core was given the frame; nothing: it was not.
    [[nodiscard]] std::optional<Instant> captured_at(const FrameId& frame) const;

private:
    enum class State : uint8_t { open, abandoned, settled };
    struct Frame {
        size_t node = 0;
        Instant captured{};
        State state = State::open;
        bool forgotten = false;  ///< the journal has lost its capture
    };
    struct Sums {
        uint64_t captured = 0, completed = 0, failed = 0, dropped = 0;
        [[nodiscard]] uint64_t open() const { return captured - completed - failed - dropped; }
        friend bool operator==(const Sums&, const Sums&) = default;
    };
    struct Life {
        Incarnation life;
        std::vector<Sums> streams;
    };
    /// Of all lives of a source.
    struct Source {
        Sums written;         ///< what its journal must say
        uint64_t next = 0;    ///< above every number so far
        uint64_t begins = 0;  ///< `next` when this life began
    };
    using SourceKey = std::pair<size_t, uint16_t>;  ///< node and stream

    void count(const Outcome& outcome);
    std::map<FrameId, Frame>::iterator find_settled(const NodeId& id, const journal::Settled& entry, Incarnation life);

    std::map<FrameId, Frame> frames_;
    std::map<size_t, Life> lives_;  ///< of nodes that run
    std::map<SourceKey, Source> sources_;
    std::map<size_t, std::set<FrameId>> owed_;  ///< what a node's next life must tell first
    FrameTotals totals_;
};

/// "source 3f2a…/0, life 2, frame 17".
[[nodiscard]] std::string to_text(const FrameId& frame);

}  // namespace eddy::sim
