// Runs a system tool (ip, tc) to its end.
#pragma once

#include <string>
#include <vector>

#include "eddy/result.hpp"
#include "eddy/time.hpp"

namespace eddy::lab {

/// Where a program is: `name` itself if it has a slash, else looked for in PATH, then in /usr/sbin and /sbin, where ip
/// and tc are for those who are not root. Empty if nowhere.
[[nodiscard]] std::string find_program(const std::string& name);

/// What the program printed on standard output. argv[0] is found by find_program(). An error has the command and what
/// it said on standard error: `unavailable` if there is no such program or it took longer than `within` (then it is
/// killed), `internal` if it failed. Of each of the two outputs the first 1 MiB is kept. A terminal's Ctrl-C does not
/// reach the program, so that one interrupted in the middle can still clean up.
[[nodiscard]] Result<std::string> run_program(const std::vector<std::string>& argv, const std::string& stdin_text = {},
                                              Usec within = std::chrono::seconds(20));

}  // namespace eddy::lab
