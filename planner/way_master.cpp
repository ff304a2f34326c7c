#include "planner/way_master.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace eddy::planner {

namespace {

constexpr size_t rounds_max = 5000;
constexpr size_t ways_max = 200'000;
constexpr double price_tolerance = 1e-8;   // relative; the objective is then as near to its optimum
constexpr double broken_tolerance = 1e-9;  // relative
constexpr size_t seed_rounds = 24;
constexpr double seed_steepness = 12;

}  // namespace

WayMaster::WayMaster(LayeredGraph graph, lp::Problem problem, std::vector<Period> periods)
    : graph_(std::move(graph)),
      problem_(std::move(problem)),
      periods_(std::move(periods)),
      rows_(periods_.size() * graph_.resources.size(), nowhere) {
    EDDY_ASSERT(problem_.rows() == 0);
    for (size_t i = 0; i < periods_.size() * graph_.homes.size(); ++i) problem_.add_row(0, 0);
    for (size_t period = 0; period < periods_.size(); ++period)
        for (size_t r = 0; r < graph_.resources.size(); ++r) {
            const Resource& resource = graph_.resources[r];
            const bool link = resource.kind == Resource::Kind::link;
            // Pairs that see only results, or a share of a device's traffic, hardly ever bind.
            if (!link || (!graph_.direct && graph_.next[resource.from] == resource.to)) add_row(period, r);
        }
    seed();
}

double WayMaster::limit(size_t period, size_t resource) const {
    return graph_.capacity[resource] * periods_[period].length;
}

void WayMaster::add_row(size_t period, size_t resource) {
    if (std::isinf(graph_.capacity[resource])) return;
    std::vector<lp::Entry> entries;
    if (const size_t column = periods_[period].length_column; column != nowhere)
        entries.push_back({column, -graph_.capacity[resource]});
    for (const Column& column : columns_) {
        if (column.period != period) continue;
        const auto at = std::lower_bound(column.usage.begin(), column.usage.end(), resource,
                                         [](const lp::Entry& entry, size_t sought) { return entry.index < sought; });
        if (at != column.usage.end() && at->index == resource) entries.push_back({column.index, at->value});
    }
    row(period, resource) = problem_.add_row(-lp::infinity, limit(period, resource), entries);
}

bool WayMaster::add_way(size_t period, size_t home, Way way) {
    if (!known_.emplace(period, home, way).second) return false;
    Column column{period, home, 0, std::move(way), {}};
    column.usage = usage(graph_, column.way);
    std::vector<lp::Entry> entries{{supply_row(period, home), 1}};
    for (const lp::Entry& entry : column.usage)
        if (const size_t at = row(period, entry.index); at != nowhere) entries.push_back({at, entry.value});
    column.index = problem_.add_column(0, lp::infinity, 0, entries);
    columns_.push_back(std::move(column));
    return true;
}

/// First ways, found without the linear program: each source sends its offered rate the cheapest way, and what is
/// loaded grows dear (as in Garg and Könemann's method).
void WayMaster::seed() {
    std::vector<double> load(graph_.resources.size(), 0);
    std::vector<double> offered(graph_.homes.size(), 0);
    for (size_t j = 0; j < graph_.rate_per_s.size(); ++j) offered[graph_.home_of[j]] += graph_.rate_per_s[j];
    for (size_t round = 0; round < seed_rounds; ++round) {
        for (size_t home = 0; home < graph_.homes.size(); ++home) {
            double fullest = 0;
            for (size_t r = 0; r < load.size(); ++r) fullest = std::max(fullest, load[r] / graph_.capacity[r]);
            std::vector<double> prices(load.size());
            for (size_t r = 0; r < load.size(); ++r) {
                const double share = fullest > 0 ? load[r] / graph_.capacity[r] / fullest : 0;
                prices[r] = std::exp(seed_steepness * share) / graph_.capacity[r];
            }
            Way way = cheapest_way(graph_, charges_of(graph_, prices), home).way;
            for (const lp::Entry& entry : usage(graph_, way)) load[entry.index] += entry.value * offered[home];
            for (size_t period = 0; period < periods_.size(); ++period) add_way(period, home, way);
        }
    }
}

void WayMaster::change(LayeredGraph graph) {
    EDDY_ASSERT(graph_.same_ways(graph));
    std::swap(graph_, graph);  // `graph` is now what was
    for (size_t period = 0; period < periods_.size(); ++period)
        for (size_t r = 0; r < graph_.resources.size(); ++r) {
            const size_t at = row(period, r);
            if (at == nowhere || graph_.capacity[r] == graph.capacity[r]) continue;
            EDDY_ASSERT(periods_[period].length_column == nowhere);
            problem_.set_row_bounds(at, -lp::infinity, limit(period, r));
        }
}

std::vector<double> WayMaster::loads(size_t period) const {
    std::vector<double> load(graph_.resources.size(), 0);
    for (const Column& column : columns_) {
        if (column.period != period) continue;
        const double frames = problem_.value(column.index);
        if (frames > 0)
            for (const lp::Entry& entry : column.usage) load[entry.index] += entry.value * frames;
    }
    return load;
}

std::vector<WayMaster::Used> WayMaster::used(size_t period) const {
    std::vector<Used> found;
    for (const Column& column : columns_)
        if (const double frames = problem_.value(column.index); column.period == period && frames > 0)
            found.push_back({column.home, &column.way, frames});
    return found;
}

double WayMaster::price(size_t period, size_t resource) const {
    const size_t at = rows_[period * graph_.resources.size() + resource];
    return at == nowhere ? 0 : std::max(0.0, problem_.price(at));
}

bool WayMaster::add_broken_rows() {
    bool added = false;
    for (size_t period = 0; period < periods_.size(); ++period) {
        const std::vector<double> load = loads(period);
        const size_t column = periods_[period].length_column;
        const double length = periods_[period].length + (column == nowhere ? 0 : problem_.value(column));
        for (size_t r = 0; r < load.size(); ++r) {
            if (row(period, r) != nowhere || load[r] <= graph_.capacity[r] * length * (1 + broken_tolerance)) continue;
            add_row(period, r);
            added = true;
        }
    }
    return added;
}

bool WayMaster::add_cheaper_ways() {
    bool added = false;
    for (size_t period = 0; period < periods_.size(); ++period) {
        std::vector<double> prices(graph_.resources.size());
        for (size_t r = 0; r < prices.size(); ++r) prices[r] = price(period, r);
        const Charges charges = charges_of(graph_, prices);
        for (size_t home = 0; home < graph_.homes.size(); ++home) {
            const double worth = -problem_.price(supply_row(period, home));
            if (worth <= 0) continue;
            CheapestWay found = cheapest_way(graph_, charges, home);
            if (found.cost < worth * (1 - price_tolerance)) added |= add_way(period, home, std::move(found.way));
        }
    }
    return added;
}

Status WayMaster::optimise() {
    for (rounds_ = 1; rounds_ <= rounds_max && columns_.size() <= ways_max; ++rounds_) {
        const auto outcome = problem_.solve();
        if (!outcome) return outcome.error();
        if (*outcome != lp::Outcome::optimal)
            return internal(*outcome == lp::Outcome::infeasible ? "the bound's linear program has no solution"
                                                                : "the bound's linear program has no limit");
        // All prices are read before rows change anything.
        const bool ways = add_cheaper_ways();
        const bool rows = add_broken_rows();
        if (!ways && !rows) return success();
    }
    return exhausted("the bound is not found after " + std::to_string(rounds_ - 1) + " rounds and " +
                     std::to_string(columns_.size()) + " ways");
}

}  // namespace eddy::planner
