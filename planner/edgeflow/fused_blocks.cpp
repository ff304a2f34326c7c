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
constexpr uint32_t kick_moves = 4;
/// Of what may be evaluated, for annealing; the rest is for improving what it found.
constexpr double annealing_part = 0.8;
/// How much worse a plan may likely be than the one it follows, in parts of the latency: at first, and in the end.
constexpr double hot = 2e-3;
constexpr double cold = 1e-4;
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
        anneal(spent() + annealing_part * (1 - spent()));
        improve(best_);
        while (spent() < 1) kick();
        best_.evaluations = evaluator_.evaluations();
        if (!std::isfinite(best_.latency_us))
            return exhausted("no plan fits the devices' memory: not even one with everything on one device");
        return best_;
    }

private:
    /// Of what may be evaluated: 1 is all.
    [[nodiscard]] double spent() const {
        return std::max(static_cast<double>(evaluator_.evaluations()) / options_.evaluations_max,
                        static_cast<double>(evaluator_.pieces()) / static_cast<double>(options_.pieces_max));
    }

    void consider(Plan plan) {
        const double latency_us = evaluator_.latency_us(plan);
        if (best_.plan.blocks.empty() || latency_us < best_.latency_us) best_ = {std::move(plan), latency_us, 0};
    }

    void seed() {
        for (Plan& plan : seed_plans(evaluator_.blocks(), options_.beam, seeds_max)) {
            Plan boundary_first = plan;
            for (Block& block : boundary_first.blocks) block.boundary_first = true;
            consider(std::move(plan));
            consider(std::move(boundary_first));
        }
    }

    /// From the best plan on, any move that does not make it much worse, less and less of those that do.
    void anneal(double until) {
        const double begin = spent();
        Planned now = best_;
        while (spent() < until) {
            auto plan = moves_.apply(now.plan, moves_.any(now.plan, random_));
            if (!plan) continue;  // makes no sense; that boundaries go first always does
            const double done = (spent() - begin) / (until - begin);
            const double heat = hot * std::pow(cold / hot, done) * random_.exponential(1);
            const double latency_us = evaluator_.latency_us(*plan);
            if (!(latency_us <= now.latency_us + heat * best_.latency_us)) continue;
            now = {*std::move(plan), latency_us, 0};
            if (now.latency_us < best_.latency_us) best_ = now;
        }
    }

    /// Tries moves in random order, keeps whatever helps, until no move does.
    void improve(Planned from) {
        bool better = true;
        while (better && spent() < 1) {
            better = false;
            std::vector<Move> moves = moves_.all(from.plan);
            for (size_t i = 0; i < moves.size() && spent() < 1; ++i) {
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
        improve(std::move(kicked));
    }

    const FusedBlocksOptions& options_;
    Evaluator evaluator_;
    Moves moves_;
    Random random_;
    Planned best_;  ///< no blocks: nothing was considered yet
};

}  // namespace

Result<Planned> plan_fused_blocks(const Problem& problem, const FusedBlocksOptions& options) {
    return Search(problem, options).run();
}

}  // namespace eddy::planner::edgeflow
