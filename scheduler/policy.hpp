// What to work on next: the one interface of all scheduling policies.
//
// A policy sees the board and decides; it owns nothing and keeps no frames. Pure and deterministic: equal boards give
// equal decisions. A slot of the papers is any instant at which something changed (a lane or a link fell free, a frame
// came), so policies are asked then and not by a clock.
#pragma once

#include <memory>
#include <optional>

#include "eddy/config.hpp"
#include "scheduler/board.hpp"

namespace eddy::scheduler {

/// A queue that holds something is served at least this often, whatever its weight or priority. Max-weight rules
/// promise it only to queues that keep growing: the last frames of a light source would wait behind an overloaded one
/// for ever.
inline constexpr Usec starves_after = std::chrono::seconds(1);
/// Of `layered`: the longest that the head of a queue rests before it is served, also behind a higher priority.
inline constexpr Usec rests_behind_others = 5 * starves_after;

/// Let a lane compute the head of this queue.
struct Run {
    size_t row = 0;
    size_t queue = 0;
    std::optional<size_t> until;  ///< this class of the board's costs; absent: as far as AR-MDI's share goes
    float score = 0;              ///< of `layered`: the largest of all runs, in frames per second; 0: none was worth it
    friend bool operator==(const Run& a, const Run& b) {  // the same thing to do, whatever it is worth
        return a.row == b.row && a.queue == b.queue && a.until == b.until;
    }
};

/// Let a link take the head of this queue.
struct Hop {
    size_t row = 0;
    size_t queue = 0;
    std::optional<NodeId> to;  ///< absent: the successor
    float score = 0;           ///< of `layered`: its own, in frames per second
    friend bool operator==(const Hop& a, const Hop& b) { return a.row == b.row && a.queue == b.queue && a.to == b.to; }
};

class Policy {
public:
    virtual ~Policy() = default;
    [[nodiscard]] virtual const char* name() const = 0;
    /// The queue that takes the next frame of this row, an own source's, out of the reservoir.
    [[nodiscard]] virtual size_t admit(const Row& own) const = 0;
    /// Asked while a lane is free. Nothing: leave it idle. Never an empty queue.
    [[nodiscard]] virtual std::optional<Run> pick_run(const Board& board) const = 0;
    /// Asked when anything changed. Never an empty queue, one that ends here, or one without credit and room.
    [[nodiscard]] virtual std::optional<Hop> pick_hop(const Board& board) const = 0;
    /// Both want the same queue, and it holds one frame only.
    [[nodiscard]] virtual bool run_rather(const Board&, const Run&, const Hop&) const { return true; }

    /// Frames wait at the offered cuts, in one queue each; otherwise in queue_work and queue_outbox.
    [[nodiscard]] virtual bool uses_cuts() const { return false; }
    /// The board's workers are to be kept.
    [[nodiscard]] virtual bool uses_workers() const { return false; }
    /// Admission follows weights (admission.hpp) beside the queue's bound.
    [[nodiscard]] virtual bool uses_weights() const { return false; }
};

[[nodiscard]] std::unique_ptr<Policy> make_policy(PolicyKind kind);

}  // namespace eddy::scheduler
