// What plots need of runs, and how it is read from the JSON of `eddy lab run --json` or `eddy sim run --json --trace`.
// Plain values; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "eddy/result.hpp"

namespace eddy::lab {

/// Bounds of what read_plot_runs accepts.
inline constexpr size_t plot_json_bytes_max = size_t{64} << 20;
inline constexpr size_t plot_runs_max = 5000;
inline constexpr size_t plot_sources_max = 1024;
inline constexpr size_t plot_nodes_max = 1024;
inline constexpr size_t plot_seconds_max = 200000;

inline constexpr size_t quantile_count = 101;  ///< 0 %, 1 % … 100 %

struct PlotSource {
    std::string name;
    uint64_t captured = 0;              ///< frames, of the whole run
    uint64_t completed = 0;             ///< of these
    std::vector<double> completion_ms;  ///< quantile_count of them, rising; empty if unknown or nothing completed
};

/// One sample of the run.
struct PlotSecond {
    double at_s = 0;                    ///< since the run began
    std::vector<double> completed;      ///< frames since the sample before, in the order of the sources
    std::vector<double> queue_lengths;  ///< frames waiting, in the order of the nodes; empty if unknown
};

/// One policy's run of one experiment.
struct PlotRun {
    std::string experiment;
    std::string policy;
    std::string compute;  ///< "replayed", "real" or "simulated"
    std::string links;    ///< "ring" or "direct": which bound is meant
    std::optional<uint64_t> seed;
    std::optional<double> makespan_s;  ///< absent if sources do not end
    double throughput_per_s = 0;       ///< frames, all sources
    double bound_per_s = 0;            ///< what no policy can exceed
    double fraction_of_bound = 0;      ///< of the worst source
    std::vector<PlotSource> sources;
    std::vector<std::string> nodes;
    std::vector<PlotSecond> seconds;  ///< empty without a trace
};

/// `json`: a list of runs. Of its keys `seed`, `compute`, `makespan_s`, `per_second`, `completion_ms_quantiles` and
/// `in_queues_by_node` may be missing. Errors are `invalid` and name the place, as in "[2].sources[0].captured".
[[nodiscard]] Result<std::vector<PlotRun>> read_plot_runs(std::string_view json);

}  // namespace eddy::lab
