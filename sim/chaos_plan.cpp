#include "sim/chaos_plan.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "eddy/random.hpp"

namespace eddy::sim {

namespace {

constexpr Usec story_from = std::chrono::seconds(3);
constexpr double cameras_late_s = 3;
constexpr Usec calm_load = std::chrono::seconds(13);  // after the mending
constexpr size_t faults_planned_min = 13, faults_planned_max = 22;
/// Of what all nodes together can compute, cameras ask for at most this.
constexpr double load_max = 0.6;

std::string text_of(const char* format, auto... values) {
    char text[256];
    const int length = std::snprintf(text, sizeof text, format, values...);
    return {text, static_cast<size_t>(std::clamp(length, 0, static_cast<int>(sizeof text) - 1))};
}

class Maker {
public:
    explicit Maker(uint64_t seed) : random_(seed ^ 0x6368616f73) {
        plan_.seed = seed;
        plan_.frames_min = chaos_frames_min;
        plan_.story.seed = seed;
        plan_.story.story = "A chaos run made up from seed " + std::to_string(seed);
    }

    ChaosPlan make() {
        draw_profile();
        draw_nodes();
        draw_sources();
        draw_links();
        tell_story();
        return std::move(plan_);
    }

private:
    size_t between(size_t low, size_t high) { return low + random_.below(high - low + 1); }
    /// Whole milliseconds, so that stories are fit to be read.
    Usec time(double low_s, double high_s) {
        return std::chrono::milliseconds(between(static_cast<size_t>(low_s * 1e3), static_cast<size_t>(high_s * 1e3)));
    }

    // -- the cluster --------------------------------------------------------------------------------------------------
    void draw_profile() {
        plan_.profile = even_profile(between(3, 12), time(0.03, 0.09), between(20'000, 150'000));
        for (size_t l = 0; l < plan_.profile.layers.size(); ++l) {
            auto& layer = plan_.profile.layers[l];
            layer.time = from_seconds(to_seconds(layer.time) * random_.uniform(0.3, 1.7));
            if (l > 0) layer.frontier_bytes = between(2'000, 120'000);
        }
    }

    void draw_nodes() {
        // More small ones than large ones.
        const size_t n = std::min(between(chaos_nodes_min, chaos_nodes_max), between(chaos_nodes_min, chaos_nodes_max));
        static constexpr std::array policies{PolicyKind::layered, PolicyKind::layered, PolicyKind::layered,
                                             PolicyKind::layered, PolicyKind::ms_mdi,  PolicyKind::ms_mdi,
                                             PolicyKind::ar_mdi,  PolicyKind::ddi,     PolicyKind::local};
        const PolicyKind policy = policies[random_.below(policies.size())];
        const auto queue_frames = static_cast<uint32_t>(between(2, 10));
        // Frontiers have at most 150 kB: none of them fits, or a few do.
        const uint64_t custody_bytes = !random_.chance(0.15) ? NodeModel{}.custody_bytes : between(0, 8) * 100'000;
        std::vector<size_t> seeds;
        for (size_t i = 0; i < between(2, 3); ++i) seeds.push_back(i);
        for (size_t i = 0; i < n; ++i) {
            NodeModel node;
            node.name = "n" + std::to_string(i);
            for (auto& byte : node.id.bytes) byte = static_cast<uint8_t>(random_.below(256));
            node.speed = random_.chance(0.3) ? random_.uniform(0.3, 1) : random_.uniform(0.8, 2.5);
            node.lanes = random_.chance(0.2) ? 2 : 1;
            node.policy = policy;
            node.shares = random_.chance(0.5) ? SharesKind::measured : SharesKind::parameters;
            node.queue_frames = queue_frames;
            node.custody_bytes = custody_bytes;
            node.seeds = seeds;
            node.cameras_wait = true;
            plan_.story.nodes.push_back({node.name, node.id});
            plan_.nodes.push_back(std::move(node));
        }
        up_.assign(n, true);
        back_.assign(n, Usec{0});
        plan_.story.seeds = seeds;
    }

    void draw_sources() {
        const size_t n = plan_.nodes.size();
        const size_t wanted = between(1, 4);
        std::vector<double> parts;
        double parts_sum = 0;
        for (size_t s = 0; s < wanted; ++s) parts_sum += parts.emplace_back(random_.uniform(0.3, 1));
        double model_s = 0;
        for (const auto& layer : plan_.profile.layers) model_s += to_seconds(layer.time);
        double speeds = 0;
        for (const auto& node : plan_.nodes) speeds += node.speed;
        const double frames_per_s = std::min(random_.uniform(14, 30), load_max * speeds / model_s);
        for (size_t s = 0; s < wanted; ++s) {
            const size_t at = random_.below(n);
            SourceModel source;
            source.name = "cam" + std::to_string(s);
            source.rate_per_s = frames_per_s * parts[s] / parts_sum;
            source.arrivals = random_.chance(0.5) ? Arrivals::poisson : Arrivals::paced;
            source.frames = UINT64_MAX;
            source.when_full = std::array{WhenFull::block, WhenFull::drop_oldest,
                                          WhenFull::drop_newest}[s == 0 ? 1 + random_.below(2) : random_.below(3)];
            if (random_.chance(0.3)) source.deadline = time(0.5, 5);
            source.reservoir_frames = static_cast<uint32_t>(between(1, 12));
            source.weight = random_.chance(0.5) ? 0 : random_.uniform(0.5, 5);
            source.priority = static_cast<uint8_t>(random_.below(2));
            plan_.nodes[at].sources.push_back(std::move(source));
            sources_.push_back(at);
        }
        // Some only pass frames on.
        for (auto& node : plan_.nodes)
            if (node.sources.empty() && random_.chance(0.15)) node.has_model = false;
    }

    void draw_links() {
        plan_.link.bytes_per_s = random_.uniform(2e6, 12.5e6);
        plan_.link.delay = from_ms(random_.uniform(0.2, 6));
        const size_t n = plan_.nodes.size();
        for (size_t i = between(0, n); i > 0; --i) {
            const size_t from = random_.below(n);
            const size_t to = (from + between(1, n - 1)) % n;
            plan_.links.push_back({from, to, random_.uniform(1e6, 20e6), from_ms(random_.uniform(0.2, 20))});
        }
        plan_.story.network.delay_mean = plan_.link.delay;
    }

    // -- the story ----------------------------------------------------------------------------------------------------
    void add(Usec at, decltype(ScenarioStep::what) what) {
        ScenarioStep step;
        step.at = at;
        step.what = std::move(what);
        plan_.story.steps.push_back(std::move(step));
    }

    void tell_story() {
        // Before the ring has formed, while it does, or once it has.
        plan_.cameras_from = random_.chance(0.3) ? Usec{0} : time(0, cameras_late_s);
        now_ = story_from + time(0, 2);
        join_late();
        const size_t faults = between(faults_planned_min, faults_planned_max);
        const size_t source_crash = random_.below(faults / 2);
        const double gap_s = random_.uniform(0.2, 1.4);
        for (size_t i = 0; i < faults; ++i) {
            for (size_t node = 0; node < up_.size(); ++node) up_[node] = up_[node] || back_[node] <= now_;
            i == source_crash ? crash_a_source() : any_fault();
            now_ += std::chrono::milliseconds(static_cast<int64_t>(std::min(random_.exponential(gap_s), 5.0) * 1e3));
        }
        plan_.mend_at = now_ + time(0.5, 2);
        plan_.load_until = plan_.mend_at + calm_load;
        auto& steps = plan_.story.steps;
        std::erase_if(steps, [&](const auto& step) { return step.at >= plan_.mend_at; });
        std::stable_sort(steps.begin(), steps.end(), [](const auto& a, const auto& b) { return a.at < b.at; });
    }

    void go_down(NodeVerb verb, size_t node, Usec down) {
        add(now_, NodeStep{verb, {node}, Usec{0}});
        up_[node] = false;
        back_[node] = now_ + down;
        add(back_[node], NodeStep{NodeVerb::start, {node}, Usec{0}});
    }

    void join_late() {
        if (!random_.chance(0.4)) return;
        for (size_t node = plan_.story.seeds.size(); node < up_.size(); ++node) {
            if (!random_.chance(0.25)) continue;
            plan_.late.push_back(node);
            up_[node] = false;
            back_[node] = now_ + time(0, 8);
            add(back_[node], NodeStep{NodeVerb::start, {node}, Usec{0}});
        }
    }

    void crash_a_source() {
        size_t node = sources_[random_.below(sources_.size())];
        for (const size_t other : sources_)
            if (!up_[node] && up_[other]) node = other;
        if (!up_[node]) now_ = back_[node] + time(0.1, 1);  // all of them are down just now
        for (size_t i = 0; i < up_.size(); ++i) up_[i] = up_[i] || back_[i] <= now_;
        go_down(NodeVerb::crash, node, time(0.2, 4));
    }

    /// At the same time; often such that come one after the other in the ring.
    void lose_two(const std::vector<size_t>& up) {
        std::vector<size_t> circle = up;
        const auto id = [&](size_t node) { return plan_.nodes[node].id; };
        std::sort(circle.begin(), circle.end(), [&](size_t a, size_t b) { return id(a) < id(b); });
        const size_t first = random_.below(circle.size());
        const size_t apart = random_.chance(0.7) ? 1 : between(1, circle.size() - 1);
        for (const size_t node : {circle[first], circle[(first + apart) % circle.size()]})
            go_down(random_.chance(0.6) ? NodeVerb::crash : NodeVerb::vanish, node, time(0.5, 8));
    }

    void any_fault() {
        std::vector<size_t> up;
        for (size_t i = 0; i < up_.size(); ++i)
            if (up_[i]) up.push_back(i);
        const size_t node = up[random_.below(up.size())];
        const bool enough = up.size() > 2;
        const double kind = random_.uniform();
        if (kind < 0.05 && up.size() > 3) return lose_two(up);
        if (kind < 0.22 && enough) return go_down(NodeVerb::crash, node, time(0.2, 8));
        if (kind < 0.32) return add(now_, NodeStep{NodeVerb::restart, {node}, Usec{0}});
        if (kind < 0.43 && enough) return go_down(NodeVerb::vanish, node, time(0.5, 8));
        if (kind < 0.57 && enough) return go_down(NodeVerb::leave, node, time(3, 9));
        if (kind < 0.70) return add(now_, NodeStep{NodeVerb::pause, {node}, time(0.05, random_.chance(0.5) ? 0.6 : 5)});
        if (kind < 0.78) return add(now_, NodeStep{NodeVerb::slow, {node}, time(0.5, 5)});
        if (kind < 0.87) return split();
        if (kind < 0.94) {
            add(now_, CutStep{node, (node + between(1, up_.size() - 1)) % up_.size()});
            return add(now_ + time(0.1, 6), HealStep{});
        }
        weather();
    }

    void split() {
        std::vector<size_t> apart;
        while (apart.empty() || apart.size() == up_.size()) {
            apart.clear();
            for (size_t i = 0; i < up_.size(); ++i)
                if (random_.chance(0.4)) apart.push_back(i);
        }
        add(now_, SplitStep{{apart}});
        add(now_ + time(0.1, 6), HealStep{});
    }

    void weather() {
        NetworkFaults network = plan_.story.network;
        network.loss = static_cast<double>(between(50, 800)) / 1e4;
        network.delay_mean = time(0.001, 0.05);
        network.delay_spread = time(0, 0.05);
        add(now_, WeatherStep{network});
        add(now_ + time(0.5, 5), WeatherStep{plan_.story.network});
    }

    Random random_;
    ChaosPlan plan_;
    std::vector<size_t> sources_;  ///< nodes with cameras, once for each
    std::vector<bool> up_;         ///< as far as is planned
    std::vector<Usec> back_;
    Usec now_{0};
};

const char* text_of(WhenFull when_full) {
    switch (when_full) {
        case WhenFull::block: return "block";
        case WhenFull::drop_oldest: return "drop-oldest";
        case WhenFull::drop_newest: return "drop-newest";
    }
    return "";
}

}  // namespace

ChaosPlan chaos_plan(uint64_t seed) { return Maker(seed).make(); }

std::string to_text(const ChaosPlan& plan) {
    double model_ms = 0;
    for (const auto& layer : plan.profile.layers) model_ms += to_ms(layer.time);
    std::string text = text_of("%zu nodes, policy %s, %zu layers of %.0f ms in all, links of %.1f MB/s and %.1f ms\n",
                               plan.nodes.size(), name_of(plan.nodes.front().policy), plan.profile.layers.size(),
                               model_ms, plan.link.bytes_per_s / 1e6, to_ms(plan.link.delay));
    for (const auto& node : plan.nodes) {
        text += text_of("  %s %s speed %.2f, %u lanes, queues of %u, custody of %.1f MB%s\n", node.name.c_str(),
                        short_name(node.id).c_str(), node.speed, node.lanes, node.queue_frames,
                        static_cast<double>(node.custody_bytes) / 1e6, node.has_model ? "" : ", only relays");
        for (const auto& source : node.sources) {
            text += text_of("    %s %.1f frames/s, %s, %s, reservoir of %u", source.name.c_str(), source.rate_per_s,
                            source.arrivals == Arrivals::poisson ? "poisson" : "paced", text_of(source.when_full),
                            source.reservoir_frames);
            if (source.deadline != Usec::max()) text += text_of(", deadline %.0f ms", to_ms(source.deadline));
            text += "\n";
        }
    }
    for (const auto& link : plan.links)
        text += text_of("  from %s to %s %.1f MB/s and %.1f ms\n", plan.nodes[link.from].name.c_str(),
                        plan.nodes[link.to].name.c_str(), link.bytes_per_s / 1e6, to_ms(link.delay));
    for (const size_t node : plan.late) text += "  " + plan.nodes[node].name + " joins later\n";
    text += text_of("cameras begin at %.3f s\n", to_seconds(plan.cameras_from));
    for (const auto& step : plan.story.steps) text += to_text(step, plan.story) + "\n";
    text += text_of("at %.3f s all is mended\n", to_seconds(plan.mend_at));
    text += text_of("at %.3f s cameras end, once there were %llu frames\n", to_seconds(plan.load_until),
                    static_cast<unsigned long long>(plan.frames_min));
    return text;
}

}  // namespace eddy::sim
