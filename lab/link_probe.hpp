// Measures what links carry: one TCP stream for each pair, all at the same time.
#pragma once

#include <string>
#include <vector>

#include "eddy/result.hpp"
#include "eddy/time.hpp"
#include "lab/place.hpp"

namespace eddy::lab {

/// The groups of the places are not entered: the processor's time is the laboratory's, not the devices'.
struct ProbePair {
    Place from;
    Place to;
    std::string to_address;  ///< IPv4 of `to`
};

struct ProbeTimes {
    Usec warm_up = std::chrono::milliseconds(300);  ///< not counted
    Usec measured = std::chrono::seconds(1);
};

/// Payload that arrived, Mbit/s, in the order of the pairs. Takes no longer than the times and 5 s.
[[nodiscard]] Result<std::vector<double>> probe_links(const std::vector<ProbePair>& pairs, ProbeTimes times = {});

}  // namespace eddy::lab
