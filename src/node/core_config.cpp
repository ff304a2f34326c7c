#include "src/node/core_config.hpp"

#include <algorithm>

namespace eddy::node {

CoreConfig core_config(const NodeConfig& config) {
    CoreConfig core;
    core.seeds = config.seeds;
    core.policy = config.policy;
    core.shares = config.shares;
    core.partition = config.partition;
    core.lanes = config.lanes;
    core.queue_frames = config.queue_frames;
    core.attempts_max = config.attempts_max;
    core.frame_timeout = from_seconds(config.frame_timeout_s);
    core.memory_bytes = config.memory_mb << 20;
    for (const auto& source : config.sources) {
        StreamConfig stream;
        stream.name = source.name;
        stream.when_full = source.when_full;
        if (source.deadline_ms) stream.deadline = from_ms(*source.deadline_ms);
        stream.reservoir_frames = source.reservoir_frames;
        // A source without a weight of its own is worth the rate at which it offers frames: as set, or as measured.
        stream.weight = source.weight.value_or(source.rate_per_s.value_or(0));
        stream.priority = static_cast<uint8_t>(std::min(source.priority, priority_max));
        core.streams.push_back(std::move(stream));
    }
    return core;
}

}  // namespace eddy::node
