// What `eddy doctor` found, and how it is shown (`eddy.doctor/1`). Plain values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace eddy::control {

inline constexpr std::string_view doctor_schema = "eddy.doctor/1";

/// One thing that was looked at.
struct Check {
    std::string check;  ///< what kind: "config", "data_dir", "listen", "seed", "member", "clock", …
    std::string where;  ///< file, path or host:port
    bool ok = true;
    std::string problem;  ///< what is wrong; if all is well, what was seen
    std::string advice;   ///< what to do; empty if all is well
    friend bool operator==(const Check&, const Check&) = default;
};
using Checks = std::vector<Check>;

[[nodiscard]] Check well(std::string check, std::string where, std::string seen);
[[nodiscard]] Check wrong(std::string check, std::string where, std::string problem, std::string advice);

[[nodiscard]] bool all_well(const Checks& checks);

/// One JSON object on one line, newline included: {"schema", "ok", "checks": [{"check", "where", "ok", "problem",
/// "advice"}]}. In a check that is ok, `problem` and `advice` are empty and `seen` says what was seen.
[[nodiscard]] std::string to_json(const Checks& checks);

/// For people: a line a check, the advice below it, and a last line that counts.
[[nodiscard]] std::string print(const Checks& checks);

}  // namespace eddy::control
