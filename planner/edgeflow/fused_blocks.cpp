#include "planner/edgeflow/fused_blocks.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "eddy/random.hpp"
#include "planner/edgeflow/moves.hpp"
#include "planner/edgeflow/seeds.hpp"
#include "planner/edgeflow/splits.hpp"

namespace eddy::planner::edgeflow {

namespace {

constexpr size_t seeds_max = 6;
constexpr size_t seeds_improved = 2;
constexpr uint32_t kick_moves = 4;
/// Gains below this part of the latency are noise of arithmetic.
constexpr double gain_min = 1e-9;

class Search {
public:
    Search(const Problem& problem, const FusedBlocksOptions& options)
        : options_(options),
          evaluator_(problem),
          moves_(evaluator_.blocks(), weight_sets(problem)),
          random_(options.seed) {}

    Result<Planned> run() {
        if (options_.start) {
            if (auto checked = check_plan(evaluator_.blocks(), *options_.start); !checked) return checked.error();
            consider(*options_.start);
        } else {
            seed();
        }
        for (size_t device = 0; device < evaluator_.problem().devices(); ++device)
            if (evaluator_.problem().device(device).has_model) consider(one_device_plan(evaluator_.blocks(), device));
        std::stable_sort(found_.begin(), found_.end(),
                         [](const Planned& a, const Planned& b) { return a.latency_us < b.latency_us; });
        best_ = found_.front();
        if (!options_.start) found_.resize(std::min(found_.size(), seeds_improved));
        // A third of what there is for the best seed, less for the next; kicks take what is left.
        for (size_t i = 0; i < found_.size() && i < seeds_improved; ++i)
            improve(found_[i], spent() + (options_.evaluations_max - spent()) / (i == 0 ? 3 : 6));
        while (spent() < options_.evaluations_max) kick();
        best_.evaluations = evaluator_.evaluations();
        if (!std::isfinite(best_.latency_us))
            return exhausted("no plan fits the devices' memory: not even one with everything on one device");
        return best_;
    }

private:
    [[nodiscard]] uint32_t spent() const { return std::min(evaluator_.evaluations(), options_.evaluations_max); }

    void consider(Plan plan) {
        const double latency_us = evaluator_.latency_us(plan);
        found_.push_back({std::move(plan), latency_us, 0});
    }

    void seed() {
        for (Plan& plan : seed_plans(evaluator_.blocks(), options_.beam, seeds_max)) {
            Plan boundary_first = plan;
            for (Block& block : boundary_first.blocks) block.boundary_first = true;
            consider(std::move(plan));
            consider(std::move(boundary_first));
        }
    }

    /// Tries moves in random order, keeps whatever helps, until no move does or `until` evaluations were made.
    void improve(Planned& from, uint32_t until) {
        until = std::min(until, options_.evaluations_max);
        bool better = true;
        while (better && evaluator_.evaluations() < until) {
            better = false;
            std::vector<Move> moves = moves_.all(from.plan);
            for (size_t i = 0; i < moves.size() && evaluator_.evaluations() < until; ++i) {
                std::swap(moves[i], moves[i + random_.below(moves.size() - i)]);
                auto plan = moves_.apply(from.plan, moves[i]);
                if (!plan) continue;
                const double latency_us = evaluator_.latency_us(*plan);
                if (!(latency_us < from.latency_us * (1 - gain_min))) continue;
                from = {*std::move(plan), latency_us, 0};
                better = true;
            }
        }
        if (from.latency_us < best_.latency_us) best_ = from;
    }

    void kick() {
        Planned kicked = best_;
        for (uint32_t i = 0; i < kick_moves; ++i) {
            const std::vector<Move> moves = moves_.all(kicked.plan);
            auto plan = moves_.apply(kicked.plan, moves[random_.below(moves.size())]);
            if (plan) kicked.plan = *std::move(plan);
        }
        kicked.latency_us = evaluator_.latency_us(kicked.plan);
        improve(kicked, options_.evaluations_max);
    }

    const FusedBlocksOptions& options_;
    Evaluator evaluator_;
    Moves moves_;
    Random random_;
    std::vector<Planned> found_;
    Planned best_;
};

}  // namespace

Result<Planned> plan_fused_blocks(const Problem& problem, const FusedBlocksOptions& options) {
    return Search(problem, options).run();
}

}  // namespace eddy::planner::edgeflow
