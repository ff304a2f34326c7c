#include "sim/chaos.hpp"

#include <algorithm>

#include "sim/cluster_checks.hpp"

namespace eddy::sim {

namespace {

constexpr Usec stop_timeout = std::chrono::seconds(5);
constexpr Usec stop_grace = std::chrono::seconds(1);
constexpr Usec poll_every = from_ms(50);
/// How long after `load_until` there must be enough frames.
constexpr Usec load_more_max = std::chrono::seconds(240);
/// Events of the whole cluster between looks at all bounds, and of a core between looks at itself.
constexpr uint64_t bounds_every = 128;
constexpr uint32_t check_every = 8;

class Run final : private Observer {
public:
    Run(const ChaosPlan& plan, const ScenarioLog& log)
        : plan_(plan), log_(log), sim_(plan.seed, plan.profile, plan.link, {check_every, false, true, this}) {
        for (const auto& node : plan.nodes) sim_.add(node);
        for (const auto& link : plan.links) {
            sim_.fabric().set_bandwidth(link.from, link.to, link.bytes_per_s);
            sim_.fabric().set_delay(link.from, link.to, link.delay);
        }
        sim_.fabric().set_network(plan.story.network);
        stopped_at_.assign(plan.nodes.size(), never);
    }

    ChaosResult run() {
        for (size_t node = 0; node < plan_.nodes.size(); ++node)
            if (!late(node)) sim_.start(node);
        for (const auto& step : plan_.story.steps) {
            sim_.fabric().at(Instant{} + step.at, [this, &step] {
                if (log_) log_(elapsed(), to_text(step, plan_.story));
                std::visit([&](const auto& what) { play(what); }, step.what);
            });
        }
        wait_until(Instant{} + plan_.cameras_from, [] { return false; });
        for (size_t node = 0; node < plan_.nodes.size(); ++node)
            if (!late(node)) sim_.start_cameras(node);
        wait_until(Instant{} + plan_.mend_at, [] { return false; });
        mend();
        expect_within(repair_within, "RingWhole", [&] { return ring_problem(sim_, plan_.nodes); });
        wait_until(Instant{} + plan_.load_until, [] { return false; });
        bring_home();
        finish();
        result_.frames = book_.totals();
        result_.events = sim_.events_run();
        result_.ended = elapsed();
        result_.digest = digest_ ^ sim_.fabric().trace_hash();
        return std::move(result_);
    }

private:
    [[nodiscard]] Usec elapsed() const { return sim_.now().time_since_epoch(); }
    [[nodiscard]] bool late(size_t node) const {
        return std::find(plan_.late.begin(), plan_.late.end(), node) != plan_.late.end();
    }
    [[nodiscard]] bool over() const { return result_.findings.size() >= chaos_findings_max; }

    void found(const std::string& rule, const std::string& text) {
        if (over()) return;
        result_.findings.push_back({rule, text, elapsed(), 0});
        if (log_) log_(elapsed(), "FOUND " + rule + ": " + text);
    }
    void found(const FrameBook::Wrong& wrong) {
        if (wrong) found(wrong->rule, wrong->text);
    }

    template <class Done>
    void wait_until(Instant end, Done done) {
        while (!over() && sim_.now() < end && !done()) sim_.run_for(std::min<Usec>(poll_every, end - sim_.now()));
    }
    template <class Ask>
    void expect_within(Usec within, const char* rule, Ask problem) {
        Problem last;
        wait_until(sim_.now() + within, [&] { return !(last = problem()); });
        if (!over() && (last = problem())) found(rule, *last);
    }

    // -- the story ----------------------------------------------------------------------------------------------------
    void play(const NodeStep& step) {
        for (const size_t node : step.nodes) {
            if (step.verb == NodeVerb::start) {
                start(node);
                continue;
            }
            if (!sim_.running(node)) continue;
            ++result_.faults;
            switch (step.verb) {
                case NodeVerb::start: break;
                case NodeVerb::crash: die(node, &Simulation::crash); break;
                case NodeVerb::vanish: die(node, &Simulation::vanish); break;
                case NodeVerb::restart:
                    die(node, &Simulation::crash);
                    start(node);
                    break;
                case NodeVerb::leave: stop(node); break;
                case NodeVerb::pause:
                    excuse(node);
                    sim_.fabric().pause(node);
                    sim_.fabric().at(sim_.now() + step.lasts, [this, node] { sim_.fabric().resume(node); });
                    break;
                case NodeVerb::slow:
                    excuse(node);
                    sim_.fabric().slow(node, ProcessFaults{}.slow_by);
                    sim_.fabric().at(sim_.now() + step.lasts, [this, node] { sim_.fabric().slow(node, Usec{0}); });
                    break;
            }
        }
    }
    void play(const SplitStep& step) {
        ++result_.faults;
        sim_.fabric().partition(step.groups);
    }
    void play(const CutStep& step) {
        ++result_.faults;
        sim_.fabric().cut_one_way(step.from, step.to);
    }
    void play(const HealStep&) { sim_.fabric().heal(); }
    void play(const WeatherStep& step) {
        result_.faults += step.network.loss > 0 ? 1 : 0;
        sim_.fabric().set_network(step.network);
    }
    void play(const auto&) {}  // expectations: a plan has none

    void die(size_t node, void (Simulation::*how)(size_t)) {
        result_.source_deaths += plan_.nodes[node].sources.empty() ? 0 : 1;
        (sim_.*how)(node);
        stopped_at_[node] = never;
    }
    void start(size_t node) {
        if (sim_.running(node)) {
            if (stopped_at_[node] == never) return;
            check_stop(node);
            die(node, &Simulation::crash);  // still busy leaving
        }
        sim_.start(node);
        sim_.start_cameras(node);
    }
    void stop(size_t node) {
        // A paused process does not hear of it.
        if (sim_.fabric().paused(node) || stopped_at_[node] != never) return;
        stopped_at_[node] = sim_.now();
        sim_.stop(node, stop_timeout);
    }
    /// Who stands still or is slow may take its time to end.
    void excuse(size_t node) {
        if (stopped_at_[node] != never) stopped_at_[node] = sim_.now() + load_more_max;
    }
    void check_stop(size_t node) {
        if (sim_.now() > stopped_at_[node] + stop_timeout + stop_grace)
            found("EndsInTime", plan_.nodes[node].name + " was stopped and has not ended");
    }

    void mend() {
        if (log_) log_(elapsed(), "all is mended");
        sim_.fabric().heal();
        sim_.fabric().set_network(plan_.story.network);
        for (size_t node = 0; node < plan_.nodes.size(); ++node) {
            sim_.fabric().resume(node);
            sim_.fabric().slow(node, Usec{0});
            start(node);
        }
    }

    /// Cameras end, frames come home, queues and buffers empty.
    void bring_home() {
        const auto enough = [&] { return book_.totals().captured >= plan_.frames_min; };
        wait_until(sim_.now() + load_more_max, enough);
        if (!over() && !enough())
            found("StandsStill", "only " + std::to_string(book_.totals().captured) + " frames were captured");
        if (log_) log_(elapsed(), "cameras end");
        for (size_t node = 0; node < plan_.nodes.size(); ++node)
            for (size_t s = 0; s < plan_.nodes[node].sources.size(); ++s) sim_.end_camera(node, s);
        const auto settled = [&] {
            return sim_.all_settled() ? Problem{} : Problem{"frames have no outcome long after their cameras ended"};
        };
        expect_within(settled_within, "NothingLost", settled);
        expect_within(empty_within, "LeavesNothing", [&] { return anything_left(); });
        if (!over()) found_if("RingWhole", ring_problem(sim_, plan_.nodes));
    }
    void found_if(const char* rule, const Problem& problem) {
        if (problem) found(rule, *problem);
    }
    [[nodiscard]] Problem anything_left() const {
        for (size_t node = 0; node < plan_.nodes.size(); ++node)
            if (sim_.running(node))
                if (auto problem = leftover_problem(sim_, node, plan_.nodes)) return problem;
        return std::nullopt;
    }

    void finish() {
        for (size_t node = 0; node < plan_.nodes.size() && !over(); ++node) stop(node);
        const auto running = [&]() -> Problem {
            for (size_t node = 0; node < plan_.nodes.size(); ++node)
                if (sim_.running(node)) return plan_.nodes[node].name + " was stopped and has not ended";
            return std::nullopt;
        };
        expect_within(stop_timeout + stop_grace, "EndsInTime", running);
        found(book_.close());
    }

    // -- Observer -----------------------------------------------------------------------------------------------------
    void on_started(size_t node, const node::NodeCore& core) override {
        book_.started(node, Incarnation{sim_.fabric().life(node)}, core.ledger().streams());
        found(book_.compare(node, sim_.books(node)));
        taken_.started(node);
    }
    void on_captured(size_t node, const FrameId& frame) override { found(book_.captured(node, frame, sim_.now())); }
    void on_outcome(size_t node, const FrameId& frame, const Outcome& outcome) override {
        hear(static_cast<uint64_t>(outcome.state) << 60U | frame.k << 16U | node);
        hear(static_cast<uint64_t>(outcome.completion.count()));
        const auto captured = book_.captured_at(frame);
        found(book_.settled(node, frame, outcome));
        const bool worse = outcome.state == FrameState::failed || (outcome.attempts > 1 && late_.count(frame) == 0);
        if (worse && captured && calm(*captured))
            found("CalmIsWhole", to_text(frame) + " had " + std::to_string(outcome.attempts) + " attempts" +
                                     (outcome.reason.empty() ? "" : " and ended as " + outcome.reason) +
                                     ", though nothing happened in its time");
        if (log_ && outcome.state != FrameState::completed)
            log_(elapsed(), plan_.nodes[node].name + ": " + to_text(frame) +
                                (outcome.state == FrameState::failed ? " failed: " : " dropped: ") + outcome.reason);
    }
    /// Policies that do not look at what a way takes may have a frame wait for longer than an attempt lasts, at one
    /// busy node after the other. It is tried again then, though somebody has it. So it may be while two rings become
    /// one: each takes members of the other for lost for a moment.
    void watch_retries(size_t node, const node::NodeCore& core) {
        const auto& ledger = core.ledger();
        uint64_t retries = 0;
        for (uint16_t s = 0; s < ledger.streams(); ++s) retries += ledger.counts(StreamId{s}).retries;
        if (std::exchange(retries_[node], retries) >= retries) return;
        const auto had = frames_had(sim_, plan_.nodes.size(), node);
        const Usec attempt = plan_.nodes[node].frame_timeout / node::CoreConfig{}.attempts_max;
        for (uint16_t s = 0; s < ledger.streams(); ++s)
            for (const auto& [k, record] : ledger.open(StreamId{s})) {
                const FrameId frame = ledger.id(StreamId{s}, k);
                const bool again = record.attempts > 1 && record.attempt_at == sim_.now();
                const bool may_be = sim_.now() - record.admitted_at >= attempt || elapsed() < formed_within;
                if (again && may_be && had.count(frame) != 0) late_.insert(frame);
            }
    }
    /// Nothing happened from when the frame was captured until now.
    [[nodiscard]] bool calm(Instant captured) const {
        const auto& steps = plan_.story.steps;
        const bool before = steps.empty() || elapsed() < steps.front().at;
        return before || captured.time_since_epoch() >= plan_.mend_at + recovered_within;
    }
    void on_send(size_t node, size_t, const Message& message) override {
        if (const auto* ack = std::get_if<msg::Ack>(&message)) taken_.receipt(node, *ack);
        kept_.sent(message);
    }
    void on_event(size_t node, const Event& event, const node::NodeCore& core) override {
        if (!plan_.nodes[node].sources.empty()) {
            found(book_.compare(node, core.ledger()));
            watch_retries(node, core);
        }
        if (const auto* received = std::get_if<ev::Received>(&event))
            if (const auto* work = std::get_if<msg::Work>(&received->message))
                found_if("TakenOnce", taken_.handled(node, *work, core.counters().work_stale));
        if (++events_ % bounds_every != 0) return;
        for (size_t i = 0; i < plan_.nodes.size(); ++i)
            if (sim_.running(i))
                if (const auto problem = bounds_problem(sim_, i, plan_.nodes[i], plan_.nodes))
                    found("BoundsHold", plan_.nodes[i].name + ": " + *problem);
    }
    void on_idle(size_t node) override {
        // Not from inside its core.
        sim_.fabric().at(sim_.now(), [this, node, life = sim_.fabric().life(node)] {
            if (!sim_.running(node) || sim_.fabric().life(node) != life) return;
            sim_.crash(node);
            stopped_at_[node] = never;
        });
    }
    void on_ended(size_t node, const node::NodeCore&, bool said_idle) override {
        found(book_.compare(node, sim_.books(node)));
        found(book_.ended(node, said_idle));
        found_if("OneLossKeepsFrames", kept_.ended(sim_, node, plan_.nodes));
    }
    void on_power_cut(size_t node, Incarnation life, std::span<const journal::Entry> lost) override {
        book_.power_cut(node, plan_.nodes[node].id, life, lost);
    }
    void on_violation(size_t node, const std::string& rule, const std::string& text) override {
        found(rule, plan_.nodes[node].name + ": " + text);
    }
    void on_log(size_t node, LogLevel level, const std::string& text) override {
        if (log_ && level >= LogLevel::info) log_(elapsed(), plan_.nodes[node].name + ": " + text);
    }

    void hear(uint64_t value) { digest_ = (digest_ ^ value) * 0x100000001b3ULL; }

    const ChaosPlan& plan_;
    const ScenarioLog& log_;
    FrameBook book_;
    TakenWork taken_;
    KeptFrames kept_;
    std::map<size_t, uint64_t> retries_;  ///< of a node's life
    std::set<FrameId> late_;              ///< tried again only because their attempt took so long
    ChaosResult result_;
    uint64_t events_ = 0;
    uint64_t digest_ = 0xcbf29ce484222325ULL;
    std::vector<Instant> stopped_at_;  ///< `never`: it was not stopped
    Simulation sim_;
};

}  // namespace

ChaosResult run_chaos(const ChaosPlan& plan, const ScenarioLog& log) { return Run(plan, log).run(); }

ChaosPlan calm_twin(ChaosPlan plan) {
    plan.story.steps.clear();
    plan.late.clear();
    return plan;
}

}  // namespace eddy::sim
