"""docs/results.md: the prose of template.md with what {{…}} in it stands for. Prose has no measured numbers of its own,
so that it can stay when they are measured again."""

import datetime
import re
from pathlib import Path

import disturbance
import tables
from goals import percent, ratio, times

PLACE = re.compile(r"\{\{([^{}\n]*)\}\}")
UNMEASURED = "not measured"

# What docs/results/ keeps of all plots: compute, group, how the file begins (none of them like another), what to say.
KEPT_PLOTS = (
    ("replayed", "fig3-100", "processing-time-fig3-two", "Figure 3: processing time against images, two workers"),
    ("replayed", "fig3-100", "processing-time-fig3-five", "Figure 3: processing time against images, five workers"),
    ("replayed", "fig3-100", "per-image-time-fig3", "Figure 3: time per image against workers"),
    ("replayed", "fig3-100", "queues-fig3-five-ms-mdi", "Frames waiting at five workers under `ms-mdi`"),
    ("replayed", "fig3-100", "queues-fig3-five-layered", "Frames waiting at five workers under `layered`"),
    ("replayed", "links-100", "completion-links-100-layered", "Completion times with five workers, overloaded"),
    ("replayed", "defer", "throughput-defer", "DEFER's ResNet-50: throughput against nodes"),
    ("replayed", "cluster", "throughput-cluster", "Throughput against the size of the cluster"),
)


class Unknown(Exception):
    """The template asks for what nobody knows."""


def plot_name(compute, path):
    return f"{compute}-{Path(path).name}"


def dates(results):
    found = sorted({datetime.datetime.fromtimestamp(told["started_unix_s"], datetime.timezone.utc).date().isoformat()
                    for _, told in results.all() if told.get("started_unix_s")})
    return UNMEASURED if not found else found[0] if found[0] == found[-1] else f"{found[0]} to {found[-1]}"


def machines(results):
    found = dict.fromkeys(told["machine"] for _, told in results.all() if told.get("machine"))
    return "; ".join(found) or UNMEASURED


def stolen(results):
    return disturbance.told([told["stolen_fraction"] for _, told in results.all() if "stolen_fraction" in told])


def commands(results):
    return "```\n" + "\n".join(results.commands) + "\n```" if results.commands else UNMEASURED


def plots(kept):
    """`kept`: (path from docs/, what to say)"""
    return "\n\n".join(f"![{said}]({path})" for path, said in kept) or UNMEASURED


def busy(results, compute, experiment, policy):
    told = results.get(compute, experiment, policy)
    return UNMEASURED if told is None else ", ".join(f"{node['busy_fraction']:.2f}" for node in told["nodes"])


def shown(show, value):
    return UNMEASURED if value is None else show(value)


# {{word COMPUTE EXPERIMENT POLICY [BASE]}} in the midst of prose
VALUES = {
    "saved": (4, lambda results, *names: shown(percent, results.saved(*names))),
    "busy": (3, busy),
    "fraction": (3, lambda results, *names: shown(ratio, results.value(*names, "fraction_of_bound"))),
    "frames-per-s": (3, lambda results, *names: shown(lambda x: f"{x:.2f}", results.value(*names, "throughput_per_s"))),
    "over-simulated": (3, lambda results, *names: shown(ratio, results.over_simulated(*names))),
    "times": (5, lambda results, *names: shown(times, results.times(*names))),
}
BLOCKS = {
    "goals": tables.goals, "goals-summary": tables.goals_summary, "fractions": tables.fractions,
    "makespans": tables.makespans, "saved-against-local": lambda results: tables.saved_against(results, "local"),
    "saved-against-ar-mdi": lambda results: tables.saved_against(results, "ar-mdi"), "prediction": tables.prediction,
    "defer": tables.defer, "cluster": tables.cluster, "lost": tables.lost, "devices": tables.devices,
    "links": tables.links, "runs": tables.runs, "date": dates, "machine": machines, "stolen": stolen,
    "commands": commands,
}


def fill(template, results, kept_plots=()):
    def replaced(match):
        word, *names = match[1].split() or [""]
        if word == "plots" and not names:
            return plots(kept_plots)
        if word in BLOCKS and not names:
            return BLOCKS[word](results)
        if word in VALUES and len(names) == VALUES[word][0]:
            return VALUES[word][1](results, *names)
        raise Unknown(f"template: {{{{{match[1]}}}}}: known are plots, {', '.join(BLOCKS)}; with names: "
                      + ", ".join(f"{name} ({count})" for name, (count, _) in VALUES.items()))

    return PLACE.sub(replaced, template)
