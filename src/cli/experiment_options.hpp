// What `eddy sim run` and `eddy lab run` let people change about an experiment, and its policies.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "eddy/experiment.hpp"
#include "eddy/profile.hpp"
#include "eddy/result.hpp"

namespace eddy::cli {

struct ExperimentOptions {
    std::string file;
    std::vector<std::string> policies;
    std::string links;
    std::string shares;
    std::optional<double> load;
    std::optional<double> frames_part;
    std::optional<double> warm_up_s;
    std::optional<double> window_s;

    /// Adds the flags to a command; this must live as long as it.
    void add_to(CLI::App& command);

    /// Errors say which flag is wrong, what was found and what is allowed.
    [[nodiscard]] Result<std::vector<PolicyKind>> chosen_policies() const;
    [[nodiscard]] SharesKind chosen_shares() const;
    /// Links, spans and frames as the flags say; then, with `profile`, the load.
    [[nodiscard]] Status change(Experiment& experiment, const ModelProfile& profile) const;
};

}  // namespace eddy::cli
