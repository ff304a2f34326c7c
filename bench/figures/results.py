"""What `eddy lab run --json` left in a folder, and figures of it."""

import json
from pathlib import Path

NEEDED = ("policy", "throughput_per_s", "bound_per_s", "fraction_of_bound", "sources", "nodes", "lost", "duplicated")


class Unusable(Exception):
    """A file is not what `eddy lab run --json` prints; says which and why."""


def read(path, policies=None):
    """One object for each policy, of one call or of several. With `policies` they must be these, in this order."""
    try:
        told = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Unusable(f"{path}: {error}") from error
    if not isinstance(told, list) or not all(isinstance(one, dict) for one in told) or not told:
        raise Unusable(f"{path}: not a list with an object for each policy")
    for one in told:
        missing = [key for key in NEEDED if key not in one]
        if missing:
            raise Unusable(f"{path}: {one.get('policy', 'an object')} has no {', '.join(missing)}")
    found = tuple(one["policy"] for one in told)
    if policies is not None and found != tuple(policies):
        raise Unusable(f"{path}: has {', '.join(found)}, expected {', '.join(policies)}")
    return told


def median_of(repeats):
    """The one in the middle by its part of the bound; of an even number the lower."""
    return sorted(repeats, key=lambda told: told["fraction_of_bound"] or 0)[(len(repeats) - 1) // 2]


class Results:
    """All runs by (compute, experiment, policy), of repeated ones the median; what was not run is None."""

    def __init__(self, planned=()):
        self.planned = tuple(planned)  # what must be there before anything is said of all runs
        self.by_name = {}
        self.repeats = {}  # by the same, all that were run, in their order
        self.commands = []
        self.failures = []  # (compute, experiment, why); figures may be there nevertheless

    @classmethod
    def of_folder(cls, out, runs):
        """Those of `runs` that are there, in their order, whatever their options were. `runs` are what is planned."""
        results = cls(runs)
        for run in results.planned:
            path = run.place(out)
            failure = path.with_suffix(".failed")
            if failure.exists():
                why = failure.read_text(encoding="utf-8", errors="replace").strip()
                results.failures.append((run.compute, run.experiment, why))
            if not path.exists():
                continue
            results.add(run.compute, run.experiment, read(path))
            command = path.with_suffix(".command")
            if command.exists():
                results.commands.append(command.read_text(encoding="utf-8").strip())
        return results

    def add(self, compute, experiment, told):
        for one in told:
            key = compute, experiment, one["policy"]
            self.repeats.setdefault(key, []).append(one)
            self.by_name[key] = median_of(self.repeats[key])

    def get(self, compute, experiment, policy):
        return self.by_name.get((compute, experiment, policy))

    def all(self):
        """(compute, experiment, policy), what was told; each of repeated runs"""
        return [(key, told) for key in self.by_name for told in self.repeats[key]]

    def first_of_each(self):
        """(compute, experiment), what was told first of it"""
        seen = {}
        for (compute, experiment, _), told in self.all():
            seen.setdefault((compute, experiment), told)
        return seen.items()

    def missing(self, compute, is_there=lambda told: True):
        """What of the planned runs of `compute` is not there, or not as it must be: whole sets by their name."""
        sets, absent = {}, []
        for run in self.planned:
            if run.compute == compute:
                sets.setdefault(run.set, []).append(run)
        for name, runs in sets.items():
            found = [(run, [policy for policy in run.policies
                            if not ((told := self.get(compute, run.experiment, policy)) and is_there(told))])
                     for run in runs]
            if all(len(policies) == len(run.policies) for run, policies in found):
                absent.append(f"all of {name}")
                continue
            for run, policies in found:
                whole = len(policies) == len(run.policies)
                absent += [run.experiment] if whole else [f"{run.experiment} {policy}" for policy in policies]
        return absent

    def value(self, compute, experiment, policy, key):
        told = self.get(compute, experiment, policy)
        return None if told is None else told.get(key)

    def saved(self, compute, experiment, policy, base):
        """What part of the time of `base` until all is done `policy` saves; of the same call of `eddy lab run`."""
        mine = self.value(compute, experiment, policy, "makespan_s")
        other = self.value(compute, experiment, base, "makespan_s")
        return None if mine is None or not other else 1 - mine / other

    def ideal_saved(self, compute, experiment):
        """What a policy would save against `local` that reaches the bound."""
        bound = self.value(compute, experiment, "layered", "makespan_bound_s")
        local = self.value(compute, experiment, "local", "makespan_s")
        return None if bound is None or not local else 1 - bound / local

    def times(self, compute, experiment, policy, base_experiment, base_policy):
        """How often the throughput of a base fits into this one's."""
        mine = self.value(compute, experiment, policy, "throughput_per_s")
        base = self.value(compute, base_experiment, base_policy, "throughput_per_s")
        return None if mine is None or not base else mine / base

    def over_simulated(self, compute, experiment, policy):
        return self.value(compute, experiment, policy, "measured_over_simulated")


def shaped(told):
    """Whether its links were as slow as asked. Lost frames are lost whether they were or not; figures are others."""
    return told.get("isolation") != "loopback"


def failed(told):
    return sum(source.get("failed", 0) for source in told["sources"])
