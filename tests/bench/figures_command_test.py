#!/usr/bin/python3
"""Goal: bench/figures/figures.py runs what is asked for, goes on where it was interrupted, survives what goes wrong in
one experiment, and leaves nothing half-written. Method: the command itself with an impostor of `eddy` that writes down
how it was called and does what the test says."""

import json
import os
import signal
import subprocess
import tempfile
import time
import unittest
import unittest.mock
from pathlib import Path

from pretended_lab import EXPERIMENTS, ROOT, told

import plan
import runner

COMMAND = ROOT / "bench" / "figures" / "figures.py"
# Does for each experiment what $FAKE/EXPERIMENT says: "broken", "lost" (exit 1 with figures), "silent", or "wait".
EDDY = """#!/usr/bin/python3 -BSE
import json, os, signal, sys
from pathlib import Path
fake = Path(os.environ["FAKE"])
sys.path.insert(0, {tests!r})
from pretended_lab import told
words = sys.argv[1:]
with open(fake / "calls", "a") as calls:
    calls.write(" ".join(words) + "\\n")
if words[1] == "plot":
    if (fake / "no-gnuplot").exists():
        sys.exit("gnuplot is missing: apt-get install gnuplot-nox")
    folder = Path(words[words.index("--dir") + 1])
    names = [f"throughput-defer.{{end}}" for end in ("svg", "png", "gp")] + ["queues-defer.svg"]
    for name in names:
        (folder / name).write_text("plot " + str(len(words)))
    print(json.dumps([str(folder / name) for name in names]))
    sys.exit(0)
name = Path(words[2]).stem
policies = words[words.index("--policy") + 1].split(",")
does = (fake / name).read_text() if (fake / name).exists() else ""
print("about", name, file=sys.stderr)
if does == "silent":
    sys.exit("no namespaces here")
if does == "wait":
    (fake / "waits").write_text(str(os.getsid(0)))
    def ended(number, frame):
        (fake / "cleaned").write_text("")
        sys.exit(130)
    signal.signal(signal.SIGINT, ended)
    print("[", flush=True)
    while True:
        signal.pause()
text = json.dumps([told(name, policy, makespan_s=40.0) for policy in policies])
print(text[:-9] if does == "broken" else text)
sys.exit(1 if does == "lost" else 0)
"""


class Figures(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="eddy figures ")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.out, self.docs, self.eddy = (self.folder / name for name in ("out", "docs", "eddy"))
        self.eddy.write_text(EDDY.format(tests=str(Path(__file__).parent)), encoding="utf-8")
        self.eddy.chmod(0o755)

    def words(self, *more):
        # The machine of a test may be disturbed as it likes.
        return [COMMAND, "--tries", "1", "--eddy", self.eddy, "--out", self.out, "--docs", self.docs, *more]

    def environment(self):
        return {**os.environ, "FAKE": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}

    def run_it(self, *more):
        return subprocess.run(self.words(*more), capture_output=True, text=True, timeout=300, env=self.environment())

    def does(self, experiment, what):
        (self.folder / experiment).write_text(what, encoding="utf-8")

    def called(self, kind="run"):
        """Since the last time."""
        calls = self.folder / "calls"
        lines = calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []
        calls.unlink(missing_ok=True)
        return [Path(line.split()[2]).stem for line in lines if line.split()[1] == kind]

    def test_one_call_runs_all_of_a_set_and_writes_the_page_and_its_plots(self):
        ended = self.run_it("--only", "defer")
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertEqual(self.called(), ["defer-one", "defer-two", "defer-four", "defer-eight"])
        text = (self.docs / "results.md").read_text(encoding="utf-8")
        self.assertIn("| 8 | layered | replayed |", text)
        self.assertIn("eddy lab run configs/experiments/defer-eight.toml --policy local,ar-mdi,layered", text)
        self.assertIn("(results/replayed-throughput-defer.svg)", text)
        self.assertEqual([path.name for path in (self.docs / "results").iterdir()], ["replayed-throughput-defer.svg"])
        self.assertIn("[1/4] defer-one, replayed, layered: about 70 s; 7 min left", ended.stderr)

    def test_a_second_call_measures_nothing_again_unless_told_to(self):
        self.run_it("--only", "defer")
        first = (self.docs / "results.md").read_bytes()
        self.called()
        ended = self.run_it("--only", "defer")
        self.assertEqual((ended.returncode, self.called()), (0, []))
        self.assertIn("4 of 4 experiments are there", ended.stderr)
        self.assertEqual((self.docs / "results.md").read_bytes(), first)
        self.run_it("--only", "defer", "--again")
        self.assertEqual(len(self.called()), 4)

    def test_what_was_measured_with_other_options_is_measured_again(self):
        run, other = (plan.runs(EXPERIMENTS, "replayed", ("fig3",), part)[0] for part in (0.2, 0.3))
        self.assertFalse(runner.is_there(run, self.out))
        place = run.place(self.out)
        place.parent.mkdir(parents=True)
        place.write_text(json.dumps([told(run.experiment, policy) for policy in run.policies]), encoding="utf-8")
        self.assertFalse(runner.is_there(run, self.out))
        place.with_suffix(".command").write_text(runner.command_of(run) + "\n", encoding="utf-8")
        self.assertTrue(runner.is_there(run, self.out))
        self.assertFalse(runner.is_there(other, self.out))

    def test_real_links_are_measured_three_times_and_are_there_only_with_all_three(self):
        run = plan.runs(EXPERIMENTS, "real", ("links-20",))[0]
        with unittest.mock.patch.dict(os.environ, self.environment()):
            self.assertIsNone(runner.Runner(self.eddy, ROOT, self.out, tries=1).one(run, runner.Pace([run])))
        self.assertEqual(self.called(), ["links-20"] * 3)
        place = run.place(self.out)
        self.assertEqual(place.with_suffix(".log").read_text(encoding="utf-8").count("about links-20"), 3)
        figures = json.loads(place.read_text(encoding="utf-8"))
        self.assertEqual(len(figures), 3)
        self.assertTrue(runner.is_there(run, self.out))
        place.write_text(json.dumps(figures[:2]), encoding="utf-8")
        self.assertFalse(runner.is_there(run, self.out))

    def test_the_page_is_of_all_that_is_there_whichever_set_was_run_last(self):
        self.run_it("--only", "defer")
        self.run_it("--only", "cluster")
        self.assertIn("| 8 | layered | replayed |", (self.docs / "results.md").read_text(encoding="utf-8"))

    def test_an_experiment_that_fails_does_not_stop_the_others_and_is_run_again(self):
        self.does("defer-two", "silent")
        self.does("defer-four", "broken")
        ended = self.run_it("--only", "defer")
        self.assertEqual(ended.returncode, 1)
        self.assertEqual(len(self.called()), 4)
        self.assertIn("no namespaces here", ended.stderr)
        self.assertIn("failed: defer-two, replayed\nfailed: defer-four, replayed\n", ended.stderr)
        self.assertNotIn("| 4 | layered |", (self.docs / "results.md").read_text(encoding="utf-8"))
        for name in ("defer-two", "defer-four"):
            (self.folder / name).unlink()
        self.assertEqual((self.run_it("--only", "defer").returncode, self.called()), (0, ["defer-two", "defer-four"]))

    def test_a_rerun_that_fails_shows_no_old_figures_and_is_listed(self):
        self.run_it("--only", "defer")
        self.does("defer-two", "silent")
        self.assertEqual(self.run_it("--only", "defer", "--again").returncode, 1)
        text = (self.docs / "results.md").read_text(encoding="utf-8")
        self.assertNotIn("| 2 | layered |", text)
        self.assertNotIn("defer-two.toml", text)
        self.assertIn("Runs that failed:\n\n* defer-two, replayed: exit code 1, no figures: no namespaces here\n", text)
        self.assertIn("not all was run: all of fig3, defer-two, ", text)
        self.run_it("--report")
        self.assertEqual((self.docs / "results.md").read_text(encoding="utf-8"), text)
        (self.folder / "defer-two").unlink()
        self.called()
        self.assertEqual((self.run_it("--only", "defer").returncode, self.called()), (0, ["defer-two"]))
        text = (self.docs / "results.md").read_text(encoding="utf-8")
        self.assertIn("| 2 | layered |", text)
        self.assertNotIn("Runs that failed", text)

    def test_when_every_rerun_fails_the_page_has_neither_old_figures_nor_old_plots(self):
        self.run_it("--only", "defer-two")
        self.assertIn("(results/replayed-throughput-defer.svg)", (self.docs / "results.md").read_text("utf-8"))
        self.does("defer-two", "silent")
        self.assertEqual(self.run_it("--only", "defer-two", "--again").returncode, 1)
        text = (self.docs / "results.md").read_text(encoding="utf-8")
        self.assertNotIn("| 2 | layered |", text)
        self.assertIn("## Plots\n\nnot measured\n", text)

    def test_a_part_of_a_set_is_run_by_the_names_of_its_experiments(self):
        ended = self.run_it("--only", "links-100,defer-one,links-20")
        self.assertEqual((ended.returncode, self.called()), (0, ["defer-one", "links-20", "links-100"]), ended.stderr)
        self.assertIn("| 5 | 20 | 0.970 |", (self.docs / "results.md").read_text(encoding="utf-8"))
        self.run_it("--only", "links")
        self.assertEqual(len(self.called()), 9 - 2)

    def test_what_is_not_run_with_one_compute_is_told_when_the_rest_is(self):
        ended = self.run_it("--only", "links-100,fig3-three,cluster,fig3-four", "--compute", "real", "--dry-run")
        self.assertEqual((ended.returncode, len(ended.stdout.splitlines())), (0, 3))
        self.assertEqual(ended.stderr, "not run with --compute real: cluster, fig3-four\n")

    def test_figures_of_a_run_that_ended_badly_are_kept_and_the_exit_code_tells(self):
        self.does("defer-two", "lost")
        ended = self.run_it("--only", "defer")
        self.assertEqual(ended.returncode, 1)
        self.assertIn("exit code 1; its figures are kept", ended.stderr)
        text = (self.docs / "results.md").read_text(encoding="utf-8")
        self.assertIn("| 2 | layered |", text)
        self.assertIn("* defer-two, replayed: exit code 1; its figures are kept\n", text)

    def test_interrupted_it_waits_for_the_lab_to_clean_up_and_goes_on_next_time(self):
        self.does("defer-two", "wait")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self.called()
            with subprocess.Popen(self.words("--only", "defer"), stderr=subprocess.DEVNULL,
                                  env=self.environment()) as process:
                try:
                    self.until_the_lab_waits()
                    # A terminal's Ctrl-C would reach all of a session.
                    self.assertNotEqual((self.folder / "waits").read_text(), str(os.getsid(process.pid)))
                finally:
                    process.send_signal(number)
                self.assertEqual(process.wait(timeout=300), 130)
            (self.folder / "cleaned").unlink()
            (self.out / "replayed" / "defer-two.json.part").unlink()
            self.assertFalse((self.docs / "results.md").exists())
        (self.folder / "defer-two").unlink()
        self.called()
        self.run_it("--only", "defer")
        self.assertEqual(self.called(), ["defer-two", "defer-four", "defer-eight"])

    def test_killed_it_leaves_no_lab_running(self):
        self.does("defer-two", "wait")
        with subprocess.Popen(self.words("--only", "defer"), stderr=subprocess.DEVNULL,
                              env=self.environment()) as process:
            try:
                self.until_the_lab_waits()
            finally:
                process.kill()
        until = time.monotonic() + 20
        while not (self.folder / "cleaned").exists():
            self.assertLess(time.monotonic(), until, "the lab goes on")
            time.sleep(0.01)

    def test_under_nohup_it_goes_on_when_its_terminal_closes(self):
        self.does("defer-two", "wait")
        with subprocess.Popen(["/usr/bin/nohup", *self.words("--only", "defer")], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              env=self.environment()) as process:
            try:
                self.until_the_lab_waits()
                process.send_signal(signal.SIGHUP)
                with self.assertRaises(subprocess.TimeoutExpired):
                    process.wait(timeout=1.5)
                self.assertFalse((self.folder / "cleaned").exists())
            finally:
                process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(timeout=300), 130)

    def until_the_lab_waits(self):
        """It handles signals before it writes its first byte."""
        part = self.out / "replayed" / "defer-two.json.part"
        until = time.monotonic() + 20
        while not (part.exists() and part.stat().st_size > 0):
            self.assertLess(time.monotonic(), until, "the lab was not run")
            time.sleep(0.01)

    def test_without_gnuplot_there_is_a_page_and_a_complaint(self):
        (self.folder / "no-gnuplot").write_text("")
        ended = self.run_it("--only", "defer")
        self.assertEqual(ended.returncode, 1)
        self.assertIn("no plots of defer, replayed: gnuplot is missing: apt-get install gnuplot-nox", ended.stderr)
        self.assertIn("## Plots\n\nnot measured\n", (self.docs / "results.md").read_text(encoding="utf-8"))

    def test_a_dry_run_prints_commands_and_times_and_does_nothing(self):
        ended = self.run_it("--dry-run", "--only", "cluster")
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))
        self.assertEqual(len(ended.stdout.splitlines()), len(plan.CLUSTERS) + 1)
        self.assertIn("eddy lab run configs/experiments/cluster-20.toml --policy layered", ended.stdout)
        self.assertFalse(self.out.exists() or self.docs.exists())

    def test_a_report_runs_nothing(self):
        ended = self.run_it("--report")
        self.assertEqual((ended.returncode, self.called()), (1, []))
        self.assertIn("nothing was measured yet", ended.stderr)
        self.run_it("--only", "defer")
        self.called()
        (self.docs / "results.md").unlink()
        self.assertEqual((self.run_it("--report").returncode, self.called()), (0, []))
        self.assertTrue((self.docs / "results.md").exists())

    def test_bad_usage_is_refused_with_what_is_allowed(self):
        nothing = "nothing of it is run with --compute real"
        for words, said in ((["--only", "fig4"], "allowed: fig3, defer, cluster, links"),
                            (["--only", "low-load"], "such as links-100"),
                            (["--scale", "2"], "0.01 to 1"), (["--scale", "nan"], "0.01 to 1"),
                            (["--only", ","], "allowed: fig3"), (["--compute", "guessed"], "replayed"),
                            (["--only", "cluster-20", "--compute", "real"], nothing)):
            ended = self.run_it(*words)
            self.assertEqual((ended.returncode, self.called()), (2, []), words)
            self.assertIn(said, ended.stderr)

    def test_a_missing_program_is_named(self):
        self.eddy.unlink()
        ended = self.run_it("--only", "defer")
        self.assertEqual(ended.returncode, 1)
        self.assertIn(f"{self.eddy} is missing", ended.stderr)
        self.assertNotIn("Traceback", ended.stderr)


class Pace(unittest.TestCase):
    def test_what_is_left_follows_from_how_long_runs_took(self):
        runs = [run for run in plan.runs(EXPERIMENTS, "replayed", ("cluster",))][:4]
        pace = runner.Pace(runs)
        self.assertEqual(pace.rest_s(), 4 * 45)
        pace.done(runs[0], 90)
        self.assertEqual(pace.rest_s(), 2 * 3 * 45)
        self.assertEqual(pace.rest_s(since_s=70), 2 * 3 * 45 - 70)
        pace.done(runs[1], 0)
        self.assertEqual(pace.rest_s(), 2 * 45)
        self.assertEqual(pace.rest_s(since_s=1000), 0)

    def test_an_absurdly_quick_or_slow_run_does_not_make_the_rest_absurd(self):
        runs = plan.runs(EXPERIMENTS, "replayed", ("cluster",))[:2]
        for took_s, rest_s in ((0.01, 22.5), (4500, 135)):
            pace = runner.Pace(runs)
            pace.done(runs[0], took_s)
            self.assertEqual(pace.rest_s(), rest_s)


if __name__ == "__main__":
    unittest.main()
