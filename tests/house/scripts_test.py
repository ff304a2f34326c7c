#!/usr/bin/python3
"""Goal: scripts/setup installs what is missing and only that, does nothing twice, and says what to do when it fails;
scripts/check stops what it should. Method: a small repository in a folder with blanks in its name, and a PATH that holds
the ordinary tools plus impostors of apt-get, dpkg-query, cmake, sudo and id, which write down how they were called."""

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = (
    "bash sh sed grep awk cat tail head env mkdir flock paste sort tee wc dirname git touch printf clang-format "
    "id nproc true rm xargs date"
).split()

IMPOSTORS = {
    "dpkg-query": 'sed "s/^/installed /" "$FAKE/installed"',
    # Fails on what $FAKE/broken says; otherwise what it installs is installed from then on.
    "apt-get": """
echo "apt-get $*" >> "$FAKE/calls"
if [ -e "$FAKE/broken" ] && grep -qF -- "$(cat "$FAKE/broken")" <<< "$*"; then echo "E: no network" >&2; exit 100; fi
case " $* " in
  *" -s "*) for p in "$@"; do case "$p" in -*|install) ;; *) echo "Inst $p";; esac; done ;;
  *" install "*) seen=no; for p in "$@"; do
      [ $seen = yes ] && { echo "Setting up $p (1.0) ..."; echo "$p" >> "$FAKE/installed"; }
      [ "$p" = install ] && seen=yes; done ;;
esac; true""",
    "apt-cache": 'echo "apt-cache $*" >> "$FAKE/calls"',
    "cmake": """
echo "cmake $*" >> "$FAKE/calls"
if [ "$1" = --preset ] && [ "$2" = nonsense ]; then echo "No such preset"; exit 1; fi; true""",
    "sudo": 'echo "sudo" >> "$FAKE/calls"; [ "$1" = -n ] && shift; exec "$@"',
}
ZOO = """#!/usr/bin/python3
import sys, pathlib
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
out.mkdir(parents=True, exist_ok=True)
with open(out / "%s", "a") as f: f.write("made\\n")
"""


class Sandbox(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="eddy scripts ")
        self.addCleanup(self.folder.cleanup)
        self.repo = Path(self.folder.name, "a house")
        self.fake = Path(self.folder.name, "fake")
        self.bin = self.fake / "bin"
        self.bin.mkdir(parents=True)
        shutil.copytree(ROOT / "scripts", self.repo / "scripts")
        shutil.copytree(ROOT / ".githooks", self.repo / ".githooks")
        shutil.copy(ROOT / "CMakePresets.json", self.repo)
        (self.repo / "scripts/packages.txt").write_text("# a comment\ng++\nninja-build   # why\n\nnpm  # why\n")
        (self.repo / "models/zoo").mkdir(parents=True)
        (self.repo / "models/zoo/make.py").write_text(ZOO % "model.pt")
        (self.repo / "models/zoo/fetch_media.py").write_text(ZOO % "vtest.avi")
        (self.fake / "installed").write_text("g++\nninja-build\nnpm\n")
        for tool in TOOLS:
            if found := shutil.which(tool, path="/usr/local/bin:/usr/bin:/bin"):
                (self.bin / tool).symlink_to(found)
        for name, body in IMPOSTORS.items():
            self.impostor(name, body)
        self.impostor("id", "echo 0")

    def impostor(self, name, body):
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text("#!/bin/bash\n" + body + "\n")
        path.chmod(0o755)

    def run_script(self, *command, **environment):
        variables = {"PATH": str(self.bin), "FAKE": str(self.fake), "HOME": str(self.fake), "CI": "true", **environment}
        return subprocess.run([str(self.repo / command[0]), *command[1:]], cwd="/", env=variables, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)

    def setup_succeeds(self, *options, **environment):
        done = self.run_script("scripts/setup", *options, **environment)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def setup_fails(self, code, *options, **environment):
        done = self.run_script("scripts/setup", *options, **environment)
        self.assertEqual(done.returncode, code, done.stdout)
        return done.stdout

    def calls(self, prefix):
        path = self.fake / "calls"
        return [c for c in path.read_text().splitlines() if c.startswith(prefix)] if path.exists() else []

    def git(self, *arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
        return subprocess.run(["git", "-C", str(self.repo), *identity, *arguments], check=False, capture_output=True,
                              text=True, env=environment).stdout


class Setup(Sandbox):
    def test_with_everything_there_it_asks_no_network_and_says_how_far_it_is(self):
        said = self.setup_succeeds()
        self.assertEqual(self.calls("apt-get"), [])
        for n in range(1, 6):
            self.assertIn(f"[{n}/5] ", said)
        self.assertIn("all 3 are there", said)
        self.assertEqual(self.calls("cmake --preset"), ["cmake --preset release"])
        self.assertTrue((self.repo / "build/models/model.pt").exists())
        self.assertTrue((self.repo / "build/media/vtest.avi").exists())

    def test_what_is_missing_is_installed_and_nothing_else_and_only_once(self):
        (self.fake / "installed").write_text("ninja-build\nnpm\ng++-12\n")  # a longer name is not the package
        said = self.setup_succeeds()
        installs = [c for c in self.calls("apt-get") if " install " in c and " -s " not in c]
        self.assertEqual(len(installs), 1)
        self.assertTrue(installs[0].endswith(" install g++"), installs)
        self.assertEqual(len([c for c in self.calls("apt-get") if c.endswith(" update")]), 1)
        self.assertIn("installed 1 of 1: g++", said)
        before = len(self.calls("apt-get"))
        self.setup_succeeds()
        self.assertEqual(len(self.calls("apt-get")), before)

    def test_npm_is_installed_only_where_there_is_none(self):
        (self.fake / "installed").write_text("g++\nninja-build\n")
        self.impostor("npm", "true")
        self.setup_succeeds()
        self.assertEqual(self.calls("apt-get"), [])
        (self.bin / "npm").unlink()
        self.setup_succeeds()
        self.assertTrue(self.calls("apt-get")[-1].endswith(" install npm"))

    def test_without_root_it_goes_through_sudo_or_says_what_to_type(self):
        (self.fake / "installed").write_text("npm\n")
        self.impostor("id", "echo 1000")
        (self.bin / "sudo").rename(self.bin / "hidden")
        self.assertIn("run as root: apt-get install g++ ninja-build", self.setup_fails(1))
        (self.bin / "hidden").rename(self.bin / "sudo")
        self.setup_succeeds()
        self.assertEqual(len(self.calls("sudo")), 2)  # update and install

    def test_a_failing_network_is_told_with_the_log_and_the_next_run_tries_again(self):
        (self.fake / "installed").write_text("npm\n")
        for broken in ("update", "install"):
            (self.fake / "broken").write_text(broken)
            said = self.setup_fails(1)
            self.assertIn("E: no network", said)
            self.assertIn("build/setup.log", said)
            self.assertNotIn("[2/5]", said)
        (self.fake / "broken").unlink()
        self.assertIn("ready", self.setup_succeeds())

    def test_where_there_is_no_dpkg_it_says_how_to_go_on(self):
        (self.bin / "dpkg-query").unlink()
        self.assertIn("scripts/setup --no-packages", self.setup_fails(1))
        self.assertIn("ready", self.setup_succeeds("--no-packages"))

    def test_options(self):
        self.assertIn("example:", self.setup_succeeds("--help"))
        self.assertIn("unknown option --fast", self.setup_fails(2, "--fast"))
        self.assertIn("needs a name", self.setup_fails(2, "--preset"))
        self.assertEqual(self.calls(""), [])
        self.setup_succeeds("--no-models", "--preset", "core")
        self.assertFalse((self.repo / "build/models").exists())
        self.assertEqual(self.calls("cmake --preset"), ["cmake --preset core"])
        said = self.setup_fails(1, "--preset=nonsense")
        self.assertIn("No such preset", said)
        self.assertIn("presets are: asan core dev release tsan", said)

    def test_a_model_that_cannot_be_made_fails_the_setup(self):
        (self.repo / "models/zoo/make.py").write_text("import sys; sys.exit('the checksum is wrong')")
        said = self.setup_fails(1)
        self.assertIn("the checksum is wrong", said)
        self.assertIn("--no-models", said)

    def test_gits_hooks_are_set_once_and_never_over_others_or_in_ci(self):
        self.setup_succeeds(CI="")  # not a work tree: nothing to set
        self.git("init", "-q")
        self.setup_succeeds()
        self.setup_succeeds("--no-hooks", CI="")
        self.assertEqual(self.git("config", "core.hooksPath"), "")
        self.assertIn("core.hooksPath = .githooks", self.setup_succeeds(CI=""))
        self.assertEqual(self.git("config", "core.hooksPath"), ".githooks\n")
        self.assertNotIn("hooksPath", self.setup_succeeds(CI=""))
        self.git("config", "core.hooksPath", "mine")
        self.setup_succeeds(CI="")
        self.assertEqual(self.git("config", "core.hooksPath"), "mine\n")


class Check(Sandbox):
    def setUp(self):
        super().setUp()
        shutil.copytree(ROOT / "tests/house", self.repo / "tests/house", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / ".clang-format", self.repo)
        (self.repo / "ring").mkdir()
        (self.repo / "ring/good.cpp").write_text("int good;\n")
        self.git("init", "-q")
        self.git("add", ".")
        self.git("commit", "-q", "-m", "first")

    def check(self, *options):
        done = self.run_script("scripts/check", *options)
        return done.returncode, done.stdout

    def test_an_unchanged_tree_passes(self):
        code, said = self.check()
        self.assertEqual(code, 0, said)
        self.assertIn("nothing to complain of", said)

    def test_bad_format_is_found_where_something_changed_and_can_be_fixed(self):
        bad = self.repo / "ring/bad name.cpp"
        bad.write_text("int   bad ;\n")
        code, said = self.check("--fast")
        self.assertEqual(code, 1, said)
        self.assertIn("bad name.cpp", said)
        self.assertIn("FAILED: format", said)
        self.assertEqual(self.check("--fast", "--fix")[0], 0)
        self.assertEqual(bad.read_text(), "int bad;\n")

    def test_a_forbidden_include_is_found(self):
        (self.repo / "ring/good.cpp").write_text('#include "scheduler/a.hpp"\n')
        code, said = self.check("--fast")
        self.assertEqual(code, 1, said)
        self.assertIn("ring includes", said)

    def test_a_commit_is_judged_by_its_own_files(self):
        (self.repo / "ring/other.cpp").write_text('#include "scheduler/a.hpp"\nint   x ;\n')
        (self.repo / "ring/good.cpp").write_text("int better;\n")
        self.git("add", "ring/good.cpp")
        code, said = self.check("--staged", "--fast")
        self.assertEqual(code, 0, said)
        self.git("add", "ring/other.cpp")
        code, said = self.check("--staged", "--fast")
        self.assertEqual(code, 1, said)
        self.assertIn("FAILED: format house", said)

    def test_an_unknown_commit_or_option_is_bad_usage(self):
        self.assertEqual(self.check("--base", "nowhere")[0], 2)
        self.assertEqual(self.check("--nonsense")[0], 2)
        self.assertIn("example:", self.check("--help")[1])


if __name__ == "__main__":
    unittest.main()
