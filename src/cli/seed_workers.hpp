// Tries many seeds on several cores, each in a child process: a seed whose run aborts or never ends takes only its
// child with it, and is told like any other. Answers come in the order of the seeds, so that what is printed does not
// depend on which child was faster.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "eddy/result.hpp"
#include "eddy/time.hpp"

namespace eddy::cli {

/// "A..B", or one seed. Nothing: neither, or too many.
[[nodiscard]] std::optional<std::pair<uint64_t, uint64_t>> seed_range(const std::string& text);

struct SeedWork {
    uint64_t first = 1, last = 1;
    uint32_t jobs = 1;              ///< children at a time
    Usec limit{from_seconds(120)};  ///< of one seed; then its child is ended
    /// Runs in a child. One line, without its end.
    std::function<std::string(uint64_t seed)> run;
    /// In the caller, in the order of seeds.
    std::function<void(uint64_t seed, const std::string& line)> answer;
    /// Instead, for a seed whose child died: what it wrote on standard error last, or how it ended.
    std::function<void(uint64_t seed, const std::string& words)> died;
};

/// Blocks until all is done. An error: children could not be made.
[[nodiscard]] Status try_seeds(const SeedWork& work);

}  // namespace eddy::cli
