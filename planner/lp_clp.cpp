// Clp (COIN-OR, EPL) behind planner/lp.hpp: the one file that includes its headers. Clp minimises; profits are handed
// to it with their sign turned, and its prices are turned back.
#include "planner/lp.hpp"

#include <exception>
#include <string>
#include <vector>

#include <coin/ClpSimplex.hpp>
#include <coin/CoinError.hpp>

namespace eddy::planner::lp {

namespace {

constexpr double tolerance = 1e-9;

/// Rows or columns that wait to be handed over together: each hand-over copies the whole matrix.
struct Pending {
    std::vector<double> lower, upper, objective, values;
    std::vector<CoinBigIndex> starts{0};
    std::vector<int> indices;

    void add(double lo, double up, double cost, std::span<const Entry> entries) {
        lower.push_back(lo);
        upper.push_back(up);
        objective.push_back(cost);
        for (const Entry& entry : entries) {
            indices.push_back(static_cast<int>(entry.index));
            values.push_back(entry.value);
        }
        starts.push_back(static_cast<CoinBigIndex>(indices.size()));
    }
    [[nodiscard]] int count() const { return static_cast<int>(lower.size()); }
};

double bound(double value) { return value == infinity ? COIN_DBL_MAX : value == -infinity ? -COIN_DBL_MAX : value; }

}  // namespace

struct Problem::Solver {
    ClpSimplex model;
    double sign = 1;
    Pending new_rows;
    Pending new_columns;
    bool values_feasible = false;  ///< the last optimum still satisfies everything: go on with the primal simplex

    void hand_over_rows() {
        if (new_rows.count() == 0) return;
        model.addRows(new_rows.count(), new_rows.lower.data(), new_rows.upper.data(), new_rows.starts.data(),
                      new_rows.indices.data(), new_rows.values.data());
        new_rows = {};
    }
    void hand_over_columns() {
        if (new_columns.count() == 0) return;
        model.addColumns(new_columns.count(), new_columns.lower.data(), new_columns.upper.data(),
                         new_columns.objective.data(), new_columns.starts.data(), new_columns.indices.data(),
                         new_columns.values.data());
        new_columns = {};
    }
    void hand_over() {
        hand_over_rows();
        hand_over_columns();
    }
    int run() {
        // After new columns the last basis is primal feasible, after new rows or bounds dual feasible.
        const int failed = values_feasible ? model.primal(0) : model.dual(0);
        if (failed == 0 || model.isIterationLimitReached()) return model.status();
        // From the slack basis, when the one that stood led nowhere.
        model.allSlackBasis(true);
        model.primal(0);
        return model.status();
    }
};

Problem::Problem(Sense sense) : solver_(std::make_unique<Solver>()) {
    solver_->sign = sense == Sense::maximise ? -1 : 1;
    solver_->model.setLogLevel(0);
    solver_->model.setPrimalTolerance(tolerance);
    solver_->model.setDualTolerance(tolerance);
}
Problem::~Problem() = default;
Problem::Problem(Problem&&) noexcept = default;
Problem& Problem::operator=(Problem&&) noexcept = default;

size_t Problem::rows() const { return static_cast<size_t>(solver_->model.numberRows() + solver_->new_rows.count()); }
size_t Problem::columns() const {
    return static_cast<size_t>(solver_->model.numberColumns() + solver_->new_columns.count());
}

size_t Problem::add_row(double lower, double upper, std::span<const Entry> columns_of_row) {
    solver_->hand_over_columns();
    const size_t row = rows();
    solver_->new_rows.add(bound(lower), bound(upper), 0, columns_of_row);
    solver_->values_feasible = false;
    return row;
}

size_t Problem::add_column(double lower, double upper, double objective, std::span<const Entry> rows_of_column) {
    solver_->hand_over_rows();
    const size_t column = columns();
    solver_->new_columns.add(bound(lower), bound(upper), objective * solver_->sign, rows_of_column);
    return column;
}

void Problem::set_row_bounds(size_t row, double lower, double upper) {
    solver_->hand_over();
    solver_->model.setRowBounds(static_cast<int>(row), bound(lower), bound(upper));
    solver_->values_feasible = false;
}

void Problem::set_column_bounds(size_t column, double lower, double upper) {
    solver_->hand_over();
    solver_->model.setColumnBounds(static_cast<int>(column), bound(lower), bound(upper));
    solver_->values_feasible = false;
}

void Problem::set_objective(size_t column, double objective) {
    solver_->hand_over();
    solver_->model.setObjectiveCoefficient(static_cast<int>(column), objective * solver_->sign);
}

void Problem::set_entry(size_t row, size_t column, double value) {
    solver_->hand_over();
    solver_->model.modifyCoefficient(static_cast<int>(row), static_cast<int>(column), value, true);
    solver_->values_feasible = false;
}

Result<Outcome> Problem::solve(size_t iterations_max) {
    Solver& solver = *solver_;
    try {
        solver.hand_over();
        solver.model.setMaximumIterations(
            static_cast<int>(std::min<size_t>(iterations_max, std::numeric_limits<int>::max())));
        const int status = solver.run();
        solver.values_feasible = status == 0;
        switch (status) {
            case 0: return Outcome::optimal;
            case 1: return Outcome::infeasible;
            case 2: return Outcome::unbounded;
            case 3:
                return exhausted("the linear program is not solved after " + std::to_string(iterations_max) + " steps");
            default: return internal("Clp gave up on a linear program, status " + std::to_string(status));
        }
    } catch (const CoinError& error) {
        return internal("Clp: " + error.message() + " in " + error.methodName());
    } catch (const std::exception& error) {
        return internal(std::string("Clp: ") + error.what());
    }
}

double Problem::objective() const { return solver_->model.objectiveValue() * solver_->sign; }
double Problem::value(size_t column) const {
    return column < static_cast<size_t>(solver_->model.numberColumns()) ? solver_->model.primalColumnSolution()[column]
                                                                        : 0;
}
double Problem::activity(size_t row) const {
    return row < static_cast<size_t>(solver_->model.numberRows()) ? solver_->model.primalRowSolution()[row] : 0;
}
double Problem::price(size_t row) const {
    return row < static_cast<size_t>(solver_->model.numberRows())
               ? solver_->model.dualRowSolution()[row] * solver_->sign
               : 0;
}

}  // namespace eddy::planner::lp
