#!/usr/bin/python3
"""Goal: what can go wrong on the way to a model or a video is refused in words, and never leaves half a file.
Method: npm and apt-get are replaced by small programs that fail in one way each; no network, no torch."""

import contextlib
import fcntl
import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path

ZOO = Path(__file__).resolve().parents[3] / "models" / "zoo"
sys.path.insert(0, str(ZOO))

import fetch  # noqa: E402
import fetch_media  # noqa: E402
import make  # noqa: E402
import tfjs  # noqa: E402

CONTENT = b"an archive, as far as the checksum is concerned"
SHA = hashlib.sha256(CONTENT).hexdigest()


def tar_of(entries):
    """A .tgz of (name, bytes) entries."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for name, content in entries:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return data.getvalue()


class InFolder(unittest.TestCase):
    """A folder of its own, a cache in it, a search path that holds only the tools a test puts there."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "bin").mkdir()
        kept = dict(os.environ)
        self.addCleanup(lambda: (os.environ.clear(), os.environ.update(kept)))
        os.environ["XDG_CACHE_HOME"] = str(self.folder / "cache")
        os.environ["PATH"] = str(self.folder / "bin")

    def tool(self, name, script):
        path = self.folder / "bin" / name
        path.write_text("#!/bin/sh\nPATH=/usr/bin:/bin\n" + script, encoding="utf-8")
        path.chmod(0o755)

    def refused(self, call, *parts):
        with self.assertRaises(fetch.Failure) as caught, contextlib.redirect_stderr(io.StringIO()):
            call()
        for part in parts:
            self.assertIn(part, str(caught.exception))

    def files_in(self, name):
        folder = self.folder / name
        return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


class NpmArchive(InFolder):
    def archive(self):
        with contextlib.redirect_stderr(io.StringIO()):
            return fetch.npm_archive("some-package", "1.2.3", len(CONTENT), SHA)

    def npm_gives(self, content):
        (self.folder / "given").write_bytes(content)
        self.tool("npm", f'echo "$@" > {self.folder}/asked\ncp {self.folder}/given some-package-1.2.3.tgz\n')

    def test_the_pinned_archive_is_fetched_once_and_kept(self):
        self.npm_gives(CONTENT)
        kept = self.archive()
        self.assertEqual(kept.read_bytes(), CONTENT)
        self.assertIn("pack", (self.folder / "asked").read_text())
        self.assertIn("some-package@1.2.3", (self.folder / "asked").read_text())
        self.tool("npm", "exit 1\n")
        self.assertEqual(self.archive(), kept)
        self.assertEqual(self.files_in("cache"), ["eddy/npm/some-package-1.2.3.tgz"])

    def test_a_missing_npm_is_named_with_the_way_to_get_it(self):
        self.refused(self.archive, "npm is needed", "some-package@1.2.3", "apt-get install npm")

    def test_an_npm_without_network_is_quoted(self):
        self.tool("npm", "echo 'npm error code ENOTFOUND' >&2\nexit 1\n")
        self.refused(self.archive, "could not fetch some-package@1.2.3", "network", "ENOTFOUND")

    def test_an_npm_that_leaves_nothing_is_an_error(self):
        self.tool("npm", "exit 0\n")
        self.refused(self.archive, "left 0 archives")

    def test_another_content_of_the_same_size_is_a_wrong_checksum_and_is_not_kept(self):
        self.npm_gives(CONTENT[::-1])
        self.refused(self.archive, "wrong checksum", SHA)
        self.assertEqual(self.files_in("cache"), [])

    def test_a_truncated_archive_is_called_so_and_is_not_kept(self):
        self.npm_gives(CONTENT[:-5])
        self.refused(self.archive, "truncated", f"{len(CONTENT) - 5} of {len(CONTENT)} bytes")
        self.assertEqual(self.files_in("cache"), [])

    def test_a_longer_archive_is_refused(self):
        self.npm_gives(CONTENT + b"!")
        self.refused(self.archive, "not the pinned file")

    def test_a_damaged_archive_in_the_cache_is_fetched_again(self):
        (fetch.cache_dir("npm") / "some-package-1.2.3.tgz").write_bytes(CONTENT[:7])
        self.npm_gives(CONTENT)
        self.assertEqual(self.archive().read_bytes(), CONTENT)


class Runs(InFolder):
    def start(self):
        """A run of make.py whose npm has begun: it says so, then waits to be told how to go on."""
        for pipe in ("begun", "go"):
            os.mkfifo(self.folder / pipe)
        self.tool("npm", f"echo x > {self.folder}/begun\nread go < {self.folder}/go\nexit 1\n")
        command = ["/usr/bin/python3", str(ZOO / "make.py"), "--out", str(self.folder / "out")]
        run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(lambda: (run.kill(), run.communicate()))
        (self.folder / "begun").read_text()
        return run

    def test_a_run_that_is_ended_leaves_nothing_behind(self):
        run = self.start()
        self.assertEqual(len(list((self.folder / "cache/eddy/npm").glob(".fetch-*"))), 1)
        run.terminate()
        self.assertEqual(run.wait(timeout=300), 1)
        self.assertEqual(self.files_in("cache"), ["eddy/npm/.lock"])

    def test_a_second_run_waits_for_the_first(self):
        first = self.start()
        with self.assertRaises(BlockingIOError), open(self.folder / "cache/eddy/npm/.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (self.folder / "go").write_text("x")
        self.assertEqual(first.wait(timeout=300), 1)
        with fetch.alone(self.folder / "cache/eddy/npm"):
            pass

    def test_what_a_killed_run_left_is_cleared_by_the_next(self):
        left = self.folder / "cache" / ".fetch-abc"
        left.mkdir(parents=True)
        (left / "half.tgz").write_bytes(b"half")
        with fetch.alone(self.folder / "cache"):
            self.assertEqual(self.files_in("cache"), [".lock"])


class ReadMembers(InFolder):
    def read(self, data, wanted=lambda name: True):
        return fetch.read_members(io.BytesIO(data), wanted, "the archive")

    def test_only_what_is_wanted_is_read_and_nothing_is_unpacked(self):
        outside = self.folder / "outside"
        data = tar_of([("package/a", b"1"), ("../outside", b"2"), (str(outside), b"3"), ("package/b", b"4")])
        read = self.read(data, lambda name: name.startswith("package/"))
        self.assertEqual(read, {"package/a": b"1", "package/b": b"4"})
        self.assertEqual(len(self.read(data)), 4)
        self.assertFalse(outside.exists())
        self.assertEqual(self.files_in("."), [])

    def test_an_archive_cut_anywhere_is_damaged(self):
        noise = b"".join(hashlib.sha256(bytes([i, j])).digest() for i in range(100) for j in range(20))
        data = tar_of([("package/a", noise)])
        self.assertEqual(self.read(data), {"package/a": noise})
        for length in (0, 5, 300, len(data) // 2, len(data) - 100):
            with self.subTest(length=length):
                self.refused(lambda: self.read(data[:length]), "the archive is damaged")
        # Cut inside the tar, with the compression whole.
        self.refused(lambda: self.read(gzip.compress(gzip.decompress(data)[:20000])), "the archive is damaged")

    def test_what_is_no_archive_is_refused(self):
        self.refused(lambda: self.read(b"<html>not found</html>" * 100), "no archive")

    def test_members_beyond_the_bound_are_refused_before_they_are_read(self):
        member = tarfile.TarInfo("package/huge")
        member.size = fetch.MEMBER_BYTES_MAX + 1
        self.refused(lambda: self.read(member.tobuf()), "more than")


class Appearing(InFolder):
    def test_a_failure_keeps_the_old_file_and_leaves_no_other(self):
        path = self.folder / "out" / "file"
        with fetch.appearing(path) as temporary:
            temporary.write_text("old")
        with self.assertRaises(ZeroDivisionError), fetch.appearing(path) as temporary:
            temporary.write_text("half of the n")
            raise ZeroDivisionError
        self.assertEqual(path.read_text(), "old")
        self.assertEqual(self.files_in("out"), ["file"])


class MakeCommand(InFolder):
    def run_make(self, *arguments):
        command = ["/usr/bin/python3", str(ZOO / "make.py"), "--out", str(self.folder / "out"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def test_an_unknown_model_is_bad_usage_and_the_known_ones_are_listed(self):
        done = self.run_make("resnet51")
        self.assertEqual(done.returncode, 2)
        self.assertIn("resnet51", done.stderr)
        self.assertIn("resnet50_imagenet", done.stderr)

    def test_a_failure_is_one_message_and_no_model(self):
        done = self.run_make("resnet50_imagenet")
        self.assertEqual(done.returncode, 1)
        self.assertIn("error: npm is needed", done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertEqual(self.files_in("out") if (self.folder / "out").exists() else [], [])

    def test_help_has_examples(self):
        done = self.run_make("--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("examples:", done.stdout)

    def test_a_model_is_current_only_with_the_same_bytes_and_the_same_recipe(self):
        recipe, model, stamp = make.RECIPES[0], self.folder / "m.pt", self.folder / "m.stamp"
        model.write_bytes(b"a model")
        noted = {"recipe": recipe.key(), "model": fetch.sha256_of(model)}
        self.assertFalse(make.is_current(recipe, model, stamp))
        stamp.write_text(json.dumps(noted))
        self.assertTrue(make.is_current(recipe, model, stamp))
        self.assertFalse(make.is_current(make.RECIPES[1], model, stamp))
        model.write_bytes(b"a mode")
        self.assertFalse(make.is_current(recipe, model, stamp))
        model.unlink()
        self.assertFalse(make.is_current(recipe, model, stamp))
        stamp.write_text("[]")
        self.assertFalse(make.is_current(recipe, model, stamp))


class Media(InFolder):
    def setUp(self):
        super().setUp()
        os.environ["PATH"] += ":/usr/bin:/bin"
        root = self.folder / "root"
        (root / "DEBIAN").mkdir(parents=True)
        control = "Package: films\nVersion: 1\nArchitecture: all\nMaintainer: x\nDescription: x\n"
        (root / "DEBIAN" / "control").write_text(control)
        (root / "film.avi").write_bytes(CONTENT)
        (root / "other").write_bytes(b"not asked for")
        self.deb = self.folder / "films.deb"
        subprocess.run(["dpkg-deb", "--build", str(root), str(self.deb)], check=True, capture_output=True)
        self.tool("apt-get", f"cp {self.deb} films_1_all.deb\n")

    def fetch(self, sha256=SHA, member="./film.avi"):
        medium = fetch_media.Medium("films", member, len(CONTENT), sha256, "nothing")
        with contextlib.redirect_stderr(io.StringIO()):
            fetch_media.fetch_package("films", [medium], fetch.cache_dir("media"))

    def test_only_the_wanted_file_of_a_package_is_kept(self):
        self.fetch()
        self.assertEqual(self.files_in("cache"), ["eddy/media/film.avi"])
        self.assertEqual((self.folder / "cache/eddy/media/film.avi").read_bytes(), CONTENT)

    def test_another_content_is_a_wrong_checksum_and_is_not_kept(self):
        self.refused(lambda: self.fetch(sha256="0" * 64), "film.avi in films_1_all.deb", "wrong checksum")
        self.assertEqual(self.files_in("cache"), [])

    def test_a_file_that_is_not_in_the_package_is_named(self):
        self.refused(lambda: self.fetch(member="./gone.avi"), "does not contain ./gone.avi")

    def test_a_truncated_package_is_refused(self):
        data = self.deb.read_bytes()
        for length in (10, 200, len(data) - 40):
            self.deb.write_bytes(data[:length])
            with self.subTest(length=length):
                self.refused(self.fetch, "films_1_all.deb", "damaged")

    def test_a_package_that_apt_does_not_know_is_an_error_in_its_words(self):
        self.tool("apt-get", "echo 'E: Unable to locate package films' >&2\nexit 100\n")
        self.refused(self.fetch, "could not fetch films", "Unable to locate")

    def test_a_file_is_good_only_if_it_is_the_pinned_one(self):
        medium = fetch_media.Medium("films", "./film.avi", len(CONTENT), SHA, "nothing")
        path = self.folder / "film.avi"
        with contextlib.redirect_stderr(io.StringIO()):
            self.assertFalse(fetch_media.is_good(path, medium))
            path.write_bytes(CONTENT)
            self.assertTrue(fetch_media.is_good(path, medium))
            path.write_bytes(CONTENT[1:])
            self.assertFalse(fetch_media.is_good(path, medium))


class TensorFlowWeights(InFolder):
    def load(self, entries, *shards):
        paths = [f"shard{i}" for i in range(len(shards))]
        manifest = [{"paths": paths, "weights": entries}]
        members = {f"m/{path}": shard for path, shard in zip(paths, shards)}
        members["m/model.json"] = json.dumps({"modelTopology": {}, "weightsManifest": manifest}).encode()
        return tfjs.load(members, "m")[1]

    def test_plain_and_quantised_weights_are_read_across_shards(self):
        halves = {"dtype": "uint8", "scale": 0.5, "min": -1}
        entries = [
            {"name": "a", "shape": [2], "dtype": "float32"},
            {"name": "b", "shape": [], "dtype": "int32"},
            {"name": "c", "shape": [1, 3], "dtype": "float32", "quantization": halves},
        ]
        data = b"\0\0\x80\x3f\0\0\0\x40" + b"\7\0\0\0" + b"\0\2\4"
        weights = self.load(entries, data[:5], data[5:])
        self.assertEqual(weights["a"].tolist(), [1.0, 2.0])
        self.assertEqual(weights["b"].tolist(), 7)
        self.assertEqual(weights["c"].tolist(), [[-1.0, 0.0, 1.0]])

    def test_bytes_that_do_not_fit_the_manifest_are_refused(self):
        entries = [{"name": "a", "shape": [2], "dtype": "float32"}]
        self.refused(lambda: self.load(entries, bytes(7)), "not a TensorFlow.js model")
        self.refused(lambda: self.load(entries, bytes(9)), "9 bytes of weights, the manifest describes 8")
        self.refused(lambda: self.load([{"name": "a", "shape": [1], "dtype": "string"}], bytes(4)), "'string'")
        self.refused(lambda: tfjs.load({}, "m"), "m/model.json")
        self.refused(lambda: tfjs.load({"m/model.json": b"{"}, "m"), "not a TensorFlow.js model")

    def test_a_weight_that_nobody_asked_for_is_an_error(self):
        weights = tfjs.Weights({"a": 1, "b": 2})
        self.assertEqual(weights("a"), 1)
        self.refused(weights.expect_all_used, "1 weights were not used, b")
        weights.expect_all_used(except_for=lambda name: name == "b")
        self.refused(lambda: weights("c"), "no weight c")


if __name__ == "__main__":
    unittest.main()
