#!/usr/bin/python3
"""What killing costs: a ring of five equal real nodes under load, one of them killed (-9) every 5 s, sources included, and
started again 2 s later.

Devices replay a recorded profile, each in a network namespace of its own; three have cameras, which together offer a
seventh more than all five devices can do. The throughput of the third to fifth second after each kill is divided by
what was possible then: the bound of `eddy plan capacity` for the devices whose processes were there, with the cameras
on them, weighted by time. A victim's device counts again from the instant at which its new process is started, though a
process takes a tenth of a second of processor time to load its libraries; `since heard` counts it from when it listens,
and `of survivors` is without it: the bound of the ring that the kill left.
Results tell the time of each completion; what a killed source completed and could not tell is counted from its journal,
evenly over the time since its last line. Besides, nothing may be lost, delivered twice or out of balance (tests/chaos).

    bench/chaos/throughput.py
    bench/chaos/throughput.py --seconds 30 --seed 2 --keep
    bench/chaos/throughput.py --speed 0.223 --rate 50 --mbit 100
    bench/chaos/throughput.py --json > chaos.json

Needs root. Exit code 1 if a goal is missed: median 0.9, worst 0.75, nothing lost, duplicated or out of balance."""

import argparse
import json
import re
import shutil
import statistics
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "chaos"))

import windows  # noqa: E402
from cluster import Cluster, Shape  # noqa: E402
from fault_plan import kills_in_turn  # noqa: E402
from nodes import EDDY, run  # noqa: E402
from player import Broken, Player, check, told  # noqa: E402

PROFILE = ROOT / "configs" / "experiments" / "mobilenet_v2_224.profile.json"
DEVICES = ("w1", "w2", "w3", "w4", "w5")
GOALS = {"median": 0.9, "worst": 0.75}
WARM_UP_S = 10
RSS_MB_MAX = 600
STAMP = "%Y-%m-%d %H:%M:%S.%f"
LOST = re.compile(r"^(\S+ \S+) \S+ \S+: ring: (\S+) \(\S+\) at \S+ is (lost|not in the ring any more)")
LISTENS = re.compile(r"^(\S+ \S+) .* listens on ", re.MULTILINE)
FAST_MBIT = 1000  # what the bound takes for links that are not shaped


def experiment(options, away):
    """As TOML, without the devices that are away and the cameras on them."""
    ids = shape_of(options).ids()
    text = [f'[experiment]\nprofile = "{PROFILE}"\n[link]\nmbit_per_s = {options.mbit or FAST_MBIT}\ndelay_ms = 0.1\n']
    text += [f'[[device]]\nname = "{name}"\nid = "{ids[name]}"\nspeed = {options.speed}\n' for name in DEVICES
             if name not in away]
    text += [f'[[source]]\nname = "{camera(name, options)["name"]}"\ndevice = "{name}"\nrate_per_s = {options.rate}\n'
             for name in options.cameras if name not in away]
    return "".join(text)


class Bounds(dict):
    """{frozenset of devices away: frames/s}. Any one is away sooner or later; more at a time if processes start slowly."""

    def __init__(self, options, folder):
        super().__init__()
        self.options, self.folder = options, Path(folder)
        for away in [(), *((name,) for name in DEVICES)]:
            self[frozenset(away)]  # before there is load

    def __missing__(self, away):
        self[away] = 0.0
        if not set(self.options.cameras) <= away:
            self[away] = self._planned(away)
        return self[away]

    def _planned(self, away):
        path = self.folder / f"without-{'-'.join(sorted(away)) or 'nobody'}.toml"
        path.write_text(experiment(self.options, away))
        planned = run(EDDY, "plan", "capacity", path, "--json")
        if planned.returncode != 0:
            raise Broken(planned.stderr)
        plan = json.loads(planned.stdout)
        # Who favours cheap frames may do more of them than the offered mix allows; nobody does more than is offered.
        optimum = sum(source["weighted_optimum_per_s"] for source in plan["sources"])
        return min(max(plan["bound_per_s"], optimum), plan["offered_per_s"])


def camera(name, options):
    return {"name": f"camera-{name}", "input": "lavfi:testsrc2=size=224x224:rate=30", "rate_per_s": options.rate,
            "when_full": "drop-oldest"}


def shape_of(options):
    return Shape(PROFILE, DEVICES, {name: camera(name, options) for name in options.cameras}, options.speed, options.mbit)


def completions(cluster, accounts):
    """Instants of all completions, sorted."""
    untold = {account.source: dict(account.untold) for account in accounts}
    instants = []
    for life in cluster.lives:
        source = cluster.shape.sources.get(life.device.name)
        if source is None:
            continue
        evidence = life.evidence
        if evidence is None:
            continue
        own = [line["settled_unix_s"] for line in evidence.lines if line["state"] == "completed"]
        instants += own
        missing = untold[source["name"]].pop(evidence.journal.life, 0) if life.killed else 0
        instants += windows.spread(missing, max([life.ended_at - 1, *own]), life.ended_at)
    return sorted(instants)


def noticed(cluster, victim, at):
    """Seconds until the first and until the last other node said that it is lost, within 5 s."""
    first = {}
    for life in cluster.lives:
        for found in map(LOST.match, life.node.log().splitlines()):
            if not found or found[2] != victim:
                continue
            after = datetime.strptime(found[1], STAMP).timestamp() - at
            if 0 <= after < 5:
                first[life.device.name] = min(after, first.get(life.device.name, 9))
    return (round(min(first.values()), 3), round(max(first.values()), 3)) if first else (None, None)


def listened_at(life):
    found = LISTENS.search(life.node.log())
    return datetime.strptime(found[1], STAMP).timestamp() if found else life.ended_at


def table_of(cluster, player, instants, bound_of):
    lives = [windows.Life(life.device.name, life.spawned_at, life.ended_at) for life in cluster.lives]
    listening = [windows.Life(life.device.name, listened_at(life), life.ended_at) for life in cluster.lives]
    kills = [at for at, _ in player.struck]
    after = windows.parts_of_bound(kills, instants, lives, bound_of)
    heard = windows.parts_of_bound(kills, instants, listening, bound_of)
    survivors = windows.parts_of_survivors(player.struck, instants, bound_of)
    during = windows.parts_of_bound(kills, instants, lives, bound_of, (0.0, windows.WINDOW_S[0]))
    rows = []
    for number, (at, fault) in enumerate(player.struck):
        newcomer = next(life for life in cluster.devices[fault.victim].lives if life.spawned_at > at)
        worked = newcomer.first_work_s
        first, last = noticed(cluster, fault.victim, at)
        (done, possible), (meanwhile, could) = after[number], during[number]
        rows.append({"at_s": fault.at_s, "victim": fault.victim, "source": fault.victim in cluster.shape.sources,
                     "noticed_first_s": first, "noticed_last_s": last,
                     "started_again_s": round(newcomer.spawned_at - at, 3),
                     "listens_after_start_s": round(listened_at(newcomer) - newcomer.spawned_at, 3),
                     "work_after_start_s": None if worked is None else round(worked, 3),
                     "first_two_s": round(meanwhile / could, 3), "done": done, "possible": round(possible, 1),
                     "of_bound": round(done / possible, 3), "since_heard": round(done / heard[number][1], 3),
                     "of_survivors": round(done / survivors[number][1], 3),
                     "per_100_ms": windows.histogram(instants, at, at + 5)})
    return rows


def measure(options):
    """(figures, findings)."""
    cluster = Cluster(shape_of(options), own_network=True)
    plan = kills_in_turn(options.seed, options.seconds + WARM_UP_S - options.every, DEVICES, options.every,
                         options.back_after, WARM_UP_S)
    player = Player(cluster, plan, lambda line: print(line, file=sys.stderr))
    figures, findings = {}, []
    try:
        bound_of = Bounds(options, cluster.folder)
        figures["bounds_per_s"] = {"-".join(sorted(away)) or "all": round(bound, 2) for away, bound in bound_of.items()}
        player.start()
        player.play(WARM_UP_S + options.seconds)
        whole_s, idle_s = player.bring_to_rest()
        accounts, findings = check(cluster, RSS_MB_MAX)
        instants = completions(cluster, accounts)
        first = player.struck[0][0]
        rows = table_of(cluster, player, instants, bound_of)
        parts = [row["of_bound"] for row in rows]
        sums, reasons = Counter(), Counter()
        for account in accounts:
            sums, reasons = sums + account.sums, reasons + account.reasons
        figures |= {"kills": len(rows), "median": round(statistics.median(parts), 3), "worst": min(parts),
                    **{f"{what}_{name}": round(of([row[name] for row in rows]), 3)
                       for name in ("since_heard", "of_survivors")
                       for what, of in (("median", statistics.median), ("worst", min))},
                    "before_the_first": round(windows.done_in(instants, first - 5, first) / 5 / bound_of[frozenset()], 3),
                    "lost": sum(account.lost for account in accounts),
                    "duplicated": sum(account.duplicated for account in accounts),
                    "retried": sum(account.retried for account in accounts), **sums, "failed_reasons": dict(reasons),
                    "untold_by_the_killed": sum(sum(account.untold.values()) for account in accounts),
                    "ring_whole_s": round(whole_s, 2), "idle_s": round(idle_s, 2),
                    "rss_mb_max": round(max(max(life.rss_bytes) for life in cluster.lives) / 2**20), "rows": rows}
    except Broken as broken:
        findings.append(str(broken))
    finally:
        cluster.close()
    findings += cluster.remains()
    findings += [f"{name} {figures[name]}, asked {goal}" for name, goal in GOALS.items() if figures.get(name, 1) < goal]
    if findings:
        print(told(player, options.seed), file=sys.stderr)
    elif not options.keep:
        shutil.rmtree(cluster.folder)
    return figures, findings


def show(figures):
    columns = {"at_s": "at s", "victim": "victim", "source": "source", "noticed_first_s": "noticed s",
               "noticed_last_s": "by all s", "started_again_s": "started s",
               "listens_after_start_s": "listens after s", "work_after_start_s": "works after s",
               "first_two_s": "first 2 s", "done": "frames", "possible": "possible", "of_bound": "of bound",
               "since_heard": "since heard", "of_survivors": "of survivors"}
    print("  ".join(columns.values()))
    for row in figures.get("rows", ()):
        cells = {name: {True: "yes", False: "", None: "-"}.get(row[name], row[name]) if name != "done" else row[name]
                 for name in columns}
        print("  ".join(f"{cells[name]:>{len(title)}}" for name, title in columns.items()))
    print(", ".join(f"{name} {value}" for name, value in figures.items() if name != "rows"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="of the choice of victims (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=120, help="with kills, after 10 s without (default: %(default)s)")
    parser.add_argument("--every", type=float, default=5, help="seconds from kill to kill (default: %(default)s)")
    parser.add_argument("--back-after", type=float, default=2, help="seconds until it is started again (default: %(default)s)")
    parser.add_argument("--cameras", nargs="+", choices=DEVICES, default=("w1", "w3", "w4"))
    parser.add_argument("--rate", type=float, default=95.0, help="of each camera, frames/s (default: %(default)s)")
    parser.add_argument("--speed", type=float, default=0.446, help="of each device; 0.446 does 50 frames/s")
    parser.add_argument("--mbit", type=int, default=0, help="of each link, each way; 0: as fast as this machine")
    parser.add_argument("--keep", action="store_true", help="keep logs and results")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    options = parser.parse_args()
    try:
        figures, findings = measure(options)
    except RuntimeError as impossible:
        sys.exit(f"throughput.py: {impossible}")
    figures["findings"] = findings
    if options.json:
        print(json.dumps({"schema": "eddy.bench.chaos/1"} | figures))
    else:
        show(figures)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
