#include "src/cli/experiment_options.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "sim/experiment_run.hpp"

namespace eddy::cli {

namespace {
constexpr double span_s_max = 86400;
}

void ExperimentOptions::add_to(CLI::App& command) {
    command.add_option("EXPERIMENT", file, "TOML file, as in configs/experiments")->required();
    command
        .add_option("--policy", policies,
                    "Which to run, one after the other: local, ddi, ar-mdi, ms-mdi, layered (default: all)")
        ->delimiter(',');
    command.add_option("--load", load,
                       "Scale all sources' rates to this part of what the cluster can carry, for example 0.9");
    command.add_option("--frames-part", frames_part,
                       "Sources with `frames` give only this part of them, for example 0.1");
    command.add_option("--links", links, "Which pairs carry frames, instead of what the file says")
        ->check(CLI::IsMember({"ring", "direct"}));
    command.add_option("--shares", shares, "By what ar-mdi and ms-mdi share out a model (default parameters)")
        ->check(CLI::IsMember({"parameters", "measured"}));
    command.add_option("--warm-up-s", warm_up_s, "Instead of the file's");
    command.add_option("--window-s", window_s, "Instead of the file's");
}

Result<std::vector<PolicyKind>> ExperimentOptions::chosen_policies() const {
    const std::vector<PolicyKind> runnable = sim::runnable_policies();
    if (policies.empty()) return runnable;
    std::vector<PolicyKind> chosen;
    for (const std::string& name : policies) {
        const auto kind =
            std::find_if(runnable.begin(), runnable.end(), [&](PolicyKind known) { return name == name_of(known); });
        if (kind == runnable.end()) {
            std::vector<std::string> allowed;
            for (const PolicyKind known : runnable) allowed.emplace_back(name_of(known));
            return invalid(fmt::format("--policy: found \"{}\", allowed: {}", name, fmt::join(allowed, ", ")));
        }
        if (std::find(chosen.begin(), chosen.end(), *kind) == chosen.end()) chosen.push_back(*kind);
    }
    return chosen;
}

SharesKind ExperimentOptions::chosen_shares() const {
    if (shares.empty()) return SharesKind::parameters;
    return shares == "measured" ? SharesKind::measured : SharesKind::parameters;
}

Status ExperimentOptions::change(Experiment& experiment, const ModelProfile& profile) const {
    if (links == "ring") experiment.links = ExperimentLinks::ring;
    if (links == "direct") experiment.links = ExperimentLinks::direct;
    // Written so that what is no number is refused as well.
    if (warm_up_s && !(*warm_up_s >= 0 && *warm_up_s <= span_s_max))
        return invalid(fmt::format("--warm-up-s: found {}, allowed: from 0 to {}", *warm_up_s, span_s_max));
    if (window_s && !(*window_s >= 1e-3 && *window_s <= span_s_max))
        return invalid(fmt::format("--window-s: found {}, allowed: from 0.001 to {}", *window_s, span_s_max));
    experiment.warm_up_s = warm_up_s.value_or(experiment.warm_up_s);
    experiment.window_s = window_s.value_or(experiment.window_s);
    if (frames_part) {
        if (!(*frames_part > 0 && *frames_part <= 1))
            return invalid(fmt::format("--frames-part: found {}, allowed: above 0 and at most 1", *frames_part));
        for (ExperimentSource& source : experiment.sources)
            if (source.frames)
                source.frames = std::max<uint64_t>(
                    1, static_cast<uint64_t>(std::llround(static_cast<double>(*source.frames) * *frames_part)));
    }
    if (!load) return success();
    if (!(*load >= 1e-3 && *load <= 100))
        return invalid(fmt::format("--load: found {}, allowed: from 0.001 to 100", *load));
    auto scaled = sim::at_load(experiment, profile, *load);
    if (!scaled) return scaled.error();
    experiment = std::move(*scaled);
    return success();
}

}  // namespace eddy::cli
