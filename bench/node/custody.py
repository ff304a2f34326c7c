#!/usr/bin/python3
"""What custody costs while nothing is lost: three real nodes on this machine's loopback share one detector over one
camera that always has a frame, keeping what they hand over (the default); three others do so without (custody_mb = 0).
Both rings run at the same time, so that what disturbs the machine disturbs both, and each takes turns in being started
first. In each such pair, after a warm-up, the frames completed in a window and the processor time that all nodes took
for them. Printed are the medians over the pairs of

  throughput  frames/s with custody / without
  processor   processor time per frame with custody / without, which other programs on this machine disturb less

with the interval between the second lowest and the second highest pair, which of ten pairs holds the true median with
97.9 % certainty.

    bench/node/custody.py                                   ten pairs: about eight minutes
    bench/node/custody.py --pairs 20 --window-s 30 --json > custody.json

Exit codes: 0 measured, 1 something failed, 2 bad usage."""

import argparse
import contextlib
import json
import os
import statistics
import sys
import time
from pathlib import Path

from real_ring import real_ring
from nodes import endless, until  # real_ring knows where

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def processor_s(nodes):
    """Of all their threads, since they began."""
    ticks = 0
    for node in nodes:
        fields = Path(f"/proc/{node.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS_PER_S


def look(nodes):
    return nodes[0].source()["completed"], processor_s(nodes), time.monotonic()


@contextlib.contextmanager
def ring(custody, options):
    compute = {"limit": options.limit} | ({} if custody else {"custody_mb": 0})
    cameras = {"n0": endless(rate_per_s=200), "n1": None, "n2": None}
    with real_ring("custody" if custody else "no-custody", cameras, compute) as nodes:
        yield nodes
        if {custody} != {node.status()["custody"]["bytes_max"] > 0 for node in nodes}:
            raise RuntimeError("the nodes do not keep what they were told to")


def pair(order, options):
    """One life of both rings: {with custody?: (frames/s, processor seconds per frame)}."""
    with ring(order[0], options) as first, ring(order[1], options) as second:
        rings = dict(zip(order, (first, second)))
        for nodes in rings.values():
            until(lambda: nodes[0].source()["completed"] > 0, "a frame is done")
        time.sleep(options.warm_up_s)
        before = {custody: look(nodes) for custody, nodes in rings.items()}
        time.sleep(options.window_s)
        after = {custody: look(nodes) for custody, nodes in rings.items()}
    found = {}
    for custody, (frames, processor, at) in after.items():
        done = frames - before[custody][0]
        if done == 0:
            raise RuntimeError("no frame was completed in the window")
        found[custody] = done / (at - before[custody][2]), (processor - before[custody][1]) / done
    return found


def interval(ratios):
    """Median, and all but the outermost on either side."""
    ordered = sorted(ratios)
    inner = ordered[1:-1] if len(ordered) > 2 else ordered
    return {"median": statistics.median(ordered), "low": inner[0], "high": inner[-1]}


def measure(options):
    pairs = []
    for i in range(options.pairs):
        found = pair((True, False) if i % 2 == 0 else (False, True), options)
        pairs.append({"with_per_s": found[True][0], "without_per_s": found[False][0],
                      "throughput": found[True][0] / found[False][0], "processor": found[True][1] / found[False][1]})
        print("pair {}: {with_per_s:.2f} and {without_per_s:.2f} frames/s, throughput {throughput:.3f}, processor "
              "{processor:.3f}".format(i + 1, **pairs[-1]), file=sys.stderr, flush=True)
    return {"pairs": pairs} | {key: interval([pair[key] for pair in pairs]) for key in ("throughput", "processor")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--warm-up-s", type=float, default=6)
    parser.add_argument("--window-s", type=float, default=12)
    parser.add_argument("--limit", type=float, default=0.25, help="of a core for each node (default: 0.25)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.pairs < 1 or options.window_s <= 0 or options.warm_up_s < 0:
        parser.error("allowed: at least one pair, a window above 0 s, a warm-up of at least 0 s")
    try:
        found = measure(options)
    except (AssertionError, RuntimeError, OSError) as error:
        print(f"custody: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        for key in ("throughput", "processor"):
            print("{}: with / without custody {median:.3f} ({low:.3f} to {high:.3f})".format(key, **found[key]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
