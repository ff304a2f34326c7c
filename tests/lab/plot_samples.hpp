// Runs to plot, and texts that names may be.
#pragma once

#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <rapidcheck.h>

#include "lab/plots.hpp"

namespace eddy::lab {

inline PlotRun a_run(const std::string& experiment, const std::string& policy, size_t devices) {
    PlotRun run;
    run.experiment = experiment;
    run.policy = policy;
    run.compute = "replayed";
    run.links = "ring";
    run.throughput_per_s = 10;
    run.bound_per_s = 20;
    run.fraction_of_bound = 0.5;
    run.sources = {{"small", 30, 28, {}}, {"large", 70, 70, {}}};
    for (size_t i = 1; i <= devices; ++i) run.nodes.push_back(fmt::format("w{}", i));
    return run;
}

inline PlotRun traced(PlotRun run) {
    run.makespan_s = 2.5;
    run.seconds = {{1, {10, 20}, {}}, {2, {18, 45}, {}}};
    for (PlotSecond& second : run.seconds) second.queue_lengths.assign(run.nodes.size(), second.at_s * 4);
    for (PlotSource& source : run.sources)
        for (size_t i = 0; i < quantile_count; ++i) source.completion_ms.push_back(5 + static_cast<double>(i));
    return run;
}

inline std::vector<std::string> names_of(const std::vector<Plot>& plots) {
    std::vector<std::string> names;
    for (const Plot& plot : plots) names.push_back(plot.name);
    return names;
}

inline const Plot& named(const std::vector<Plot>& plots, const std::string& name) {
    for (const Plot& plot : plots)
        if (plot.name == name) return plot;
    FAIL("no plot " << name);
    return plots.front();
}

inline rc::Gen<std::string> hostile_text() {
    return rc::gen::join(rc::gen::element(
        rc::gen::string<std::string>(),
        rc::gen::container<std::string>(rc::gen::elementOf(std::string("'\"`\\\n{}@#$_^&~%[]<>x07\x80\xc3\xa9\xf0")))));
}

}  // namespace eddy::lab
