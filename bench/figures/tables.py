"""Results as Markdown tables. A dash is what was not measured."""

from goals import (DEFER_TIMES, INCOMPLETE, LOSSES, MISSED, PAPER_DEFER_TIMES, PAPER_SAVED, PREDICTION, REACHED,
                   UNMEASURED, UNSHAPED, all_goals, defer_fraction, defer_times, fig3_name, fraction, none_of, percent,
                   predicted, ratio, saved, times)
from plan import CLUSTERS, COMPUTES, WORDS
from results import failed

DASH = "–"


def table(header, rows, right_from=1):
    lines = ["| " + " | ".join(header) + " |",
             "| " + " | ".join("---" if i < right_from else "---:" for i in range(len(header))) + " |"]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def number(value, digits=1):
    return DASH if value is None else f"{value:.{digits}f}"


def span(values, digits):
    """The least and the most of what is known."""
    known = [value for value in values if value is not None]
    if not known:
        return DASH
    least, most = (f"{value:.{digits}f}" for value in (min(known), max(known)))
    return least if least == most else f"{least} to {most}"


def goals(results):
    rows = [(goal.what, goal.compute, goal.asked, goal.shown, goal.verdict) for goal in all_goals(results)]
    return table(("goal", "compute", "asked", "measured", ""), rows, right_from=2)


SUMMED_UP = ((REACHED, "reached"), (MISSED, "missed"), (UNSHAPED, "measured over links that were not shaped"),
             (INCOMPLETE, "of all runs, of which some are missing"), (UNMEASURED, "not measured"))


def goals_summary(results):
    """With what went wrong, so that nobody has to look for it."""
    found = all_goals(results)
    counts = [(sum(goal.verdict.startswith(verdict) for goal in found), said) for verdict, said in SUMMED_UP]
    lines = [f"Of {len(found)} goals: " + ", ".join(f"{count} {said}" for count, said in counts if count) + "."]
    missed = [goal for goal in found if goal.verdict == MISSED]
    if missed:
        lines += ["", "Missed:", ""] + [f"* {goal.what}, {goal.compute} compute: {goal.shown}, asked {goal.asked}"
                                        for goal in missed]
    if results.failures:
        lines += ["", "Runs that failed:", ""] + [f"* {experiment}, {compute}: {why}"
                                                  for compute, experiment, why in results.failures]
    return "\n".join(lines)


def fractions(results):
    rows = []
    for mbit in (20, 100, 1000):
        for workers in (2, 3, 5):
            replayed, real = (fraction(results, compute, workers, mbit) for compute in COMPUTES)
            rows.append((workers, mbit, replayed.shown, replayed.asked, replayed.verdict, f"[{real.shown}]",
                         f"[{real.asked}]", real.verdict))
    return table(("workers", "Mbit/s", "replayed", "asked", "", "[real]", "[asked]", ""), rows, right_from=0)


def fig3_cases():
    """(compute, workers, Mbit/s) for which makespans may be there"""
    return [(compute, workers, mbit) for compute in COMPUTES for mbit in (100, 1000) for workers in (2, 3, 4, 5)]


def measured_cases(results):
    return [case for case in fig3_cases() if results.get(case[0], fig3_name(case[1], case[2]), "layered")]


def makespans(results):
    rows = []
    for compute, workers, mbit in measured_cases(results):
        name = fig3_name(workers, mbit)
        spans = [number(results.value(compute, name, policy, "makespan_s"))
                 for policy in ("local", "ar-mdi", "ms-mdi", "layered")]
        frames = sum(source["captured"] for source in results.get(compute, name, "layered")["sources"])
        rows.append((workers, mbit, compute, frames, *spans,
                     number(results.value(compute, name, "layered", "makespan_bound_s"))))
    return table(("workers", "Mbit/s", "compute", "images", "`local` s", "`ar-mdi` s", "`ms-mdi` s", "`layered` s",
                  "bound s"), rows, right_from=0)


def saved_against(results, base):
    """Against `local` also what is ideal."""
    rows = []
    for compute, workers, mbit in measured_cases(results):
        name = fig3_name(workers, mbit)
        asked = verdict = DASH
        if compute == "replayed" and workers in PAPER_SAVED[base]:
            goal = saved(results, compute, workers, mbit, base)
            asked, verdict = goal.asked, goal.verdict
        row = [workers, mbit, compute, percent(results.saved(compute, name, "layered", base)), asked, verdict]
        if base == "local":
            row.append(percent(results.ideal_saved(compute, name)))
            row.append(percent(results.saved(compute, name, "ar-mdi", base)))
        paper = PAPER_SAVED[base].get(workers)
        row.append(percent(results.saved(compute, name, "ms-mdi", base)))
        row.append(DASH if paper is None else f"{100 * paper:.0f} %")
        rows.append(row)
    extra = ("possible", "`ar-mdi`") if base == "local" else ()
    return table(("workers", "Mbit/s", "compute", "`layered`", "asked", "", *extra, "`ms-mdi`", "the paper's MS-MDI"),
                 rows, right_from=0)


def prediction(results):
    rows = []
    for compute in COMPUTES:
        told = [(key, value.get("measured_over_simulated")) for key, value in results.all() if key[0] == compute]
        known = [(key, value) for key, value in told if value is not None]
        if not known:
            continue
        outside = [f"{experiment} {policy} ({value:.3f})" for (_, experiment, policy), value in known
                   if abs(value - 1) > PREDICTION + 1e-9]
        verdict = predicted(results, compute).verdict if compute == "replayed" else DASH
        rows.append((compute, len(known), len(known) - len(outside), span([value for _, value in known], 3),
                     ", ".join(outside) or "none", verdict))
    return table(("compute", "runs", f"within {100 * PREDICTION:.0f} %", "lab / simulator", "outside", ""), rows)


def defer(results):
    rows = []
    for compute in COMPUTES:
        for nodes in (1, 2, 4, 8):
            name = f"defer-{WORDS[nodes]}"
            for policy in ("local", "ar-mdi", "layered"):
                told = results.get(compute, name, policy)
                if told is None:
                    continue
                rows.append((nodes, policy, compute, number(told["throughput_per_s"], 2),
                             number(told["bound_per_s"], 2), ratio(told["fraction_of_bound"]),
                             times(results.times(compute, name, policy, "defer-one", "layered")),
                             times(results.times(compute, name, policy, name, "local"))))
    lines = [table(("nodes", "policy", "compute", "frames/s", "bound/s", "of bound", "over one node",
                    "over `local` in the same run"), rows, right_from=0), ""]
    for goal in (defer_times(results, "replayed"), defer_fraction(results, "replayed")):
        lines.append(f"* {goal.what}: {goal.shown}, asked {goal.asked}: {goal.verdict}")
    lines.append(f"* DEFER reports {PAPER_DEFER_TIMES:.2f} × with 8 nodes; the goal here is {DEFER_TIMES} ×.")
    return "\n".join(lines)


def cluster(results):
    rows = []
    for nodes in CLUSTERS:
        told = results.get("replayed", f"cluster-{nodes}", "layered")
        if told is None:
            continue
        simulated = told.get("simulated") or {}
        rows.append((nodes, len(told["sources"]), number(told["throughput_per_s"]), number(told["bound_per_s"]),
                     ratio(told["fraction_of_bound"]),
                     times(results.times("replayed", f"cluster-{nodes}", "layered", "cluster-1", "layered")),
                     number(simulated.get("throughput_per_s"))))
    return table(("nodes", "sources", "frames/s", "bound/s", "worst source of bound", "over one node",
                  "simulated frames/s"), rows, right_from=0)


def lost(results):
    rows = []
    for compute in COMPUTES:
        runs = sum(1 for key, _ in results.all() if key[0] == compute)
        if runs:
            found = [none_of(results, compute, *loss) for loss in LOSSES]
            captured = sum(source.get("captured", 0) for key, told in results.all() if key[0] == compute
                           for source in told["sources"])
            rows.append((compute, runs, captured, *(f"{goal.shown}: {goal.verdict}" for goal in found)))
    return table(("compute", "runs", "frames captured", *(loss[0] for loss in LOSSES)), rows)


def devices(results):
    rows = []
    for (compute, experiment), told in results.first_of_each():
        by_speed = {}
        for device in told.get("devices", ()):
            by_speed.setdefault(device["asked_speed"], []).append(device.get("measured_speed"))
        factor = told.get("quota_factor")
        for asked, measured in by_speed.items():
            rows.append((experiment, compute, len(measured), f"{asked:g}", span(measured, 4), number(factor, 2),
                         told.get("isolation", DASH)))
    return table(("experiment", "compute", "devices", "asked speed", "measured", "quotas scaled by", "isolation"), rows,
                 right_from=2)


def links(results):
    rows = []
    for (compute, experiment), told in results.first_of_each():
        by_speed = {}
        for link in told.get("link_speeds", ()):
            by_speed.setdefault(link["asked_mbit_per_s"], []).append(link.get("measured_mbit_per_s"))
        delay = {True: "as asked", False: "not applied"}.get(told.get("delay_applied"), DASH)
        for asked, measured in by_speed.items():
            rows.append((experiment, compute, len(measured), "as it is" if asked is None else f"{asked:g}",
                         span(measured, 1), delay))
    return table(("experiment", "compute", "links", "asked Mbit/s", "measured", "delay"), rows, right_from=2)


def runs(results):
    rows = []
    for (compute, experiment, policy), told in results.all():
        simulated = told.get("simulated") or {}
        rows.append((experiment, policy, compute, number(told["throughput_per_s"], 2),
                     number(simulated.get("throughput_per_s"), 2), ratio(told.get("measured_over_simulated")),
                     ratio(told["fraction_of_bound"]), ratio(simulated.get("fraction_of_bound")),
                     number(told.get("makespan_s")), number(simulated.get("makespan_s")),
                     number(told.get("runs_per_frame"), 2), number(told.get("hops_per_frame"), 2), told["lost"],
                     told["duplicated"], failed(told)))
    return table(("experiment", "policy", "compute", "frames/s", "simulated", "lab / simulator", "of bound",
                  "simulated", "makespan s", "simulated", "runs/frame", "hops/frame", "lost", "delivered twice",
                  "failed"), rows, right_from=3)
