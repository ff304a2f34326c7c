#include "sim/ring_faults.hpp"

#include <algorithm>
#include <array>
#include <numeric>

#include "eddy/random.hpp"

namespace eddy::sim {

namespace {

constexpr Usec run_at_least = std::chrono::seconds(120);
/// Planned: some may find nobody to strike, or would leave the assumptions.
constexpr size_t faults_at_least_wild = 36;
constexpr size_t faults_at_least_orderly = 56;
constexpr size_t nodes_max = 32;

/// Makes up one scenario. It keeps book of who should be up, so that most faults hit something.
class Maker {
public:
    explicit Maker(uint64_t seed) : random_(seed ^ 0x72696e67) {
        scenario_.seed = seed;
        scenario_.within_assumptions = seed % 2 == 0;
        scenario_.story =
            std::string(wild() ? "A wild" : "An orderly") + " run made up from seed " + std::to_string(seed);
    }

    Scenario make() {
        draw_cluster();
        gather();
        size_t faults = 0;
        while (now_ < run_at_least || faults < (wild() ? faults_at_least_wild : faults_at_least_orderly)) {
            faults += episode();
            mend();
        }
        return std::move(scenario_);
    }

private:
    [[nodiscard]] bool wild() const { return !scenario_.within_assumptions; }
    size_t between(size_t low, size_t high) { return low + random_.below(high - low + 1); }
    Usec time(double low_s, double high_s) {
        // Whole milliseconds, so that stories are fit to be read.
        return std::chrono::milliseconds(between(static_cast<size_t>(low_s * 1e3), static_cast<size_t>(high_s * 1e3)));
    }

    void draw_cluster() {
        static constexpr std::array<size_t, 5> lengths{2, 3, 4, 8, 16};
        scenario_.list_max = lengths[random_.below(wild() ? 5 : 4)];
        const size_t large = random_.chance(0.5) ? nodes_max : nodes_max / 4;
        const size_t n = wild() ? between(1, large) : between(scenario_.list_max + 6, nodes_max);
        // Half the wild runs with the view of production: lists are the whole ring. Otherwise Chord's lists alone
        // count.
        const bool half = random_.chance(0.5);
        scenario_.view_max = half ? (wild() ? members_max : scenario_.list_max + 1) : 2;
        scenario_.connect_view = random_.chance(0.7);
        const bool crowded = random_.chance(0.2);
        for (size_t i = 0; i < n; ++i) {
            ScenarioNode node{"n" + std::to_string(i), {}};
            for (auto& byte : node.id.bytes) byte = static_cast<uint8_t>(random_.below(256));
            if (crowded) node.id.bytes[0] = 0x7f;
            scenario_.nodes.push_back(node);
        }
        scenario_.seeds.resize(std::min(n, between(1, 3)));
        std::iota(scenario_.seeds.begin(), scenario_.seeds.end(), size_t{0});
        calm_.delay_mean = time(0.001, 0.02) / 2;
        calm_.delay_spread = calm_.delay_mean * static_cast<int>(random_.below(5)) / 4;
        calm_.datagrams = wild() && random_.chance(0.5);
        scenario_.network = calm_;
        up_.resize(n, false);
    }

    ScenarioStep& add(decltype(ScenarioStep::what) what) {
        ScenarioStep step;
        step.at = now_;
        step.what = std::move(what);
        scenario_.steps.push_back(std::move(step));
        return scenario_.steps.back();
    }
    void expect(decltype(ScenarioStep::what) what, Usec within) {
        add(std::move(what)).within = within;
        now_ += within;
    }
    void act(NodeVerb verb, std::vector<size_t> nodes, Usec lasts = Usec{0}) {
        for (const size_t node : nodes)
            if (verb != NodeVerb::pause) up_[node] = verb == NodeVerb::start || verb == NodeVerb::restart;
        std::sort(nodes.begin(), nodes.end());
        add(NodeStep{verb, std::move(nodes), lasts});
    }

    /// The seeds start, then most of the others, one by one or all together.
    void gather() {
        act(NodeVerb::start, scenario_.seeds);
        const bool together = random_.chance(0.3);
        const size_t first = wild() ? between(1, up_.size()) : between(scenario_.list_max + 2, up_.size());
        for (size_t i = scenario_.seeds.size(); i < first; ++i) {
            if (!together) now_ += time(0, 0.3);
            act(NodeVerb::start, {i});
        }
        expect(RingStep{}, repair_within);
    }

    /// Returns how many faults it planned.
    size_t episode() {
        const size_t faults = between(5, 14);
        const double pause_between = random_.uniform(0.05, 2.5);
        for (size_t i = 0; i < faults; ++i) {
            const double gap_ms = std::min(random_.exponential(pause_between) * 1e3, 6000.0);
            now_ += std::chrono::milliseconds(static_cast<int64_t>(gap_ms));
            wild() ? wild_fault() : orderly_fault();
        }
        return faults;
    }

    void mend() {
        now_ += time(0, 1);
        add(HealStep{});
        add(WeatherStep{calm_});
        std::vector<size_t> back;
        for (const size_t seed : scenario_.seeds)
            if (!up_[seed] && (back.empty() || random_.chance(0.7))) back.push_back(seed);
        if (!back.empty()) act(NodeVerb::start, back);
        // Nothing is asked of a ring while one of its nodes stands still.
        now_ = std::max(now_, still_until_);
        expect(RingStep{}, repair_within);
        expect(OwnersStep{}, lookups_within);
        if (random_.chance(0.3)) expect(LetGoStep{}, let_go_within);
    }

    /// Some nodes that are up (or down), `some` of them at most, none of those below `first`.
    std::vector<size_t> pick(bool up, size_t some, size_t first = 0) {
        std::vector<size_t> candidates;
        for (size_t i = first; i < up_.size(); ++i)
            if (up_[i] == up) candidates.push_back(i);
        std::vector<size_t> picked;
        while (!candidates.empty() && picked.size() < some) {
            const size_t at = random_.below(candidates.size());
            picked.push_back(candidates[at]);
            candidates.erase(candidates.begin() + static_cast<std::ptrdiff_t>(at));
        }
        return picked;
    }

    size_t how_many() { return random_.chance(0.3) ? between(2, std::max<size_t>(2, up_.size() / 2)) : 1; }

    void orderly_fault() {
        const size_t first = scenario_.seeds.size();
        const size_t some = random_.chance(0.3) ? between(2, 3) : 1;
        auto down = pick(false, some, first);
        auto running = pick(true, some, first);
        const double kind = random_.uniform();
        if (!down.empty() && (kind < 0.45 || running.empty()))
            act(NodeVerb::start, down);
        else if (running.empty() || kind < 0.1)
            act(NodeVerb::pause, {random_.below(up_.size())}, time(0.02, 0.15));
        else if (kind < 0.6)
            act(NodeVerb::leave, running);
        else
            act(kind < 0.8 ? NodeVerb::crash : NodeVerb::vanish, running);
    }

    void wild_fault() {
        const double kind = random_.uniform();
        if (kind < 0.60) return strike(kind / 0.60);
        if (kind < 0.70) return pause();
        if (kind < 0.80) return split();
        if (kind < 0.88 && up_.size() > 1) {
            const size_t from = random_.below(up_.size());
            const size_t to = (from + between(1, up_.size() - 1)) % up_.size();
            add(CutStep{from, to});
        } else if (kind < 0.96) {
            weather();
        } else {
            add(HealStep{});
            pause();
        }
    }

    void strike(double kind) {
        const auto down = pick(false, how_many());
        const auto running = pick(true, how_many());
        if (!down.empty() && (kind < 0.4 || running.empty())) return act(NodeVerb::start, down);
        if (running.empty()) return act(NodeVerb::start, {0});
        act(kind < 0.5    ? NodeVerb::leave
            : kind < 0.7  ? NodeVerb::crash
            : kind < 0.85 ? NodeVerb::vanish
                          : NodeVerb::restart,
            running);
    }

    void pause() {
        const auto running = pick(true, how_many());
        if (running.empty()) return act(NodeVerb::start, {0});
        const Usec lasts = random_.chance(0.5) ? time(0.02, 0.5) : time(0.5, 8);
        still_until_ = std::max(still_until_, now_ + lasts);
        act(NodeVerb::pause, running, lasts);
    }

    void split() {
        const size_t count = between(2, 3);
        std::vector<std::vector<size_t>> groups(count);
        for (size_t i = 0; i < up_.size(); ++i) groups[random_.below(count)].push_back(i);
        std::erase_if(groups, [](const auto& group) { return group.empty(); });
        add(SplitStep{groups});
    }

    void weather() {
        NetworkFaults network = calm_;
        network.loss = static_cast<double>(random_.below(1500)) / 1e4;
        network.delay_mean = time(0.001, 0.1);
        network.delay_spread = time(0, 0.1);
        if (network.datagrams) {
            network.duplicate = static_cast<double>(random_.below(1000)) / 1e4;
            network.reorder = static_cast<double>(random_.below(2000)) / 1e4;
            network.reorder_by = time(0.01, 0.5);
        }
        add(WeatherStep{network});
    }

    Random random_;
    Scenario scenario_;
    NetworkFaults calm_;
    std::vector<bool> up_;  ///< as far as is planned
    Usec now_{0};
    Usec still_until_{0};
};

}  // namespace

Scenario fault_scenario(uint64_t seed) { return Maker(seed).make(); }

namespace {

class Shrinker {
public:
    Shrinker(size_t runs_max, const PlayFn& play) : runs_max_(runs_max), play_(play) {}

    std::optional<Shrunk> shrink(const Scenario& scenario) {
        const auto found = play_(scenario).finding;
        ++best_.runs;
        if (!found) return std::nullopt;
        best_.scenario = scenario;
        best_.finding = *found;
        cut_tail();
        for (size_t before = 0; before != size() && best_.runs < runs_max_;) {
            before = size();
            for (size_t chunk = std::max<size_t>(1, best_.scenario.steps.size() / 2); chunk > 0; chunk /= 2)
                drop_steps(chunk);
            drop_nodes();
        }
        return best_;
    }

private:
    [[nodiscard]] size_t size() const {
        size_t parts = best_.scenario.steps.size();
        for (const auto& step : best_.scenario.steps)
            if (const auto* action = std::get_if<NodeStep>(&step.what)) parts += action->nodes.size();
        return parts;
    }

    bool try_out(Scenario candidate) {
        if (best_.runs >= runs_max_ || candidate.steps.empty()) return false;
        ++best_.runs;
        const auto found = play_(candidate).finding;
        if (!found || found->rule != best_.finding.rule) return false;
        best_.scenario = std::move(candidate);
        best_.finding = *found;
        cut_tail();
        return true;
    }

    /// What comes after the finding has no part in it.
    void cut_tail() {
        auto& steps = best_.scenario.steps;
        std::erase_if(steps, [&](const auto& step) { return step.at > best_.finding.at; });
        if (best_.scenario.end() >= best_.finding.at) return;
        // The run must go on until then.
        ScenarioStep last;
        last.at = std::chrono::ceil<std::chrono::milliseconds>(best_.finding.at);
        last.what = HealStep{};
        steps.push_back(last);
    }

    /// What makes the expectations fair stays: the network heals and calms, and seeds start.
    [[nodiscard]] bool mends(const std::vector<ScenarioStep>& steps, size_t i) const {
        const auto& step = steps[i];
        // What is asked of a ring is only fair once the ring was seen to be one.
        if (std::holds_alternative<RingStep>(step.what))
            return i + 1 < steps.size() && steps[i + 1].expects() &&
                   !std::holds_alternative<RingStep>(steps[i + 1].what);
        if (std::holds_alternative<HealStep>(step.what)) return true;
        if (const auto* weather = std::get_if<WeatherStep>(&step.what)) return weather->network.loss == 0;
        const auto* action = std::get_if<NodeStep>(&step.what);
        return action != nullptr && action->verb == NodeVerb::start &&
               std::any_of(action->nodes.begin(), action->nodes.end(), [this](size_t node) { return is_seed(node); });
    }
    [[nodiscard]] bool is_seed(size_t node) const {
        const auto& seeds = best_.scenario.seeds;
        return std::find(seeds.begin(), seeds.end(), node) != seeds.end();
    }

    void drop_steps(size_t chunk) {
        for (size_t end = best_.scenario.steps.size(); end > 0;) {
            const size_t from = end > chunk ? end - chunk : 0;
            Scenario candidate = best_.scenario;
            auto& steps = candidate.steps;
            for (size_t i = end; i-- > from;)
                if (!mends(best_.scenario.steps, i)) steps.erase(steps.begin() + static_cast<std::ptrdiff_t>(i));
            if (steps.size() < best_.scenario.steps.size()) try_out(std::move(candidate));
            end = std::min(from, best_.scenario.steps.size());
        }
    }

    /// Single nodes out of steps that strike several.
    void drop_nodes() {
        for (size_t i = 0; i < best_.scenario.steps.size(); ++i)
            for (size_t k = 0;; ++k) {
                const auto* action =
                    i < best_.scenario.steps.size() ? std::get_if<NodeStep>(&best_.scenario.steps[i].what) : nullptr;
                if (action == nullptr || action->nodes.size() < 2 || k >= action->nodes.size()) break;
                Scenario candidate = best_.scenario;
                auto& nodes = std::get<NodeStep>(candidate.steps[i].what).nodes;
                if (action->verb == NodeVerb::start && is_seed(nodes[k])) continue;
                nodes.erase(nodes.begin() + static_cast<std::ptrdiff_t>(k));
                if (try_out(std::move(candidate))) --k;
            }
    }

    size_t runs_max_;
    const PlayFn& play_;
    Shrunk best_;
};

}  // namespace

std::optional<Shrunk> shrink(const Scenario& scenario, size_t runs_max, const PlayFn& play) {
    return Shrinker(runs_max, play).shrink(scenario);
}

}  // namespace eddy::sim
