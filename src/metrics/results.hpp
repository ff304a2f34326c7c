// Results as JSON lines: one line a frame with an outcome, for `eddy-node --results FILE` and whoever reads it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "eddy/effects.hpp"
#include "eddy/log.hpp"
#include "eddy/result.hpp"

namespace eddy::metrics {

struct NamedClass {
    uint32_t label = 0;
    std::string name;  ///< the model's word for it; empty if it has none
    double score = 0;
    friend bool operator==(const NamedClass&, const NamedClass&) = default;
};
struct NamedDetection {
    uint32_t label = 0;
    std::string name;
    double score = 0;
    double x0 = 0, y0 = 0, x1 = 0, y1 = 0;  ///< fractions of the frame; in JSON: "box": [x0, y0, x1, y1]
    friend bool operator==(const NamedDetection&, const NamedDetection&) = default;
};

struct ResultLine {
    std::string source;
    uint64_t k = 0;
    uint64_t incarnation = 0;
    /// Which frame of its camera it was in this life, from 0. Absent: of an earlier life; or a line from before k went
    /// on over lives, whose k it is.
    std::optional<uint64_t> position;
    FrameState state = FrameState::completed;
    std::string reason;                   ///< failed, dropped
    std::optional<double> completion_ms;  ///< completed
    /// When the source's node knew of the outcome: Unix time of that machine, in JSON with digits for microseconds. So
    /// lines of several nodes can be put on one scale of time. Absent: a line from before they had it.
    std::optional<double> settled_unix_s;
    uint32_t hops = 0;
    bool local = false;
    std::vector<NamedDetection> detections;
    std::vector<NamedClass> classes;
    friend bool operator==(const ResultLine&, const ResultLine&) = default;
};

/// `labels` are the model's; an index beyond them gets no name. `settled_at`: now, since the Unix epoch.
ResultLine make_result_line(const std::string& source, const FrameId& frame, const Outcome& outcome,
                            const std::vector<std::string>& labels, Usec settled_at);

/// One line, without its newline.
std::string to_json(const ResultLine& line);
Result<ResultLine> parse_result_line(std::string_view text);
/// All lines of a file; error `invalid` names the line that is none, `unavailable` a file that cannot be read.
Result<std::vector<ResultLine>> read_results(const std::string& path);

/// Writes lines to a file, in pieces of about 32 KiB. A write that fails loses whole lines, is logged once and counted;
/// later ones are tried again. Not thread-safe; the destructor flushes. SIGPIPE must be ignored by the program.
class ResultWriter {
public:
    /// Creates or empties the file. Error `unavailable` with the path and the system's reason.
    static Result<ResultWriter> open(const std::string& path, LogFn log);
    ResultWriter(ResultWriter&& other) noexcept;
    ResultWriter& operator=(ResultWriter&& other) noexcept;
    ResultWriter(const ResultWriter&) = delete;
    ResultWriter& operator=(const ResultWriter&) = delete;
    ~ResultWriter();

    void write(const ResultLine& line);
    /// Hands everything to the system; call once a second or so, and at the end.
    void flush();
    [[nodiscard]] uint64_t lines_lost() const { return lines_lost_; }

private:
    ResultWriter(int fd, std::string path, LogFn log);
    void finish();

    int fd_ = -1;
    std::string path_;
    LogFn log_;
    std::string buffer_;
    bool mid_line_ = false;  ///< a pipe got half a line, from a write that failed part-way
    bool complained_ = false;
    uint64_t lines_lost_ = 0;
};

}  // namespace eddy::metrics
