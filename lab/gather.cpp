#include "lab/gather.hpp"

#include <algorithm>
#include <cmath>
#include <set>

namespace eddy::lab {

namespace {

bool ends_with(const std::string& text, const std::string& end) {
    return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

const metrics::SourceStats* stats_of(const metrics::Report& report, const std::string& source) {
    for (const auto& stats : report.sources)
        if (stats.name == source) return &stats;
    return nullptr;
}

/// Frames that were due by then, the first one at once. Of random arrivals only the mean is known.
uint64_t due_by(const ExperimentSource& source, double at_s) {
    const double due = std::floor(at_s * source.rate_per_s) + 1;
    const auto most = static_cast<double>(source.frames.value_or(uint64_t{1} << 53));
    return static_cast<uint64_t>(std::clamp(due, 0.0, most));
}

class Gathering {
public:
    Gathering(const Experiment& experiment, const std::vector<NodeRecords>& records, const std::vector<Look>& looks)
        : experiment_(experiment), records_(records), looks_(looks), begun_(begun_unix_s(records).value_or(0)) {
        run_.window_from_s = window_from_s(experiment);
        run_.window_s = experiment.window_s;
        settled_s_.resize(experiment.sources.size());
    }

    ExperimentRun run() {
        bool all = is_finite(experiment_);
        for (size_t j = 0; j < experiment_.sources.size(); ++j) all &= add_source(j);
        if (all) run_.makespan_s = run_.ended_s;
        for (const Look& look : looks_)
            if (look.at_unix_s >= begun_) add_sample(look);
        for (const NodeRecords& records : records_)
            for (const auto& node : records.report.nodes) run_.runs += node.runs;
        measure_busy();
        fit_backlog(run_);
        return std::move(run_);
    }

private:
    /// True if it gave all its frames, and each has its outcome.
    bool add_source(size_t j) {
        const ExperimentSource& source = experiment_.sources[j];
        const NodeRecords& records = records_[source.device];
        SourceFigures figures;
        std::vector<double> completion_ms;
        std::set<std::pair<uint64_t, uint64_t>> frames;
        for (const metrics::ResultLine& line : records.results) {
            if (line.source != source.name || !line.settled_unix_s) continue;
            if (!frames.insert({line.incarnation, line.k}).second) {
                ++run_.duplicated;
                continue;
            }
            const double at_s = *line.settled_unix_s - begun_;
            settled_s_[j].push_back({at_s, line.state == FrameState::completed});
            run_.ended_s = std::max(run_.ended_s, at_s);
            figures.count(line.state, line.reason);
            if (line.state == FrameState::completed) run_.hops += line.hops;
            const bool inside = at_s > run_.window_from_s && at_s <= run_.window_from_s + run_.window_s;
            if (inside && line.completion_ms) completion_ms.push_back(*line.completion_ms);
        }
        std::sort(settled_s_[j].begin(), settled_s_[j].end());
        const metrics::SourceStats* stats = stats_of(records.report, source.name);
        figures.captured = stats != nullptr ? stats->captured : 0;
        if (figures.captured > frames.size()) run_.lost += figures.captured - frames.size();
        figures.completion_ms = completion_figures(std::move(completion_ms));
        figures.throughput_per_s = static_cast<double>(figures.completion_ms.count) / run_.window_s;
        const bool whole = figures.captured == frames.size() && figures.captured == source.frames;
        run_.sources.push_back(std::move(figures));
        return whole;
    }

    void add_sample(const Look& look) {
        ExperimentSample sample;
        sample.at_s = look.at_unix_s - begun_;
        const double before_s = run_.samples.empty() ? -1 : run_.samples.back().at_s;
        for (size_t j = 0; j < experiment_.sources.size(); ++j) {
            const ExperimentSource& source = experiment_.sources[j];
            const metrics::SourceStats* stats = stats_of(look.reports[source.device], source.name);
            const uint64_t captured = stats != nullptr ? stats->captured : 0;
            const bool over = !source.frames && sample.at_s > run_.window_from_s + run_.window_s;
            const uint64_t due = over ? captured : std::max(captured, due_by(source, sample.at_s));
            uint64_t settled = 0;
            uint64_t completed = 0;
            for (const auto& [at_s, was_completed] : settled_s_[j]) {
                if (at_s > sample.at_s) break;
                ++settled;
                completed += was_completed && at_s > before_s ? 1 : 0;
            }
            sample.backlog += due - std::min(due, settled);
            sample.at_cameras += due - captured;
            sample.completed.push_back(completed);
        }
        for (const metrics::Report& report : look.reports) {
            uint64_t in_queues = 0;
            for (const auto& node : report.nodes)
                for (const auto& [queue, frames] : node.queue_lengths)
                    (ends_with(queue, "/reservoir") ? sample.in_reservoirs : in_queues) += frames;
            sample.in_queues += in_queues;
            sample.queues_by_node.push_back(in_queues);
        }
        run_.samples.push_back(std::move(sample));
    }

    /// Between the looks nearest to the window's begin and end.
    void measure_busy() {
        run_.busy_fraction.assign(experiment_.devices.size(), 0);
        if (looks_.size() < 2) return;
        const auto nearest = [&](double at_s) {
            return std::min_element(looks_.begin(), looks_.end(), [&](const Look& a, const Look& b) {
                return std::abs(a.at_unix_s - begun_ - at_s) < std::abs(b.at_unix_s - begun_ - at_s);
            });
        };
        const auto first = nearest(run_.window_from_s);
        const auto last = nearest(run_.window_from_s + run_.window_s);
        if (last <= first) return;
        for (size_t d = 0; d < experiment_.devices.size(); ++d) {
            const auto& before = first->reports[d].nodes;
            const auto& after = last->reports[d].nodes;
            if (before.empty() || after.empty()) continue;
            run_.busy_fraction[d] = (after.front().busy_s - before.front().busy_s) /
                                    ((last->at_unix_s - first->at_unix_s) * experiment_.devices[d].lanes);
        }
    }

    const Experiment& experiment_;
    const std::vector<NodeRecords>& records_;
    const std::vector<Look>& looks_;
    const double begun_;
    ExperimentRun run_;
    std::vector<std::vector<std::pair<double, bool>>> settled_s_;  ///< by source, sorted: when, and whether completed
};

}  // namespace

std::optional<double> begun_unix_s(const std::vector<NodeRecords>& records) {
    std::optional<double> begun;
    for (const NodeRecords& node : records)
        for (const metrics::ResultLine& line : node.results) {
            if (!line.completion_ms || !line.settled_unix_s) continue;
            const double captured = *line.settled_unix_s - *line.completion_ms / 1000;
            if (!begun || captured < *begun) begun = captured;
        }
    return begun;
}

ExperimentRun gather(const Experiment& experiment, const std::vector<NodeRecords>& records,
                     const std::vector<Look>& looks) {
    return Gathering(experiment, records, looks).run();
}

}  // namespace eddy::lab
