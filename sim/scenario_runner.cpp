#include "sim/scenario_runner.hpp"

#include <algorithm>

#include "ring/interval.hpp"
#include "ring/ring_invariants.hpp"
#include "sim/ring_world.hpp"

namespace eddy::sim {

namespace {

constexpr Usec poll_every = from_ms(50);
/// Within the assumptions: two neighbours' pauses together stay below what a heartbeat every 250 ms leaves of the 600
/// ms.
constexpr Usec pause_harmless = from_ms(150);
constexpr Usec pauses_apart = std::chrono::seconds(2);
constexpr Usec delay_harmless = from_ms(20);

std::string seconds(Usec t) {
    std::string text = std::to_string(to_seconds(t));
    return text.substr(0, text.find('.') + 4) + " s";
}

class Run {
public:
    Run(const Scenario& scenario, const ScenarioLog& log, bool asserts)
        : scenario_(scenario),
          log_(log),
          length_(std::max(scenario.list_max, scenario.view_max - 1)),
          world_(options(asserts)),
          random_(scenario.seed ^ 0x6b657973) {
        for (const auto& node : scenario.nodes) world_.add(node.id, scenario.seeds);
        pointers_.resize(scenario.nodes.size());
        for (size_t i = 0; i < pointers_.size(); ++i) pointers_[i].id = scenario.nodes[i].id;
        left_.resize(scenario.nodes.size(), false);
        world_.after_event([this](size_t node) { look_at(node); });
    }

    ScenarioResult run() {
        for (size_t i = 0; i < scenario_.steps.size() && !result_.finding; ++i) {
            const auto& step = scenario_.steps[i];
            wait_until(Instant{} + step.at, [] { return false; });
            if (result_.finding) break;
            if (scenario_.within_assumptions && !step.expects() && in_force() && leaves_assumptions(step)) {
                result_.left_out.push_back(i);
                continue;
            }
            if (log_) log_(elapsed(), to_text(step, scenario_));
            line_ = step.line;
            std::visit([&](const auto& what) { play(what, step); }, step.what);
            line_ = 0;
            changed();
        }
        wait_until(Instant{} + scenario_.end(), [] { return false; });
        result_.ended = elapsed();
        result_.events = world_.counters().events;
        result_.trace_hash = world_.trace_hash();
        return result_;
    }

private:
    RingWorldOptions options(bool asserts) {
        RingWorldOptions options;
        options.check_rings = asserts;
        options.seed = scenario_.seed;
        options.network = scenario_.network;
        options.ring.list_max = scenario_.list_max;
        options.ring.view_max = scenario_.view_max;
        options.ring.connect_view = scenario_.connect_view;
        if (log_)
            options.log = [this](size_t node, LogLevel, const std::string& text) {
                log_(elapsed(), scenario_.nodes[node].name + ": " + named(text));
            };
        return options;
    }

    [[nodiscard]] Usec elapsed() const { return world_.now() - Instant{}; }

    void found(std::string rule, const std::string& text) {
        if (!result_.finding) result_.finding = Finding{std::move(rule), named(text), elapsed(), line_};
    }

    /// Says nodes by their names in the story instead of by their ids.
    [[nodiscard]] std::string named(std::string text) const {
        for (const auto& node : scenario_.nodes) {
            const std::string id = short_name(node.id);
            for (size_t at = text.find(id); at != std::string::npos; at = text.find(id, at + node.name.size()))
                text.replace(at, id.size(), node.name);
        }
        return text;
    }

    template <class Done>
    bool wait_until(Instant end, Done done) {
        if (result_.finding) return false;
        if (end <= world_.now()) return done();
        const bool came = world_.run_until(
            end - world_.now(), [&] { return settle(), result_.finding.has_value() || done(); }, poll_every);
        return came && !result_.finding;
    }

    // -- rules that always hold ---------------------------------------------------------------------------------------
    /// A paused node is a member; one that leaves is not.
    [[nodiscard]] bool exists(size_t node) const { return world_.running(node) && !left_[node]; }

    [[nodiscard]] std::vector<ring::NodePointers> snapshot(const std::vector<size_t>& without = {}) const {
        std::vector<ring::NodePointers> nodes;
        for (size_t i = 0; i < pointers_.size(); ++i)
            if (exists(i) && std::find(without.begin(), without.end(), i) == without.end())
                nodes.push_back(pointers_[i]);
        return nodes;
    }

    void look_at(size_t node) {
        if (result_.finding || !world_.running(node)) return;
        const ring::Ring& ring = world_.ring(node);
        auto& known = pointers_[node];
        const auto& list = ring.successors();
        bool same = known.successors.size() == list.size() && known.predecessor == ring.predecessor();
        for (size_t i = 0; same && i < list.size(); ++i) same = known.successors[i] == list[i].id;
        if (same) return;
        known.predecessor = ring.predecessor();
        known.successors.clear();
        for (const auto& member : list) known.successors.push_back(member.id);
        for (const auto& violation : ring::check_lists({known}, length_)) found(violation.rule, violation.text);
        changed();
    }

    void changed() {
        if (!kept_ || result_.finding) return;
        ++result_.invariant_checks;
        const auto nodes = snapshot();
        for (const auto& violation : ring::check_invariant(nodes, length_)) found(violation.rule, violation.text);
        for (const auto& violation : ring::check_structure(nodes)) found(violation.rule, violation.text);
    }

    /// The invariant holds from the first ideal ring on that is large enough for it.
    void settle() {
        if (kept_ || !scenario_.within_assumptions || world_.live_count() <= length_ + 1) return;
        kept_ = ring::check_ideal(snapshot(), length_).empty();
    }
    bool in_force() {
        settle();
        return kept_;
    }

    // -- what would leave the assumptions -----------------------------------------------------------------------------
    bool leaves_assumptions(const ScenarioStep& step) {
        if (std::holds_alternative<HealStep>(step.what)) return false;
        if (const auto* weather = std::get_if<WeatherStep>(&step.what))
            return weather->network.datagrams || weather->network.loss > 0 ||
                   weather->network.delay_mean + weather->network.delay_spread > delay_harmless;
        const auto* action = std::get_if<NodeStep>(&step.what);
        if (action == nullptr) return true;
        switch (action->verb) {
            case NodeVerb::start: return !may_start(action->nodes);
            case NodeVerb::restart:
            case NodeVerb::slow: return true;
            case NodeVerb::pause:
                return action->nodes.size() > 1 || action->lasts > pause_harmless ||
                       (paused_until_ && world_.now() < *paused_until_ + pauses_apart);
            default: return !stands_without(action->nodes);
        }
    }

    /// The invariant holds without these nodes: as things are, and as they will be once lists under way have come.
    /// Zave's steps ask and take over a list at one instant; here it travels, and may name who fails meanwhile.
    [[nodiscard]] bool stands_without(const std::vector<size_t>& gone) const {
        auto nodes = snapshot(gone);
        const auto stands = [&] { return ring::check_invariant(nodes, length_).empty(); };
        if (!stands()) return false;
        for (const auto& list : world_.lists_in_flight()) {
            const auto node =
                std::find_if(nodes.begin(), nodes.end(), [&](const auto& one) { return one.id == world_.id(list.to); });
            if (node == nodes.end() || list.told.unchanged) continue;
            take_over(*node, world_.id(list.from), list.told);
            if (!stands()) return false;
        }
        return true;
    }

    /// Zave's stabilise steps, as far as the list is concerned.
    void take_over(ring::NodePointers& node, const NodeId& head, const msg::Neighbours& told) const {
        auto& list = node.successors;
        if (told.successors.empty()) return;
        if (!list.empty() && !ring::in_open_closed(node.id, head, list.front())) return;
        list = {head};
        for (const auto& member : told.successors) {
            if (list.size() == length_ || !ring::in_open(list.back(), member.id, node.id)) break;
            list.push_back(member.id);
        }
    }

    [[nodiscard]] bool may_start(const std::vector<size_t>& nodes) const {
        const auto in_ring = [&](size_t node) { return exists(node) && !pointers_[node].successors.empty(); };
        const bool seeded = std::any_of(scenario_.seeds.begin(), scenario_.seeds.end(), in_ring);
        return seeded && std::none_of(nodes.begin(), nodes.end(), [&](size_t node) {
                   return exists(node) || contains(scenario_.seeds, node) || named_by_pointers(node);
               });
    }

    [[nodiscard]] bool named_by_pointers(size_t node) const {
        const NodeId& id = scenario_.nodes[node].id;
        for (size_t i = 0; i < pointers_.size(); ++i) {
            const auto& list = pointers_[i].successors;
            if (exists(i) && (pointers_[i].predecessor == id || std::find(list.begin(), list.end(), id) != list.end()))
                return true;
        }
        return false;
    }

    static bool contains(const std::vector<size_t>& nodes, size_t node) {
        return std::find(nodes.begin(), nodes.end(), node) != nodes.end();
    }

    // -- steps --------------------------------------------------------------------------------------------------------
    void play(const NodeStep& step, const ScenarioStep&) {
        for (const size_t node : step.nodes) {
            if (world_.running(node) != (step.verb == NodeVerb::start)) ++result_.faults;
            switch (step.verb) {
                case NodeVerb::start: start(node); break;
                case NodeVerb::restart: world_.crash(node), start(node); break;
                case NodeVerb::leave:
                    left_[node] = left_[node] || world_.running(node);
                    world_.leave(node);
                    break;
                case NodeVerb::crash: world_.crash(node); break;
                case NodeVerb::vanish: world_.vanish(node); break;
                case NodeVerb::pause:
                    world_.pause(node);
                    paused_until_ = world_.now() + step.lasts;
                    world_.at(*paused_until_, [this, node] { world_.resume(node); });
                    break;
                case NodeVerb::slow:
                    world_.slow(node, ProcessFaults{}.slow_by);
                    world_.at(world_.now() + step.lasts, [this, node] { world_.slow(node, Usec{0}); });
                    break;
            }
        }
    }
    void start(size_t node) {
        if (exists(node)) return;
        world_.crash(node);  // if it is still busy leaving
        left_[node] = false;
        pointers_[node].predecessor.reset();
        pointers_[node].successors.clear();
        world_.start(node);
    }
    void play(const SplitStep& step, const ScenarioStep&) {
        ++result_.faults;
        world_.partition(step.groups);
    }
    void play(const CutStep& step, const ScenarioStep&) {
        ++result_.faults;
        world_.cut_one_way(step.from, step.to);
    }
    void play(const HealStep&, const ScenarioStep&) { world_.heal(); }
    void play(const WeatherStep& step, const ScenarioStep&) {
        ++result_.faults;
        world_.set_network(step.network);
    }

    // -- expectations -------------------------------------------------------------------------------------------------
    void play(const RingStep& expected, const ScenarioStep& step) {
        std::string problem;
        const auto seen = [&] { return problem = ring_problem(expected), problem.empty(); };
        wait_until(Instant{} + step.at + step.within, seen);
        if (!result_.finding && !seen()) found("OneRing", problem);
    }

    /// Why this is not what is seen; empty: it is.
    [[nodiscard]] std::string ring_problem(const RingStep& expected) const {
        const auto& live = world_.live_nodes();
        const auto& of = expected.of.empty() ? live : expected.of;
        const auto& viewers = expected.seen_by.empty() ? live : expected.seen_by;
        for (const size_t node : viewers)
            if (!contains(of, node)) return "node " + scenario_.nodes[node].name + " is not among them and lives";
        std::vector<NodeId> circle;
        for (const size_t node : of) {
            if (!world_.live(node)) return "node " + scenario_.nodes[node].name + " does not live";
            circle.push_back(scenario_.nodes[node].id);
        }
        std::vector<ring::NodePointers> seen;
        for (const size_t node : viewers) seen.push_back(pointers_[node]);
        const auto mistakes = ring::check_ideal(seen, circle, length_);
        if (!mistakes.empty()) return mistakes.front().text;
        for (const size_t node : viewers)
            if (const auto problem = view_problem(node, circle); !problem.empty()) return problem;
        return {};
    }

    /// What the scheduler is told: where the ring fits into the view, all of it and nobody else, in ring order.
    [[nodiscard]] std::string view_problem(size_t node, const std::vector<NodeId>& circle) const {
        if (circle.size() > scenario_.view_max) return {};
        const auto& view = world_.ring(node).members();
        const auto known = [&](const msg::Member& member) {
            return std::any_of(circle.begin(), circle.end(), [&](const NodeId& id) { return id == member.id; });
        };
        if (view.size() != circle.size() || !std::all_of(view.begin(), view.end(), known))
            return "node " + scenario_.nodes[node].name + " has " + std::to_string(view.size()) +
                   " members in view, not those " + std::to_string(circle.size());
        return {};
    }

    void play(const OwnersStep&, const ScenarioStep& step) {
        std::vector<std::pair<std::pair<size_t, uint64_t>, size_t>> open;  // (origin, number), owner
        std::string wrong;
        world_.take_lookups();
        const auto live = world_.live_nodes();
        for (const size_t origin : live)
            for (const NodeId& key : keys(live)) {
                const size_t owner = world_.owner(key);
                open.push_back({{origin, world_.lookup(origin, key)}, owner});
                ++result_.lookups;
            }
        const auto answered = [&] {
            for (const auto& answer : world_.take_lookups()) {
                const auto asked = std::find_if(open.begin(), open.end(), [&](const auto& one) {
                    return one.first == std::pair{answer.origin, answer.result.lookup};
                });
                if (asked == open.end()) continue;
                if (!answer.result.found || answer.result.owner.id != world_.id(asked->second))
                    wrong = "node " + scenario_.nodes[answer.origin].name + " found " +
                            (answer.result.found ? short_name(answer.result.owner.id) : "nobody") + " for the key " +
                            short_name(answer.result.key) + ", not " + scenario_.nodes[asked->second].name;
                open.erase(asked);
            }
            return open.empty() || !wrong.empty();
        };
        wait_until(Instant{} + step.at + step.within, answered);
        if (result_.finding) return;
        answered();
        if (!wrong.empty()) return found("FindsOwner", wrong);
        if (!open.empty())
            found("FindsOwner", "no answer to a lookup of node " + scenario_.nodes[open.front().first.first].name);
    }

    /// Any key, a node's own, and the first beyond a node's.
    std::vector<NodeId> keys(const std::vector<size_t>& live) {
        NodeId any;
        for (auto& byte : any.bytes) byte = static_cast<uint8_t>(random_.below(256));
        const NodeId own = world_.id(live[random_.below(live.size())]);
        NodeId beyond = world_.id(live[random_.below(live.size())]);
        for (size_t i = beyond.bytes.size(); i-- > 0 && ++beyond.bytes[i] == 0;) {
        }
        return {any, own, beyond};
    }

    void play(const LetGoStep&, const ScenarioStep& step) {
        std::string problem;
        const auto let_go = [&] {
            problem.clear();
            const size_t others = world_.live_count() - 1;
            for (const size_t node : world_.live_nodes())
                if (world_.ring(node).contacts() > others)
                    problem = "node " + scenario_.nodes[node].name + " keeps " +
                              std::to_string(world_.ring(node).contacts()) + " contacts, though only " +
                              std::to_string(others) + " others live";
            return problem.empty();
        };
        wait_until(Instant{} + step.at + step.within, let_go);
        if (!result_.finding && !let_go()) found("LetsGo", problem);
    }

    const Scenario& scenario_;
    const ScenarioLog& log_;
    const size_t length_;  ///< of a node's list: Chord's, or longer where the view is
    RingWorld world_;
    Random random_;
    std::vector<ring::NodePointers> pointers_;  ///< of every node, as of its last event
    std::vector<bool> left_;                    ///< said goodbye in its present life
    bool kept_ = false;                         ///< Zave's invariant must hold from now on
    std::optional<Instant> paused_until_;
    size_t line_ = 0;
    ScenarioResult result_;
};

}  // namespace

std::string to_text(const Finding& finding) {
    return finding.rule + " at " + seconds(finding.at) +
           (finding.line == 0 ? "" : " (line " + std::to_string(finding.line) + ")") + ": " + finding.text;
}

ScenarioResult run_scenario(const Scenario& scenario, const ScenarioLog& log, bool asserts) {
    return Run(scenario, log, asserts).run();
}

}  // namespace eddy::sim
