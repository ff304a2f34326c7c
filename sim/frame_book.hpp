// The checker's own book of all frames of a cluster: what was captured, what became of it, what a crash took with it.
// It is kept from outside, from what cores are given and what they deliver, and compared with their own ledgers.
//
// A frame is lost if its source's process lived on and it never had an outcome; it is duplicated by every outcome after
// its first. What was open when its source died is abandoned, until a later life of that node says "source_restarted"
// of it (a node that journals its frames does).
//
// Bounds: as many frames as are told to it. Nodes are small numbers; single thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "eddy/effects.hpp"
#include "src/node/frame_ledger.hpp"

namespace eddy::sim {

/// What a later life of a source says of frames that an earlier one left unfinished.
inline constexpr const char* reason_restarted = "source_restarted";

struct FrameTotals {
    uint64_t captured = 0, completed = 0, failed = 0, dropped = 0;
    uint64_t abandoned = 0;  ///< open when their source died, and without an outcome since
    uint64_t lost = 0, duplicated = 0;
    std::map<std::string, uint64_t> failed_reasons, dropped_reasons;
    FrameTotals& operator+=(const FrameTotals& more);
};

class FrameBook {
public:
    struct Mistake {
        std::string rule;  ///< "DeliveredOnce", "KnownFrame", "KnownReason", "NothingLost", "SumsBalance"
        std::string text;
    };
    using Wrong = std::optional<Mistake>;

    void started(size_t node, Incarnation life, size_t streams);
    Wrong captured(size_t node, const FrameId& frame, Instant now);
    Wrong settled(size_t node, const FrameId& frame, const Outcome& outcome);
    /// The node's process ends. `said_idle`: by itself, and then nothing may be open.
    Wrong ended(size_t node, bool said_idle);
    /// Does the core's ledger say what this book says?
    [[nodiscard]] Wrong compare(size_t node, const node::FrameLedger& ledger) const;
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
    };
    struct Sums {
        uint64_t captured = 0, completed = 0, failed = 0, dropped = 0;
        [[nodiscard]] uint64_t open() const { return captured - completed - failed - dropped; }
    };
    struct Life {
        Incarnation life;
        std::vector<Sums> streams;
    };

    std::map<FrameId, Frame> frames_;
    std::map<size_t, Life> lives_;  ///< of nodes that run
    FrameTotals totals_;
};

/// "source 3f2a…/0, life 2, frame 17".
[[nodiscard]] std::string to_text(const FrameId& frame);

}  // namespace eddy::sim
