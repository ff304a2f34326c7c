"""How much of what was possible a cluster got done after each kill. Pure: instants in seconds, on one clock.

The window of a kill is the third to fifth second after it. What was possible in it is the bound of those devices whose
processes were there, weighted by time: from the instant on at which a new process was started, whether or not the ring
had taken it back."""

from bisect import bisect_left
from dataclasses import dataclass

WINDOW_S = (2.0, 5.0)


@dataclass(frozen=True)
class Life:
    device: str
    began: float
    ended: float


def spread(count, since, until):
    """So many instants, evenly in (since, until)."""
    return [since + (until - since) * (number + 0.5) / count for number in range(count)]


def done_in(instants, begin, end):
    """Of sorted instants, how many lie in [begin, end)."""
    return bisect_left(instants, end) - bisect_left(instants, begin)


def possible_in(lives, bound_of, begin, end):
    """Frames that the devices which were up could have done; `bound_of`: {frozenset of those away: frames/s}."""
    devices = {life.device for life in lives}
    edges = sorted({begin, end} | {at for life in lives for at in (life.began, life.ended) if begin < at < end})
    frames = 0.0
    for since, until in zip(edges, edges[1:]):
        up = {life.device for life in lives if life.began <= since and life.ended >= until}
        frames += bound_of[frozenset(devices - up)] * (until - since)
    return frames


def parts_of_bound(kills, instants, lives, bound_of, window_s=WINDOW_S):
    """Per kill: (frames done, frames possible) in its window, which ends early where the next kill comes early."""
    figures = []
    for at, next_at in zip(kills, [*kills[1:], float("inf")]):
        begin, end = at + window_s[0], min(at + window_s[1], next_at)
        figures.append((done_in(instants, begin, end), possible_in(lives, bound_of, begin, end)))
    return figures


def parts_of_survivors(struck, instants, bound_of, window_s=WINDOW_S):
    """The same by the bound of the ring that each kill left. `struck`: (instant, fault) of each kill."""
    lives = [[Life(device, 0.0, float("inf")) for device in set().union(*bound_of) - {fault.victim}]
             + [Life(fault.victim, 0.0, at)] for at, fault in struck]
    kills = [at for at, _ in struck]
    return [parts_of_bound(kills, instants, alive, bound_of, window_s)[number] for number, alive in enumerate(lives)]


def histogram(instants, begin, end, bin_s=0.1):
    """Completions of each tenth of a second."""
    counts = [0] * max(0, round((end - begin) / bin_s))
    for at in instants[bisect_left(instants, begin):bisect_left(instants, end)]:
        counts[min(int((at - begin) / bin_s), len(counts) - 1)] += 1
    return counts
