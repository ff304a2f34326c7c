// What NodeCore must be told once.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "eddy/config.hpp"
#include "eddy/journal.hpp"
#include "eddy/messages.hpp"
#include "eddy/profile.hpp"
#include "eddy/row_profile.hpp"
#include "models/graph/graph.hpp"

namespace eddy::node {

struct StreamConfig {
    std::string name;
    WhenFull when_full = WhenFull::block;
    Usec deadline = Usec::max();    ///< from capture; max: none
    uint32_t reservoir_frames = 8;  ///< bound of μ
    double weight = 0;              ///< in frames/s; 0: the rate at which it offers frames
    uint8_t priority = 0;
    uint64_t first_number = 0;  ///< numbers below belong to earlier lives
    /// Of earlier lives: booked as captured and failed at the start, and not tried again. Their numbers rise.
    std::vector<journal::Unfinished> unfinished;
};

struct CoreConfig {
    msg::Member self;  ///< endpoint: the one that was really bound
    std::vector<Endpoint> seeds;
    ModelProfile profile;     ///< no layers: this node only relays, and has no streams
    LayerRange layers;        ///< of these, the node runs so many; the others are as another model's to it
    double time_scale = 1.0;  ///< profile times are for a whole core; 1 / duty cycle
    std::vector<StreamConfig> streams;
    PolicyKind policy = PolicyKind::ms_mdi;
    SharesKind shares = SharesKind::parameters;
    uint32_t lanes = 1;
    uint32_t queue_frames = 8;        ///< bound of each q_l^i and q_n^i
    uint32_t in_flight_frames = 256;  ///< admitted and not finished, per stream
    uint32_t attempts_max = 3;
    Usec frame_timeout = std::chrono::seconds(30);
    uint64_t memory_bytes = 0;                     ///< told to neighbours
    uint64_t custody_bytes = uint64_t{128} << 20;  ///< kept of what was handed over; 0: nothing is
    /// While buffers hold more than this and custody_bytes, a source gets no credit but one, and admits no frame but
    /// one.
    uint64_t queue_bytes = UINT64_MAX / 4;
    // EdgeFlow: without `chain` this node takes part in plans over rows, if it knows the model's graph and what rows cost.
    PartitionKind partition = PartitionKind::chain;
    std::shared_ptr<const graph::ModelGraph> graph;
    std::shared_ptr<const RowProfile> rows;
    uint64_t row_bytes = uint64_t{256} << 20;  ///< reserved at most for frames by rows, of all plans
};

/// Core settings out of a checked configuration; `self`, `profile`, `time_scale` and what follows from the plan of
/// memory stay to be filled in.
[[nodiscard]] CoreConfig core_config(const NodeConfig& config);

}  // namespace eddy::node
