"""What goes wrong in a run, and when: made from a seed, and nothing else. A plan can be read by people and read back.

Whoever is struck is whole again after `for_s`: a killed node is started anew, a stopped one continued, a plug put back,
one that was asked to leave started again. Nobody is struck twice at a time, at most `harmed_max` nodes are away at once,
and all are whole some time before the plan ends."""

import random
from dataclasses import dataclass

KINDS = ("kill", "stop", "cut", "leave")
FOR_S = {"kill": (0.2, 3.0), "stop": (0.3, 4.0), "cut": (0.3, 4.0), "leave": (0.5, 2.0)}
GAP_S = 1.2  # mean time from one fault to the next, while somebody may be struck
QUIET_S = 1.0  # before the first and after the last


@dataclass(frozen=True, order=True)
class Fault:
    at_s: float
    kind: str
    victim: str
    for_s: float

    def __str__(self):
        return f"{self.at_s:8.3f} s  {self.kind:5}  {self.victim}  for {self.for_s:.3f} s"


def make_plan(seed, seconds, victims, kinds=KINDS, harmed_max=2):
    """Faults in order. Times are whole milliseconds, so that the text says all."""
    dice = random.Random(seed)
    faults, away, now = [], {}, QUIET_S
    while True:
        now = round(now + dice.expovariate(1 / GAP_S), 3)
        if now >= seconds - QUIET_S:
            return faults
        away = {victim: until for victim, until in away.items() if until > now}
        kind = dice.choice(kinds)
        for_s = round(min(dice.uniform(*FOR_S[kind]), seconds - QUIET_S - now), 3)
        victim = dice.choice(victims)
        if len(away) < harmed_max and victim not in away and for_s >= FOR_S[kind][0]:
            away[victim] = now + for_s
            faults.append(Fault(now, kind, victim, for_s))


def kills_in_turn(seed, seconds, victims, every_s, back_after_s, first_s):
    """A kill every so often, nobody twice in a row."""
    dice = random.Random(seed)
    faults, last = [], None
    for number in range(int((seconds - first_s) / every_s + 1e-9) + 1):
        last = dice.choice([victim for victim in victims if victim != last])
        faults.append(Fault(round(first_s + number * every_s, 3), "kill", last, back_after_s))
    return faults


def text_of(faults):
    return "".join(f"{fault}\n" for fault in faults)


def read_plan(text):
    faults = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split("#")[0].split()
        if not words:
            continue
        try:
            at, _, kind, victim, _, for_s, _ = words
            fault = Fault(float(at), kind, victim, float(for_s))
        except ValueError:
            raise ValueError(f"line {number} is no fault: {line!r}; one looks like: {Fault(1.5, 'kill', 'n1', 2.0)}")
        if kind not in KINDS:
            raise ValueError(f"line {number}: {kind!r} is none of {', '.join(KINDS)}")
        faults.append(fault)
    return sorted(faults)
