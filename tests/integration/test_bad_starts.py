#!/usr/bin/python3
"""Goal: whatever is wrong before the first frame is said at once, with file, line and key, and with the right exit code.
Method: one broken thing at a time."""

import shutil
import socket
import subprocess
import zipfile
from pathlib import Path

from nodes import EDDY, EDDY_NODE, RESNET, SSDLITE, WALKWAY, Story, camera, endless, main, run

CONFIG = f"""[node]
name = "a"
listen = "127.0.0.1:0"
data_dir = "state"

[model]
path = "{SSDLITE}"

[[source]]
name = "walkway"
input = "{WALKWAY}"
frames = 1
"""


class BadStarts(Story):
    def start(self, text, *flags):
        config = self.folder / "node.toml"
        config.write_text(text)
        return run(EDDY_NODE, "--config", config, "--for", "0.5", *flags)

    def refuses(self, text, code, *words, flags=()):
        """The node ends with `code` and all the words on standard error."""
        ended = self.start(text, *flags)
        self.assertEqual(ended.returncode, code, ended.stderr)
        for word in words:
            self.assertIn(word, ended.stderr)

    def test_a_mistake_in_the_configuration_is_shown_with_file_line_and_key(self):
        for wrong, right, *words in (
            ('nmae = "a"', 'name = "a"', "node.toml:2: [node] nmae: found an unknown key", "did you mean name?"),
            ('listen = 7070', 'listen = "127.0.0.1:0"', "node.toml:3: [node] listen: found 7070", '"host:port"'),
            ('listen = "0.0.0.0:0"', 'listen = "127.0.0.1:0"', "node.toml:3:", "key"),
            ('path = "gone.pt"', f'path = "{SSDLITE}"', "node.toml:7: [model] path", "gone.pt", "does not exist"),
            ("", f'[model]\npath = "{SSDLITE}"', "[model] path", "[[source]]"),
            ("frames = 0", "frames = 1", "node.toml:12: [[source]] frames: found 0", "from 1"),
            ('input = "gone.avi"', f'input = "{WALKWAY}"', "node.toml:11: [[source]] input", "gone.avi"),
            ("[model", "[model]", "node.toml:6: not TOML"),
        ):
            with self.subTest(wrong):
                text = CONFIG.replace(right, wrong)
                self.assertNotEqual(text, CONFIG)
                self.refuses(text, 2, *words)
                self.refuses(text, 2, *words, flags=["--check"])

    def test_flags(self):
        missing = run(EDDY_NODE, "--config", self.folder / "gone.toml")
        self.assertEqual((missing.returncode, "gone.toml: no such file" in missing.stderr), (2, True), missing.stderr)
        self.assertEqual(run(EDDY_NODE).returncode, 2)
        self.assertEqual(run(EDDY_NODE, "--no-such-flag").returncode, 2)
        self.assertEqual(run(EDDY, "no-such-command").returncode, 2)
        self.assertEqual(run(EDDY).returncode, 2)
        checked = self.start(CONFIG, "--check")
        self.assertEqual((checked.returncode, "in order" in checked.stdout), (0, True), checked.stderr)
        self.assertFalse((self.folder / "state").exists(), "--check only looks")
        help_config = run(EDDY_NODE, "--help-config")
        self.assertEqual(help_config.returncode, 0)
        for key in ("[cluster]", "key_file", "[[source]]", "deadline_ms"):
            self.assertIn(key, help_config.stdout)
        for command in ([EDDY_NODE], [EDDY], [EDDY, "model", "inspect"], [EDDY, "status"], [EDDY, "watch"],
                        [EDDY, "stop"], [EDDY, "leave"], [EDDY, "report"], [EDDY, "results", "check"], [EDDY, "results", "annotate"],
                        [EDDY, "doctor"]):
            with self.subTest(command):
                shown = run(*command, "--help")
                self.assertEqual((shown.returncode, shown.stderr), (0, ""))
                self.assertIn("Example" if command != [EDDY] else "--help", shown.stdout)

    def test_a_file_that_is_no_model_is_named(self):
        bytes_ = SSDLITE.read_bytes()
        truncated, text, empty, bare = (self.folder / name for name in ("short.pt", "text.pt", "empty.pt", "bare.pt"))
        truncated.write_bytes(bytes_[: len(bytes_) // 2])
        text.write_text("This is not the model you are looking for.\n" * 1000)
        empty.touch()
        # The same model without its card.
        with zipfile.ZipFile(SSDLITE) as whole, zipfile.ZipFile(bare, "w") as without:
            for entry in whole.namelist():
                if not entry.endswith("eddy.json"):
                    without.writestr(entry, whole.read(entry))
        for model in (truncated, text, empty, bare):
            with self.subTest(model.name):
                config = CONFIG.replace(str(SSDLITE), str(model))
                ended = self.start(config)
                self.assertIn(ended.returncode, (1, 2), ended.stderr)
                self.assertIn(model.name, ended.stderr)
                self.assertNotIn("terminate called", ended.stderr)
                inspected = run(EDDY, "model", "inspect", model)
                self.assertEqual((inspected.returncode, model.name in inspected.stderr), (1, True), inspected.stderr)
                self.assertEqual(inspected.stdout, "")

    def test_only_what_runs_a_model_loads_libtorch_and_without_it_says_where_it_belongs(self):
        for program in (EDDY, EDDY_NODE):
            needed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
            self.assertIn("libuv", needed)
            self.assertNotIn("torch", needed)
            shutil.copy(program, self.folder)
        alone = self.folder / Path(EDDY).name
        self.assertEqual(run(alone, "--help").returncode, 0)
        library = str(self.folder / "libeddy-torch.so")
        inspected = run(alone, "model", "inspect", SSDLITE)
        self.assertEqual((inspected.returncode, inspected.stdout), (1, ""))
        for word in (library, "No such file", "belongs into their folder"):
            self.assertIn(word, inspected.stderr)
        config = self.folder / "node.toml"
        config.write_text(CONFIG)
        started = run(self.folder / Path(EDDY_NODE).name, "--config", config, "--for", "0.5")
        self.assertEqual((started.returncode, library in started.stderr), (1, True), started.stderr)

    def test_an_input_that_gives_no_frames_is_an_error_that_names_it(self):
        (self.folder / "nothing").mkdir()
        (self.folder / "notes.avi").write_text("not a video\n" * 1000)
        for name, code in (("nothing", 2), ("notes.avi", 1)):
            with self.subTest(name):
                config = CONFIG.replace(str(WALKWAY), str(self.folder / name))
                self.refuses(config, code, "walkway", name)

    def test_files_that_cannot_be_written_are_named_before_the_work_begins(self):
        for flag in ("--report", "--results"):
            for path in (self.folder / "no" / "such" / "folder.json", self.folder):
                with self.subTest(f"{flag} {path}"):
                    ended = self.start(CONFIG, flag, path)
                    self.assertEqual((ended.returncode, str(path) in ended.stderr), (1, True), ended.stderr)
                    self.assertNotIn("listens on", ended.stderr)
        blocked = self.folder / "a-file"
        blocked.touch()
        self.refuses(CONFIG.replace('"state"', f'"{blocked}/state"'), 1, str(blocked), "data_dir")

    def test_a_port_or_a_control_socket_in_use_is_named(self):
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            held.listen()
            port = held.getsockname()[1]
            self.refuses(CONFIG.replace("127.0.0.1:0", f"127.0.0.1:{port}"), 1, f"127.0.0.1:{port}", "in use")
        first = self.node("a", source=endless()).ready()
        second = self.node("b", node={"control_socket": str(first.socket)})
        self.assertEqual(second.wait(), 1)
        self.assertIn(f"{first.socket}: another eddy-node answers there", second.log())
        self.stops_well(first)

    def test_a_model_that_wants_another_input_than_its_peers_only_relays_for_them(self):
        """Two models in one ring: neither can compute the other's layers, and all frames are still done."""
        a = self.node("a", source=camera(frames=8, rate_per_s=20)).ready()
        b = self.node("b", seeds=[a], model={"path": str(RESNET)}).ready()
        self.ring(a, b)
        a.done_with()
        self.assertEqual(self.stops_well(a)["sources"][0]["completed"], 8)
        self.stops_well(b)


main()
