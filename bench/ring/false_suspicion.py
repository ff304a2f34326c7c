#!/usr/bin/python3
"""Does anyone suspect a node that lives, when everything is slow? Real nodes with default timers, every link at
20 Mbit/s with a queue of at most 50 ms, activations of 800 kB on their way all the time, every core kept busy by a
process that never waits. Counts members that left anyone's ring, in the logs and in the views: there must be none.

    bench/ring/false_suspicion.py --minutes 10
    bench/ring/false_suspicion.py --minutes 2 --nodes 6 --json

Needs root, for the network namespaces. Exit code 1 if anyone was suspected, or nothing to speak of was sent."""

import argparse
import json
import os
import re
import subprocess
import sys
import time
import unittest

from cluster import Cluster
from nodes import BUILD, EDDY, run
from ring_watch import whole

LOST = re.compile(r"warning: ring: (\S+) .*(is lost|is gone|not in the ring any more)")
LOOK_EVERY_S = 0.25


def busy_cores(stack):
    """One process that never waits for each core."""
    for _ in range(os.cpu_count()):
        process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", sys.executable, "-c", "while True: pass"])
        stack.callback(process.wait)
        stack.callback(process.kill)


def wide_model():
    path = BUILD / "wide-model.pt"
    if not path.exists():
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "wide_model.py")
        subprocess.run(["/usr/bin/python3", script, str(path)], check=True)
    # Measured once, on a machine that is still quiet.
    measured = run(EDDY, "model", "inspect", path, "--profile", "--json")
    if measured.returncode != 0:
        sys.exit(measured.stderr)
    return path


def start(cluster, options):
    model = {"model": {"path": str(wide_model())}, "compute": {"limit": 0.5},
             "scheduler": {"queue_frames": 4, "stop_timeout_s": 1}}
    camera = {"name": "noise", "input": "lavfi:testsrc2=size=320x320:rate=10"}
    nodes = []
    for device in cluster.devices:
        device.shape(options.mbit)
        nodes.append(cluster.start(device, source=[camera], **model))
    deadline = time.monotonic() + 60
    while not whole(nodes):
        if time.monotonic() > deadline:
            sys.exit("the ring did not form in 60 s")
        time.sleep(0.05)
    return nodes


def sent_bytes(nodes):
    return {node.name: node.ask("report")["nodes"][0]["tx_bytes"] for node in nodes}


def observe(nodes, minutes):
    """Members missing from a view at any look, and how large the rings were."""
    names = {node.name for node in nodes}
    missing = []
    end = time.monotonic() + 60 * minutes
    told = time.monotonic() + 60
    while (now := time.monotonic()) < end:
        for node in nodes:
            status = node.status()
            if status is None:
                sys.exit(f"{node.name} ended: {node.log()[-2000:]}")
            gone = names - {member["name"] for member in status["ring"]}
            missing += [(round(now - end + 60 * minutes, 1), node.name, name) for name in sorted(gone)]
        if now > told:
            told += 60
            print(f"{(end - now) / 60:.0f} minutes left, {len(missing)} times someone was missing", file=sys.stderr)
        time.sleep(LOOK_EVERY_S)
    return missing


def measure(options):
    with Cluster(options.nodes, options.keep) as cluster:
        nodes = start(cluster, options)
        quiet = {node.name: len(node.log().splitlines()) for node in nodes}
        before, began = sent_bytes(nodes), time.monotonic()
        busy_cores(cluster)
        missing = observe(nodes, options.minutes)
        took_s = time.monotonic() - began
        after = sent_bytes(nodes)
        logged = [f"{node.name}: {line}" for node in nodes for line in node.log().splitlines()[quiet[node.name]:]
                  if LOST.search(line)]
        rings = [node.status()["ring"] for node in nodes]
    worst_trip = max((member["round_trip_ms"] or 0 for ring in rings for member in ring), default=0)
    rates = {name: (after[name] - before[name]) * 8e-6 / took_s for name in before}
    return {"schema": "eddy.bench.false_suspicion/1", "nodes": options.nodes, "minutes": round(took_s / 60, 2),
            "link_mbit_per_s": options.mbit, "busy_processes": os.cpu_count(),
            "sent_mbit_per_s": {name: round(rate, 2) for name, rate in rates.items()},
            "sent_frontiers": int(sum(after[n] - before[n] for n in before) / 800_000),
            "worst_round_trip_ms_at_the_end": round(worst_trip, 1),
            "suspicions": len(logged), "missing_in_views": len(missing), "what": logged[:50] + missing[:50]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--nodes", type=int, default=4, choices=range(2, 17), metavar="2..16")
    parser.add_argument("--mbit", type=float, default=20, help="of each link, each way (default: %(default)s)")
    parser.add_argument("--keep", action="store_true", help="keep configurations and logs in the build folder")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    options = parser.parse_args()
    try:
        found = measure(options)
    except unittest.SkipTest as impossible:
        sys.exit(f"false_suspicion.py: {impossible}")
    if options.json:
        print(json.dumps(found))
    else:
        for key, value in found.items():
            print(f"{key:32} {value}")
    idle = min(found["sent_mbit_per_s"].values()) < 0.25 * options.mbit
    if idle:
        print("some link was mostly idle: this tells little", file=sys.stderr)
    return 1 if found["suspicions"] or found["missing_in_views"] or idle else 0


if __name__ == "__main__":
    sys.exit(main())
