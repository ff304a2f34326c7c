#!/usr/bin/python3
"""How long a ring of real nodes with default timers takes to notice that a successor is gone, and to be whole again.

A successor is killed (SIGKILL), stopped (SIGSTOP) or cut off (all its packets vanish), at an arbitrary moment of the
heartbeat; the others' control sockets are asked every 20 ms. Printed, each as median and worst over the repetitions:
  noticed   its predecessor does not have it in its ring any more
  replaced  its predecessor has the next one for its successor
  whole     every node left sees exactly those that are left, in order
  healed    after it was started again, continued or plugged in again: every node sees all of them

    bench/ring/repair.py --repetitions 20
    bench/ring/repair.py --kinds cut --json > repair.json

Needs root, for the network namespaces. Exit code 1 if a repetition took longer than the bounds of the design: noticed
1 s, replaced 2 s, healed 10 s."""

import argparse
import json
import random
import signal
import statistics
import sys
import time
import unittest

from cluster import Cluster
from ring_watch import Watch, in_ring_order, whole

KINDS = ("killed", "stopped", "cut")
BOUNDS_MS = {"noticed": 1000, "replaced": 2000, "healed": 10_000}
PATIENCE_S = 30


def wait_for(condition, what):
    """Seconds until it holds."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > PATIENCE_S:
            raise TimeoutError(f"in {PATIENCE_S} s it did not happen that {what}")
        time.sleep(0.01)
    return time.monotonic() - start


def one(cluster, nodes, kind, dice):
    """One loss and its repair: figures in ms. `nodes` is changed to those that live on."""
    nodes[:] = in_ring_order(nodes)
    at = dice.randrange(len(nodes))
    first, victim, following = nodes[at], nodes[(at + 1) % len(nodes)], nodes[(at + 2) % len(nodes)]
    others = [node for node in nodes if node is not victim]
    strikes = {"killed": lambda: victim.kill(signal.SIGKILL), "stopped": lambda: victim.kill(signal.SIGSTOP),
               "cut": victim.device.unplug}
    time.sleep(0.3 + dice.random())  # some other moment between two heartbeats, every time
    with Watch(others) as watch:
        watch.strike(victim, strikes[kind])
        wait_for(lambda: whole(others), f"the ring closes after {victim.name} was {kind}")
        whole_s = watch.now_s()
        time.sleep(0.1)
    figures = {"noticed": watch.noticed_s(first), "replaced": watch.replaced_s(first, following), "whole": whole_s}
    suspected = sorted(watch.lost_members() - {victim.name})
    healing = time.monotonic()
    if kind == "killed":
        nodes[nodes.index(victim)] = cluster.start(victim.device, victim.name)
    elif kind == "stopped":
        victim.kill(signal.SIGCONT)
    else:
        victim.device.plug()
    wait_for(lambda: whole(nodes), f"all are one ring again after {victim.name} was {kind}")
    figures["healed"] = time.monotonic() - healing
    return {name: round(seconds * 1e3, 1) for name, seconds in figures.items()}, suspected


def measure(options):
    dice = random.Random(options.seed)
    found = {kind: [] for kind in options.kinds}
    complaints = []
    with Cluster(options.nodes, options.keep) as cluster:
        nodes = [cluster.start(device) for device in cluster.devices]
        wait_for(lambda: whole(nodes), "the ring is whole")
        for round_ in range(options.repetitions):
            for kind in options.kinds:
                try:
                    figures, suspected = one(cluster, nodes, kind, dice)
                except TimeoutError as late:
                    complaints.append(f"{kind}: {late}")
                    print(complaints[-1], file=sys.stderr)
                    cluster._end_nodes()
                    for device in cluster.devices:
                        device.plug()
                    nodes = [cluster.start(device) for device in cluster.devices]
                    wait_for(lambda: whole(nodes), "the ring is whole")
                    continue
                found[kind].append(figures)
                complaints += [f"{kind}: {name} was suspected, wrongly" for name in suspected]
                print(f"{round_ + 1}/{options.repetitions} {kind}: {figures} {suspected or ''}", file=sys.stderr)
    return found, complaints


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=10, help="of each kind (default: %(default)s)")
    parser.add_argument("--nodes", type=int, default=5, choices=range(3, 17), metavar="3..16")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--seed", type=int, default=1, help="of the choice of victims and moments")
    parser.add_argument("--keep", action="store_true", help="keep configurations and logs in the build folder")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    options = parser.parse_args()
    try:
        found, complaints = measure(options)
    except unittest.SkipTest as impossible:
        sys.exit(f"repair.py: {impossible}")
    rows = []
    for kind, runs in found.items():
        for figure in ("noticed", "replaced", "whole", "healed"):
            values = [run[figure] for run in runs]
            if values:
                rows.append({"kind": kind, "figure": figure, "count": len(values),
                             "median_ms": round(statistics.median(values), 1), "worst_ms": max(values),
                             "bound_ms": BOUNDS_MS.get(figure)})
    if options.json:
        print(json.dumps({"schema": "eddy.bench.ring_repair/1", "nodes": options.nodes, "rows": rows,
                          "complaints": complaints}))
    else:
        print(f"{'':8} {'':9} {'times':>5} {'median ms':>10} {'worst ms':>9} {'bound ms':>9}")
        for row in rows:
            print(f"{row['kind']:8} {row['figure']:9} {row['count']:5} {row['median_ms']:10.0f} {row['worst_ms']:9.0f} "
                  f"{row['bound_ms'] or '-':>9}")
        for complaint in complaints:
            print(complaint)
    late = [row for row in rows if row["bound_ms"] and row["worst_ms"] > row["bound_ms"]]
    return 1 if late or complaints else 0


if __name__ == "__main__":
    sys.exit(main())
