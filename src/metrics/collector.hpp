// Counts what becomes of every captured frame of this node's sources. Memory is bounded: a histogram a source, and
// the numbers of the frames in flight, which the node's own queues bound.
// Owned by the composition root, used on one thread (the core's).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "eddy/effects.hpp"
#include "src/metrics/histogram.hpp"
#include "src/metrics/report.hpp"

namespace eddy::metrics {

class Collector {
public:
    explicit Collector(Instant started_at, std::string node_name = {});

    /// Before anything else is said about the stream. Naming it twice renames it.
    void add_source(StreamId stream, std::string name);

    /// Frame k was captured; exactly one on_outcome is expected for it.
    void on_captured(StreamId stream, uint64_t k, Instant now);
    /// Frames that were captured and lost on the way to the core (ev::Captured::missed): captured and dropped at once.
    void on_missed(StreamId stream, uint64_t frames, const std::string& reason, Instant now);
    /// Frames that left the reservoir for a queue.
    void on_admitted(StreamId stream, uint64_t frames = 1);
    /// An outcome for a frame that is not in flight is counted all the same: the sum then says that something lied.
    void on_outcome(const FrameId& frame, const Outcome& outcome, Instant now);
    /// The outcome of a frame that an earlier life left unfinished: it was captured then, and is counted now.
    void on_unfinished(const FrameId& frame, const Outcome& outcome);
    /// The stream will give no more frames: its throughput no longer falls with time.
    void on_source_ended(StreamId stream, Instant now);

    /// Counts so far, in order of stream.
    [[nodiscard]] std::vector<SourceStats> sources(Instant now) const;
    /// The node's own report.
    [[nodiscard]] Report report(Instant now, NodeStats node) const;
    [[nodiscard]] Usec uptime(Instant now) const { return now - started_at_; }

private:
    struct Source {
        SourceStats counts;
        std::unordered_set<uint64_t> open;  ///< k of frames in flight; never iterated
        Histogram completion_us;
        double waiting_us = 0, computing_us = 0, transferring_us = 0;  ///< sums over completed frames
        std::optional<Instant> first_capture;
        std::optional<Instant> ended;
        Instant last_outcome{};
    };
    static SourceStats snapshot(const Source& source, Instant now);

    Instant started_at_;
    std::string node_name_;
    std::map<StreamId, Source> sources_;
};

}  // namespace eddy::metrics
