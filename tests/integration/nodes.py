"""Real eddy-node processes for the stories: made from a dict, asked through their control socket, ended whatever
happens. A story is a class derived from Story; a node's files are in a folder of its test, under the build folder,
which is kept if the test fails."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("EDDY_BINARY_DIR", ROOT / "build" / "release"))
EDDY, EDDY_NODE = str(BUILD / "bin" / "eddy"), str(BUILD / "bin" / "eddy-node")
MEDIA, MODELS = ROOT / "build" / "media", ROOT / "build" / "models"
SSDLITE, RESNET = MODELS / "ssdlite_mobilenet_v2_coco.pt", MODELS / "resnet50_imagenet.pt"
WALKWAY, SQUARE = MEDIA / "vtest.avi", MEDIA / "Megamind.avi"
LAYERS, LAYER_S = 6, 0.004  # of a ReplayStory's toy model: a frame takes 24 ms
FRAME_S = LAYERS * LAYER_S
PATIENCE_S = 300  # for what takes a second or two; a machine may stand still, or be busy with other things

# Profiles are measured once for all stories; nobody's own files are touched.
ENVIRONMENT = os.environ | {"XDG_CACHE_HOME": str(BUILD / "integration-cache"), "HOME": str(BUILD / "integration-home")}


def until(condition, what, within_s=PATIENCE_S):
    """The first true value of condition(), which is asked again and again until the deadline."""
    deadline = time.monotonic() + within_s
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"in {within_s} s it did not happen that {what}")
        time.sleep(0.02)
    return value


def free_port():
    """For a node that others look for before it is there; all else listens on port 0."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


def run(*command, cwd=None, inside=()):
    """A program that ends by itself; `inside`: words that start it, such as those of a network namespace."""
    command = [str(word) for word in (*inside, *command)]
    return subprocess.run(command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=2 * PATIENCE_S)


def toml(tables):
    """{"node": {…}, "source": [{…}, …]} as TOML: for text, numbers, flags and lists of them, its words are JSON's."""
    lines = []
    for name, table in tables.items():
        for heading, keys in [(f"[{name}]", table)] if isinstance(table, dict) else [(f"[[{name}]]", t) for t in table]:
            lines += [heading, *(f"{key} = {json.dumps(value)}" for key, value in keys.items()), ""]
    return "\n".join(lines)


def camera(name="walkway", video=WALKWAY, **keys):
    return {"name": name, "input": str(video)} | keys


def endless(name="walkway", rate_per_s=10, **keys):
    """A live camera that never ends."""
    return camera(name, rate_per_s=rate_per_s, loop=True, when_full="drop-oldest", **keys)


def picture(name="front", rate_per_s=60, **keys):
    """A camera for nodes that replay."""
    return {"name": name, "input": "lavfi:testsrc2=size=64x64:rate=30", "rate_per_s": rate_per_s} | keys


class Node:
    """One process. `status()` is None until the node answers, and once it is gone."""

    def __init__(self, folder, number, tables, flags, inside):
        self.name = tables["node"]["name"]
        files = (folder / f"{number}-{self.name}.{kind}" for kind in ("toml", "log", "json", "jsonl"))
        self.config, self.log_path, self.report_path, self.results_path = files
        self.socket = folder / tables["node"]["data_dir"] / "control.sock"
        self.config.write_text(toml(tables))
        # A story that is killed itself, for taking too long, takes its nodes with it.
        command = [*inside, "setpriv", "--pdeathsig", "KILL", EDDY_NODE, "--config", self.config, "--report", self.report_path,
                   "--results", self.results_path]
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen([*command, *flags], env=ENVIRONMENT, stderr=log)

    def ask(self, word):
        """The control socket's answer to one line; None if nobody answers."""
        with socket.socket(socket.AF_UNIX) as asked:
            asked.settimeout(PATIENCE_S)
            try:
                asked.connect(os.path.relpath(self.socket))  # a socket's path is bounded; a checkout's is not
                asked.sendall(f"{word}\n".encode())
                answer = b"".join(iter(lambda: asked.recv(65536), b""))
            except (FileNotFoundError, ConnectionError):
                return None
        return json.loads(answer) if answer else None

    def status(self):
        return self.ask("status")

    def ready(self):
        def answers():
            assert self.process.poll() is None, f"{self.name} ended with {self.process.returncode}:\n{self.log()}"
            return self.status()

        until(answers, f"{self.name} answers")
        return self

    @property
    def address(self):
        return self.status()["address"]

    def source(self, name="walkway"):
        status = self.status() or {"sources": []}
        return next((source for source in status["sources"] if source["name"] == name), Counter())

    def runs(self):
        return self.ask("report")["nodes"][0]["runs"]

    def members(self):
        """Names in the ring as this node sees it, sorted."""
        return sorted(member["name"] for member in (self.status() or {"ring": []})["ring"])

    def sees(self, *names):
        until(lambda: self.members() == sorted(names), f"{self.name} sees the ring {names}")

    def done_with(self, name="walkway"):
        """Waits until the source has ended and every frame has its outcome."""
        until(lambda: (s := self.source(name))["state"] == "ended" and s["in_flight"] == 0, f"{name} is through")

    def log(self):
        return self.log_path.read_text()

    def logs(self, *words, within_s=PATIENCE_S):
        """Waits for a line of the log that has all the words."""
        has = lambda: any(all(word in line for word in words) for line in self.log().splitlines())  # noqa: E731
        until(has, f"{self.name} logs {words}; its log:\n{self.log()}", within_s)

    def kill(self, signal_number=signal.SIGTERM):
        self.process.send_signal(signal_number)

    def wait(self):
        """Its exit code."""
        return self.process.wait(PATIENCE_S)

    def report(self):
        return json.loads(self.report_path.read_text())

    def results(self, state=None):
        lines = [json.loads(line) for line in self.results_path.read_text().splitlines()]
        return [line for line in lines if state in (None, line["state"])]


class Story(unittest.TestCase):
    def run(self, result=None):
        self.outcome = result
        return super().run(result)

    def setUp(self):
        self.nodes = []
        self.folder = Path(tempfile.mkdtemp(prefix="it-", dir=BUILD))
        self.addCleanup(self._clean)

    def _clean(self):
        for node in self.nodes:
            if node.process.poll() is None:
                node.process.kill()
            node.process.wait()
        broken = [getattr(test, "test_case", test) for test, _ in self.outcome.failures + self.outcome.errors]
        if self not in broken:
            return shutil.rmtree(self.folder)
        for node in self.nodes:
            print(f"---- the end of {node.log_path}", *node.log().splitlines()[-25:], sep="\n")

    def node(self, name, *, source=(), seeds=(), limit=0.2, flags=(), relay=False, inside=(), **tables):
        """Starts a node with SSDLite, or one that only relays; `seeds` are nodes or addresses, other tables are added
        to the defaults, `inside` as for run()."""
        defaults = {
            "node": {"name": name, "listen": "127.0.0.1:0", "data_dir": f"state-{name}"},
            "cluster": {"name": "story", "seeds": [seed if isinstance(seed, str) else seed.address for seed in seeds]},
            "model": {"path": str(SSDLITE)},
            "compute": {"limit": limit},
            "scheduler": {"queue_frames": 4, "frame_timeout_s": 120, "stop_timeout_s": 200},
        }
        if relay:
            del defaults["model"]
        for table, keys in tables.items():
            defaults[table] |= keys
        if source:
            defaults["source"] = [source] if isinstance(source, dict) else list(source)
        self.nodes.append(Node(self.folder, len(self.nodes), defaults, flags, inside))
        return self.nodes[-1]

    def ring(self, *nodes):
        for node in nodes:
            node.sees(*(each.name for each in nodes))

    def ends_well(self, node, code=0):
        """Waits for the node's end; its report and its results must tell of each captured frame once, and agree."""
        self.assertEqual(node.wait(), code, node.log())
        report = node.report()
        for source in report["sources"]:
            dropped = sum(source["dropped"].values())
            self.assertEqual(source["captured"],
                             source["completed"] + source["failed"] + dropped + source["in_flight"], source)
            self.assertEqual(source["in_flight"], 0, source)
            self.assertEqual(source["failed"], sum(source["failed_reasons"].values()), source)
            self.assertEqual(source["completed"], sum(source["path"].values()), source)
            lines = [line for line in node.results() if line["source"] == source["name"]]
            self.assertEqual(len({(line["incarnation"], line["k"]) for line in lines}), source["captured"])
            # Numbers have no holes in a life; the first one begins at 0, a later one tells of frames of earlier ones.
            own = [line for line in lines if line["reason"] != "source_restarted"]
            life = max((line["incarnation"] for line in own), default=0)
            numbers = sorted(line["k"] for line in own)
            self.assertEqual({line["incarnation"] for line in own} - {life}, set())
            first = numbers[0] if life > 1 and numbers else 0
            self.assertEqual(numbers, list(range(first, first + len(numbers))))
            states = Counter(line["state"] for line in lines)
            self.assertEqual((states["completed"], states["failed"], states["dropped"]),
                             (source["completed"], source["failed"], dropped))
        return report

    def stops_well(self, node, signal_number=signal.SIGTERM):
        node.kill(signal_number)
        return self.ends_well(node)

    def check_results(self, node, source, video, model=SSDLITE, sample=40):
        """What `eddy results check` says of the node's results against the whole model in one piece."""
        checked = run(EDDY, "results", "check", node.results_path, "--source", source, "--input", video, "--model",
                      model, "--sample", sample, "--json")
        self.assertEqual(checked.returncode, 0, checked.stderr + checked.stdout)
        return json.loads(checked.stdout)


class ReplayStory(Story):
    """Nodes that replay a profile made here: no model, and times that are lower bounds of what must have passed."""

    def profile(self, name="toy", frame_bytes=32 * 24 * 3):
        layers = [{"name": f"layer {i}", "time_us": round(LAYER_S * 1e6), "parameters": 1000, "flops": 1,
                   "frontier_bytes": frame_bytes if i == 0 else 50_001 // i, "frontier_tensors": 1 + i % 3,
                   "weight_bytes": 4000} for i in range(LAYERS)]
        path = self.folder / f"{name}.profile.json"
        path.write_text(json.dumps({"schema": "eddy.profile/1", "model": name, "device": "nowhere",
                                    "model_hash": "a5" * 32, "chain_hash": "5a" * 32, "layers": layers}))
        return str(path)

    def replayed(self, name, compute=None, **more):
        compute = {"replay": self.profile()} | (compute or {})
        return self.node(name, relay=True, limit=1, compute=compute, **more)


def main():
    unittest.main(verbosity=2)
