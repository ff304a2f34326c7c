"""Real nodes in a network of their own, for the measurements in this folder: everything that a story of
tests/integration has, without being a test."""

import contextlib
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "integration"))

import networks  # noqa: E402
from nodes import BUILD, Node  # noqa: E402


class Cluster(contextlib.ExitStack):
    """One node a device. The folder with configurations and logs is kept if `keep`."""

    def __init__(self, devices, keep=False):
        super().__init__()
        self.addCleanup = self.callback  # as networks.network_for() wants it
        self.folder = Path(tempfile.mkdtemp(prefix="bench-ring-", dir=BUILD))
        if not keep:
            self.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.devices = networks.network_for(self, devices).devices
        self.started = []
        self.callback(self._end_nodes)

    def _end_nodes(self):
        for node in self.started:
            if node.process.poll() is None:
                node.process.kill()
            node.process.wait()

    def start(self, device, name=None, seeds=None, **tables):
        """A node on that device; without a model it only relays. The others' first device is its seed. The same name
        is the same node, also in another life."""
        name = name or f"n{device.number}"
        own = device.tables()
        seeds = [self.devices[0].address] if seeds is None else seeds
        wanted = {
            "node": {"name": name, "data_dir": f"state-{name}"} | own["node"],
            "cluster": {"name": "bench", "seeds": [seed for seed in seeds if seed != device.address]} | own["cluster"],
        }
        for table, keys in tables.items():
            wanted[table] = wanted.get(table, {}) | keys if isinstance(keys, dict) else keys
        self.started.append(Node(self.folder, len(self.started), wanted, ("--log-level", "info"), own["inside"]))
        self.started[-1].device = device
        return self.started[-1].ready()
