// What a policy sees: one row per source with the lengths of its queues here and at the successor, and what work costs.
//
// A queue holds the frames of one source that wait at one of the offered cuts; its index is that of the cut
// (ClassCosts). Policies that offer no cuts use two queues, `queue_work` and `queue_outbox`. Frames that the policy
// wants computed wholly at their source wait in `queue_local`.
//
// Plain numbers, changed in place as frames come and go, so that a decision is one scan and nothing is gathered for it.
// One thread. Owned by QueueSet, which keeps `here`; NodeCore keeps the rest.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "eddy/ids.hpp"
#include "eddy/messages.hpp"
#include "scheduler/class_costs.hpp"

namespace eddy::scheduler {

inline constexpr size_t queue_work = 0;             ///< of policies without cuts: to be worked on
inline constexpr size_t queue_outbox = 1;           ///< likewise: computed here, waiting for the link
inline constexpr size_t queue_local = classes_max;  ///< to be computed wholly here
inline constexpr size_t queues_max = classes_max + 1;

/// A set of queues of one row.
using QueueBits = uint32_t;
static_assert(queues_max <= 32);
[[nodiscard]] constexpr QueueBits bit(size_t queue) { return QueueBits{1} << queue; }

/// One source.
struct Row {
    SourceId source;
    uint64_t served = 0;  ///< rises with every frame taken; the source that waited longest has the smallest
    uint8_t priority = 0;
    float held_back = 0;     ///< of an own one: what its first queue counts beyond its frames (admission.hpp)
    bool own = false;        ///< its frames begin at this node
    bool whole = true;       ///< of an own one: this node can compute its frames from the first layer to the last
    bool last = false;       ///< this node can finish frames, and the successor is its source or there is none
    bool credit = false;     ///< the successor takes one more of its frames
    QueueBits ends = 0;      ///< whose head may go no further than this node
    QueueBits stays = 0;     ///< whose head must be computed further here first: nobody to come can
    QueueBits foreign = 0;   ///< whose head cannot be computed here: no model, another one, or not these layers
    QueueBits starving = 0;  ///< who holds frames and was not served for starves_after
    std::array<uint32_t, queues_max> here{};
    /// Of the successor, in terms of this node's queues: what it told, and what was sent to it since.
    std::array<uint32_t, queues_max> next{};
    std::array<Instant, queues_max> since{};  ///< when the head came to rest here; of queues that hold something
};

/// A node that may be given whole frames, whether it comes next in the ring or not. Only `ddi` asks for these.
struct Worker {
    NodeId node;
    double model_s = 0;     ///< what one whole frame takes there
    double transfer_s = 0;  ///< of a raw frame to there
    double backlog = 0;     ///< whole frames waiting there, and of this node's those being worked on
    bool free = false;      ///< the link has room
    std::array<uint64_t, sources_max / 64> credit{};  ///< bit of a row: it takes one more of this source
    [[nodiscard]] bool takes(size_t row) const { return (credit[row / 64] >> (row % 64) & 1U) != 0; }
};

struct Board {
    std::vector<Row> rows;      ///< by SourceId; at most sources_max
    size_t queues = 1;          ///< in use, beside queue_local
    uint32_t queue_frames = 0;  ///< bound of each
    bool link = false;          ///< the successor is another node, connected, and the link to it takes a frame now
    bool lane = false;          ///< a compute lane is free
    bool starving = false;      ///< some row's queue is
    ClassCosts costs;
    std::vector<Worker> workers;
    /// What a frame at each cut counts beyond those that wait there (prices.hpp): in general, if its way ends at this
    /// node, and at the successor.
    std::array<float, classes_max> price{};
    std::array<float, classes_max> price_here{};
    std::array<float, classes_max> next_price{};

    /// U: the backlog of a queue as `layered` weighs it.
    [[nodiscard]] float backlog(const Row& row, size_t queue) const {
        const auto frames = static_cast<float>(row.here[queue]);
        if (row.own && queue == 0) return row.here[0] > 0 ? frames + row.held_back : frames;
        return frames + (row.last || (row.ends & bit(queue)) != 0 ? price_here[queue] : price[queue]);
    }
};

}  // namespace eddy::scheduler
