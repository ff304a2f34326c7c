#include "planner/edgeflow/from_experiment.hpp"

#include <utility>

namespace eddy::planner::edgeflow {

Result<Problem> problem_from(const Experiment& experiment, graph::ModelGraph graph, RowProfile profile, size_t source) {
    constexpr double bytes_per_us_of_mbit = 1.0 / 8;
    Problem::Parts parts{std::move(graph), {std::move(profile)}, {}, {}, {}, source};
    for (const ExperimentDevice& device : experiment.devices)
        parts.devices.push_back({device.name, 0, device.speed, device.memory_mb << 20, device.has_model});
    for (size_t from = 0; from < experiment.devices.size(); ++from)
        for (size_t to = 0; to < experiment.devices.size(); ++to) {
            const ExperimentLink& link = experiment.link_between(from, to);
            parts.links.push_back({link.mbit_per_s * bytes_per_us_of_mbit, link.delay_ms * 1000});
        }
    return Problem::make(std::move(parts));
}

}  // namespace eddy::planner::edgeflow
