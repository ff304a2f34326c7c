#!/usr/bin/python3
"""Repeats the papers' figures on real processes (`eddy lab run`), one experiment after another, and writes
docs/results.md and its plots. What an earlier call has measured with the same command is not measured again, so an
interrupted session is continued by the same call."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import disturbance
import page
import plan
import results
from runner import Runner, command_of, is_there, minutes, say

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
EXPERIMENTS = ROOT / "configs/experiments"
EXAMPLES = """examples:
  bench/figures/figures.py --dry-run                  what would be run, and how long it would take
  bench/figures/figures.py                            all of it, replayed: less than 45 minutes
  bench/figures/figures.py --compute real             LibTorch under quotas: little more than an hour more
  bench/figures/figures.py --only defer --again       one set anew
  bench/figures/figures.py --compute real --only links-100,links-20,fig3-three
                                                      only these experiments; the page is of all that is there
  bench/figures/figures.py --report                   only docs/results.md, from what is there

Run it as root, so that devices are in namespaces with shaped links, on a machine with nothing else to do.
Exit codes: 0 all was run, 1 something failed (the rest was run nevertheless), 2 bad usage, 130 interrupted."""


class Problem(Exception):
    """Told to the user as one line."""


def planned():
    """Whatever can be run."""
    return [run for compute in plan.COMPUTES for run in plan.runs(EXPERIMENTS, compute)]


def names_of(text):
    chosen = [word for word in text.split(",") if word]
    allowed = f"allowed: {', '.join(plan.SETS)}, and experiments of these, such as links-100"
    known = {name for run in planned() for name in (run.set, run.experiment)}
    for word in chosen:
        if word not in known:
            raise argparse.ArgumentTypeError(f"found {word!r}, {allowed}")
    if not chosen:
        raise argparse.ArgumentTypeError(allowed)
    return tuple(chosen)


def part_of(text):
    try:
        part = float(text)
    except ValueError:
        part = 0
    if not 0.01 <= part <= 1:
        raise argparse.ArgumentTypeError(f"found {text!r}, allowed: from 0.01 to 1")
    return part


def options_of(words):
    parser = argparse.ArgumentParser(prog="figures.py", description=__doc__, epilog=EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=names_of, default=plan.SETS, metavar="NAMES",
                        help=f"of the sets {','.join(plan.SETS)}, and of their experiments (default: all)")
    parser.add_argument("--compute", choices=plan.COMPUTES, default="replayed",
                        help="wait as long as the profile says (default), or compute with LibTorch under a quota")
    parser.add_argument("--scale", type=part_of, metavar="PART",
                        help="part of Figure 3's 2500 and 7500 images (default: "
                        + ", ".join(f"{part} {compute}" for compute, part in plan.PART.items()) + ")")
    parser.add_argument("--tries", type=int, choices=range(1, 10), default=disturbance.TRIES, metavar="N",
                        help="how often an experiment is measured at most while the host takes away more than 2 %% of "
                        "the processors' time (1 to 9, default: %(default)s)")
    parser.add_argument("--again", action="store_true", help="measure anew what is there")
    parser.add_argument("--dry-run", action="store_true", help="print the commands and their expected time, and end")
    parser.add_argument("--report", action="store_true", help="run nothing, write docs/results.md from what is there")
    parser.add_argument("--out", type=Path, default=ROOT / "build/figures", help="(default: build/figures)")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="(default: docs)")
    binaries = os.environ.get("EDDY_BINARY_DIR", ROOT / "build/release")
    parser.add_argument("--eddy", type=Path, default=Path(binaries) / "bin/eddy", help="(default: %(default)s)")
    return parser.parse_args(words)


def dry_run(runs, out):
    total_s = 0.0
    for run in runs:
        there = is_there(run, out)
        total_s += 0 if there else run.expected_s
        print(f"{'there':>7}" if there else f"{minutes(run.expected_s):>7}", command_of(run))
    print(f"{minutes(total_s)} in all")


def provide_models(runs):
    """Makes what can be made without a download."""
    needed = {run.model for run in runs if run.model}
    if plan.RESNET in needed and not (ROOT / plan.RESNET).exists():
        raise Problem(f"{plan.RESNET} is missing; models/zoo/make.py makes it (--only fig3,links does without)")
    if plan.MOBILENET in needed and not (ROOT / plan.MOBILENET).exists():
        say(f"making {plan.MOBILENET}")
        (ROOT / plan.MOBILENET).parent.mkdir(parents=True, exist_ok=True)
        made = subprocess.run(["/usr/bin/python3", "models/zoo/export_torchvision.py", "mobilenet_v2", plan.MOBILENET,
                               "--weights", "none", "--seed", "1"], cwd=ROOT, stdin=subprocess.DEVNULL,
                              stdout=sys.stderr, check=False)
        if made.returncode != 0:
            raise Problem(f"{plan.MOBILENET} could not be made")


def measure(options, runs):
    """The experiments that failed."""
    wanted = [run for run in runs if options.again or not is_there(run, options.out)]
    if len(wanted) < len(runs):
        say(f"{len(runs) - len(wanted)} of {len(runs)} experiments are there (--again measures them anew)")
    if not wanted:
        return []
    if not os.access(options.eddy, os.X_OK):
        raise Problem(f"{options.eddy} is missing: build it, or name another with --eddy")
    provide_models(wanted)
    if os.geteuid() != 0:
        say("not root: devices share this machine's loopback, links are not shaped")
    return Runner(options.eddy.resolve(), ROOT, options.out.resolve(), options.tries).all(wanted)


def plot(options, compute, group, files):
    """The plots' files of one group, or a complaint."""
    folder = options.out / "plots" / compute / group
    folder.mkdir(parents=True, exist_ok=True)
    ended = subprocess.run([options.eddy, "lab", "plot", *files, "--dir", folder, "--json"], capture_output=True,
                           text=True, stdin=subprocess.DEVNULL, check=False)
    try:
        if ended.returncode == 0:
            return [folder / Path(name).name for name in json.loads(ended.stdout)]
    except (ValueError, TypeError):
        pass
    raise Problem(f"no plots of {group}, {compute}: {ended.stderr.strip() or ended.stdout.strip()}")


def plots(options, runs):
    """Makes all of them in the out folder, keeps a few in docs/results: (path from docs/, what to say), complaints."""
    groups, problems, shown = {}, [], {}
    for run in runs:
        if run.place(options.out).exists():
            groups.setdefault((run.compute, run.group), []).append(run.place(options.out))
    kept = options.docs / "results"
    for (compute, group), files in groups.items():
        try:
            made = plot(options, compute, group, files)
        except (Problem, OSError) as error:
            problems.append(str(error))
            continue
        for place, (kept_compute, kept_group, begin, said) in enumerate(page.KEPT_PLOTS):
            if (kept_compute, kept_group) != (compute, group):
                continue
            kept.mkdir(parents=True, exist_ok=True)
            for old in kept.glob(f"{compute}-{begin}*.svg"):
                old.unlink()
            for path in sorted(made):
                if path.suffix == ".svg" and path.name.startswith(begin):
                    name = page.plot_name(compute, path)
                    shutil.copyfile(path, kept / name)
                    shown.setdefault(place, []).append((f"results/{name}", said))
    return [plot for place in sorted(shown) for plot in shown[place]], problems


def write_page(options):
    """Of everything that is there, whichever sets were asked for."""
    runs = planned()
    told = results.Results.of_folder(options.out, runs)
    if not told.by_name and not told.failures:
        raise Problem(f"nothing was measured yet: {options.out} has no results")
    kept_plots, problems = plots(options, runs)
    text = page.fill((HERE / "template.md").read_text(encoding="utf-8"), told, kept_plots)
    options.docs.mkdir(parents=True, exist_ok=True)
    (options.docs / "results.md").write_text(text, encoding="utf-8")
    say(f"wrote {options.docs / 'results.md'}")
    return problems


def main(words):
    options = options_of(words)
    runs = plan.runs(EXPERIMENTS, options.compute, options.only, options.scale)
    if not runs:
        say(f"figures.py: {', '.join(options.only)}: nothing of it is run with --compute {options.compute}")
        return 2
    idle = set(options.only) - {name for run in runs for name in (run.set, run.experiment)}
    if idle and options.only is not plan.SETS:
        say(f"not run with --compute {options.compute}: {', '.join(sorted(idle))}")
    if options.dry_run:
        dry_run(runs, options.out)
        return 0
    failures = [] if options.report else measure(options, runs)
    problems = write_page(options)
    for failure in failures:
        say(f"failed: {failure}")
    for problem in problems:
        say(problem)
    return 1 if failures or problems else 0


def interrupted(signum, frame):
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, interrupted)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup: it is to go on
        signal.signal(signal.SIGHUP, interrupted)
    try:
        sys.exit(main(sys.argv[1:]))
    except (Problem, results.Unusable, page.Unknown) as error:
        say(f"figures.py: {error}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
