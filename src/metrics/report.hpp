// The report `eddy.report/1`: what a run did, a row a source and a row a node. Plain values, any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "eddy/journal.hpp"
#include "eddy/result.hpp"

namespace eddy::metrics {

inline constexpr std::string_view report_schema = "eddy.report/1";
/// Bounds of what from_json accepts.
inline constexpr size_t report_bytes_max = size_t{16} << 20;
inline constexpr size_t report_rows_max = 4096;

/// Of completed frames; milliseconds from (scheduled) capture to the result at the source. Percentiles are within 1 %.
struct CompletionMs {
    double mean = 0, p50 = 0, p90 = 0, p99 = 0, max = 0;
    friend bool operator==(const CompletionMs&, const CompletionMs&) = default;
};

/// Means over completed frames; they add up to completion_ms.mean.
struct PartsMs {
    double waiting = 0, computing = 0, transferring = 0;
    friend bool operator==(const PartsMs&, const PartsMs&) = default;
};

struct SourceStats {
    std::string name;
    std::string node;  ///< name of the node the camera hangs on
    uint64_t captured = 0;
    uint64_t admitted = 0;  ///< left the reservoir for a queue
    uint64_t completed = 0;
    std::map<std::string, uint64_t> failed;     ///< by reason
    std::map<std::string, uint64_t> dropped;    ///< by reason
    uint64_t in_flight = 0;                     ///< counted by itself, not as a difference: so the sum can disagree
    double throughput_per_s = 0;                ///< completed, per second since the first capture
    std::optional<CompletionMs> completion_ms;  ///< absent (null) while nothing has completed
    std::optional<PartsMs> parts_ms;
    uint64_t path_local = 0;        ///< completed without leaving the source
    uint64_t path_distributed = 0;  ///< completed with another node's help
    uint64_t attempts = 0;          ///< of all frames with an outcome, first ones included
    /// Frames that lives before this one settled; null without a journal. Frames they left unfinished are counted in
    /// this life, as captured and failed ("source_restarted"), so each frame counts in one life.
    std::optional<journal::Totals> earlier_lives;

    [[nodiscard]] uint64_t failed_total() const;
    [[nodiscard]] uint64_t dropped_total() const;
    /// captured = completed + failed + dropped + in_flight, and so in earlier lives, where nothing is in flight.
    [[nodiscard]] bool balanced() const;
    friend bool operator==(const SourceStats&, const SourceStats&) = default;
};

struct NodeStats {
    std::string name;
    std::string id;                    ///< 40 hexadecimal digits
    double gamma_s_per_parameter = 0;  ///< 0: not measured (no model)
    double busy_fraction = 0;          ///< time its lanes were taken, duty-cycle pauses included, of lanes × duration
    double busy_s = 0;                 ///< lane-seconds computed since the start, by runs that ended; pauses left out
    uint64_t rss_bytes = 0;
    uint64_t tx_bytes = 0;
    uint64_t rx_bytes = 0;
    uint64_t runs = 0;  ///< runs of layers computed
    std::map<std::string, uint64_t>
        queue_lengths;  ///< frames now waiting, by queue ("front/reservoir", "front/local", …)
    friend bool operator==(const NodeStats&, const NodeStats&) = default;
};

struct Report {
    double duration_s = 0;
    std::vector<SourceStats> sources;
    std::vector<NodeStats> nodes;

    [[nodiscard]] bool balanced() const;  ///< every source is
    friend bool operator==(const Report&, const Report&) = default;
};

/// Pretty-printed JSON, a newline at its end. `failed` is the total, `failed_reasons` its parts.
std::string to_json(const Report& report);
/// The same in one line, for the control socket.
std::string to_json_line(const Report& report);
/// Error `invalid` for anything that is not a report of this version, with the place in it. `busy_s` and
/// `earlier_lives`, which came into eddy.report/1 later, may be missing.
Result<Report> from_json(std::string_view text);

/// The rows of all, in order, and the longest duration. A source keeps to its node by its `node`.
Report merge(const std::vector<Report>& reports);

/// One table a source, one a node, and one line that says whether every sum holds.
std::string print_tables(const Report& report);

}  // namespace eddy::metrics
