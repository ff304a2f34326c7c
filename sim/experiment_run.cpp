#include "sim/experiment_run.hpp"

#include <algorithm>
#include <cmath>

#include "eddy/assert.hpp"
#include "models/graph/memory_plan.hpp"
#include "sim/simulation.hpp"

namespace eddy::sim {

namespace {

constexpr Usec ring_forms_within = from_seconds(60);
constexpr Usec look_every = from_ms(10);
constexpr Usec sample_every = from_seconds(1);
/// A finite batch that takes longer after its window is broken off: its makespan is not told then.
constexpr double batch_s_max = 86400;
/// Every frame has its outcome or fails long before that.
constexpr double stuck_after_s = 120;

double bytes_per_s(const ExperimentLink& link) { return link.mbit_per_s * 1e6 / 8; }

SourceModel source_model(const ExperimentSource& source) {
    SourceModel model;
    model.name = source.name;
    model.rate_per_s = source.rate_per_s;
    model.arrivals = source.arrivals;
    model.frames = source.frames.value_or(UINT64_MAX);
    model.when_full = source.when_full;
    model.reservoir_frames = source.reservoir_frames;
    if (source.deadline_ms) model.deadline = from_ms(*source.deadline_ms);
    model.weight = source.weight;
    model.priority = static_cast<uint8_t>(std::min(source.priority, priority_max));
    return model;
}

class Run {
public:
    Run(const Experiment& experiment, const ModelProfile& profile, PolicyKind policy, uint64_t seed,
        const ExperimentRunOptions& options)
        : experiment_(experiment),
          options_(options),
          sim_(seed, profile, {bytes_per_s(experiment.link), from_ms(experiment.link.delay_ms)},
               {options.check_every, false}) {
        report_.window_from_s = window_from_s(experiment);
        report_.window_s = experiment.window_s;
        report_.sources.resize(experiment.sources.size());
        completion_ms_.resize(experiment.sources.size());
        completed_before_.resize(experiment.sources.size());
        add_devices(policy, profile);
        set_links();
        sim_.set_on_outcome(
            [this](size_t node, size_t stream, const Outcome& outcome) { note(sources_of_[node][stream], outcome); });
    }

    Result<ExperimentRun> run() {
        for (size_t d = 0; d < experiment_.devices.size(); ++d) sim_.start(d);
        const Instant given_up = sim_.now() + ring_forms_within;
        while (!sim_.converged()) {
            if (sim_.now() >= given_up)
                return unavailable("the ring did not form within " + std::to_string(to_seconds(ring_forms_within)) +
                                   " simulated seconds");
            sim_.run_for(look_every);
        }
        begin();
        run_to(window_begins_);
        for (size_t d = 0; d < experiment_.devices.size(); ++d) busy_before_.push_back(sim_.busy(d));
        run_to(window_ends_);
        measure_busy();
        if (!is_finite(experiment_)) end_sources();
        drain();
        finish();
        return std::move(report_);
    }

private:
    void add_devices(PolicyKind policy, const ModelProfile& profile) {
        const NodeConfig defaults;
        sources_of_.resize(experiment_.devices.size());
        places_.resize(experiment_.sources.size());
        for (size_t d = 0; d < experiment_.devices.size(); ++d) {
            const ExperimentDevice& device = experiment_.devices[d];
            NodeModel node;
            node.name = device.name;
            node.id = device.id;
            node.speed = device.speed;
            node.lanes = device.lanes;
            node.has_model = device.has_model;
            const graph::MemoryPlan plan = graph::plan_memory(profile, graph::memory_needs(experiment_, d));
            node.layers = plan.layers;
            node.custody_bytes = plan.custody;
            node.queue_bytes = plan.queues;
            node.policy = policy;
            node.shares = options_.shares;
            node.memory_bytes = device.memory_mb << 20;
            node.queue_frames = defaults.queue_frames;
            node.frame_timeout = from_seconds(defaults.frame_timeout_s);
            node.cameras_wait = true;
            for (size_t j = 0; j < experiment_.sources.size(); ++j) {
                if (experiment_.sources[j].device != d) continue;
                node.sources.push_back(source_model(experiment_.sources[j]));

                places_[j] = {d, sources_of_[d].size()};
                sources_of_[d].push_back(j);
            }
            sim_.add(std::move(node));
        }
    }

    void set_links() {
        const size_t n = experiment_.devices.size();
        std::vector<double> out(n, 0);
        std::vector<double> in(n, 0);
        for (size_t from = 0; from < n; ++from)
            for (size_t to = 0; to < n; ++to) {
                if (from == to) continue;
                const ExperimentLink& link = experiment_.link_between(from, to);
                sim_.fabric().set_bandwidth(from, to, bytes_per_s(link));
                sim_.fabric().set_delay(from, to, from_ms(link.delay_ms));
                out[from] = std::max(out[from], bytes_per_s(link));
                in[to] = std::max(in[to], bytes_per_s(link));
            }
        for (size_t d = 0; d < n && n > 1; ++d) sim_.fabric().set_network_card(d, out[d], in[d]);
    }

    void begin() {
        begun_ = sim_.now();
        last_outcome_ = begun_;
        window_begins_ = begun_ + from_seconds(report_.window_from_s);
        window_ends_ = window_begins_ + from_seconds(report_.window_s);
        for (const ExperimentChange& change : experiment_.changes)
            sim_.fabric().at(begun_ + from_seconds(change.at_s),
                             [this, change] { sim_.set_speed(change.device, change.speed); });
        for (size_t d = 0; d < experiment_.devices.size(); ++d)
            if (!sources_of_[d].empty()) sim_.start_cameras(d);
    }

    /// Samples on the way.
    void run_to(Instant end) {
        while (sim_.now() < end) {
            const Instant next_sample = begun_ + sample_every * static_cast<int64_t>(report_.samples.size() + 1);
            const Instant until = std::min(end, next_sample);
            sim_.run_for(until - sim_.now());
            if (until == next_sample) sample();
        }
    }

    void drain() {
        double slowest = experiment_.sources.front().rate_per_s;
        for (const ExperimentSource& source : experiment_.sources) slowest = std::min(slowest, source.rate_per_s);
        const Usec stuck_after = from_seconds(stuck_after_s + 20 / slowest);
        const Instant broken_off = window_ends_ + from_seconds(batch_s_max);
        while (!sim_.all_settled() && sim_.now() - last_outcome_ < stuck_after) {
            if (sim_.now() >= broken_off) end_sources();
            run_to(sim_.now() + look_every * 10);
        }
        end_sources();
    }

    void end_sources() {
        for (const auto& [node, stream] : places_) sim_.end_camera(node, stream);
    }

    void note(size_t source, const Outcome& outcome) {
        SourceFigures& figures = report_.sources[source];
        last_outcome_ = sim_.now();
        figures.count(outcome.state, outcome.reason);
        if (outcome.state == FrameState::completed) report_.hops += outcome.hops;
        const bool inside = sim_.now() > window_begins_ && sim_.now() <= window_ends_;
        if (inside && outcome.state == FrameState::completed)
            completion_ms_[source].push_back(to_ms(outcome.completion));
    }

    void sample() {
        ExperimentSample sample;
        sample.at_s = to_seconds(sim_.now() - begun_);
        for (size_t j = 0; j < places_.size(); ++j) {
            const auto& [node, stream] = places_[j];
            const SourceTally& tally = sim_.tally(node, stream);
            const uint64_t due = sim_.frames_due(node, stream);
            sample.backlog += due - tally.settled();
            sample.at_cameras += due - tally.captured;
            sample.completed.push_back(tally.completed - completed_before_[j]);
            completed_before_[j] = tally.completed;
        }
        for (size_t d = 0; d < experiment_.devices.size(); ++d) {
            uint64_t in_queues = 0;
            for (const auto& lengths : sim_.core(d).queue_lengths()) {
                sample.in_reservoirs += lengths.reservoir;
                in_queues += uint64_t{lengths.local} + lengths.distributed + lengths.outbox;
            }
            sample.in_queues += in_queues;
            sample.queues_by_node.push_back(in_queues);
        }
        report_.samples.push_back(std::move(sample));
        if (options_.progress) options_.progress(report_.samples.back().at_s);
    }

    void measure_busy() {
        for (size_t d = 0; d < experiment_.devices.size(); ++d)
            report_.busy_fraction.push_back(to_seconds(sim_.busy(d) - busy_before_[d]) /
                                            (report_.window_s * experiment_.devices[d].lanes));
    }

    void finish() {
        bool all = is_finite(experiment_);
        for (size_t j = 0; j < places_.size(); ++j) {
            SourceFigures& figures = report_.sources[j];
            const SourceTally& tally = sim_.tally(places_[j].first, places_[j].second);
            figures.captured = tally.captured;
            report_.lost += tally.captured - tally.settled();
            report_.duplicated += tally.duplicated;
            all = all && tally.captured == *experiment_.sources[j].frames && tally.settled() == tally.captured;
            figures.completion_ms = completion_figures(std::move(completion_ms_[j]));
            figures.throughput_per_s = static_cast<double>(figures.completion_ms.count) / report_.window_s;
        }
        report_.ended_s = to_seconds(last_outcome_ - begun_);
        if (all) report_.makespan_s = report_.ended_s;
        for (size_t d = 0; d < experiment_.devices.size(); ++d) report_.runs += sim_.core(d).counters().jobs;
        fit_backlog(report_);
    }

    const Experiment& experiment_;
    const ExperimentRunOptions& options_;
    Simulation sim_;
    ExperimentRun report_;
    std::vector<std::pair<size_t, size_t>> places_;  ///< by source: its node and stream
    std::vector<std::vector<size_t>> sources_of_;    ///< by device, in the order of its streams
    std::vector<std::vector<double>> completion_ms_;
    std::vector<uint64_t> completed_before_;  ///< by source: until the last sample
    std::vector<Usec> busy_before_;
    Instant begun_{};
    Instant window_begins_ = never;
    Instant window_ends_ = never;
    Instant last_outcome_{};
};

}  // namespace

std::vector<PolicyKind> runnable_policies() {
    return {PolicyKind::local, PolicyKind::ddi, PolicyKind::ar_mdi, PolicyKind::ms_mdi, PolicyKind::layered};
}

Result<ExperimentRun> run_experiment(const Experiment& experiment, const ModelProfile& profile, PolicyKind policy,
                                     uint64_t seed, const ExperimentRunOptions& options) {
    EDDY_ASSERT(!experiment.devices.empty() && !experiment.sources.empty() && options.check_every > 0);
    for (const ExperimentSource& source : experiment.sources)
        if (const ExperimentDevice& device = experiment.devices[source.device]; !device.has_model)
            return unsupported("source " + source.name + " is on " + device.name +
                               ", which has no model and only relays: change the device's has_model, or attach the "
                               "source to another");
    return Run(experiment, profile, policy, seed, options).run();
}

}  // namespace eddy::sim
