"""eddy lab run as people use it: real nodes, and nothing left behind, however it ends. What needs namespaces and control
groups is skipped for those who are not root."""

import json
import os
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("EDDY_BINARY_DIR", ROOT / "build" / "release"))
EDDY = BUILD / "bin" / "eddy"
PROFILE = ROOT / "configs" / "experiments" / "mobilenet_v2_224.profile.json"
MODEL = ROOT / "build" / "models" / "ssdlite_mobilenet_v2_coco.pt"
PATIENCE_S = 300

EXPERIMENT = """
[experiment]
title = "Two devices"
profile = "{profile}"
warm_up_s = 1.0
window_s = {window_s}
[link]
mbit_per_s = 100
[[device]]
name = "d"
count = {devices}
speed = 0.3
{device}
[[source]]
name = "small"
device = "d1"
rate_per_s = 10
{small}
[[source]]
name = "large"
device = "d2"
rate_per_s = 40
{large}
{more}
"""


def root_only(test):
    return unittest.skipUnless(os.geteuid() == 0, "namespaces and control groups need root")(test)


def groups():
    return {path for path in Path("/sys/fs/cgroup").rglob("eddy-lab-*") if path.is_dir()}


def namespaces():
    return {line.split()[0] for line in subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout.splitlines()
            if line.startswith("eddy-lab-")}


def folders():
    return {path for path in Path("/run/eddy-lab").glob("*") if path.is_dir()}


def nodes_of(folder_mark):
    """Processes of eddy-node whose command line has the mark."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"eddy-node") and any(folder_mark.encode() in word for word in words):
            found.append(int(entry.parent.name))
    return found


def until(condition, what, within_s=PATIENCE_S):
    deadline = time.monotonic() + within_s
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"in {within_s} s it did not happen that {what}")
        time.sleep(0.05)
    return value


class LabCommand(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def experiment(self, *, devices=2, window_s=2, device="", small="", large="", more=""):
        path = self.folder / "two.toml"
        path.write_text(EXPERIMENT.format(profile=PROFILE, devices=devices, window_s=float(window_s), device=device,
                                          small=small, large=large, more=more))
        return path

    def begin(self, *words):
        lab = subprocess.Popen([EDDY, "lab", "run", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, start_new_session=True)
        self.addCleanup(lab.stderr.close)
        self.addCleanup(lab.stdout.close)
        self.addCleanup(lab.wait)
        self.addCleanup(lab.kill)
        return lab

    def run_lab(self, *words, code=0):
        lab = self.begin(*words)
        out, err = lab.communicate(timeout=PATIENCE_S)
        self.assertEqual(lab.returncode, code, err + out)
        return out, err

    def nothing_left(self, before):
        """As before the run: namespaces, control groups, folders. Other labs may be at work, but theirs were there."""
        now = (namespaces(), groups(), folders())
        for what, was, is_now in zip(("namespaces", "groups", "folders"), before, now):
            self.assertEqual(is_now - was, set(), what)

    def check_run(self, run, compute, isolation):
        self.assertEqual((run["compute"], run["isolation"]), (compute, isolation))
        self.assertEqual((run["lost"], run["duplicated"]), (0, 0))
        for source in run["sources"]:
            self.assertEqual(source["captured"], source["completed"] + source["failed"] + source["dropped"], source)
            self.assertEqual(source["failed"], 0)
            self.assertGreater(source["completed"], 0)
            self.assertEqual(len(source["completion_ms_quantiles"]), 101)
        self.assertGreater(run["bound_per_s"], 0)
        self.assertGreater(run["simulated"]["throughput_per_s"], 0)
        self.assertGreater(len(run["per_second"]), 1)
        for second in run["per_second"]:
            self.assertEqual(len(second["in_queues_by_node"]), len(run["nodes"]))

    def test_without_root_all_nodes_are_on_loopback_and_the_output_says_so(self):
        out, err = self.run_lab(self.experiment(), "--policy", "local,layered", "--loopback", "--json")
        runs = json.loads(out)
        self.assertEqual([run["policy"] for run in runs], ["local", "layered"])
        for run in runs:
            self.check_run(run, "replayed", "loopback")
            self.assertIsNone(run["link_speeds"][0]["asked_mbit_per_s"])
        self.assertIn("loopback", err)
        # The second device offers more than it can do alone: the first one does some of it, if it may.
        self.assertEqual(runs[0]["hops_per_frame"], 0)
        self.assertGreater(runs[1]["hops_per_frame"], 0)

    @root_only
    def test_as_root_devices_have_their_links_and_limits_and_nothing_is_left(self):
        before = (namespaces(), groups(), folders())
        out, _ = self.run_lab(self.experiment(), "--policy", "layered", "--json")
        (run,) = json.loads(out)
        self.check_run(run, "replayed", "namespaces")
        for link in run["link_speeds"]:
            self.assertEqual(link["asked_mbit_per_s"], 100)
            self.assertLess(link["measured_mbit_per_s"], 105)
            self.assertGreater(link["measured_mbit_per_s"], 20)  # the machine may be busy
        for device in run["devices"]:
            self.assertAlmostEqual(device["asked_speed"], 0.3)
            self.assertLess(device["measured_speed"], 0.301)  # a wait is never shorter than asked
            self.assertIsNone(device["quota_cores"])
            self.assertGreater(device["memory_limit_mb"], 1024)
        self.nothing_left(before)

    @root_only
    def test_a_batch_has_a_makespan_and_the_table_shows_what_was_asked_and_found(self):
        out, _ = self.run_lab(self.experiment(small="frames = 20", large="frames = 60"), "--policy", "layered")
        for words in ("compute: replayed; network namespaces", "makespan s", "d1 speed", "d1 > d2 Mbit/s", "to simulated"):
            self.assertIn(words, out)

    @root_only
    def test_ctrl_c_ends_it_and_leaves_nothing(self):
        before = (namespaces(), groups(), folders())
        lab = self.begin(self.experiment(window_s=600), "--policy", "layered")
        folder = until(lambda: folders() - before[2], "a run's folder is there").pop()
        until(lambda: len(nodes_of(str(folder))) == 2, "both nodes run")
        lab.send_signal(signal.SIGINT)
        _, err = lab.communicate(timeout=PATIENCE_S)
        self.assertEqual(lab.returncode, 1)
        self.assertIn("interrupted", err)
        self.assertEqual(nodes_of(str(folder)), [])
        self.nothing_left(before)

    @root_only
    def test_what_a_killed_lab_leaves_is_removed_by_the_next_one(self):
        before = (namespaces(), groups(), folders())
        lab = self.begin(self.experiment(window_s=600), "--policy", "layered")
        folder = until(lambda: folders() - before[2], "a run's folder is there").pop()
        until(lambda: len(nodes_of(str(folder))) == 2, "both nodes run")
        lab.kill()
        lab.wait()
        until(lambda: nodes_of(str(folder)) == [], "the nodes die with the lab")
        self.assertNotEqual(namespaces() - before[0], set())
        _, err = self.run_lab(self.experiment(), "--policy", "local", "--json")
        self.assertIn("removed", err)
        self.nothing_left(before)

    @root_only
    def test_a_node_that_dies_is_named_and_nothing_is_left(self):
        before = (namespaces(), groups(), folders())
        lab = self.begin(self.experiment(window_s=600), "--policy", "layered")
        folder = until(lambda: folders() - before[2], "a run's folder is there").pop()
        nodes = until(lambda: len(found := nodes_of(str(folder))) == 2 and found, "both nodes run")
        os.kill(nodes[0], signal.SIGKILL)
        _, err = lab.communicate(timeout=PATIENCE_S)
        self.assertEqual(lab.returncode, 1)
        self.assertRegex(err, r"node d[12] ended by itself, with 137")
        self.nothing_left(before)

    @root_only
    def test_real_devices_measure_themselves_under_their_quota(self):
        out, _ = self.run_lab(self.experiment(window_s=3), "--policy", "layered", "--compute", "real", "--model", MODEL,
                              "--json")
        (run,) = json.loads(out)
        self.check_run(run, "real", "namespaces")
        self.assertLessEqual(run["quota_factor"], 1)
        for device in run["devices"]:
            self.assertAlmostEqual(device["quota_cores"], 0.3 * run["quota_factor"])
            self.assertGreater(device["measured_speed"], 0)

    @root_only
    def test_a_device_slows_down_when_the_experiment_says_so(self):
        change = '[[change]]\nat_s = 1.5\ndevice = "d2"\nspeed = 0.05\n[[change]]\nat_s = 1.5\ndevice = "d1"\nspeed = 0.05'
        fast, _ = self.run_lab(self.experiment(), "--policy", "local", "--json")
        slow, _ = self.run_lab(self.experiment(more=change), "--policy", "local", "--json")
        fast, slow = (json.loads(out)[0]["throughput_per_s"] for out in (fast, slow))
        self.assertLess(slow, fast / 2)

    def test_mistakes_are_told_before_anything_is_started(self):
        for words, why in ((("--policy", "best"), "--policy"), (("--compute", "real"), "--model"),
                           (("--compute", "real", "--model", "nowhere.pt"), "nowhere.pt"),
                           (("--compute", "real", "--model", "/tmp"), "/tmp"), (("--load", "0"), "--load"),
                           (("--frames-part", "2"), "--frames-part")):
            _, err = self.run_lab(self.experiment(), *words, code=2)
            self.assertIn(why, err)
        _, err = self.run_lab(self.folder / "none.toml", code=2)
        self.assertIn("none.toml", err)

    @root_only
    def test_kept_files_are_where_it_says(self):
        before = folders()
        _, err = self.run_lab(self.experiment(), "--policy", "local", "--keep", "--json")
        (folder,) = folders() - before
        self.addCleanup(subprocess.run, ["rm", "-r", folder])
        self.assertIn(str(folder), err)
        for name in ("node.toml", "node.log", "report.json", "results.jsonl"):
            self.assertTrue((folder / "local" / "1" / name).exists(), name)


if __name__ == "__main__":
    unittest.main(verbosity=2)
