#include "planner/edgeflow/progressive_lp.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "planner/edgeflow/layer_state.hpp"
#include "planner/edgeflow/splits.hpp"
#include "planner/lp.hpp"

namespace eddy::planner::edgeflow {

namespace {

constexpr size_t iterations_max = 8;
constexpr size_t all_groups_of_devices_max = 4;

/// One layer's linear program around an iterate, for some participants in the order of their rows.
class LayerProgram {
public:
    LayerProgram(LayerState& state, const Block& iterate, const std::vector<size_t>& participants)
        : state_(state),
          problem_(state.blocks().problem()),
          iterate_(iterate),
          participants_(participants),
          program_(lp::Sense::minimise) {}

    /// The bounds that it finds, in whole rows.
    Result<Block> solve() {
        add_columns();
        for (size_t place = 0; place < participants_.size(); ++place) add_device(place);
        const auto solved = program_.solve();
        if (!solved) return solved.error();
        if (*solved != lp::Outcome::optimal) return internal("the program of a layer has no solution");
        Block found = iterate_;
        const auto rows = static_cast<double>(iterate_.bounds.back());
        std::fill(found.bounds.begin(), found.bounds.end(), 0);
        for (size_t place = 0; place < participants_.size(); ++place) {
            const double bound = place + 1 == participants_.size() ? rows : program_.value(bound_[place]);
            const auto whole = static_cast<int64_t>(std::round(std::clamp(bound, 0.0, rows)));
            for (size_t after = participants_[place] + 1; after < found.bounds.size(); ++after)
                found.bounds[after] = std::max(found.bounds[after], whole);
        }
        return found;
    }

private:
    void add_columns() {
        const auto rows = static_cast<double>(iterate_.bounds.back());
        latest_ = program_.add_column(0, lp::infinity, 1);
        for (size_t place = 0; place + 1 < participants_.size(); ++place)
            bound_.push_back(program_.add_column(0, rows, 0));
        for (size_t place = 0; place < participants_.size(); ++place) {
            ready_.push_back(program_.add_column(state_.free_us(participants_[place]), lp::infinity, 0));
            finish_.push_back(program_.add_column(0, lp::infinity, 0));
        }
        for (size_t i = 0; i + 1 < bound_.size(); ++i) at_least({{{bound_[i + 1], 1}, {bound_[i], -1}}, 0}, 0);
    }

    /// A sum of columns and a number.
    struct Expression {
        std::vector<lp::Entry> entries;
        double constant = 0;
    };

    /// Adds factor · x, x being the bound above (side 0) or below (side 1) a participant's rows.
    void add_bound(Expression& sum, size_t place, size_t side, double factor) const {
        if (place + side == 0) return;  // x = 0
        if (place + side == participants_.size())
            sum.constant += factor * static_cast<double>(iterate_.bounds.back());
        else
            sum.entries.push_back({bound_[place + side - 1], factor});
    }

    void at_least(const Expression& sum, double least) {
        program_.add_row(least - sum.constant, lp::infinity, sum.entries);
    }

    void add_device(size_t place) {
        const size_t device = participants_[place];
        at_least({{{latest_, 1}, {finish_[place], -1}}, 0}, 0);
        const auto [slope_us, fixed_us] = cost_line(device);
        // T − R − a (x_i − x_{i−1}) ≥ b
        Expression finish{{{finish_[place], 1}, {ready_[place], -1}}, 0};
        add_bound(finish, place, 1, -slope_us);
        add_bound(finish, place, 0, slope_us);
        at_least(finish, fixed_us);
        if (iterate_.part(device).empty()) return;
        for (const graph::ValueRows& input : state_.blocks().share(iterate_, device).inputs)
            for (size_t owner = 0; owner < problem_.devices(); ++owner)
                if (owner != device) add_transfer(place, input, owner);
    }

    /// a_i and b_i, through the times of a quarter and of all rows.
    [[nodiscard]] std::pair<double, double> cost_line(size_t device) const {
        Blocks& blocks = state_.blocks();
        const Device& on = problem_.device(device);
        const int64_t rows = iterate_.bounds.back();
        const int64_t few = std::max<int64_t>(1, rows / 4);
        const auto cost_us = [&](int64_t count) {
            const Share& share = blocks.share(iterate_.first, iterate_.last, {0, count}, false);
            return problem_.unit_us(on, share.cost_us[on.profile]);
        };
        if (few == rows) return {0, cost_us(rows)};
        const double slope_us = std::max(0.0, (cost_us(rows) - cost_us(few)) / static_cast<double>(rows - few));
        return {slope_us, std::max(0.0, cost_us(rows) - slope_us * static_cast<double>(rows))};
    }

    /// R_i − rate · (end − begin) ≥ T_{m,j}, if the iterate exchanges anything here.
    void add_transfer(size_t place, const graph::ValueRows& input, size_t owner) {
        const ValueState& value = state_.value(input.value);
        const graph::RowRange has{value.bounds[owner], value.bounds[owner + 1]};
        if (has.empty()) return;
        const double rate_us = state_.transfer_us(input.value, 1, owner, participants_[place]);
        Expression ready{{{ready_[place], 1}}, 0};
        if (value.partial) return at_least(ready, value.finished_us[owner] + rate_us);
        if (std::max(has.begin, input.rows.begin) >= std::min(has.end, input.rows.end)) return;
        if (input.rows.end <= has.end)
            add_needed(ready, place, 1, input.rows.end, value.bounds.back(), -rate_us);
        else
            ready.constant -= rate_us * static_cast<double>(has.end);
        if (input.rows.begin >= has.begin)
            add_needed(ready, place, 0, input.rows.begin, value.bounds.back(), rate_us);
        else
            ready.constant += rate_us * static_cast<double>(has.begin);
        at_least(ready, value.finished_us[owner]);
    }

    /// Adds factor · the end of the rows needed. They move with the bound that they follow from, by as many rows as the
    /// value has for each of the reference rows.
    void add_needed(Expression& sum, size_t place, size_t side, int64_t needed, int64_t rows, double factor) const {
        // A single row, such as a gate, is needed by all alike.
        const double slope = rows == 1 ? 0 : static_cast<double>(rows) / static_cast<double>(iterate_.bounds.back());
        const auto bound = static_cast<double>(iterate_.bounds[participants_[place] + side]);
        sum.constant += factor * (static_cast<double>(needed) - slope * bound);
        add_bound(sum, place, side, factor * slope);
    }

    LayerState& state_;
    const Problem& problem_;
    const Block& iterate_;
    const std::vector<size_t>& participants_;
    lp::Problem program_;
    size_t latest_ = 0;
    std::vector<size_t> bound_;   ///< x_i between participants i − 1 and i
    std::vector<size_t> ready_;   ///< R_i
    std::vector<size_t> finish_;  ///< T_i
};

struct Candidate {
    Block block;
    double latest_us = 0;
};

void keep_sooner(std::optional<Candidate>& best, const Candidate& other) {
    if (!best || other.latest_us < best->latest_us) best = other;
}

Block shared_among(LayerState& state, uint32_t step, const std::vector<size_t>& participants) {
    std::vector<double> weights(state.blocks().problem().devices(), 0);
    const std::vector<double> speed = speeds(state.blocks().problem());
    for (const size_t device : participants) weights[device] = speed[device];
    return block_by_weight(state.blocks(), step, step + 1, weights);
}

/// Whole rows need not be best where fractions were: bounds of participants are moved as long as that helps.
void repair(LayerState& state, const std::vector<size_t>& participants, Candidate& best) {
    const auto takes_part = [&](const Block& block) {
        for (size_t device = 0; device + 1 < block.bounds.size(); ++device)
            if (!block.part(device).empty() &&
                std::find(participants.begin(), participants.end(), device) == participants.end())
                return false;
        return true;
    };
    for (bool better = true; better;) {
        better = false;
        for (size_t bound = 1; bound + 1 < best.block.bounds.size(); ++bound)
            for (const int64_t by : {1, -1}) {
                Block tried = best.block;
                tried.bounds[bound] += by;
                if (!std::is_sorted(tried.bounds.begin(), tried.bounds.end()) || !takes_part(tried)) continue;
                const double latest_us = state.latest_us(tried);
                if (latest_us >= best.latest_us) continue;
                best = {std::move(tried), latest_us};
                better = true;
            }
    }
}

/// Iterates until the split repeats itself; the best of all iterates.
Result<Candidate> solve_layer(LayerState& state, uint32_t step, const std::vector<size_t>& participants) {
    Block iterate = shared_among(state, step, participants);
    std::optional<Candidate> best = Candidate{iterate, state.latest_us(iterate)};
    if (participants.size() == 1 || iterate.bounds.back() == 1) return *best;
    for (size_t i = 0; i < iterations_max; ++i) {
        auto found = LayerProgram(state, iterate, participants).solve();
        if (!found) return found.error();
        if (*found == iterate) break;
        iterate = *std::move(found);
        keep_sooner(best, {iterate, state.latest_us(iterate)});
    }
    repair(state, participants, *best);
    return *best;
}

/// Every group of few devices; of more, all of them and then without the one that has fewest rows, and so on.
Result<Candidate> choose_participants(LayerState& state, uint32_t step, const std::vector<size_t>& able) {
    std::optional<Candidate> best;
    if (able.size() <= all_groups_of_devices_max) {
        for (uint32_t mask = 1; mask < 1U << able.size(); ++mask) {
            std::vector<size_t> group;
            for (size_t i = 0; i < able.size(); ++i)
                if ((mask >> i & 1U) != 0) group.push_back(able[i]);
            auto found = solve_layer(state, step, group);
            if (!found) return found.error();
            keep_sooner(best, *found);
        }
        return *best;
    }
    for (const size_t device : able) keep_sooner(best, *solve_layer(state, step, {device}));
    for (std::vector<size_t> group = able; group.size() > 1;) {
        auto found = solve_layer(state, step, group);
        if (!found) return found.error();
        keep_sooner(best, *found);
        group.erase(std::min_element(group.begin(), group.end(), [&](size_t a, size_t b) {
            return found->block.part(a).size() < found->block.part(b).size();
        }));
    }
    return *best;
}

}  // namespace

Result<Planned> plan_progressive_lp(const Problem& problem) {
    Evaluator evaluator(problem);
    LayerState state(evaluator.blocks());
    std::vector<size_t> able;
    for (size_t device = 0; device < problem.devices(); ++device)
        if (problem.device(device).has_model) able.push_back(device);
    Planned planned;
    for (uint32_t step = 0; step < problem.step_count(); ++step) {
        auto chosen = choose_participants(state, step, able);
        if (!chosen) return chosen.error();
        state.accept(chosen->block);
        planned.plan.blocks.push_back(std::move(chosen->block));
    }
    planned.latency_us = evaluator.latency_us(planned.plan);
    planned.evaluations = evaluator.evaluations();
    if (!std::isfinite(planned.latency_us)) return exhausted("the plan does not fit the devices' memory");
    return planned;
}

}  // namespace eddy::planner::edgeflow
