#include "planner/utility.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>

#include "planner/operation.hpp"

namespace eddy::planner {

namespace {

constexpr size_t first_tangents = 6;  // at the offered rate, a quarter of it, a sixteenth …
constexpr size_t cutting_rounds_max = 200;
constexpr size_t idle_rounds_max = 6;     // without a smaller gap: the linear program's rounding
constexpr size_t tangents_kept_max = 60;  // by source, before the program is built anew
constexpr double log_floor = -700;        // below the logarithm of any double

}  // namespace

UtilityProgram::UtilityProgram(LayeredGraph graph)
    : master_(std::move(graph), lp::Problem(lp::Sense::maximise), {WayMaster::Period{}}) {
    const auto& rates = master_.graph().rate_per_s;
    for (size_t j = 0; j < rates.size(); ++j) {
        const lp::Entry taken{master_.supply_row(0, master_.graph().home_of[j]), -1};
        rate_.push_back(master_.problem().add_column(0, rates[j], 0, {&taken, 1}));
    }
    for (size_t j = 0; j < rates.size(); ++j)
        utility_.push_back(master_.problem().add_column(log_floor, lp::infinity, 0));
    for (size_t j = 0; j < rates.size(); ++j)
        for (size_t i = 0; i < first_tangents; ++i) add_tangent(j, rates[j] * std::pow(0.25, static_cast<double>(i)));
}

/// utility ≤ log(at) + (rate − at) / at
void UtilityProgram::add_tangent(size_t source, double rate) {
    const lp::Entry entries[] = {{utility_[source], 1}, {rate_[source], -1 / rate}};
    master_.problem().add_row(-lp::infinity, std::log(rate) - 1, entries);
    ++tangents_;
}

void UtilityProgram::change(LayeredGraph graph) {
    if (tangents_ > tangents_kept_max * rate_.size()) {
        *this = UtilityProgram(std::move(graph));
        return;
    }
    master_.change(std::move(graph));
    for (size_t j = 0; j < rate_.size(); ++j)
        master_.problem().set_column_bounds(rate_[j], 0, master_.graph().rate_per_s[j]);
}

Result<UtilityOptimum> UtilityProgram::solve(std::span<const double> weights) {
    const double all_weights = std::accumulate(weights.begin(), weights.end(), 0.0);
    const auto& offered = master_.graph().rate_per_s;
    const double all_offered = std::accumulate(offered.begin(), offered.end(), 0.0);
    // Scaled so that the price of a frame is near 1.
    for (size_t j = 0; j < weights.size(); ++j)
        master_.problem().set_objective(utility_[j], weights[j] / all_weights * all_offered);
    double least_gap = lp::infinity;
    size_t idle_rounds = 0;
    for (size_t round = 0; round < cutting_rounds_max; ++round) {
        if (const Status status = master_.optimise(); !status) return status.error();
        UtilityOptimum optimum;
        std::vector<double> rates;
        std::vector<double> gaps;
        for (size_t j = 0; j < weights.size(); ++j) {
            rates.push_back(master_.problem().value(rate_[j]));
            const double utility = std::log(rates[j]);
            gaps.push_back(weights[j] * (master_.problem().value(utility_[j]) - utility));
            optimum.utility += weights[j] * utility;
            optimum.gap += gaps[j];
        }
        idle_rounds = optimum.gap < least_gap * (1 - 1e-3) ? 0 : idle_rounds + 1;
        least_gap = std::min(least_gap, optimum.gap);
        const bool as_near_as_can_be = idle_rounds >= idle_rounds_max && optimum.gap <= utility_gap_max * all_weights;
        if (optimum.gap <= utility_tolerance * all_weights || as_near_as_can_be) {
            optimum.gap = std::max(optimum.gap, 0.0);
            optimum.operation = operation_of(master_, rates);
            return optimum;
        }
        for (size_t j = 0; j < weights.size(); ++j)
            if (gaps[j] > utility_tolerance * weights[j] / 2) add_tangent(j, std::max(rates[j], offered[j] * 1e-9));
    }
    return exhausted("the weighted optimum is not found after " + std::to_string(cutting_rounds_max) + " rounds");
}

}  // namespace eddy::planner
