// Goal: a linear program's optimum, prices and outcomes are right, from nothing and after changes.
#include <vector>

#include <doctest/doctest.h>

#include "planner/lp.hpp"

using namespace eddy::planner::lp;

namespace {

/// 3x + 5y with x ≤ 4, 2y ≤ 12, 3x + 2y ≤ 18: 36 at (2, 6), prices 0, 1.5, 1.
Problem textbook() {
    Problem problem(Sense::maximise);
    problem.add_column(0, infinity, 3);
    problem.add_column(0, infinity, 5);
    const std::vector<Entry> first{{0, 1}};
    const std::vector<Entry> second{{1, 2}};
    const std::vector<Entry> third{{0, 3}, {1, 2}};
    problem.add_row(-infinity, 4, first);
    problem.add_row(-infinity, 12, second);
    problem.add_row(-infinity, 18, third);
    return problem;
}

}  // namespace

TEST_CASE("a small program has its known optimum and prices") {
    Problem problem = textbook();
    REQUIRE(problem.solve().value() == Outcome::optimal);
    CHECK(problem.objective() == doctest::Approx(36));
    CHECK(problem.value(0) == doctest::Approx(2));
    CHECK(problem.value(1) == doctest::Approx(6));
    CHECK(problem.price(0) == doctest::Approx(0));
    CHECK(problem.price(1) == doctest::Approx(1.5));
    CHECK(problem.price(2) == doctest::Approx(1));
    CHECK(problem.activity(0) == doctest::Approx(2));
}

TEST_CASE("minimising is maximising with the sign turned") {
    Problem problem(Sense::minimise);
    problem.add_column(0, infinity, 2);
    problem.add_column(0, infinity, 3);
    const std::vector<Entry> sum{{0, 1}, {1, 1}};
    problem.add_row(10, infinity, sum);
    problem.set_column_bounds(0, 0, 4);
    REQUIRE(problem.solve().value() == Outcome::optimal);
    CHECK(problem.objective() == doctest::Approx(26));
    CHECK(problem.price(0) == doctest::Approx(3));
}

TEST_CASE("rows, columns, bounds, objectives and entries may change between two solutions") {
    Problem problem = textbook();
    REQUIRE(problem.solve().value() == Outcome::optimal);
    const std::vector<Entry> cut{{1, 1}};
    problem.add_row(-infinity, 5, cut);
    REQUIRE(problem.solve().value() == Outcome::optimal);
    CHECK(problem.objective() == doctest::Approx(8 + 25));
    const std::vector<Entry> cheap{{2, 1}};
    CHECK(problem.add_column(0, 1, 10, cheap) == 2);
    REQUIRE(problem.solve().value() == Outcome::optimal);
    CHECK(problem.objective() == doctest::Approx(10 + 7 + 25));
    problem.set_row_bounds(3, -infinity, 6);
    problem.set_column_bounds(2, 0, 0);
    REQUIRE(problem.solve().value() == Outcome::optimal);
    CHECK(problem.objective() == doctest::Approx(36));
    problem.set_objective(0, 0);
    REQUIRE(problem.solve().value() == Outcome::optimal);
    CHECK(problem.objective() == doctest::Approx(30));
    problem.set_entry(3, 1, 2);
    REQUIRE(problem.solve().value() == Outcome::optimal);
    CHECK(problem.objective() == doctest::Approx(15));
    CHECK(problem.rows() == 4);
    CHECK(problem.columns() == 3);
}

TEST_CASE("programs without a solution or a limit are told apart, and steps are bounded") {
    Problem none(Sense::maximise);
    none.add_column(0, 1, 1);
    const std::vector<Entry> one{{0, 1}};
    none.add_row(2, infinity, one);
    CHECK(none.solve().value() == Outcome::infeasible);
    Problem endless(Sense::maximise);
    endless.add_column(0, infinity, 1);
    endless.add_row(1, infinity, one);
    CHECK(endless.solve().value() == Outcome::unbounded);
    Problem problem = textbook();
    const auto stopped = problem.solve(0);
    REQUIRE_FALSE(stopped);
    CHECK(stopped.error().code == eddy::ErrorCode::exhausted);
}
