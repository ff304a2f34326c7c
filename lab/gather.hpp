// From what the nodes of a lab run wrote and said to the figures of an experiment's run: the same ones, by the same
// definitions, as the simulator's. Pure. Instants are those of this machine's clock of the day, which all nodes of a
// lab run share.
#pragma once

#include <vector>

#include "eddy/experiment_figures.hpp"
#include "src/metrics/report.hpp"
#include "src/metrics/results.hpp"

namespace eddy::lab {

/// What all nodes said at about one instant, by device.
struct Look {
    double at_unix_s = 0;
    std::vector<metrics::Report> reports;
};

/// What the nodes left, by device.
struct NodeRecords {
    std::vector<metrics::ResultLine> results;
    metrics::Report report;
};

/// The experiment's clock begins when the first frame of all was captured; `looks` are in the order of time. A frame is
/// lost if it was captured and has no result line, whatever the report says of it, and duplicated if it has several.
[[nodiscard]] ExperimentRun gather(const Experiment& experiment, const std::vector<NodeRecords>& records,
                                   const std::vector<Look>& looks);

/// When the first frame was captured; nothing if none was completed.
[[nodiscard]] std::optional<double> begun_unix_s(const std::vector<NodeRecords>& records);

}  // namespace eddy::lab
