#include "src/node/core_config.hpp"

namespace eddy::node {

CoreConfig core_config(const NodeConfig& config) {
    CoreConfig core;
    core.seeds = config.seeds;
    core.policy = config.policy;
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
        core.streams.push_back(std::move(stream));
    }
    return core;
}

}  // namespace eddy::node
