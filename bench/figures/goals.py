"""What the runs must show, what the papers report, and whether it was reached."""

import dataclasses

from plan import CLUSTERS, COMPUTES, WORDS, links_name
from results import failed, shaped

# MS-MDI (Li, Seferoglu, Koyuncu): time that MS-MDI saves, by workers.
PAPER_SAVED = {"local": {2: 0.11, 3: 0.32, 5: 0.74}, "ar-mdi": {2: 0.16, 3: 0.20, 5: 0.29}}
# DEFER (Parthasarathy, Krishnamachari): ResNet-50 on 8 nodes over one device.
PAPER_DEFER_TIMES = 1.53

FRACTION = {"replayed": {20: 0.90, 100: 0.95, 1000: 0.95}, "real": {20: 0.80, 100: 0.85, 1000: 0.85}}
SAVED = {"local": {2: 0.29, 3: 0.50, 5: 0.68}, "ar-mdi": PAPER_SAVED["ar-mdi"]}
DEFER_TIMES = 5
DEFER_FRACTION = 0.85
PREDICTION = 0.10  # the simulator's and the lab's throughput differ by no more

REACHED, MISSED, UNMEASURED, UNSHAPED = "reached", "**missed**", "not measured", "not shaped"
INCOMPLETE = "not all was run"  # what is missing follows


@dataclasses.dataclass(frozen=True)
class Goal:
    what: str
    compute: str
    value: float  # None: not measured, or measured and without end
    asked: str  # for people
    shown: str
    verdict: str

    @property
    def reached(self):
        return self.verdict == REACHED


def ratio(value):
    return "–" if value is None else f"{value:.3f}"


def percent(value):
    return "–" if value is None else f"{100 * value:.1f} %"


def times(value):
    return "–" if value is None else f"{value:.2f} ×"


def at_least(what, compute, value, least, show, used):
    """`used`: the runs that it is of, None where one is not there."""
    there = [told for told in used if told is not None]
    if value is None and (not there or len(there) < len(used)):
        verdict = UNMEASURED
    elif not all(map(shaped, there)):
        verdict = UNSHAPED
    else:  # what has no figure although it was run did not get there
        verdict = REACHED if value is not None and value >= least else MISSED
    return Goal(what, compute, value, f"≥ {show(least)}", show(value), verdict)


def fraction(results, compute, workers, mbit):
    run = compute, links_name(workers, mbit), "layered"
    return at_least(f"`layered` of the bound, {workers} workers, {mbit} Mbit/s", compute,
                    results.value(*run, "fraction_of_bound"), FRACTION[compute][mbit], ratio, [results.get(*run)])


def fig3_name(workers, mbit):
    return f"fig3-{WORDS[workers]}" + ("" if mbit == 100 else f"-{mbit}")


def saved(results, compute, workers, mbit, base):
    name = fig3_name(workers, mbit)
    return at_least(f"time `layered` saves against `{base}`, {workers} workers, {mbit} Mbit/s", compute,
                    results.saved(compute, name, "layered", base), SAVED[base][workers], percent,
                    [results.get(compute, name, policy) for policy in ("layered", base)])


def defer_times(results, compute):
    """Over one node alone: the smaller of what `local` does in the same run and what one node did in its own."""
    bases = ("defer-eight", "local"), ("defer-one", "layered")
    found = [results.times(compute, "defer-eight", "layered", *base) for base in bases]
    known = [value for value in found if value is not None]
    return at_least("ResNet-50 on 8 nodes over one", compute, min(known, default=None), DEFER_TIMES, times,
                    [results.get(compute, *run) for run in (("defer-eight", "layered"), *bases)])


def defer_fraction(results, compute):
    run = compute, "defer-eight", "layered"
    return at_least("ResNet-50 on 8 nodes, of the bound", compute, results.value(*run, "fraction_of_bound"),
                    DEFER_FRACTION, ratio, [results.get(*run)])


def of_all(good, used, missing):
    """The verdict on what all runs must be. `missing`: names of those that are planned and not there."""
    if not good:
        return MISSED
    if not all(map(shaped, used)):
        return UNSHAPED
    return f"{INCOMPLETE}: {', '.join(missing)}" if missing else REACHED


def predicted(results, compute):
    """The run whose throughput is farthest from the simulator's. Without a prediction a run is as good as missing."""
    used = [told for key, told in results.all() if key[0] == compute]
    known = [told["measured_over_simulated"] for told in used if told.get("measured_over_simulated") is not None]
    worst = max(known, key=lambda value: abs(value - 1), default=None)
    verdict = UNMEASURED
    if worst is not None:
        unknown = results.missing(compute, lambda told: told.get("measured_over_simulated") is not None)
        good = abs(worst - 1) <= PREDICTION + 1e-9
        verdict = of_all(good, used, unknown) if all(map(shaped, used)) else UNSHAPED
    return Goal("throughput over the simulator's, worst of all runs", compute, worst,
                f"{1 - PREDICTION:.2f} to {1 + PREDICTION:.2f}", ratio(worst), verdict)


def none_of(results, compute, what, count):
    used = [told for (each, _, _), told in results.all() if each == compute]
    total = sum(map(count, used)) if used else None
    verdict = of_all(total == 0, used, results.missing(compute)) if used else UNMEASURED
    return Goal(f"frames {what} in all runs", compute, total, "0", "–" if total is None else str(total), verdict)


LOSSES = (("lost", lambda told: told["lost"]), ("delivered twice", lambda told: told["duplicated"]), ("failed", failed))


def clean_end(results, compute, nodes):
    """The largest cluster loses nothing."""
    told = results.get(compute, f"cluster-{nodes}", "layered")
    total = None if told is None else sum(count(told) for _, count in LOSSES)
    return Goal(f"a {nodes}-node run ends clean: frames lost, delivered twice or failed", compute, total, "0",
                "–" if told is None else str(total), UNMEASURED if told is None else of_all(total == 0, [told], []))


def all_goals(results):
    """Those of replayed compute first. What is asked of real compute is what was asked for it, no more."""
    goals = [fraction(results, compute, workers, mbit)
             for compute in COMPUTES for mbit in (20, 100, 1000) for workers in (2, 3, 5)]
    goals += [saved(results, "replayed", workers, mbit, base)
              for base in ("local", "ar-mdi") for mbit in (100, 1000) for workers in (2, 3, 5)]
    goals += [defer_times(results, "replayed"), defer_fraction(results, "replayed"), predicted(results, "replayed"),
              clean_end(results, "replayed", max(CLUSTERS))]
    goals += [none_of(results, compute, *loss) for compute in COMPUTES for loss in LOSSES]
    return sorted(goals, key=lambda goal: COMPUTES.index(goal.compute))
