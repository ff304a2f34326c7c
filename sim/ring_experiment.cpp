#include "sim/ring_experiment.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "eddy/assert.hpp"
#include "ring/ring_invariants.hpp"
#include "sim/fault_player.hpp"

namespace eddy::sim {

namespace {

constexpr size_t seeds = 3;
constexpr Usec step = from_ms(10);
constexpr Usec look_every = from_ms(100);
constexpr Usec check_every = from_seconds(5);
/// Nobody can be found dead sooner: lookups begun within it after a failure meet an unrepaired ring.
constexpr Usec unnoticed = from_ms(400);
/// A ring takes Ring::lookups_max at a time.
constexpr size_t lookups_at_once_max = ring::Ring::lookups_max / 2;
constexpr Usec answers_within = from_seconds(2);
constexpr size_t violations_told_max = 8;

NodeId random_id(Random& random) {
    NodeId id;
    for (auto& byte : id.bytes) byte = static_cast<uint8_t>(random.below(256));
    return id;
}

class Tally {
public:
    void add(const ring::LookupResult& result, bool right) {
        ++figures_.lookups;
        figures_.failures += right ? 0 : 1;
        figures_.timeouts += result.timeouts;
        if (!result.found) return;
        hops_.push_back(result.hops);
        took_ms_ += to_ms(result.took);
    }
    void add_unanswered() {
        ++figures_.lookups;
        ++figures_.failures;
    }
    [[nodiscard]] LookupFigures figures() {
        if (hops_.empty()) return figures_;
        std::sort(hops_.begin(), hops_.end());
        const auto n = static_cast<double>(hops_.size());
        double sum = 0;
        for (const uint32_t hops : hops_) sum += hops;
        figures_.hops_mean = sum / n;
        figures_.hops_p99 = hops_[static_cast<size_t>(std::ceil(0.99 * n)) - 1];
        figures_.took_ms_mean = took_ms_ / n;
        return figures_;
    }

private:
    LookupFigures figures_;
    std::vector<uint32_t> hops_;
    double took_ms_ = 0;
};

class Experiment {
public:
    explicit Experiment(const RingExperimentOptions& options)
        : options_(options),
          world_(world_options(options)),
          random_(world_.random().next()),
          churn_(world_, churn(options), random_.next()) {}

    RingExperimentReport run() {
        plan_joins();
        if (options_.fail > 0) plan_failure();
        if (churning()) churn_.play(third_at(), end_);
        plan_lookups(Instant(churning() ? third_ : 2 * third_), end_ - answers_within, options_.lookups, false);
        plan_measurement();
        while (world_.now() < end_) {
            world_.run_for(step);
            collect();
            const Usec since = world_.now().time_since_epoch();
            if (since % look_every == Usec{0}) look();
            if (since % check_every == Usec{0} || world_.now() >= end_) check();
        }
        return report();
    }

private:
    struct Pending {
        size_t expected = 0;  ///< owner of the key when the lookup began
        bool before_repair = false;
    };
    /// A number means something within one life of its origin only.
    using LookupKey = std::tuple<size_t, uint64_t, uint64_t>;  // origin, incarnation, number

    static RingWorldOptions world_options(const RingExperimentOptions& options) {
        RingWorldOptions world;
        world.seed = options.seed;
        world.network.delay_mean = options.delay;
        world.network.delay_spread = options.delay / 2;
        world.ring.list_max = options.successors;
        world.ring.view_max = options.successors + 1;
        world.ring.connect_view = false;
        world.check_rings = false;
        return world;
    }

    [[nodiscard]] bool churning() const { return options_.churn_per_s > 0; }
    [[nodiscard]] LookupKey key_of(size_t origin, uint64_t number) const {
        return {origin, world_.member(origin).incarnation.value, number};
    }

    void plan_joins() {
        std::vector<size_t> first;
        for (size_t i = 0; i < std::min(seeds, options_.nodes); ++i) first.push_back(i);
        // A thousand a second, but no longer than a sixth of the run.
        const Usec within = std::min(from_seconds(1 + static_cast<double>(options_.nodes) / 1000), third_ / 2);
        for (size_t i = 0; i < options_.nodes; ++i) {
            world_.add(random_id(random_), first);
            const Usec at = i < seeds ? Usec{0} : from_seconds(random_.uniform() * to_seconds(within));
            world_.at(Instant(at), [this, i] {
                world_.start(i);
                ++started_;
            });
        }
    }

    void plan_failure() {
        failed_at_ = Instant(options_.duration / 2);
        world_.at(failed_at_, [this] {
            std::vector<size_t> victims = world_.live_nodes();
            const auto count = static_cast<size_t>(options_.fail * static_cast<double>(victims.size()));
            for (size_t i = 0; i < count; ++i) {
                std::swap(victims[i], victims[i + random_.below(victims.size() - i)]);
                world_.vanish(victims[i]);
                ++departures_;
            }
            has_failed_ = true;
            const size_t lookups = std::min(options_.lookups, world_.live_count() * lookups_at_once_max);
            plan_lookups(failed_at_, failed_at_ + unnoticed, lookups, true);
        });
    }

    /// A third of those who depart each way.
    static ProcessFaults churn(const RingExperimentOptions& options) {
        ProcessFaults faults;
        faults.leave_per_s = faults.crash_per_s = faults.vanish_per_s = options.churn_per_s / 3;
        return faults;
    }

    void plan_lookups(Instant from, Instant until, size_t count, bool before_repair) {
        for (size_t i = 0; i < count; ++i) {
            const Usec after = (until - from) * static_cast<int64_t>(i) / static_cast<int64_t>(count);
            world_.at(from + after, [this, before_repair] { begin_lookup(before_repair); });
        }
    }

    void begin_lookup(bool before_repair) {
        if (world_.live_count() == 0) return;
        const size_t origin = world_.live_nodes()[random_.below(world_.live_count())];
        const NodeId key = random_id(random_);
        const uint64_t number = world_.lookup(origin, key);
        pending_[key_of(origin, number)] = {world_.owner(key), before_repair};
    }

    /// Right is who owned the key when the lookup began, or owns it now.
    void collect() {
        for (const auto& answer : world_.take_lookups()) {
            const auto it = pending_.find(key_of(answer.origin, answer.result.lookup));
            if (it == pending_.end()) continue;  // answered to an earlier life
            const NodeId& owner = answer.result.owner.id;
            const bool right = answer.result.found && (owner == world_.id(it->second.expected) ||
                                                       owner == world_.id(world_.owner(answer.result.key)));
            (it->second.before_repair ? before_ : usual_).add(answer.result, right);
            pending_.erase(it);
        }
    }

    void look() {
        const double now_s = to_seconds(world_.now().time_since_epoch());
        const bool to_converge = !report_.converged_s && !has_failed_ && started_ == options_.nodes;
        const bool to_repair = has_failed_ && !report_.repaired_s;
        if ((to_converge || to_repair) && world_.ideal()) {
            if (to_converge) report_.converged_s = now_s;
            if (to_repair) report_.repaired_s = to_seconds(world_.now() - failed_at_);
        }
        if (options_.progress && world_.now().time_since_epoch() % check_every == Usec{0})
            options_.progress("at " + std::to_string(std::lround(now_s)) +
                              " s: " + std::to_string(world_.live_count()) + " nodes live, " +
                              std::to_string(world_.counters().events) + " events" +
                              (report_.converged_s ? "" : ", not yet one ring"));
    }

    [[nodiscard]] std::vector<ring::NodePointers> snapshot() const {
        std::vector<ring::NodePointers> nodes;
        nodes.reserve(world_.live_count());
        for (const size_t node : world_.live_nodes()) {
            const ring::Ring& ring = world_.ring(node);
            ring::NodePointers pointers{world_.id(node), ring.predecessor(), {}};
            const size_t known = std::min(ring.successors().size(), options_.successors);
            for (size_t i = 0; i < known; ++i) pointers.successors.push_back(ring.successors()[i].id);
            nodes.push_back(std::move(pointers));
        }
        return nodes;
    }

    void check() {
        const auto nodes = snapshot();
        note(ring::check_lists(nodes, options_.successors));
        // The invariant presumes that the ring was ideal once, and more nodes than its list holds.
        if (report_.converged_s && nodes.size() > options_.successors + 1)
            note(ring::check_invariant(nodes, options_.successors));
        if (world_.now() >= end_ && !churning()) note(ring::check_ideal(nodes, options_.successors));
    }

    void note(const std::vector<ring::Violation>& found) {
        report_.invariant_violations += found.size();
        for (const auto& violation : found)
            if (report_.violations.size() < violations_told_max)
                report_.violations.push_back("at " +
                                             std::to_string(std::lround(to_seconds(world_.now().time_since_epoch()))) +
                                             " s: " + violation.rule + ": " + violation.text);
    }

    /// Counts messages over the part in which the ring has formed and (but for churn) nothing else goes on.
    void plan_measurement() {
        const Usec half = options_.duration / 2;
        const Instant from = options_.fail > 0 ? third_at() : churning() ? third_at() : Instant(half);
        const Instant until = options_.fail > 0 ? Instant(half) : churning() ? end_ : Instant(2 * third_);
        world_.at(from, [this] { at_first_ = world_.counters(); });
        const double seconds = to_seconds(until - from);
        const auto measure = [this, seconds] {
            const double node_seconds = seconds * static_cast<double>(std::max<size_t>(world_.live_count(), 1));
            report_.messages_per_node_per_s =
                static_cast<double>(world_.counters().sent - at_first_.sent) / node_seconds;
            report_.dials_per_node_per_s =
                static_cast<double>(world_.counters().dials - at_first_.dials) / node_seconds;
        };
        world_.at(until - Usec{1}, measure);
    }

    RingExperimentReport report() {
        for (const auto& [key, pending] : pending_) {
            const auto& [origin, incarnation, number] = key;
            if (!world_.live(origin) || world_.member(origin).incarnation.value != incarnation)
                ++report_.lookups_lost;
            else
                (pending.before_repair ? before_ : usual_).add_unanswered();
        }
        report_.lookups = usual_.figures();
        if (has_failed_) report_.before_repair = before_.figures();
        report_.departures = departures_ + churn_.departures();
        report_.events = world_.counters().events;
        report_.trace_hash = world_.trace_hash();
        return report_;
    }

    [[nodiscard]] Instant third_at() const { return Instant(third_); }

    RingExperimentOptions options_;
    Usec third_ = options_.duration / 3;
    Instant end_ = Instant(options_.duration);
    RingWorld world_;
    Random random_;
    RingExperimentReport report_;
    std::map<LookupKey, Pending> pending_;
    Tally usual_;
    Tally before_;
    FabricCounters at_first_;
    Instant failed_at_{};
    bool has_failed_ = false;
    size_t started_ = 0;
    uint64_t departures_ = 0;
    FaultPlayer churn_;
};

}  // namespace

bool RingExperimentReport::good(const RingExperimentOptions& options) const {
    if (invariant_violations > 0 || !converged_s) return false;
    if (options.churn_per_s > 0) return true;
    return lookups.failures == 0 && (options.fail == 0 || repaired_s);
}

Status check_options(const RingExperimentOptions& options) {
    if (options.nodes < 1 || options.nodes > Fabric::nodes_max)
        return invalid("nodes: from 1 to " + std::to_string(Fabric::nodes_max) + " are allowed, found " +
                       std::to_string(options.nodes));
    if (!(options.fail >= 0 && options.fail < 1))
        return invalid("fail: a part of all nodes is expected, at least 0 and below 1");
    if (!(options.churn_per_s >= 0 && options.churn_per_s <= 10'000))
        return invalid("churn: from 0 to 10000 nodes a second are allowed");
    if (options.fail > 0 && options.churn_per_s > 0)
        return invalid(
            "fail and churn exclude each other: figures before and after a repair need a ring that keeps still");
    if (options.successors < 1 || options.successors >= members_max)
        return invalid("successors: from 1 to " + std::to_string(members_max - 1) + " are allowed, found " +
                       std::to_string(options.successors));
    if (options.lookups < 1 || options.lookups > 1'000'000) return invalid("lookups: from 1 to 1000000 are allowed");
    if (options.delay < Usec{0} || options.delay > from_seconds(1))
        return invalid("delay: from 0 to 1000 ms are allowed");
    return success();
}

RingExperimentReport run_ring_experiment(const RingExperimentOptions& options) {
    EDDY_ASSERT(check_options(options).ok());
    return Experiment(options).run();
}

}  // namespace eddy::sim
