"""A cluster of real nodes that can be struck: what each of its lives was, and what it left behind.

Nodes replay a recorded profile. Each has a network namespace of its own where that is possible; otherwise all listen on
the loopback, and links cannot be cut. All that is started here ends with close(): processes by their ids, namespaces by
the names that networks.py gives them."""

import json
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

import networks  # noqa: E402
from accounts import Life  # noqa: E402
from journal_file import read_journal  # noqa: E402
from nodes import BUILD, Node, free_port  # noqa: E402
from ring_watch import whole  # noqa: E402

PAGE = 4096
CIRCLE = 2**160


@dataclass
class Shape:
    """What the cluster is made of. `sources`: {device: [[source]] table}, at most one each."""

    profile: str
    devices: tuple
    sources: dict
    speed: float = 1.0
    mbit_per_s: int = 0  # 0: links are as fast as this machine

    def ids(self):
        """Evenly around the circle, as an experiment's devices are."""
        return {name: f"{number * CIRCLE // len(self.devices):040x}" for number, name in enumerate(self.devices)}


class Device:
    """A place for a node, and the lives that it has there."""

    def __init__(self, name, address, plug=None):
        self.name, self.address, self.plug = name, address, plug
        self.node = None  # the living one
        self.stopped = False
        self.lives = []

    @property
    def running(self):
        return self.node is not None and not self.stopped


class LifeOnDisk:
    def __init__(self, device, node):
        self.device, self.node = device, node
        self.spawned_at = time.time()
        self.ended_at = None
        self.killed = False
        self.first_work_s = None  # from the start of the process until its first run of layers had ended
        self.rss_bytes = []

    def lines(self):
        """Whole lines; a node that was killed may have left half a one."""
        try:
            text = self.node.results_path.read_text()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]

    @property
    def journal_path(self):
        return self.node.results_path.with_suffix(".journal")

    @cached_property
    def evidence(self):
        """For accounts.account_of(), after the end; None of one that was killed before it had a journal, and so before
        any frame."""
        if not self.killed:
            return Life(self.lines(), report=self.node.report())
        return Life(self.lines(), read_journal(self.journal_path.read_bytes())) if self.journal_path.exists() else None


class Cluster:
    """`own_network`: None for namespaces if they can be made, else True or False. `why_loopback` tells why not."""

    def __init__(self, shape, own_network=None, folder=None):
        self.shape = shape
        self.folder = Path(tempfile.mkdtemp(prefix="chaos-", dir=folder or BUILD))
        self.network, self.lives, self.findings = None, [], []
        self.why_loopback = "asked for" if own_network is False else networks.why_not()
        if self.why_loopback and own_network:
            raise RuntimeError(self.why_loopback)
        self.devices = {}
        if self.why_loopback:
            for name in shape.devices:
                self.devices[name] = Device(name, f"127.0.0.1:{free_port()}")
            return
        self.network = networks.Network(len(shape.devices))
        for name, plug in zip(shape.devices, self.network.devices):
            self.devices[name] = Device(name, plug.address, plug)
            if shape.mbit_per_s:
                plug.shape(shape.mbit_per_s)

    @property
    def can_cut(self):
        return self.network is not None

    def start(self, name):
        device = self.devices[name]
        own = device.plug.tables() if device.plug else {"node": {"listen": device.address}, "cluster": {}, "inside": ()}
        tables = {
            "node": {"name": name, "id": self.shape.ids()[name], "data_dir": f"state-{name}",
                     # The first lives begin together; a later one finds a ring, or waits for nobody.
                     "start_members": 1 if device.lives else len(self.devices)} | own["node"],
            "cluster": {"name": "chaos", "seeds": [d.address for d in self.devices.values() if d is not device]}
            | own["cluster"],
            "compute": {"replay": str(self.shape.profile), "replay_speed": float(self.shape.speed)},
            "scheduler": {"stop_timeout_s": 30},
        }
        if name in self.shape.sources:
            tables["source"] = [self.shape.sources[name]]
        device.node = Node(self.folder, len(self.lives), tables, ("--log-level", "info"), own["inside"])
        device.lives.append(LifeOnDisk(device, device.node))
        self.lives.append(device.lives[-1])

    # -- what may happen to a node

    def kill(self, name):
        device = self.devices[name]
        device.node.process.kill()
        device.node.process.wait()
        self._ended(device, killed=True)
        journal = self.folder / f"state-{name}" / "journal"
        if journal.exists():
            shutil.copyfile(journal, device.lives[-1].journal_path)

    def stop(self, name):
        self.devices[name].node.kill(signal.SIGSTOP)
        self.devices[name].stopped = True

    def go_on(self, name):
        self.devices[name].node.kill(signal.SIGCONT)
        self.devices[name].stopped = False

    def cut(self, name):
        self.devices[name].plug.unplug()

    def mend(self, name):
        self.devices[name].plug.plug()

    def ask_to_leave(self, name):
        self.devices[name].node.kill(signal.SIGTERM)

    def has_left(self, name):
        """Whether the node that was asked to is gone."""
        device = self.devices[name]
        if device.node is None:
            return True
        if device.node.process.poll() is None:
            return False
        if device.node.process.returncode != 0:
            self.findings.append(f"{name} was to leave, and ended with {device.node.process.returncode}")
        self._ended(device)
        return True

    def _ended(self, device, killed=False):
        device.lives[-1].ended_at = time.time()
        device.lives[-1].killed = killed
        device.node = None

    # -- what can be seen

    def look(self, leaving=()):
        """Memory of all, first work of newcomers; finds those that died of themselves."""
        for name, device in self.devices.items():
            if device.node is None or name in leaving:
                continue
            if (code := device.node.process.poll()) is not None:
                self.findings.append(f"{name} ended by itself, with {code}; its log: {device.node.log_path}")
                self._ended(device, killed=True)
                continue
            life = device.lives[-1]
            if (rss := resident_bytes(device.node.process.pid)) is not None:
                life.rss_bytes.append(rss)
            if life.first_work_s is None and not device.stopped:
                if (report := device.node.ask("report")) and report["nodes"][0]["runs"] > 0:
                    life.first_work_s = time.time() - life.spawned_at

    def nodes(self):
        return [device.node for device in self.devices.values() if device.node is not None]

    def is_whole(self):
        return len(self.nodes()) == len(self.devices) and whole(self.nodes())

    def leftovers(self):
        """What is still to be done or kept somewhere: texts; none once all is at rest."""
        found = []
        for node in self.nodes():
            status, report = node.status(), node.ask("report")
            if status is None or report is None:
                found.append(f"{node.name} does not answer")
                continue
            for source in status["sources"]:
                if source["state"] == "live" or source["in_flight"] > 0:
                    found.append(f"{node.name}: source {source['name']} is {source['state']}, "
                                 f"{source['in_flight']} frames in flight")
            queues = report["nodes"][0]["queue_lengths"]
            found += [f"{node.name}: {count} frames in {queue}" for queue, count in queues.items() if count > 0]
            found += [f"{node.name}: {figure} is {status[figure]}" for figure in ("custody_frames", "custody_bytes")
                      if status.get(figure, 0) > 0]
        return found

    def close(self):
        for device in self.devices.values():
            if device.node is not None:
                device.node.process.kill()
                device.node.process.wait()
                self._ended(device, killed=True)
        if self.network is not None:
            self.network.close()

    def remains(self):
        """After close(): processes that have this cluster's folder on their command line, and namespaces."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
            except OSError:
                continue
            if str(self.folder).encode() in words and b"eddy-node" in words:
                found.append(f"process {entry.name} is still there: {words.replace(bytes(1), b' ').decode()}")
        if self.network is not None:
            found += [f"namespace {name} is still there" for name in networks.namespaces()
                      if name.startswith(self.network.prefix + "-")]
        return found


def resident_bytes(pid):
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):
        return None
