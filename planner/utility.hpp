// Σ weight · log rate over the capacity region, by cutting planes: each source's logarithm is bounded from above by
// tangents, which are added where the linear program's optimum lies until it is the logarithm there.
#pragma once

#include <span>
#include <vector>

#include "planner/capacity.hpp"
#include "planner/way_master.hpp"

namespace eddy::planner {

class UtilityProgram {
public:
    explicit UtilityProgram(LayeredGraph graph);

    [[nodiscard]] const LayeredGraph& graph() const { return master_.graph(); }
    [[nodiscard]] size_t ways() const { return master_.ways(); }
    /// `graph.same_ways(this->graph())`.
    void change(LayeredGraph graph);
    /// `weights` by source, above 0.
    [[nodiscard]] Result<UtilityOptimum> solve(std::span<const double> weights);

private:
    void add_tangent(size_t source, double rate);

    WayMaster master_;
    std::vector<size_t> rate_;     ///< by source: column, frames a second
    std::vector<size_t> utility_;  ///< by source: column, at most log(rate)
    size_t tangents_ = 0;
};

}  // namespace eddy::planner
