#include "sim/scenario.hpp"

#include <cmath>

namespace eddy::sim {

namespace {

/// `parts` of `one`, a power of ten, as a decimal number: exact, so that it is read as the same value.
std::string decimal(uint64_t parts, uint64_t one) {
    std::string fraction = std::to_string(one + parts % one).substr(1);
    while (!fraction.empty() && fraction.back() == '0') fraction.pop_back();
    return std::to_string(parts / one) + (fraction.empty() ? "" : "." + fraction);
}

std::string time(Usec t) { return decimal(static_cast<uint64_t>(t.count()), 1'000'000) + " s"; }

/// Probabilities are told to the hundredth of a percent.
std::string percent(double probability) {
    return decimal(static_cast<uint64_t>(std::llround(probability * 1e4)), 100) + " %";
}

std::string names(const std::vector<size_t>& nodes, const Scenario& scenario) {
    std::string text;
    for (const size_t node : nodes) text += (text.empty() ? "" : " ") + scenario.nodes[node].name;
    return text;
}

std::string subject(const std::vector<size_t>& nodes, const Scenario& scenario) {
    return (nodes.size() == 1 ? "node " : "nodes ") + names(nodes, scenario);
}

std::string weather(const NetworkFaults& network) {
    const NetworkFaults calm;
    std::string text;
    const auto add = [&](bool differs, const std::string& words) {
        if (differs) text += (text.empty() ? "" : ", ") + words;
    };
    add(network.delay_mean != calm.delay_mean, "delays " + time(network.delay_mean));
    add(network.delay_spread != calm.delay_spread, "spreads " + time(network.delay_spread));
    add(network.datagrams, "carries datagrams");
    add(network.loss != 0, "loses " + percent(network.loss));
    add(network.duplicate != 0, "doubles " + percent(network.duplicate));
    add(network.reorder != 0, "reorders " + percent(network.reorder));
    add(network.reorder_by != calm.reorder_by, "holds " + time(network.reorder_by));
    return text.empty() ? "is calm" : text;
}

struct Teller {
    const Scenario& scenario;

    std::string operator()(const NodeStep& step) const {
        static constexpr const char* one[] = {"starts", "leaves", "crashes", "vanishes", "restarts", "pauses", "slows"};
        static constexpr const char* many[] = {"start", "leave", "crash", "vanish", "restart", "pause", "slow"};
        const auto verb = static_cast<size_t>(step.verb);
        return subject(step.nodes, scenario) + " " + (step.nodes.size() == 1 ? one[verb] : many[verb]) +
               (lasts(step.verb) ? " for " + time(step.lasts) : "");
    }
    std::string operator()(const SplitStep& step) const {
        std::string text = "the network splits into ";
        for (size_t i = 0; i < step.groups.size(); ++i) text += (i == 0 ? "" : " | ") + names(step.groups[i], scenario);
        return text;
    }
    std::string operator()(const CutStep& step) const {
        return "node " + scenario.nodes[step.from].name + " does not reach " + scenario.nodes[step.to].name;
    }
    std::string operator()(const HealStep&) const { return "the network heals"; }
    std::string operator()(const WeatherStep& step) const { return "the network " + weather(step.network); }
    std::string operator()(const RingStep& step) const {
        std::string text = step.seen_by.empty() ? "everyone sees" : subject(step.seen_by, scenario);
        if (!step.seen_by.empty()) text += step.seen_by.size() == 1 ? " sees" : " see";
        return text + " one ring" + (step.of.empty() ? "" : " of " + names(step.of, scenario));
    }
    std::string operator()(const OwnersStep&) const { return "everyone finds every owner"; }
    std::string operator()(const LetGoStep&) const { return "everyone has let go of who is gone"; }
};

}  // namespace

std::string to_text(const ScenarioStep& step, const Scenario& scenario) {
    const std::string what = std::visit(Teller{scenario}, step.what);
    if (step.within != Usec{0}) return "within " + time(step.within) + " " + what;
    return "at " + time(step.at) + " " + what;
}

std::string to_text(const Scenario& scenario) {
    std::string text = "story " + scenario.story + "\nseed " + std::to_string(scenario.seed) + "\n";
    text += "lists hold " + std::to_string(scenario.list_max) + "\n";
    text += "views hold " + std::to_string(scenario.view_max) + "\n";
    if (!scenario.connect_view) text += "nodes connect to neighbours only\n";
    if (scenario.within_assumptions) text += "failures stay within the assumptions\n";
    for (const auto& node : scenario.nodes) text += "node " + node.name + " has id " + to_string(node.id) + "\n";
    text += "seeds " + names(scenario.seeds, scenario) + "\n";
    if (const auto words = weather(scenario.network); words != "is calm") text += "the network " + words + "\n";
    text += "\n";
    Usec reached{0};
    for (const auto& step : scenario.steps) {
        // `within` counts from the line before it; where nothing happens then, the line says when.
        if (step.within != Usec{0} && step.at != reached)
            text += "at " + time(step.at) + " within" + to_text(step, scenario).substr(6) + "\n";
        else
            text += to_text(step, scenario) + "\n";
        reached = step.at + step.within;
    }
    return text;
}

}  // namespace eddy::sim
