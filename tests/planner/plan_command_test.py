#!/usr/bin/python3
"""Goal: `eddy plan capacity` gives its bounds to people and to programs, and refuses bad input with its place and exit
code 2. Method: the program itself on shipped and small experiments; what the numbers are worth is tested below it."""
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ["EDDY_BINARY_DIR"])
SHIPPED = ROOT / "configs" / "experiments"
MODEL = ROOT / "build" / "models" / "ssdlite_mobilenet_v2_coco.pt"
ENVIRONMENT = os.environ | {"XDG_CACHE_HOME": str(BUILD / "integration-cache")}  # profiles measured for other tests

LAYER = {"name": "all", "time_us": 10000, "parameters": 1, "flops": 1, "frontier_bytes": 100000, "frontier_tensors": 1,
         "weight_bytes": 1048576}
PROFILE = {"schema": "eddy.profile/1", "model": "made.pt", "device": "none", "model_hash": "00" * 32,
           "chain_hash": "00" * 32, "gamma_s_per_parameter": 0.01, "layers": [LAYER]}
EXPERIMENT = """[experiment]
profile = "made.profile.json"

[link]
mbit_per_s = 8

[[device]]
name = "a"

[[device]]
name = "b"
speed = 0.5

[[source]]
name = "camera"
device = "a"
rate_per_s = 200
"""


def eddy(*arguments):
    return subprocess.run([BUILD / "bin" / "eddy", "plan", *map(str, arguments)], capture_output=True, text=True,
                          timeout=300, env=ENVIRONMENT)


class PlanCapacity(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def experiment(self, text=EXPERIMENT, profile=json.dumps(PROFILE)):
        folder = pathlib.Path(self.folder.name)
        if profile is not None:
            (folder / "made.profile.json").write_text(profile)
        path = folder / "made.toml"
        path.write_text(text)
        return path

    def bounds(self, path, *flags):
        ended = eddy("capacity", path, "--json", *flags)
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))
        return json.loads(ended.stdout)

    def refuses(self, path, *words, flags=()):
        ended = eddy("capacity", path, "--json", *flags)
        self.assertEqual((ended.returncode, ended.stdout), (2, ""), ended.stderr)
        for word in words:
            self.assertIn(word, ended.stderr)

    def refuses_line(self, right, wrong, *words):
        with self.subTest(wrong):
            text = EXPERIMENT.replace(right, wrong)
            self.assertNotEqual(text, EXPERIMENT)
            self.refuses(self.experiment(text), *words)

    # -- what it tells

    def test_json_has_the_bound_and_what_stands_in_its_way(self):
        # a computes 100 frames/s and sends 10 of 100 kB to b, which could compute 50.
        bounds = self.bounds(self.experiment())
        self.assertEqual((bounds["schema"], bounds["experiment"], bounds["topology"]),
                         ("eddy.capacity/1", "made", "ring"))
        self.assertAlmostEqual(bounds["theta"], 0.55)
        self.assertAlmostEqual(bounds["bound_per_s"], 110)
        self.assertEqual(bounds["offered_per_s"], 200)
        self.assertIsNone(bounds["makespan_bound_s"])
        source, = bounds["sources"]
        self.assertEqual((source["name"], source["device"], source["offered_per_s"]), ("camera", "a", 200))
        self.assertAlmostEqual(source["throughput_per_s"], 110)
        self.assertAlmostEqual(source["weighted_optimum_per_s"], 110, places=3)
        a, b = bounds["processors"]
        self.assertEqual((a["device"], a["binding"], b["device"], b["binding"]), ("a", True, "b", False))
        self.assertAlmostEqual(a["price"], 100 / 110)
        self.assertAlmostEqual(b["utilisation"], 0.2)
        there, back = bounds["links"]
        self.assertEqual((there["from"], there["to"], there["binding"], back["binding"]), ("a", "b", True, False))
        self.assertAlmostEqual(there["price"], 10 / 110)
        self.assertEqual(bounds["interfaces"], [])
        self.assertEqual([(flow["cut"], flow["from"], flow["to"]) for flow in bounds["flows"]],
                         [(0, "a", "b"), (1, "b", "a")])
        for flow in bounds["flows"]:
            self.assertAlmostEqual(flow["frames_per_s"], 10)
        self.assertEqual([(run["device"], run["first_layer"], run["last_layer"], round(run["frames_per_s"], 6))
                          for run in bounds["runs"]], [("a", 0, 0, 100), ("b", 0, 0, 10)])

    def test_people_get_tables(self):
        text = eddy("capacity", self.experiment()).stdout
        for row in (r"bound +110\.0 frames/s, θ = 0\.5500", r"camera +a +200\.00 +110\.00 +200 +110\.00",
                    r"processor a +100\.0 +yes +0\.9091", r"link a → b +100\.0 +yes +0\.0909",
                    r"camera +b +0 to 0 +10\.00", r"camera +0 +all +a +b +10\.00", r"camera +1 +the result +b +a +10\.00"):
            self.assertRegex(text, rf"(?m)^{row}$")

    def test_shipped_experiments_are_bound_by_their_processors_or_links(self):
        """Devices of 25 frames/s: all together, unless links are narrow."""
        for name, bound_per_s in (("fig3-two", 50), ("fig3-three", 75), ("fig3-five", 125), ("links-20", 70.8)):
            bounds = self.bounds(SHIPPED / f"{name}.toml")
            self.assertAlmostEqual(bounds["bound_per_s"] / bound_per_s, 1, delta=0.005)
            self.assertEqual(any(link["binding"] for link in bounds["links"]), name == "links-20")
            self.assertEqual(all(cpu["binding"] for cpu in bounds["processors"]), name != "links-20")
            self.assertAlmostEqual(sum(item["price"] for item in bounds["processors"] + bounds["links"]), 1, places=5)
        small, large = bounds["sources"]  # with narrow links the small one need not wait for the large one
        self.assertGreater(small["weighted_optimum_per_s"], 1.2 * small["throughput_per_s"])
        self.assertAlmostEqual(large["weighted_optimum_per_s"], large["throughput_per_s"], delta=0.1)

    def test_a_table_of_very_many_rows_keeps_the_largest(self):
        text = eddy("capacity", SHIPPED / "sixteen-devices.toml", "--links", "direct").stdout
        self.assertRegex(text, r"(?m)^… and \d+ that are used less; --json has all$")
        self.assertEqual(len(re.findall(r"(?m)^processor d\d+ +100\.0 +yes", text)), 16)
        self.assertEqual(len(re.findall(r"(?m)^(processor|link|all that) d\d", text)), 40)

    def test_a_batch_has_a_makespan(self):
        bounds = self.bounds(self.experiment(EXPERIMENT + "frames = 1100\n"))
        self.assertAlmostEqual(bounds["makespan_bound_s"], 10, delta=0.1)
        self.assertRegex(eddy("capacity", self.experiment()).stdout, r"offered +200.0 frames/s\nbound .*\n\n")

    def test_speeds_are_those_of_the_time_asked_for(self):
        path = SHIPPED / "speed-halves.toml"
        before, after, measured = (self.bounds(path, *flags) for flags in (["--at", "59"], ["--at", "60"], []))
        self.assertAlmostEqual(after["theta"] / before["theta"], 2.5 / 3, delta=0.001)
        self.assertEqual(measured["theta"], after["theta"])
        self.assertEqual(measured["at_s"], 70)

    def test_links_can_be_chosen(self):
        path = self.experiment(EXPERIMENT.replace("[link]", 'links = "direct"\n\n[link]'))
        direct, ring = self.bounds(path), self.bounds(path, "--links", "ring")
        self.assertEqual((direct["topology"], ring["topology"]), ("direct", "ring"))
        self.assertIn(("a", "egress", True), [(item["device"], item["direction"], item["binding"])
                                              for item in direct["interfaces"]])
        self.assertEqual(ring["interfaces"], [])

    def test_a_ring_of_one_is_solved(self):
        path = self.experiment(EXPERIMENT.replace('[[device]]\nname = "b"\nspeed = 0.5\n\n', ""))
        for links in ("ring", "direct"):
            bounds = self.bounds(path, "--links", links)
            self.assertAlmostEqual(bounds["theta"], 0.5)
            self.assertEqual((bounds["links"], bounds["flows"]), ([], []))

    def test_a_model_is_measured_and_its_profile_kept(self):
        text = EXPERIMENT.replace('profile = "made.profile.json"', f'model = "{MODEL}"')
        first, second = (self.bounds_of_model(self.experiment(text)) for _ in range(2))
        self.assertEqual(first["model"], MODEL.name)
        self.assertGreater(first["theta"], 0)
        self.assertEqual(first, second)

    def bounds_of_model(self, path):
        ended = eddy("capacity", path, "--json")
        self.assertEqual(ended.returncode, 0, ended.stderr)
        return json.loads(ended.stdout)

    # -- bad input

    def test_what_is_wrong_in_an_experiment_is_told_with_file_line_and_key(self):
        for case in (
            ("speed = 0.5", "sped = 0.5", "made.toml:12: [[device]] sped: found an unknown key", "did you mean speed?"),
            ("[link]", "[lnk]", "made.toml:4:", "lnk", "unknown"),
            ("speed = 0.5", "speed = -0.5", "made.toml:12: [[device]] speed: found -0.5", "above 0"),
            ("speed = 0.5", "speed = nan", "made.toml:12: [[device]] speed"),
            ('device = "a"', 'device = "c"', "made.toml:16: [[source]] device", '"c", which is no device', "a, b"),
            ('device = "a"\n', "", "made.toml:14: [[source]] device: found nothing"),
            ("mbit_per_s = 8", "mbit_per_s = 0", "made.toml:5: [link] mbit_per_s: found 0", "above 0"),
            ("rate_per_s = 200", "rate_per_s = 0", "made.toml:17: [[source]] rate_per_s: found 0"),
            ('name = "b"', 'name = "a"', "made.toml:11: [[device]] name", '"a" a second time'),
            ("[[source]]", "[[source", "made.toml:14: not TOML"),
            ('"made.profile.json"', '"gone.json"', "made.toml:2: [experiment] profile", "gone.json", "does not exist"),
            ('profile = "made.profile.json"', "", "[experiment] profile: found nothing"),
            ("speed = 0.5", "has_model = false\n\n[[link_between]]\nfrom = \"a\"\nto = \"c\"\ndelay_ms = 1",
             "made.toml:16: [[link_between]] to", '"c", which is no device'),
        ):
            self.refuses_line(*case)

    def test_no_sources_no_devices_nothing(self):
        head, devices = EXPERIMENT.split("[[device]]", 1)
        no_source = EXPERIMENT.split("[[source]]")[0]
        self.refuses(self.experiment(no_source), "made.toml", "[[source]]: found none", "at least one source")
        self.refuses(self.experiment(head), "[[device]]: found none")
        self.refuses(self.experiment(""), "[[device]]: found none", "[[source]]: found none")
        self.refuses(pathlib.Path(self.folder.name) / "gone.toml", "gone.toml: no such file")
        self.refuses(self.folder.name, "not a file")

    def test_a_profile_that_cannot_be_read_is_named_with_what_is_wrong(self):
        def changed(**members):
            return json.dumps(PROFILE | members)

        for profile, *words in (
            ("", "parse error"), ("{", "parse error"), ("[]", "eddy.profile/1"), ("{}", '"schema" is missing'),
            (changed(schema="eddy.report/1"), "eddy.profile/1"), (changed(layers=[]), '"layers"'),
            (changed(layers=[LAYER, LAYER | {"time_us": -1}]), 'layers[1]: "time_us" must be a whole number'),
            (changed(layers=[LAYER | {"frontier_bytes": 1e300}]), '"frontier_bytes"'),
            (changed(layers=[{"name": "x"}]), '"time_us" is missing'), (changed(model_hash="xyz"), '"model_hash"'),
            (" " * (1 << 20) + changed(), "1 MiB"),
        ):
            with self.subTest(profile[:80]):
                self.refuses(self.experiment(profile=profile), "made.toml: ", "made.profile.json: ", *words)

    def test_a_model_that_cannot_be_read_is_named(self):
        text = EXPERIMENT.replace('profile = "made.profile.json"', 'model = "broken.pt"')
        (pathlib.Path(self.folder.name) / "broken.pt").write_text("this is no archive")
        self.refuses(self.experiment(text), "made.toml: ", "broken.pt")
        self.refuses(self.experiment(text.replace("broken", "gone")), "made.toml:2: [experiment] model", "gone.pt")

    def test_what_has_no_bound_is_refused(self):
        free = PROFILE | {"layers": [LAYER | {"time_us": 0}]}
        self.refuses(self.experiment(profile=json.dumps(free)), "made.toml: nothing limits this cluster")
        heavy = PROFILE | {"layers": [LAYER | {"weight_bytes": 1 << 40}]}
        self.refuses(self.experiment(profile=json.dumps(heavy)), "made.toml: no device has the model and memory")

    def test_flags(self):
        path = self.experiment()
        for flags, word in ((["--at", "-1"], "--at"), (["--at", "soon"], "--at"), (["--at", "nan"], "--at"),
                            (["--links", "star"], "--links"), (["--no-such-flag"], "--no-such-flag")):
            with self.subTest(flags):
                self.refuses(path, word, flags=flags)
        self.assertEqual(eddy("capacity").returncode, 2)
        self.assertEqual(eddy().returncode, 2)
        shown = eddy("capacity", "--help")
        self.assertEqual(shown.returncode, 0)
        self.assertIn("Example:\n  eddy plan capacity configs/", shown.stdout)

    def test_where_a_command_is_missing_or_wrong_the_commands_are_named(self):
        for arguments, words in (([], ("eddy: plan: found no command", "capacity")),
                                 (["capcity", "x.toml"], ('eddy: plan: found "capcity"', "allowed: capacity"))):
            with self.subTest(arguments):
                ended = eddy(*arguments)
                self.assertEqual((ended.returncode, ended.stdout), (2, ""))
                for word in words:
                    self.assertIn(word, ended.stderr)

    def test_every_key_of_an_experiment_is_explained(self):
        shown = eddy("capacity", "--help-experiment")
        self.assertEqual(shown.returncode, 0)
        for key in ("[experiment]", "# links: ", "[[device]]", "speed = 1.0", "[[source]]", "rate_per_s = 10.0"):
            self.assertIn(key, shown.stdout)
        self.assertEqual([line for line in shown.stdout.splitlines() if len(line) > 120], [])


if __name__ == "__main__":
    unittest.main()
