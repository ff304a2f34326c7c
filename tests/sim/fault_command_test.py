"""eddy sim scenario and eddy sim ring-faults as programs: what they print, where, and their exit codes."""
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

EDDY = pathlib.Path(os.environ["EDDY_BINARY_DIR"]) / "bin" / "eddy"
STORIES = pathlib.Path(__file__).resolve().parents[1] / "scenarios"


def eddy(*arguments):
    return subprocess.run([EDDY, "sim", *map(str, arguments)], capture_output=True, text=True, timeout=300)


class FaultCommands(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def file(self, name, text):
        path = pathlib.Path(self.folder.name) / name
        path.write_text(text)
        return path

    def test_stories_that_come_true_end_with_0_and_one_line_each(self):
        files = sorted(STORIES.glob("leaves*.txt")) + sorted(STORIES.glob("pauses*.txt"))
        done = eddy("scenario", *files)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual([line.split()[0] for line in done.stdout.splitlines()], ["ok"] * len(files))

    def test_a_story_that_does_not_come_true_ends_with_1_and_says_what_was_seen(self):
        path = self.file("wrong.txt", "nodes a b\nat 0 s node a starts\nat 5 s everyone sees one ring of a b\n")
        done = eddy("scenario", path)
        self.assertEqual(done.returncode, 1)
        self.assertIn("OneRing at 5.000 s (line 3): node b does not live", done.stdout)

    def test_a_story_that_cannot_be_read_ends_with_2_and_names_file_and_line(self):
        path = self.file("bad.txt", "nodes a b\nat 0 s node c starts\n")
        done = eddy("scenario", path)
        self.assertEqual(done.returncode, 2)
        self.assertIn('bad.txt:2: found "c"', done.stderr)
        self.assertEqual(eddy("scenario", "/nonexistent/story.txt").returncode, 2)

    def test_the_log_tells_the_steps_on_standard_error(self):
        path = self.file("short.txt", "nodes a b\nat 0 s nodes a b start\nwithin 5 s everyone sees one ring of a b\n")
        done = eddy("scenario", path, "--log")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("at 0 s nodes a b start", done.stderr)
        self.assertNotIn("nodes a b start", done.stdout)

    def test_a_range_of_seeds_is_summed_up_as_json(self):
        done = eddy("ring-faults", "--seeds", "1..10", "--json")
        self.assertEqual(done.returncode, 0, done.stdout)
        report = json.loads(done.stdout)
        self.assertEqual((report["first_seed"], report["last_seed"]), (1, 10))
        self.assertEqual((report["found"], report["findings"]), (0, []))
        self.assertGreaterEqual(report["simulated_s"], 10 * 120)
        self.assertGreaterEqual(report["faults_fewest"], 20)
        self.assertGreater(report["invariant_checks"], 0)

    def test_a_seed_becomes_a_story_that_is_played_again(self):
        path = pathlib.Path(self.folder.name) / "seed.txt"
        told = eddy("ring-faults", "--seed", "4", "--as-scenario", path)
        self.assertEqual(told.returncode, 0, told.stderr)
        self.assertIn("failures stay within the assumptions", path.read_text())
        self.assertEqual(eddy("scenario", path).returncode, 0)

    def test_a_seed_without_a_finding_cannot_be_shrunk(self):
        path = pathlib.Path(self.folder.name) / "seed.txt"
        done = eddy("ring-faults", "--seed", "4", "--as-scenario", path, "--shrink")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no finding", done.stderr)
        self.assertFalse(path.exists())

    def test_bad_usage_ends_with_2(self):
        for seeds in ("", "x", "5..1", "1..", "..2", "1...3", "-1", "1..99999999999999999999"):
            with self.subTest(seeds=seeds):
                self.assertEqual(eddy("ring-faults", f"--seeds={seeds}").returncode, 2)
        self.assertEqual(eddy("ring-faults", "--seed", "4", "--shrink").returncode, 2)
        self.assertEqual(eddy("scenario").returncode, 2)

    def test_help_has_an_example(self):
        for command in ("scenario", "ring-faults"):
            self.assertIn("Example", eddy(command, "--help").stdout)


if __name__ == "__main__":
    unittest.main()
