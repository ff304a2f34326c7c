// A linear program that grows: bounded variables with profits, sparse rows between bounds. What was solved once is
// solved again from where it stood, after rows, variables or numbers have changed. One implementation: lp_clp.cpp.
//
// Owns everything it is given. One thread. No exception leaves it and nothing is printed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>

#include "eddy/result.hpp"

namespace eddy::planner::lp {

inline constexpr double infinity = std::numeric_limits<double>::infinity();

enum class Sense : uint8_t { maximise, minimise };
enum class Outcome : uint8_t { optimal, infeasible, unbounded };

struct Entry {
    size_t index = 0;  ///< of a row or a column, whichever the other is not
    double value = 0;
};

class Problem {
public:
    explicit Problem(Sense sense);
    ~Problem();
    Problem(Problem&&) noexcept;
    Problem& operator=(Problem&&) noexcept;

    /// lower ≤ Σ entries ≤ upper, over columns that exist. Returns its index: rows count from 0.
    size_t add_row(double lower, double upper, std::span<const Entry> columns = {});
    /// A variable between bounds, in rows that exist. Returns its index: columns count from 0.
    size_t add_column(double lower, double upper, double objective, std::span<const Entry> rows = {});
    void set_row_bounds(size_t row, double lower, double upper);
    void set_column_bounds(size_t column, double lower, double upper);
    void set_objective(size_t column, double objective);
    void set_entry(size_t row, size_t column, double value);
    [[nodiscard]] size_t rows() const;
    [[nodiscard]] size_t columns() const;

    /// Fails when the solver gives up, or at `iterations_max`. The numbers below are those of the last `optimal`.
    [[nodiscard]] Result<Outcome> solve(size_t iterations_max = 1'000'000);
    [[nodiscard]] double objective() const;
    [[nodiscard]] double value(size_t column) const;
    [[nodiscard]] double activity(size_t row) const;
    /// What the objective gains for each unit by which the row's binding bound rises.
    [[nodiscard]] double price(size_t row) const;

private:
    struct Solver;
    std::unique_ptr<Solver> solver_;
};

}  // namespace eddy::planner::lp
