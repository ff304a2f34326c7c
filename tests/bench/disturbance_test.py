#!/usr/bin/python3
"""Goal: what a host takes away while something is measured is told, and too much of it makes the measurement be taken
again. Method: processor times as the test says."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench" / "figures"))

import disturbance  # noqa: E402


class Disturbance(unittest.TestCase):
    def measured(self, stolen, figures=None):
        """Measurements of 1000 ticks, of which so many were stolen. What came of it, and what was said."""
        at = (0, 0)
        told = iter(figures or range(len(stolen)))
        script = iter(stolen)
        said = []

        def measure():
            nonlocal at
            at = (at[0] + next(script), at[1] + 1000)
            return next(told)

        return disturbance.least_disturbed(measure, 3, said.append, lambda: at), said

    def test_a_quiet_machine_measures_once(self):
        self.assertEqual(self.measured([20]), ((0, 0.02), []))

    def test_a_disturbed_measurement_is_taken_again_until_one_is_quiet(self):
        got, said = self.measured([300, 21, 5])
        self.assertEqual(got, (2, 0.005))
        self.assertEqual(len(said), 2)
        self.assertIn("30.0%", said[0])
        self.assertIn("measured again", said[1])

    def test_of_disturbed_ones_the_least_disturbed_counts(self):
        got, said = self.measured([300, 100, 200])
        self.assertEqual(got, (1, 0.1))
        self.assertIn("the least of 3 times was 10.0%", said[2])

    def test_a_failure_is_not_measured_again(self):
        self.assertEqual(self.measured([300], [None]), ((None, 0.3), []))

    def test_the_kernels_line_is_read_as_its_manual_says(self):
        with tempfile.TemporaryDirectory() as folder:
            stat = Path(folder, "stat")
            stat.write_text("cpu  1 2 3 4 5 6 7 80 1000 1000\ncpu0 9 9 9 9 9 9 9 9 9 9\n", encoding="ascii")
            self.assertEqual(disturbance.processor_times(stat), (80, 108))
        self.assertEqual(len(disturbance.processor_times()), 2)

    def test_no_time_at_all_is_no_theft(self):
        self.assertEqual(disturbance.stolen_fraction((1, 5), (1, 5)), 0)

    def test_the_page_tells_the_median_and_the_worst(self):
        self.assertEqual(disturbance.told([]), "not measured")
        self.assertEqual(disturbance.told([0.0, 0.01, 0.2]),
                         "1.0% of the processors' time in the median run, 20.0% in the worst")


if __name__ == "__main__":
    unittest.main()
