#!/usr/bin/python3
"""Goal: `eddy sim ring` gives its figures to people and to programs, refuses what makes no sense, and says by its exit
code how it went. Method: the program itself, with few nodes; what the figures are worth is tested below it."""

import json
import os
import subprocess
import unittest
from pathlib import Path

EDDY = Path(os.environ.get("EDDY_BINARY_DIR", Path(__file__).resolve().parents[2] / "build" / "release")) / "bin" / "eddy"
PROMISED = ("nodes seed converged_s lookups lookup_failures timeouts hops_mean hops_p99 messages_per_node_per_s "
            "invariant_violations").split()


def sim_ring(*flags):
    return subprocess.run([EDDY, "sim", "ring", *flags], capture_output=True, text=True, timeout=300)


class SimRing(unittest.TestCase):
    def figures(self, *flags):
        ended = sim_ring("--json", *flags)
        self.assertEqual(ended.returncode, 0, ended.stderr + ended.stdout)
        return json.loads(ended.stdout), ended

    def test_json_stands_alone_with_every_promised_figure(self):
        figures, ended = self.figures("--nodes", "20", "--seed", "3", "--lookups", "500")
        self.assertEqual([key for key in PROMISED if key not in figures], [])
        self.assertEqual((figures["nodes"], figures["seed"], figures["lookups"]), (20, 3, 500))
        self.assertEqual((figures["lookup_failures"], figures["invariant_violations"]), (0, 0))
        self.assertGreater(figures["converged_s"], 0)
        self.assertNotIn("before_repair", figures)
        self.assertIn("at 60 s: 20 nodes live", ended.stderr)

    def test_the_same_seed_gives_the_same_figures(self):
        runs = [self.figures("--nodes", "20", "--seed", seed, "--lookups", "100")[0] for seed in ("5", "5", "6")]
        for figures in runs:
            del figures["wall_s"]
        self.assertEqual(runs[0], runs[1])
        self.assertNotEqual(runs[0]["trace_hash"], runs[2]["trace_hash"])

    def test_a_failure_has_its_own_figures_before_the_repair(self):
        figures, _ = self.figures("--nodes", "40", "--fail", "0.25", "--lookups", "400")
        self.assertEqual(figures["departures"], 10)
        self.assertGreater(figures["repaired_s"], 0)
        for key in ("lookups", "lookup_failures", "timeouts", "hops_mean", "hops_p99"):
            self.assertIn(key, figures["before_repair"])
        self.assertGreater(figures["before_repair"]["timeouts"], 0)

    def test_people_get_a_table(self):
        ended = sim_ring("--nodes", "5", "--lookups", "50")
        self.assertEqual(ended.returncode, 0, ended.stderr)
        for key in PROMISED:
            self.assertRegex(ended.stdout, rf"(?m)^{key} +[0-9.]+$")

    def test_a_ring_that_does_not_form_is_a_failure(self):
        # No answer can come in time: a round trip takes two seconds.
        ended = sim_ring("--nodes", "5", "--lookups", "50", "--delay-ms", "1000", "--json")
        self.assertEqual(ended.returncode, 1, ended.stderr)
        self.assertIsNone(json.loads(ended.stdout)["converged_s"])

    def test_what_makes_no_sense_is_bad_usage(self):
        for flags, word in (
            (["--nodes", "0"], "nodes"), (["--nodes", "many"], "--nodes"), (["--nodes", "-3"], "--nodes"),
            (["--nodes", "60001"], "60000"), (["--fail", "1"], "below 1"), (["--fail", "-0.5"], "fail"),
            (["--fail", "nan"], "fail"), (["--churn", "-1"], "churn"), (["--churn", "1", "--fail", "0.5"], "exclude"),
            (["--successors", "0"], "successors"), (["--successors", "64"], "63"), (["--delay-ms", "-1"], "delay"),
            (["--delay-ms", "1e300"], "delay"), (["--delay-ms", "nan"], "delay"), (["--seed", "-1"], "--seed"), (["--lookups", "0"], "lookups"), (["--no-such-flag"], "--no-such-flag"),
        ):
            with self.subTest(flags):
                ended = sim_ring(*flags)
                self.assertEqual((ended.returncode, ended.stdout), (2, ""), ended.stderr)
                self.assertIn(word, ended.stderr)

    def test_help_has_an_example(self):
        ended = sim_ring("--help")
        self.assertEqual(ended.returncode, 0)
        self.assertIn("Example:\n  eddy sim ring --nodes", ended.stdout)


if __name__ == "__main__":
    unittest.main()
