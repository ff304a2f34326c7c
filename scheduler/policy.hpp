// What to work on next: the one interface of all scheduling policies.
//
// A policy sees queue lengths and decides; it owns nothing and keeps no frames. Pure and deterministic: equal views in
// equal order give equal decisions. A slot of the paper is any instant at which something changed (a lane or a link
// fell free, a frame came), so policies are asked then and not by a clock.
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "eddy/config.hpp"
#include "eddy/ids.hpp"
#include "eddy/time.hpp"

namespace eddy::scheduler {

enum class QueueKind : uint8_t { local, distributed };

/// A queue that holds something is served at least this often, whatever its weight. Max-weight rules promise it only to
/// queues that keep growing: the last frames of a light source would wait behind an overloaded one for ever.
inline constexpr Usec starves_after = std::chrono::seconds(1);

/// One source as this node sees it.
struct SourceView {
    SourceId source;
    uint32_t local = 0;          ///< q_l^i: frames to be computed wholly here; 0 unless the source is this node's own
    uint32_t distributed = 0;    ///< q_n^i
    uint32_t downstream = 0;     ///< q_{n+1}^i as far as this node knows; 0 if the head of q_n^i would end its way here
    bool servable = true;        ///< the head of q_n^i can be worked on now: it ends here, or its way on has room
    bool local_starves = false;  ///< q_l^i holds frames and was not served for starves_after
    bool distributed_starves = false;  ///< likewise q_n^i
    uint64_t served = 0;               ///< rises with every pick; the source that waited longest has the smallest
};

struct Pick {
    SourceId source;
    QueueKind queue = QueueKind::local;
    friend bool operator==(const Pick&, const Pick&) = default;
};

class Policy {
public:
    virtual ~Policy() = default;
    [[nodiscard]] virtual const char* name() const = 0;
    /// The queue that takes the next frame out of an own source's reservoir.
    [[nodiscard]] virtual QueueKind admit(const SourceView& own) const = 0;
    /// The queue a free lane serves; nothing: stay idle. Never an empty queue.
    [[nodiscard]] virtual std::optional<Pick> pick(std::span<const SourceView> views) const = 0;
};

/// The starving queue to serve before any policy is asked: of the source served longest ago.
[[nodiscard]] std::optional<Pick> pick_starving(std::span<const SourceView> views);

[[nodiscard]] std::unique_ptr<Policy> make_policy(PolicyKind kind);

}  // namespace eddy::scheduler
