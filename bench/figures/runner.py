"""Runs `eddy lab run` again and again, tells how long it will take, and leaves what is there already."""

import ctypes
import json
import os
import shlex
import signal
import subprocess
import sys
import time

import results
from disturbance import least_disturbed

CLEAN_UP_S = 120  # what an interrupted lab may take to remove what it made
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


def say(text):
    print(text, file=sys.stderr, flush=True)


def minutes(seconds):
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def command_of(run):
    """As people would type it; what it is recognised by later."""
    return shlex.join(["eddy", *run.arguments()])


def is_there(run, out):
    """Whether an earlier session left the result of just this command."""
    path = run.place(out)
    try:
        results.read(path, run.policies * run.repeats)
        return path.with_suffix(".command").read_text(encoding="utf-8").strip() == command_of(run)
    except (results.Unusable, OSError):
        return False


class Pace:
    """How long the rest will take, from how long runs took compared with what was expected of them."""

    def __init__(self, runs):
        self.left_s = sum(run.expected_s for run in runs)
        self.took_s = self.expected_s = 0.0

    def done(self, run, took_s):
        self.left_s -= run.expected_s
        self.took_s += took_s
        self.expected_s += run.expected_s

    def rest_s(self, since_s=0.0):
        """`since_s`: for how long the present run goes on."""
        slower = min(3.0, max(0.5, self.took_s / self.expected_s)) if self.expected_s > 0 else 1.0
        return max(0.0, self.left_s * slower - since_s)


def end_with(parent):
    """In a child before its program: it is interrupted when `parent` dies, however that does."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
    if os.getppid() != parent:  # it died before
        os.kill(os.getpid(), signal.SIGKILL)


def put_away(path):
    """What an earlier session left of a run that starts anew: if that fails, old figures must not be taken for its."""
    path.with_suffix(".failed").unlink(missing_ok=True)
    for suffix in (".command", ".json"):
        old = path.with_suffix(suffix)
        if old.exists():
            old.replace(path.with_suffix(suffix + ".old"))


class Runner:
    def __init__(self, eddy, root, out, tries):
        self.eddy, self.root, self.out, self.tries = eddy, root, out, tries

    def all(self, runs):
        """The experiments that failed."""
        pace, failures = Pace(runs), []
        for i, run in enumerate(runs):
            head = f"[{i + 1}/{len(runs)}] {run.experiment}, {run.compute}, {', '.join(run.policies)}"
            head += f", {run.repeats} times" if run.repeats > 1 else ""
            say(f"{head}: about {minutes(run.expected_s)}; {minutes(pace.rest_s())} left")
            begun_s = time.monotonic()
            problem = self.one(run, pace)
            pace.done(run, time.monotonic() - begun_s)
            if problem:
                failures.append(f"{run.experiment}, {run.compute}")
                say(f"  {problem}")
        return failures

    def one(self, run, pace):
        """What went wrong, or None. Figures appear under their name only when they are whole."""
        path = run.place(self.out)
        path.parent.mkdir(parents=True, exist_ok=True)
        put_away(path)
        part, log = path.with_suffix(".json.part"), path.with_suffix(".log")
        log.unlink(missing_ok=True)
        code, told, problem, begun_s = 0, [], None, time.monotonic()

        def measure():
            nonlocal code, problem
            ended = self.call(run, part, log, lambda: pace.rest_s(time.monotonic() - begun_s))
            code = code or ended
            try:
                return results.read(part, run.policies)
            except results.Unusable as error:
                problem = ended, error
                return None

        for _ in range(run.repeats):
            figures, stolen = least_disturbed(measure, self.tries, say)
            if figures is None:
                return self.no_figures(path, log, *problem)
            told += [{**one, "stolen_fraction": stolen} for one in figures]
        if code != 0:
            self.note_failure(path, f"exit code {code}; its figures are kept")
        part.write_text(json.dumps(told), encoding="utf-8")
        # In this order, so that an interruption in between leaves a result that is measured again.
        part.replace(path)
        path.with_suffix(".command").write_text(command_of(run) + "\n", encoding="utf-8")
        return None if code == 0 else f"exit code {code}; its figures are kept, what it said is in {log}"

    def no_figures(self, path, log, code, error):
        last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-5:]
        self.note_failure(path, f"exit code {code}, no figures" + (f": {last[-1].strip()}" if last else ""))
        return "\n  ".join([f"exit code {code}, no figures: {error}", *last, f"all it said: {log}"])

    def call(self, run, figures, log, rest_s):
        """The lab's exit code."""
        parent = os.getpid()
        with open(figures, "wb") as told, open(log, "ab") as said:
            # In a session of its own, so that a terminal's Ctrl-C reaches it once, through us.
            process = subprocess.Popen([self.eddy, *run.arguments()], cwd=self.root, stdin=subprocess.DEVNULL,
                                       stdout=told, stderr=said, start_new_session=True,
                                       preexec_fn=lambda: end_with(parent))
            return self.wait(process, rest_s)

    @staticmethod
    def note_failure(path, why):
        """For the page, which may be written by a later call."""
        path.with_suffix(".failed").write_text(why + "\n", encoding="utf-8")

    def wait(self, process, rest_s):
        """Its exit code. When we are interrupted the lab is told, and may first remove what it made."""
        begun_s = time.monotonic()
        try:
            while True:
                try:
                    return process.wait(timeout=1)
                except subprocess.TimeoutExpired:
                    if sys.stderr.isatty():
                        print(f"\r  {time.monotonic() - begun_s:.0f} s, {minutes(rest_s())} left \r", end="",
                              file=sys.stderr, flush=True)
        except KeyboardInterrupt:
            say("\ninterrupted; waiting for the lab to remove what it made")
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=CLEAN_UP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            raise
