#!/usr/bin/python3
"""Goal: the part of the bound after a kill is what its definition says. Method: lives and completions by hand."""

import sys
import unittest
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench" / "chaos"))

from windows import Life, done_in, histogram, parts_of_bound, parts_of_survivors, possible_in, spread  # noqa: E402

BOUNDS = {frozenset(): 30.0, frozenset("a"): 20.0, frozenset("b"): 12.0, frozenset("ab"): 1.0}


class Windows(unittest.TestCase):
    def test_what_is_possible_follows_who_is_up_weighted_by_time(self):
        lives = [Life("a", 0, 10), Life("a", 12.5, 30), Life("b", 0, 30)]
        self.assertAlmostEqual(possible_in(lives, BOUNDS, 0, 10), 300)
        self.assertAlmostEqual(possible_in(lives, BOUNDS, 12, 15), 0.5 * 20 + 2.5 * 30)
        self.assertAlmostEqual(possible_in(lives, BOUNDS, 9, 13), 30 + 2.5 * 20 + 0.5 * 30)
        both = [Life("a", 0, 10), Life("b", 0, 9), Life("b", 11, 30), Life("a", 12, 30)]
        self.assertAlmostEqual(possible_in(both, BOUNDS, 8, 13), 30 + 12 + 1 + 20 + 30)

    def test_a_window_is_the_third_to_fifth_second_and_ends_where_the_next_kill_comes(self):
        lives = [Life("a", 0, 99), Life("b", 0, 99)]
        instants = [10.0, 11.99, 12.0, 14.99, 15.0, 21.0, 22.5]
        figures = parts_of_bound([10.0, 20.0, 22.75], instants, lives, BOUNDS)
        self.assertEqual(figures, [(2, 90.0), (1, 22.5), (0, 90.0)])

    def test_survivors_are_those_that_the_kill_left_for_the_whole_window(self):
        struck = [(10.0, SimpleNamespace(victim="a")), (14.0, SimpleNamespace(victim="b"))]
        self.assertEqual(parts_of_survivors(struck, [12.5, 13.0, 17.0], BOUNDS), [(2, 40.0), (1, 36.0)])

    def test_what_is_not_told_is_spread_evenly(self):
        self.assertEqual(spread(4, 1.0, 2.0), [1.125, 1.375, 1.625, 1.875])
        self.assertEqual(spread(0, 1.0, 2.0), [])

    def test_completions_are_counted_in_half_open_spans_and_tenths_of_seconds(self):
        self.assertEqual(done_in([1.0, 2.0, 3.0], 1.0, 3.0), 2)
        self.assertEqual(histogram([0.9, 1.0, 1.05, 1.1999, 1.45, 1.5], 1.0, 1.5), [2, 1, 0, 0, 1])


if __name__ == "__main__":
    unittest.main(verbosity=2)
