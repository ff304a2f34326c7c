// The policies themselves; each one's rule stands at the head of its source file.
#pragma once

#include "scheduler/policy.hpp"

namespace eddy::scheduler {

/// What the papers' policies have in common: frames go from queue_work through queue_outbox to the successor, in the
/// order in which they came to wait, so that no source crowds out another.
class OneWayPolicy : public Policy {
public:
    [[nodiscard]] std::optional<Hop> pick_hop(const Board& board) const override;

protected:
    /// The head of queue_work can be worked on: it ends here, or there is room on its way on.
    [[nodiscard]] static bool servable(const Row& row);
    /// The starving queue to serve before any rule is asked: of the source served longest ago.
    [[nodiscard]] static std::optional<Run> pick_starving(const Board& board);
    /// To the end for queue_local and what ends here, otherwise as far as the share goes.
    [[nodiscard]] static Run run_of(const Board& board, size_t row, size_t queue);
};

class LocalPolicy final : public OneWayPolicy {
public:
    [[nodiscard]] const char* name() const override { return "local"; }
    [[nodiscard]] size_t admit(const Row&) const override { return queue_local; }
    [[nodiscard]] std::optional<Run> pick_run(const Board& board) const override;
};

class DdiPolicy final : public Policy {
public:
    [[nodiscard]] const char* name() const override { return "ddi"; }
    [[nodiscard]] size_t admit(const Row&) const override { return queue_work; }
    [[nodiscard]] std::optional<Run> pick_run(const Board& board) const override;
    [[nodiscard]] std::optional<Hop> pick_hop(const Board& board) const override;
    [[nodiscard]] bool uses_workers() const override { return true; }
};

class ArMdiPolicy final : public OneWayPolicy {
public:
    [[nodiscard]] const char* name() const override { return "ar-mdi"; }
    [[nodiscard]] size_t admit(const Row&) const override { return queue_work; }
    [[nodiscard]] std::optional<Run> pick_run(const Board& board) const override;
};

class MsMdiPolicy final : public OneWayPolicy {
public:
    [[nodiscard]] const char* name() const override { return "ms-mdi"; }
    [[nodiscard]] size_t admit(const Row& own) const override;
    [[nodiscard]] std::optional<Run> pick_run(const Board& board) const override;
};

class LayeredPolicy final : public Policy {
public:
    [[nodiscard]] const char* name() const override { return "layered"; }
    [[nodiscard]] size_t admit(const Row&) const override { return 0; }
    [[nodiscard]] std::optional<Run> pick_run(const Board& board) const override;
    [[nodiscard]] std::optional<Hop> pick_hop(const Board& board) const override;
    [[nodiscard]] bool run_rather(const Board& board, const Run& run, const Hop& hop) const override;
    [[nodiscard]] bool uses_cuts() const override { return true; }
    [[nodiscard]] bool uses_weights() const override { return true; }
};

}  // namespace eddy::scheduler
