"""What is run for the figures: sets of runs of `eddy lab run`, each with its options and the time it takes. All
replayed ones together take less than 45 minutes, all real ones little more than an hour."""

import dataclasses
import json
import tomllib
from pathlib import Path

SETS = ("fig3", "defer", "cluster", "links")
COMPUTES = ("replayed", "real")
WORDS = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five", 8: "eight"}
CLUSTERS = (1, 2, 4, 8, 12, 16, 20)
MOBILENET = "build/models/mobilenet_v2.pt"
RESNET = "build/models/resnet50_imagenet.pt"

# Of Figure 3's images; all of them take five minutes for `local` alone.
PART = {"replayed": 0.15, "real": 0.1}
# What a policy takes besides its frames: to start, to find each other, to be measured, to finish what is queued.
AROUND_S = {"replayed": 15, "real": 60}
# Processors under a quota differ by a tenth from minute to minute, so the part of the bound is the median of so many.
REAL_LINKS_REPEATS = 3


@dataclasses.dataclass(frozen=True)
class Run:
    """A call of `eddy lab run`: its policies are run one after the other, so they are compared within one run."""

    set: str
    group: str  # what is plotted together
    experiment: str
    compute: str
    policies: tuple
    warm_up_s: float
    window_s: float
    part: float = None  # of the sources' frames; None: they go on until the window ends
    model: str = None  # for real compute
    expected_s: float = 0  # of all calls
    repeats: int = 1  # so many calls; the one with the median part of the bound counts

    def arguments(self):
        """What follows `eddy`; paths are from the project's root."""
        words = ["lab", "run", f"configs/experiments/{self.experiment}.toml", "--policy", ",".join(self.policies)]
        words += ["--compute", self.compute]
        if self.model:
            words += ["--model", self.model]
        words += ["--warm-up-s", f"{self.warm_up_s:g}", "--window-s", f"{self.window_s:g}"]
        if self.part is not None:
            words += ["--frames-part", f"{self.part:g}"]
        return [*words, "--json"]

    def place(self, out):
        return Path(out) / self.compute / f"{self.experiment}.json"


@dataclasses.dataclass(frozen=True)
class Load:
    """What an experiment's devices can do and its sources want, links left aside."""

    device_per_s: tuple  # frames
    sources: tuple  # (device, frames)

    def makespan_s(self, policy, part):
        """Until all frames are done; for policies between the two that can be told beforehand, no less than it is."""
        if policy == "layered":
            return sum(frames for _, frames in self.sources) * part / sum(self.device_per_s)
        return max(frames * part / self.device_per_s[device] for device, frames in self.sources)

    def both_sources_s(self, part):
        """No source is done sooner, with `layered` or `local`."""
        alone_s = min(frames * part / self.device_per_s[device] for device, frames in self.sources)
        return min(alone_s, self.makespan_s("layered", part))


def load_of(experiments, name):
    """Of experiments that name each source's device and frames."""
    path = Path(experiments) / f"{name}.toml"
    told = tomllib.loads(path.read_text(encoding="utf-8"))
    profile = json.loads((path.parent / told["experiment"]["profile"]).read_text(encoding="utf-8"))
    seconds = sum(layer["time_us"] for layer in profile["layers"]) / 1e6
    rates, places = [], {}
    for device in told["device"]:
        count = device.get("count")
        for i in range(count or 1):
            places[f"{device['name']}{i + 1}" if count else device["name"]] = len(rates)
            rates.append(device.get("speed", 1) * device.get("lanes", 1) / seconds)
    return Load(tuple(rates), tuple((places[source["device"]], source["frames"]) for source in told["source"]))


def endless(set_name, group, experiment, compute, policies, window_s, model, repeats=1):
    warm_up_s = 10
    return Run(set_name, group, experiment, compute, policies, warm_up_s, window_s,
               model=model if compute == "real" else None,
               expected_s=repeats * len(policies) * (warm_up_s + window_s + AROUND_S[compute]), repeats=repeats)


def batch(experiments, group, experiment, compute, policies, part):
    """Runs until all frames are done. The window lies where all policies still have frames of both sources."""
    load = load_of(experiments, experiment)
    shortest_s = load.both_sources_s(part)
    expected_s = sum(load.makespan_s(policy, part) + AROUND_S[compute] for policy in policies)
    return Run("fig3", group, experiment, compute, policies, round(0.25 * shortest_s, 1), round(0.6 * shortest_s, 1),
               part=part, model=MOBILENET if compute == "real" else None, expected_s=expected_s)


def fig3(experiments, compute, part):
    real = compute == "real"
    policies = ("local", "ar-mdi", "layered") if real else ("local", "ar-mdi", "ms-mdi", "layered")
    for workers in (2, 3, 5) if real else (2, 3, 4, 5):
        yield batch(experiments, "fig3-100", f"fig3-{WORDS[workers]}", compute, policies, part)
    if not real:
        for workers in (2, 3, 5):
            yield batch(experiments, "fig3-1000", f"fig3-{WORDS[workers]}-1000", compute,
                        ("local", "ar-mdi", "layered"), part)


def defer(compute):
    for nodes in (1, 8) if compute == "real" else (1, 2, 4, 8):
        policies = ("layered",)
        if nodes == 8:  # `local` is one node alone, within the same run
            policies = ("local", "layered") if compute == "real" else ("local", "ar-mdi", "layered")
        yield endless("defer", "defer", f"defer-{WORDS[nodes]}", compute, policies, 45, RESNET)


def links_name(workers, mbit):
    return f"links-{mbit}" + ("" if workers == 5 else f"-{WORDS[workers]}")


def runs(experiments, compute, only=SETS, part=None):
    """All runs of the sets and experiments named, in the order in which they are run."""
    part = PART[compute] if part is None else part
    found = [*fig3(experiments, compute, part), *defer(compute)]
    if compute == "replayed":
        found += [endless("cluster", "cluster", f"cluster-{nodes}", compute, ("layered",), 20, MOBILENET)
                  for nodes in CLUSTERS]
    repeats = REAL_LINKS_REPEATS if compute == "real" else 1
    found += [endless("links", f"links-{mbit}", links_name(workers, mbit), compute, ("layered",), 30, MOBILENET, repeats)
              for mbit in (20, 100, 1000) for workers in (2, 3, 5)]
    return [run for run in found if run.set in only or run.experiment in only]
