"""eddy sim chaos as a program: what it prints, where, and its exit codes."""
import json
import os
import pathlib
import subprocess
import unittest

EDDY = pathlib.Path(os.environ["EDDY_BINARY_DIR"]) / "bin" / "eddy"


def chaos(*arguments):
    return subprocess.run([EDDY, "sim", "chaos", *map(str, arguments)], capture_output=True, text=True, timeout=300)


class ChaosCommand(unittest.TestCase):
    def test_a_range_of_seeds_is_summed_up_as_json(self):
        done = chaos("--seeds", "1..6", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual(report["schema"], "eddy.sim.chaos/1")
        self.assertEqual((report["first_seed"], report["last_seed"], report["seeds"]), (1, 6, 6))
        self.assertEqual((report["found"], report["findings"]), (0, []))
        self.assertEqual((report["lost"], report["duplicated"]), (0, 0))
        self.assertGreaterEqual(report["frames_fewest"], 500)
        self.assertGreaterEqual(report["faults_fewest"], 10)
        self.assertGreaterEqual(report["frames"], 6 * report["frames_fewest"])
        self.assertGreaterEqual(report["source_deaths"], 6)
        outcomes = report["completed"] + sum(report["failed"].values()) + sum(report["dropped"].values())
        self.assertEqual(report["frames"], outcomes + report["abandoned"])

    def test_several_jobs_give_the_same_figures_as_one(self):
        one, two = (json.loads(chaos("--seeds", "1..40", "--jobs", jobs, "--json").stdout) for jobs in (1, 2))
        for report in (one, two):
            del report["wall_s"], report["seeds_per_s"]
        self.assertEqual(one, two)

    def test_without_json_a_summary_is_printed(self):
        done = chaos("--seeds", "3..4")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("seeds 3..4: 0 findings in 0 seeds", done.stdout)
        self.assertIn("0 lost, 0 duplicated", done.stdout)

    def test_one_seed_is_told_with_its_cluster_and_its_faults_and_is_the_same_run(self):
        told = chaos("--seeds", "5..5", "--verbose", "--json")
        self.assertEqual(told.returncode, 0, told.stderr)
        self.assertIn("nodes, policy", told.stderr)
        self.assertIn("all is mended", told.stderr)
        self.assertEqual(told.stderr, chaos("--seeds", "5..5", "--verbose").stderr)
        again, report = json.loads(chaos("--seeds", "5", "--json").stdout), json.loads(told.stdout)
        self.assertEqual([report[name] for name in ("frames", "events", "faults")],
                         [again[name] for name in ("frames", "events", "faults")])

    def test_clusters_without_their_faults_have_no_failures(self):
        report = json.loads(chaos("--seeds", "1..4", "--calm", "--json").stdout)
        self.assertEqual((report["found"], report["faults"], report["failed"]), (0, 0, {}))

    def test_bad_usage_ends_with_2(self):
        for seeds in ("", "x", "5..1", "1..", "..2", "1...3", "-1", "1..99999999999999999999"):
            with self.subTest(seeds=seeds):
                self.assertEqual(chaos(f"--seeds={seeds}").returncode, 2)
        self.assertEqual(chaos("--seeds", "1..2", "--verbose").returncode, 2)
        self.assertEqual(chaos("--jobs", "0").returncode, 2)

    def test_help_has_examples(self):
        self.assertIn("Example", chaos("--help").stdout)


if __name__ == "__main__":
    unittest.main()
