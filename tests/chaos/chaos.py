#!/usr/bin/python3
"""Real processes under load, and a seed that kills (-9), stops and continues, cuts off and asks to leave.

Five nodes replay a small model; three of them have cameras, together faster than all five can compute. A plan made from
the seed strikes them; in the end all is mended, the cameras end, and everything must come to rest. Checked: each frame
has one outcome over all lives of its source, nothing is delivered twice, the sums of result lines, journals and reports
are the same and balance, the ring is whole again, queues and custody are empty, nobody died of itself or complained,
memory is bounded, no process and no namespace is left over. With --kinds leave nobody is lost, so no frame may be tried again.

    tests/chaos/chaos.py --seed 7 --seconds 30
    tests/chaos/chaos.py --seeds 1..20 --json
    tests/chaos/chaos.py --seed 7 --kinds leave
    tests/chaos/chaos.py --seed 7 --seconds 30 --print > plan.txt; tests/chaos/chaos.py --plan plan.txt

Links are cut only where network namespaces can be made (root). The same seed gives the same plan; what it does to real
processes depends on the moment. Exit code 0: nothing found, 1: a finding, whose logs are kept, 2: bad usage."""

import argparse
import json
import shutil
import sys
from collections import Counter
from pathlib import Path

import cluster as clusters
import fault_plan
from player import Broken, Player, check, told

DEVICES = tuple("abcde")
LAYERS, LAYER_S, FRAME_BYTES = 6, 0.004, 32 * 24 * 3
RATE_PER_S = 120.0  # of each camera; five devices can do 208 frames a second
RSS_MB_MAX = 300


def small_profile(folder):
    """As of a model of six equal layers: a frame takes 24 ms."""
    layers = [{"name": f"layer {i}", "time_us": round(LAYER_S * 1e6), "parameters": 1000, "flops": 1,
               "frontier_bytes": FRAME_BYTES if i == 0 else 50_001 // i, "frontier_tensors": 1 + i % 3,
               "weight_bytes": 4000} for i in range(LAYERS)]
    path = Path(folder) / "small.profile.json"
    path.write_text(json.dumps({"schema": "eddy.profile/1", "model": "small", "device": "nowhere",
                                "model_hash": "a5" * 32, "chain_hash": "5a" * 32, "layers": layers}))
    return path


def camera(name):
    return {"name": name, "input": "lavfi:testsrc2=size=64x64:rate=30", "rate_per_s": RATE_PER_S,
            "when_full": "drop-oldest"}


def run_one(seed, seconds, plan, options):
    """(what is to be told as JSON, findings)."""
    sources = {device: camera(f"camera-{device}") for device in DEVICES[:3]}
    cluster = clusters.Cluster(clusters.Shape("", DEVICES, sources), False if options.loopback else None)
    player, findings, accounts = None, [], []
    figures = {"seed": seed, "network": "loopback" if cluster.why_loopback else "namespaces"}
    try:
        cluster.shape.profile = small_profile(cluster.folder)
        kinds = [kind for kind in options.kinds if kind != "cut" or cluster.can_cut]
        plan = plan or fault_plan.make_plan(seed, seconds, DEVICES, kinds)
        if not cluster.can_cut:
            print(f"links are not cut: {cluster.why_loopback}", file=sys.stderr)
            plan = [fault for fault in plan if fault.kind != "cut"]
        player = Player(cluster, plan, lambda line: print(line, file=sys.stderr))
        player.start()
        player.play(seconds)
        whole_s, idle_s = player.bring_to_rest()
        figures |= {"ring_whole_s": round(whole_s, 2), "idle_s": round(idle_s, 2)}
        accounts, findings = check(cluster, RSS_MB_MAX)
        findings += tried_again(player, accounts)
    except Broken as broken:
        findings.append(str(broken))
    finally:
        cluster.close()
    findings += cluster.remains()
    if findings:
        print("\n".join([*findings, told(player, seed)]), file=sys.stderr)
    elif not options.keep:
        shutil.rmtree(cluster.folder)
    sums, reasons = Counter(), Counter()
    for account in accounts:
        sums += account.sums
        reasons += account.reasons
    figures |= {"faults": dict(Counter(fault.kind for _, fault in player.struck)), "lives": len(cluster.lives)}
    figures |= {name: sums[name] for name in ("captured", "completed", "failed", "dropped")}
    figures |= {name: sum(getattr(account, name) for account in accounts) for name in ("lost", "duplicated", "retried")}
    work_s = [life.first_work_s for life in cluster.lives[len(DEVICES):] if life.first_work_s is not None]
    figures |= {"failed_reasons": dict(reasons), "findings": findings,
                "newcomers_work_s_max": round(max(work_s, default=0), 2),
                "rss_mb_max": round(max((max(life.rss_bytes, default=0) for life in cluster.lives)) / 2**20, 1)}
    return figures, findings


def tried_again(player, accounts):
    """All lives ended in order, so their reports tell all."""
    retried = sum(account.retried for account in accounts)
    if retried == 0 or any(fault.kind != "leave" for _, fault in player.struck):
        return []
    return [f"{retried} frames were tried again, though nobody was lost"]


def seeds_of(text):
    first, dots, last = text.partition("..")
    try:
        seeds = range(int(first), int(last if dots else first) + 1)
    except ValueError:
        seeds = ()
    if not seeds:
        raise argparse.ArgumentTypeError(f"{text!r} is no seed and no range of seeds like 1..20")
    return seeds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", "--seeds", dest="seeds", type=seeds_of, default=range(1, 2), metavar="N or A..B")
    parser.add_argument("--seconds", type=float, default=20, help="of faults, for each seed (default: %(default)s)")
    parser.add_argument("--kinds", nargs="+", choices=fault_plan.KINDS, default=fault_plan.KINDS)
    parser.add_argument("--plan", type=Path, help="play this plan instead, as --print wrote it")
    parser.add_argument("--print", dest="only_print", action="store_true", help="print the seeds' plans, and end")
    parser.add_argument("--loopback", action="store_true", help="no namespaces, also where they can be made")
    parser.add_argument("--keep", action="store_true", help="keep logs and results of runs without a finding as well")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    options = parser.parse_args()
    plan = None
    if options.plan:
        try:
            plan = fault_plan.read_plan(options.plan.read_text())
        except (OSError, ValueError) as bad:
            parser.error(str(bad))
    if options.only_print:
        for seed in options.seeds:
            print(f"# seed {seed}\n" + fault_plan.text_of(
                fault_plan.make_plan(seed, options.seconds, DEVICES, options.kinds)), end="")
        return 0
    runs, found = [], 0
    for seed in options.seeds:
        figures, findings = run_one(seed, options.seconds, plan, options)
        runs.append(figures)
        found += len(findings)
        if not options.json:
            print(", ".join(f"{name} {value}" for name, value in figures.items() if name != "findings"))
    if options.json:
        print(json.dumps({"schema": "eddy.real_chaos/1", "seeds": len(runs), "findings": found, "runs": runs}))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
