"""Real nodes on this machine's loopback that share one detector over looping videos, for benchmarks of the node."""

import contextlib
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "integration"))

from nodes import BUILD, SSDLITE, Node, until  # noqa: E402


@contextlib.contextmanager
def real_ring(cluster, cameras, compute, scheduler=None):
    """Gives the nodes of a whole ring, one for each name in `cameras`: the table of its source, or None. Those that still
    run in the end are killed, and their folder is removed."""
    nodes = []
    with tempfile.TemporaryDirectory(prefix=f"bench-{cluster}-", dir=BUILD) as folder:
        try:
            for number, (name, camera) in enumerate(cameras.items()):
                tables = {"node": {"name": name, "listen": "127.0.0.1:0", "data_dir": f"state-{name}"},
                          "cluster": {"name": cluster, "seeds": [nodes[0].address] if nodes else []},
                          "model": {"path": str(SSDLITE)}, "compute": compute}
                if scheduler:
                    tables["scheduler"] = scheduler
                if camera:
                    tables["source"] = [camera]
                nodes.append(Node(Path(folder), number, tables, (), ()))
                nodes[-1].ready()
            until(lambda: all(len(node.members()) == len(cameras) for node in nodes), "the ring is whole")
            yield nodes
        finally:
            for node in nodes:
                if node.process.poll() is None:
                    node.process.kill()
                node.process.wait()
