// The composition root: one node, put together out of its adapters and NodeCore, and run until it is stopped.
//
// Threads: the loop's (all protocol state, the core, reports), one per compute lane, one per camera. They meet in the
// queues of compute_lane.hpp and capture_bridge.hpp and nowhere else.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "eddy/config.hpp"
#include "eddy/log.hpp"
#include "eddy/result.hpp"
#include "src/metrics/report.hpp"

namespace eddy::app {

struct RunOptions {
    std::string report_path;        ///< empty: none
    std::string results_path;       ///< empty: none
    std::optional<double> seconds;  ///< stop by itself after so long, counted from when it serves
};

/// Blocks: loads the model (or the profile to replay), joins, serves, until SIGINT, SIGTERM, the control socket's
/// `stop` or `seconds`; then drains and writes the report. A second signal ends it at once. Errors are those of the
/// start: model, port, cameras, files.
[[nodiscard]] Result<metrics::Report> run_node(const NodeConfig& config, const RunOptions& options, const LogFn& log);

}  // namespace eddy::app
