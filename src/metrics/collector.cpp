#include "src/metrics/collector.hpp"

#include <algorithm>
#include <utility>

namespace eddy::metrics {

Collector::Collector(Instant started_at, std::string node_name)
    : started_at_(started_at), node_name_(std::move(node_name)) {}

void Collector::add_source(StreamId stream, std::string name) { sources_[stream].counts.name = std::move(name); }

void Collector::on_captured(StreamId stream, uint64_t k, Instant now) {
    Source& source = sources_[stream];
    ++source.counts.captured;
    source.open.insert(k);
    if (!source.first_capture) source.first_capture = now;
}

void Collector::on_missed(StreamId stream, uint64_t frames, const std::string& reason, Instant now) {
    if (frames == 0) return;
    Source& source = sources_[stream];
    source.counts.captured += frames;
    source.counts.dropped[reason] += frames;
    if (!source.first_capture) source.first_capture = now;
}

void Collector::on_admitted(StreamId stream, uint64_t frames) { sources_[stream].counts.admitted += frames; }

void Collector::on_outcome(const FrameId& frame, const Outcome& outcome, Instant now) {
    Source& source = sources_[frame.source.stream];
    source.open.erase(frame.k);
    source.last_outcome = now;
    source.counts.attempts += outcome.attempts;
    switch (outcome.state) {
        case FrameState::failed: ++source.counts.failed[outcome.reason]; return;
        case FrameState::dropped: ++source.counts.dropped[outcome.reason]; return;
        case FrameState::completed: break;
    }
    ++source.counts.completed;
    ++(outcome.local ? source.counts.path_local : source.counts.path_distributed);
    const Usec completion = std::max(outcome.completion, Usec{0});
    source.completion_us.record(static_cast<uint64_t>(completion.count()));
    source.waiting_us += static_cast<double>(outcome.parts.waiting.count());
    source.computing_us += static_cast<double>(outcome.parts.computing.count());
    const Usec rest = completion - outcome.parts.waiting - outcome.parts.computing;
    source.transferring_us += static_cast<double>(rest.count());
}

void Collector::on_unfinished(const FrameId& frame, const Outcome& outcome) {
    Source& source = sources_[frame.source.stream];  // throughput counts from the first capture of this life
    ++source.counts.captured;
    ++source.counts.failed[outcome.reason];
    source.counts.attempts += outcome.attempts;
}

void Collector::on_source_ended(StreamId stream, Instant now) {
    auto& ended = sources_[stream].ended;
    if (!ended) ended = now;
}

SourceStats Collector::snapshot(const Source& source, Instant now) {
    SourceStats stats = source.counts;
    stats.in_flight = source.open.size();
    if (source.first_capture) {
        // A stream that is over and done with is not made slower by the time that passes afterwards.
        const bool over = source.ended && source.open.empty();
        const Instant until = over ? std::max(*source.ended, source.last_outcome) : now;
        const double elapsed_s = to_seconds(until - *source.first_capture);
        if (elapsed_s > 0) stats.throughput_per_s = static_cast<double>(stats.completed) / elapsed_s;
    }
    if (stats.completed > 0) {
        const auto ms = [](double us) { return us / 1e3; };
        const Histogram& h = source.completion_us;
        stats.completion_ms = CompletionMs{ms(h.mean()), ms(h.percentile(0.5)), ms(h.percentile(0.9)),
                                           ms(h.percentile(0.99)), ms(static_cast<double>(h.max()))};
        const auto n = static_cast<double>(stats.completed);
        stats.parts_ms =
            PartsMs{ms(source.waiting_us / n), ms(source.computing_us / n), ms(source.transferring_us / n)};
    }
    return stats;
}

std::vector<SourceStats> Collector::sources(Instant now) const {
    std::vector<SourceStats> all;
    for (const auto& [stream, source] : sources_) {
        all.push_back(snapshot(source, now));
        all.back().node = node_name_;
    }
    return all;
}

Report Collector::report(Instant now, NodeStats node) const {
    Report report;
    report.duration_s = to_seconds(now - started_at_);
    report.sources = sources(now);
    report.nodes.push_back(std::move(node));
    return report;
}

}  // namespace eddy::metrics
