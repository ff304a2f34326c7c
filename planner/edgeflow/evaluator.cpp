#include "planner/edgeflow/evaluator.hpp"

#include <limits>

namespace eddy::planner::edgeflow {

bool fits_memory(const Problem& problem, const UnitGraph& units) {
    for (size_t device = 0; device < problem.devices(); ++device) {
        const DeviceMemory& needed = units.memory[device];
        const uint64_t bytes = needed.weight_bytes + needed.of_frames(problem.window());
        if (bytes > problem.device(device).memory_bytes) return false;
    }
    return true;
}

double Evaluator::latency_us(const Plan& plan) {
    ++evaluations_;
    blocks_.trim();
    const UnitGraph units = units_of(blocks_, plan);
    pieces_ += units.units.size() + units.messages.size();
    if (!fits_memory(problem(), units)) return std::numeric_limits<double>::infinity();
    return simulate(problem(), units).latency_us;
}

}  // namespace eddy::planner::edgeflow
