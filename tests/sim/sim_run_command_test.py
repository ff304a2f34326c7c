#!/usr/bin/python3
"""Goal: `eddy sim run` gives an experiment's figures to people and to programs, refuses what makes no sense with the
place, and says by its exit code how it went. Method: the program itself on short windows of shipped and broken
experiments; what the figures are worth is tested below it."""

import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EDDY = Path(os.environ.get("EDDY_BINARY_DIR", ROOT / "build" / "release")) / "bin" / "eddy"
EXPERIMENTS = ROOT / "configs" / "experiments"
SHORT = ["--warm-up-s", "2", "--window-s", "6"]
PROMISED = ("policy seed window_s makespan_s makespan_bound_s throughput_per_s bound_per_s fraction_of_bound sources "
            "nodes lost duplicated runs_per_frame hops_per_frame").split()
ENDLESS = """
[experiment]
profile = "{profile}"
[[device]]
name = "w"
count = 2
speed = 0.223
[[source]]
name = "camera"
device = "w1"
rate_per_s = {rate}
arrivals = "poisson"
"""


def sim_run(*arguments):
    return subprocess.run([EDDY, "sim", "run", *map(str, arguments)], capture_output=True, text=True, timeout=300)


class SimRun(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def experiment(self, text=ENDLESS, **values):
        values = {"profile": EXPERIMENTS / "mobilenet_v2_224.profile.json", "rate": 10, **values}
        path = Path(self.folder.name) / "made.toml"
        path.write_text(text.format(**values))
        return path

    def figures(self, *arguments):
        ended = sim_run(*arguments, "--json")
        self.assertEqual((ended.returncode, ended.stderr), (0, ""), ended.stdout)
        return json.loads(ended.stdout)

    def test_json_is_a_list_with_every_promised_figure(self):
        runs = self.figures(EXPERIMENTS / "fig3-two.toml", "--policy", "local,ms-mdi", "--seed", "3..4", *SHORT)
        self.assertEqual([(run["policy"], run["seed"]) for run in runs],
                         [("local", 3), ("local", 4), ("ms-mdi", 3), ("ms-mdi", 4)])
        for run in runs:
            self.assertEqual([key for key in PROMISED if key not in run], [])
            self.assertEqual((run["lost"], run["duplicated"], run["window_s"]), (0, 0, 6))
            self.assertGreaterEqual(run["makespan_s"], run["makespan_bound_s"])
            self.assertEqual([source["name"] for source in run["sources"]], ["small", "large"])
            self.assertEqual([node["name"] for node in run["nodes"]], ["w1", "w2"])
            worst = min(source["throughput_per_s"] / source["offered_per_s"] for source in run["sources"])
            self.assertAlmostEqual(run["fraction_of_bound"], worst / run["theta"])
            error = max(abs(s["throughput_per_s"] / s["weighted_optimum_per_s"] - 1) for s in run["sources"])
            self.assertAlmostEqual(run["share_error"], error)
            self.assertAlmostEqual(run["throughput_per_s"], sum(s["throughput_per_s"] for s in run["sources"]))
            for source in run["sources"]:
                self.assertEqual(source["captured"], source["completed"] + source["failed"] + source["dropped"])
                self.assertLessEqual(source["completion_ms"]["p50"], source["completion_ms"]["p99"])
            for node in run["nodes"]:
                self.assertTrue(0 <= node["busy_fraction"] <= 1.000001, node)
            self.assertNotIn("per_second", run)

    def test_the_same_seed_gives_the_same_bytes(self):
        arguments = [self.experiment(rate=30), *SHORT, "--json", "--policy", "ms-mdi"]
        texts = [sim_run(*arguments, "--seed", seed).stdout for seed in ("5", "5", "6")]
        self.assertEqual(texts[0], texts[1])
        figures = [json.loads(text)[0]["sources"] for text in texts]
        self.assertNotEqual(figures[0], figures[2])

    def test_without_frames_there_is_no_makespan_and_seconds_are_told_when_asked(self):
        run, = self.figures(self.experiment(), "--policy", "local", "--trace", *SHORT)
        self.assertIsNone(run["makespan_s"])
        self.assertIsNone(run["makespan_bound_s"])
        seconds = run["per_second"]
        self.assertEqual([second["at_s"] for second in seconds][:8], [1, 2, 3, 4, 5, 6, 7, 8])
        inside = sum(sum(second["completed"]) for second in seconds if 2 < second["at_s"] <= 8)
        self.assertAlmostEqual(inside / 6, run["throughput_per_s"])
        for second in seconds:
            self.assertEqual(sum(second["in_queues_by_node"]), second["in_queues"])
        percentiles = run["sources"][0]["completion_ms_quantiles"]
        self.assertEqual(len(percentiles), 101)
        self.assertEqual(percentiles, sorted(percentiles))
        self.assertEqual(percentiles[50], run["sources"][0]["completion_ms"]["p50"])

    def test_a_part_of_the_frames_takes_a_part_of_the_time(self):
        fig3 = EXPERIMENTS / "fig3-two.toml"
        whole, = self.figures(fig3, "--policy", "local", *SHORT)
        part, = self.figures(fig3, "--policy", "local", "--frames-part", "0.1", *SHORT)
        self.assertEqual([source["captured"] for source in part["sources"]], [250, 750])
        self.assertAlmostEqual(part["makespan_s"], whole["makespan_s"] / 10, delta=0.5)

    def test_local_frames_are_one_run_each_and_do_not_move(self):
        run, = self.figures(EXPERIMENTS / "fig3-two.toml", "--policy", "local", "--frames-part", "0.1", *SHORT)
        self.assertEqual((run["runs_per_frame"], run["hops_per_frame"]), (1, 0))

    def test_a_load_is_a_part_of_the_bound(self):
        run, = self.figures(self.experiment(rate=400), "--load", "0.5", "--policy", "local", *SHORT)
        self.assertAlmostEqual(run["theta"], 2, places=6)
        self.assertAlmostEqual(run["bound_per_s"], 50, delta=1)

    def test_links_can_be_chosen(self):
        # Two equal sources side by side: along the ring the first one's frames must pass the second's device.
        text = ENDLESS.replace("count = 2", "count = 5").replace("arrivals", "count = 2\narrivals")
        file = self.experiment(text + "[link]\nmbit_per_s = 20\n", rate=100)
        bounds = [self.figures(file, "--links", links, "--policy", "local", *SHORT)[0]["bound_per_s"]
                  for links in ("ring", "direct")]
        self.assertLess(bounds[0], 0.9 * bounds[1])

    def test_without_policies_all_that_there_are_run(self):
        policies = [run["policy"] for run in self.figures(self.experiment(), *SHORT)]
        self.assertEqual(len(policies), len(set(policies)))
        for policy in ("local", "ms-mdi"):
            self.assertIn(policy, policies)

    def test_people_get_tables(self):
        ended = sim_run(EXPERIMENTS / "fig3-two.toml", "--policy", "local", *SHORT)
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))
        self.assertRegex(ended.stdout, r"(?m)^fig3-two: Figure 3, two workers")
        self.assertRegex(ended.stdout, r"(?m)^local +1 +[0-9.]+ +50\.03 +0\.\d+ ")
        self.assertRegex(ended.stdout, r"(?m)^local +1  small +25\.00 ")
        self.assertRegex(ended.stdout, r"(?m)^w1 +1\.00$")

    def test_what_makes_no_sense_is_bad_usage(self):
        good = self.experiment()
        for arguments, word in (
            ([], "EXPERIMENT"), (["--policy", "fastest"], "ms-mdi"), (["--policy", ""], "--policy"),
            (["--policy", "local,fastest"], "fastest"), (["--seed", "many"], "--seed"), (["--seed", "-1"], "--seed"),
            (["--seed", "5..1"], "--seed"), (["--seed", "1.."], "--seed"), (["--seed", "1..1e3"], "--seed"),
            (["--seed", "0..18446744073709551615"], "--seed"), (["--seed", "18446744073709551616"], "--seed"),
            (["--load", "0"], "--load"), (["--load", "nan"], "--load"), (["--load", "1e9"], "--load"),
            (["--window-s", "0"], "--window-s"), (["--window-s", "nan"], "--window-s"),
            (["--window-s", "1e300"], "--window-s"), (["--warm-up-s", "-1"], "--warm-up-s"),
            (["--frames-part", "0"], "--frames-part"), (["--frames-part", "1.5"], "--frames-part"),
            (["--links", "star"], "star"), (["--no-such-flag"], "--no-such-flag"),
        ):
            with self.subTest(arguments):
                ended = sim_run(*([] if word == "EXPERIMENT" else [good]), *arguments)
                self.assertEqual((ended.returncode, ended.stdout), (2, ""), ended.stderr)
                self.assertIn(word, ended.stderr)

    def test_an_experiment_that_is_wrong_is_refused_with_its_place(self):
        self.experiment()
        for text, words in (
            (ENDLESS.replace("0.223", "-1"), ("made.toml:7", "speed", "-1")),
            (ENDLESS.replace('device = "w1"', 'device = "w7"'), ("made.toml:10", "w7")),
            (ENDLESS.replace("{rate}", "0"), ("rate_per_s",)),
            (ENDLESS.replace("speed", "sped"), ("made.toml:7", "sped")),
            (ENDLESS + "[link]\nmbit_per_s = 0\n", ("mbit_per_s",)),
            (ENDLESS.replace("{profile}", "nowhere.json"), ("nowhere.json",)),
            (ENDLESS.replace("count = 2", "count = 2\nmemory_mb = 16") + 'name2 = 1', ("made.toml:14", "name2")),
            (ENDLESS.replace("count = 2\n", "has_model = false\n").replace('"w1"', '"w"')
             + '[[device]]\nname = "v"\n', ("made.toml", "camera", "no model")),
            ("[experiment", ("made.toml:1",)),
        ):
            with self.subTest(words):
                ended = sim_run(self.experiment(text))
                self.assertEqual((ended.returncode, ended.stdout), (2, ""), ended.stderr)
                for word in words:
                    self.assertIn(word, ended.stderr)
        for path in (Path(self.folder.name) / "absent.toml", Path(self.folder.name)):
            ended = sim_run(path)
            self.assertIn(ended.returncode, (1, 2))
            self.assertIn(str(path), ended.stderr)

    def test_a_ring_of_one_runs(self):
        one = ENDLESS.replace('count = 2\n', '').replace('"w1"', '"w"')
        run, = self.figures(self.experiment(one, rate=100), "--policy", "ms-mdi", *SHORT)
        self.assertGreater(run["fraction_of_bound"], 0.95)

    def test_a_cluster_in_which_nobody_meets_in_time_is_a_failure(self):
        ended = sim_run(self.experiment(ENDLESS + "[link]\ndelay_ms = 60000\n"), "--policy", "local")
        self.assertEqual((ended.returncode, ended.stdout), (1, ""))
        self.assertIn("ring did not form", ended.stderr)

    def test_help_has_examples(self):
        ended = sim_run("--help")
        self.assertEqual(ended.returncode, 0)
        self.assertIn("Examples:\n  eddy sim run configs/experiments/", ended.stdout)


if __name__ == "__main__":
    unittest.main()
