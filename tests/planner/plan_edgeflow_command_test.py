#!/usr/bin/python3
"""Goal: `eddy plan edgeflow` compares all planners on a real model, shows a plan that can be checked, and refuses bad
input with its place. Method: the program itself on ResNet-50, measured once; what plans are worth is tested below it."""
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ["EDDY_BINARY_DIR"])
MODEL = ROOT / "build" / "models" / "resnet50_imagenet.pt"
CLUSTER = ROOT / "configs" / "experiments" / "edgeflow-four-unequal.toml"
ENVIRONMENT = os.environ | {"XDG_CACHE_HOME": str(BUILD / "integration-cache")}
PLANNERS = ["one-device", "equal", "proportional", "progressive-lp", "fused-blocks"]


def edgeflow(*arguments):
    return subprocess.run([BUILD / "bin" / "eddy", "plan", "edgeflow", *map(str, arguments)], capture_output=True,
                          text=True, timeout=600, env=ENVIRONMENT)


class PlanEdgeflow(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.profile = pathlib.Path(cls.folder.name) / "made.row_profile.json"
        measured = edgeflow(MODEL, CLUSTER, "--json", "--explain", "--record", cls.profile)
        assert measured.returncode == 0, measured.stderr
        cls.plan = json.loads(measured.stdout)

    def again(self, *flags, cluster=CLUSTER):
        return edgeflow(MODEL, cluster, "--row-profile", self.profile, *flags)

    def cluster(self, right, wrong):
        text = CLUSTER.read_text().replace("resnet50.profile.json", str(CLUSTER.parent / "resnet50.profile.json"))
        self.assertIn(right, text)
        path = pathlib.Path(self.folder.name) / "made.toml"
        path.write_text(text.replace(right, wrong))
        return path

    def test_all_planners_are_side_by_side(self):
        self.assertEqual(self.plan["schema"], "eddy.edgeflow_plan/1")
        self.assertEqual([each["planner"] for each in self.plan["planners"]], PLANNERS)
        self.assertEqual((self.plan["source"], self.plan["model"]), ("a", MODEL.name))
        predicted = {each["planner"]: each["predicted_ms"] for each in self.plan["planners"]}
        self.assertLess(predicted["fused-blocks"], 0.7 * predicted["one-device"])
        self.assertEqual(min(predicted, key=predicted.get), "fused-blocks")

    def test_blocks_cover_the_model_and_parts_cover_blocks(self):
        next_step = 0
        for block in self.plan["blocks"]:
            self.assertEqual(block["first_step"], next_step)
            next_step = block["last_step"] + 1
            row = 0
            for part in block["parts"]:
                self.assertEqual(part["first_row"], row)
                row = part["end_row"]
            self.assertEqual(row, block["rows"])
            # Of a part that nobody needs, as behind a stride, nothing is computed.
            self.assertGreater(max(part["compute_ms"] for part in block["parts"]), 0)

    def test_the_critical_path_is_the_latency(self):
        path = self.plan["critical_path"]
        at = 0
        for piece in path:
            self.assertAlmostEqual(piece["begin_ms"], at, places=6)
            at = piece["end_ms"]
        self.assertAlmostEqual(at, self.plan["planners"][-1]["predicted_ms"], places=6)

    def test_a_recorded_profile_gives_the_same_plan(self):
        again = json.loads(self.again("--json", "--explain").stdout)
        for plan in (again, self.plan):
            for each in plan["planners"]:
                each.pop("planning_ms", None)
        self.assertEqual(again, self.plan)

    def test_people_get_tables(self):
        text = self.again("--explain", "--planner", "proportional").stdout
        for words in (r"(?m)^progressive-lp \(reconstruction of the paper's\) +\d", r"(?m)^proportional:$",
                      r"(?m)^ +0 +normalise", "critical path", r"computing on a"):
            self.assertRegex(text, words)

    def test_slow_links_leave_everything_on_one_device(self):
        slow = self.cluster("mbit_per_s = 1000", "mbit_per_s = 1")
        plan = json.loads(self.again("--json", cluster=slow).stdout)
        self.assertEqual([len(block["parts"]) for block in plan["blocks"]], [1])

    def test_bad_input_is_refused_with_its_place(self):
        garbage = pathlib.Path(self.folder.name) / "garbage.json"
        garbage.write_text("{}")
        other = json.loads(self.profile.read_text())
        other["steps"].pop()
        foreign = pathlib.Path(self.folder.name) / "foreign.json"
        foreign.write_text(json.dumps(other))
        other = json.loads(self.profile.read_text()) | {"model_hash": "0" * 64}
        retrained = pathlib.Path(self.folder.name) / "retrained.json"
        retrained.write_text(json.dumps(other))
        for flags, words in ((["--source", "e"], '"e", the experiment\'s devices are a, b, c, d'),
                             (["--planner", "best"], "--planner"),
                             (["--row-profile", garbage], "garbage.json"),
                             (["--row-profile", foreign], "foreign.json: row profile: it has"),
                             (["--row-profile", retrained], "retrained.json: it was recorded of another model")):
            with self.subTest(flags):
                ended = edgeflow(MODEL, CLUSTER, *(flags if "--row-profile" in flags else
                                                   [*flags, "--row-profile", self.profile]))
                self.assertEqual((ended.returncode, ended.stdout), (2, ""), ended.stderr)
                self.assertIn(words, ended.stderr)
        self.assertEqual(edgeflow(ROOT / "README.md", CLUSTER).returncode, 2)
        self.assertEqual(edgeflow(MODEL).returncode, 2)

    def test_what_cannot_work_is_told_before_the_model_is_measured(self):
        many = self.cluster('name = "d"', 'name = "d"\ncount = 14')
        nowhere = pathlib.Path(self.folder.name) / "nowhere" / "made.json"
        for arguments, code, words in (([many], 2, "made.toml: 17 devices, allowed: 1 to 16"),
                                       ([CLUSTER, "--record", nowhere], 1, f"cannot write {nowhere} (--record): No such")):
            with self.subTest(words):
                ended = edgeflow(MODEL, *arguments)
                self.assertEqual((ended.returncode, ended.stdout), (code, ""), ended.stderr)
                self.assertIn(words, ended.stderr)
                self.assertNotIn("measuring", ended.stderr)

    def test_a_record_is_not_begun_where_nothing_was_measured(self):
        made = pathlib.Path(self.folder.name) / "made.json"
        garbage = pathlib.Path(self.folder.name) / "none.json"
        garbage.write_text("{")
        self.assertEqual(edgeflow(MODEL, CLUSTER, "--record", made, "--row-profile", garbage).returncode, 2)
        self.assertFalse(made.exists())
        made.write_text("kept")
        self.assertEqual(edgeflow(MODEL, CLUSTER, "--record", made, "--row-profile", garbage).returncode, 2)
        self.assertEqual(made.read_text(), "kept")

    def test_operators_that_cannot_be_divided_are_named_with_the_reason(self):
        self.assertEqual([each["operator"] for each in self.plan["whole"]], ["aten::flatten", "aten::linear"])
        self.assertRegex(self.again().stdout, r"(?m)^aten::linear +1 +fc +no rule says which rows it needs$")

    def test_a_cluster_without_memory_is_told_so(self):
        small = self.cluster('name = "a"\nspeed = 0.5', 'name = "a"\nspeed = 0.5\nmemory_mb = 16')
        text = small.read_text()
        for device in "bcd":
            text = text.replace(f'name = "{device}"\n', f'name = "{device}"\nmemory_mb = 16\n')
        small.write_text(text)
        ended = self.again("--json", cluster=small)
        self.assertEqual((ended.returncode, ended.stdout), (1, ""), ended.stderr)
        self.assertIn("memory", ended.stderr)


if __name__ == "__main__":
    unittest.main()
