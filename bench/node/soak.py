#!/usr/bin/python3
"""The ring of scripts/demo for a long time: three real nodes, each held to 0.12 of a core, share one detector over two
looping videos. Told once a minute and at the end: the memory each process holds, and frames completed, failed and
dropped; a leak shows as memory that goes on growing after the first minutes. In the end the nodes are stopped, and every
source's frames must add up: captured = completed + failed + dropped.

    bench/node/soak.py                       one hour
    bench/node/soak.py --minutes 5 --json    a short one

Exit codes: 0 done and the sums balance, 1 something failed, 2 bad usage."""

import argparse
import json
import re
import sys
import time
from pathlib import Path

from real_ring import real_ring
from nodes import SQUARE, endless  # real_ring knows where

LIMIT = 0.12
CAMERAS = {"a": endless("walkway", rate_per_s=5), "b": endless("film", rate_per_s=10, video=SQUARE), "c": None}


def resident_mb(node):
    text = Path(f"/proc/{node.process.pid}/status").read_text()
    return round(int(re.search(r"VmRSS:\s+(\d+) kB", text)[1]) / 1024, 1)


def look(nodes, began):
    sources = [source for node in nodes for source in node.status()["sources"]]
    return {"minute": round((time.monotonic() - began) / 60, 1), "rss_mb": {node.name: resident_mb(node) for node in nodes},
            **{word: sum(source[word] for source in sources) for word in ("completed", "failed", "dropped")}}


def soak(options):
    with real_ring("soak", CAMERAS, {"limit": LIMIT}, {"queue_frames": 4}) as nodes:
        began = time.monotonic()
        looks = []
        for minute in range(1, options.minutes + 1):
            time.sleep(max(0, began + 60 * minute - time.monotonic()))
            for node in nodes:
                if node.process.poll() is not None:
                    raise RuntimeError(f"{node.name} ended with {node.process.returncode}:\n{node.log()[-2000:]}")
            looks.append(look(nodes, began))
            print("minute {minute}: {rss_mb} MB, {completed} completed, {failed} failed, {dropped} dropped".format(
                **looks[-1]), file=sys.stderr, flush=True)
        for node in nodes:
            node.kill()
        for node in nodes:
            if node.wait() != 0:
                raise RuntimeError(f"{node.name} did not stop well:\n{node.log()[-2000:]}")
        sources = [source for node in nodes for source in node.report()["sources"]]
    for source in sources:
        settled = source["completed"] + source["failed"] + sum(source["dropped"].values())
        if source["in_flight"] != 0 or source["captured"] != settled:
            raise RuntimeError(f"frames of {source['name']} do not add up: {source}")
    return {"looks": looks, "sources": sources}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.minutes < 1:
        parser.error("allowed: at least one minute")
    try:
        found = soak(options)
    except (AssertionError, RuntimeError, OSError) as error:
        print(f"soak: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        for name, first in found["looks"][0]["rss_mb"].items():
            print(f"{name}: {first} MB after a minute, {found['looks'][-1]['rss_mb'][name]} MB after {options.minutes}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
