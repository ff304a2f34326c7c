// The linear program on the layered graph, solved over ways instead of arcs (Dantzig and Wolfe's decomposition): the
// extreme points of one source's flow are its ways, and the cheapest way at given prices is a search of devices ×
// layers steps. So the program has a row for each resource and source only, and ways come in as prices ask for them.
// Rows of resources that nothing loads stay out. The optimum is the arc program's; planner/capacity.hpp says what is
// optimised.
//
// The master keeps its ways and its basis: after new rates or capacities the next optimum is near. One thread.
#pragma once

#include <set>
#include <tuple>
#include <vector>

#include "planner/layered_graph.hpp"
#include "planner/lp.hpp"

namespace eddy::planner {

class WayMaster {
public:
    /// A stretch of time in which flows are steady. Its resources give capacity · (length + value of length_column),
    /// and ways carry that many frames.
    struct Period {
        double length = 1;
        size_t length_column = nowhere;
    };
    struct Used {
        size_t home = 0;
        const Way* way = nullptr;
        double frames = 0;
    };

    /// `problem` maximises; it may have the periods' length columns already.
    WayMaster(LayeredGraph graph, lp::Problem problem, std::vector<Period> periods);

    /// Other columns may join: frames wanted of homes[home] in a period are a negative entry in this row.
    [[nodiscard]] size_t supply_row(size_t period, size_t home) const { return period * graph_.homes.size() + home; }
    [[nodiscard]] lp::Problem& problem() { return problem_; }
    [[nodiscard]] const lp::Problem& problem() const { return problem_; }
    [[nodiscard]] const LayeredGraph& graph() const { return graph_; }

    /// Other capacities and rates; `graph.same_ways(this->graph())`, and no period has a length column.
    void change(LayeredGraph graph);

    /// The optimum, to a relative 1e-8 of the prices. Fails if there is none, or none is found in bounds.
    [[nodiscard]] Status optimise();

    // -- of the optimum
    [[nodiscard]] std::vector<Used> used(size_t period) const;
    [[nodiscard]] std::vector<double> loads(size_t period) const;  ///< by resource
    [[nodiscard]] double price(size_t period, size_t resource) const;
    [[nodiscard]] size_t ways() const { return columns_.size(); }
    [[nodiscard]] size_t rounds() const { return rounds_; }  ///< of the last optimise()

private:
    struct Column {
        size_t period = 0;
        size_t home = 0;
        size_t index = 0;  ///< in the linear program
        Way way;
        std::vector<lp::Entry> usage;
    };
    [[nodiscard]] double limit(size_t period, size_t resource) const;
    [[nodiscard]] size_t& row(size_t period, size_t resource) {
        return rows_[period * graph_.resources.size() + resource];
    }
    void add_row(size_t period, size_t resource);
    bool add_way(size_t period, size_t home, Way way);
    bool add_broken_rows();
    bool add_cheaper_ways();
    void seed();

    LayeredGraph graph_;
    lp::Problem problem_;
    std::vector<Period> periods_;
    std::vector<size_t> rows_;  ///< period · resources + resource: its row, or nowhere
    std::vector<Column> columns_;
    std::set<std::tuple<size_t, size_t, Way>> known_;
    size_t rounds_ = 0;
};

}  // namespace eddy::planner
